"""`trimaran` on a node: people's commands, by the controller's image, user and papers. Pure.

Without it nobody could give one there: 1. etcd is lost for good, and the page says `trimaran rebuild`. 2. The command lies below an image's
digest, and by another interpreter, as root, it finds no papers, or leaves files that the controller cannot read. 3. Somebody tries what
might be meant while nobody can move the writer.
"""

import json
from pathlib import PurePosixPath

from controller.manifest.files import File
from controller.manifest.node import CONTROLLER, WORK, Node
from controller.manifest.units import INTERPRETER, placed

COMMAND = PurePosixPath("/usr/local/bin/trimaran")
CONTEXT = PurePosixPath("/etc/trimaran/context.json")
OPERATOR = "http://127.0.0.1:7443"
"""This node's controller, for people: as `stacks.layout` tells it where to listen."""
GIVEN = WORK / "environment"
"""Passwords that a command is to have beside the controller's own: `NAME=value` lines. Not the caller's environment: what a unit is told
there, everybody on the machine may read."""
LEAD = "payments"


def context(node: Node) -> File:
    """Whom commands ask. No secret: it says where the token lies."""
    told = {
        "service": LEAD,
        "controllers": {node.site: OPERATOR},
        "token_file": str(CONTROLLER.place / "operator.token"),
    }
    return File(path=CONTEXT, content=json.dumps(told, indent=1) + "\n")


def command(node: Node) -> File:
    """Root's to call. It ends as the command ends; files that people name lie in `WORK`, where it begins."""
    properties = (
        *placed(node),
        f"EnvironmentFile=-{GIVEN}",
        f"Environment=TRIMARAN_CONTEXT={CONTEXT}",
        f"BindReadOnlyPaths={CONTEXT}",
        f"BindPaths={WORK}",
        # Of the image's root, not of the machine's: everything else there is read-only.
        f"ReadWritePaths=+{WORK}",
        f"WorkingDirectory={WORK}",
    )
    lines = (
        "#!/bin/sh",
        "# One command, where the controller's unit runs its program, as the same user and with the same papers.",
        "if [ -t 0 ] && [ -t 1 ]; then how=--pty; else how=--pipe; fi",
        'exec systemd-run --quiet --collect --wait "$how" \\',
        *(f"  --property='{one}' \\" for one in properties),
        f'  -- {INTERPRETER} -m controller "$@"',
    )
    return File(path=COMMAND, content="\n".join(lines) + "\n", permissions="0755")
