"""The document that a machine's cloud-init carries out once, when the machine is new, and how each cloud takes it.

JSON is YAML too, and is written by the standard library. No secret is in it, and no address of anywhere else: what it names is fetched from
the own cloud, by digest or by the node's identity.
"""

import ast
import base64
import gzip
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath

from controller.manifest.files import File
from controller.manifest.node import BOOT, Node
from controller.manifest.operating import command, context
from controller.manifest.system import system
from controller.manifest.units import RENEWAL, TARGET, TOKENS_TOLD, units

HEAD = "#cloud-config\n"

LARGEST: Mapping[str, int] = {"aws": 16 * 1024, "azure": 64 * 1024, "gcp": 256 * 1024}
"""Bytes that each takes, on AWS and Azure before base64. Sources: Amazon EC2, "Instance user data"; Azure, "Custom data and cloud-init";
Google, "Metadata server limits"."""

COMMANDS = (
    ("systemd-sysusers",),
    ("systemd-tmpfiles", "--create"),
    ("sysctl", "--system"),
    ("systemctl", "daemon-reload"),
    ("systemctl", "restart", "systemd-journald", "chrony"),
    ("systemctl", "restart", "apt-daily-upgrade.timer"),
    ("systemctl", "enable", "--now", "nftables"),
    # Not waited for: it takes as long as the other members need.
    ("systemctl", "enable", TARGET),
    ("systemctl", "start", "--no-block", TARGET, f"{RENEWAL}.timer", f"{TOKENS_TOLD}.timer"),
)
"""In this order. The firewall stands before anything listens."""


def files(node: Node) -> tuple[File, ...]:
    """Everything that is put on the node."""
    return (*_programs(), *system(node), *units(node), context(node), command(node))


def document(node: Node) -> str:
    """What cloud-init is given."""
    told = {
        "write_files": [{"path": str(one.path), "permissions": one.permissions, "content": one.content} for one in files(node)],
        "runcmd": [list(command) for command in COMMANDS],
        "ssh_pwauth": False,
        "disable_root": True,
        "package_update": False,
        "package_upgrade": False,
        "ntp": {"enabled": False},
        "timezone": "Etc/UTC",
    }
    return f"{HEAD}{json.dumps(told, indent=1)}\n"


def handed_over(cloud: str, written: str) -> str:
    """The document as the cloud takes it: AWS as base64 of its compressed form (`user_data_base64`), Azure as base64 (`custom_data`),
    Google as it is (metadata `user-data`). Raises ValueError for one that is longer than the cloud takes, or for a cloud that nobody knows.

    What is compressed may differ from one machine to the next that runs Pulumi, in form and not in content.
    """
    content = written.encode()
    match cloud:
        case "aws":
            content = gzip.compress(content, mtime=0)
            given = base64.b64encode(content).decode()
        case "azure":
            given = base64.b64encode(content).decode()
        case "gcp":
            given = written
        case _:
            raise ValueError(f"cloud {cloud}: expected one of {', '.join(LARGEST)}")
    if len(content) > LARGEST[cloud]:
        raise ValueError(f"a document of {len(content)} bytes: {cloud} takes {LARGEST[cloud]} at most")
    return given


def _programs() -> tuple[File, ...]:
    """`controller/boot`, as it is here but for its docstrings: AWS takes 16 KiB, and they were a fifth of that."""
    source = resources.files("controller")
    boot = sorted(one.name for one in source.joinpath("boot").iterdir() if one.name.endswith(".py"))
    return tuple(
        File(path=BOOT / "controller" / path, content=_bare(source.joinpath(*path.parts).read_text(encoding="utf-8")))
        for path in (PurePosixPath("__init__.py"), *(PurePosixPath("boot") / name for name in boot))
    )


def _bare(source: str) -> str:
    """Without its docstrings, line by line: written anew by one Python, it might be no program for an older one."""
    lines = source.splitlines(keepends=True)
    bodies = [
        block.body for block in ast.walk(ast.parse(source)) if isinstance(block, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    said = [(one, len(body)) for body in bodies for one in body if isinstance(one, ast.Expr) and _is_text(one.value)]
    for one, statements in sorted(said, key=lambda found: found[0].lineno, reverse=True):
        lines[one.lineno - 1 : one.end_lineno] = [] if statements > 1 else [f"{' ' * one.col_offset}pass\n"]
    return "".join(lines)


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
