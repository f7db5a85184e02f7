"""A place of one's own for the real engine: an empty backend in a directory, the project's own files, plugins that ask no cloud."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.infra.stacks import ROOT

PLUGINS = ("aws", "azure-native", "gcp", "random")
LANGUAGE = "pulumi-language-python"
LIMIT = 600
"""Seconds for one command of the engine: every stack in its own process, each resource a round trip to a plugin."""
WRAPPER = """#!/bin/sh
PYTHONPATH={root} exec {python} -W ignore -m {module} "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command of the engine ended."""

    exit: int
    text: str
    """Everything it printed, errors too."""

    @property
    def is_well(self) -> bool:
        """Did it do what it was asked?"""
        return self.exit == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`pulumi` in a directory."""

    place: Path

    @classmethod
    def in_directory(cls, place: Path, *, copied: bool = False) -> "Engine":
        """Everything that a command needs, below `place`. `copied`: with a copy of the program, to be spoilt."""
        (place / "bin").mkdir()
        (place / "state").mkdir()
        shutil.copy(ROOT / "Pulumi.yaml", place)
        shutil.copytree(ROOT / "stacks", place / "stacks")
        for name in ("infra", "policies", "controller"):
            if copied and name == "infra":
                shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (place / name).symlink_to(ROOT / name)
        (place / ".venv").symlink_to(sys.prefix)
        for name in PLUGINS:
            _write_wrapper(place / "bin" / f"pulumi-resource-{name}", "tests.engine.provider")
        if shutil.which(LANGUAGE) is None:
            _write_wrapper(place / "bin" / LANGUAGE, "tests.engine.language_host")
        return cls(place=place)

    def run(self, *arguments: str) -> Said:
        """One command, whatever comes of it. Raises TimeoutExpired when it does not come to an end; then nothing of it is left running."""
        command = (found("pulumi"), "--non-interactive", "--cwd", str(self.place), *arguments)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment(), start_new_session=True
        ) as process:
            try:
                text, _ = process.communicate(timeout=LIMIT)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, 9)
        return Said(exit=process.returncode, text=text)

    def up(self, stack: str, *more: str) -> Said:
        """As the README has it."""
        return self.run("up", "--yes", "--stack", stack, "--policy-pack", str(self.place / "policies"), *more)

    def preview(self, stack: str, *more: str) -> Said:
        """The same without doing anything."""
        return self.run("preview", "--stack", stack, "--policy-pack", str(self.place / "policies"), *more)

    def state(self, stack: str) -> list[dict[str, Any]]:
        """Every resource that there is."""
        told = self.run("stack", "export", "--stack", stack)
        assert told.is_well, told.text
        resources: list[dict[str, Any]] = json.loads(told.text)["deployment"].get("resources", [])
        return resources

    def configure(self, stack: str, **changed: object) -> None:
        """Change what the stack's own file says."""
        path = self.place / "stacks" / f"Pulumi.{stack}.yaml"
        document = yaml.safe_load(path.read_text())
        document["config"].update({f"trimaran:{key}": value for key, value in changed.items()})
        path.write_text(yaml.safe_dump(document))

    def unplug(self, name: str) -> None:
        """Have a vendor's plugin end as soon as it is started, as if that cloud could not be asked for anything."""
        (self.place / "bin" / f"pulumi-resource-{name}").write_text("#!/bin/sh\nexit 1\n")

    def plug(self, name: str) -> None:
        """Have it again."""
        _write_wrapper(self.place / "bin" / f"pulumi-resource-{name}", "tests.engine.provider")

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.place),
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.place / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.place / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "NO_COLOR": "1",
        }


def found(program: str) -> str:
    """Where it is. Raises FileNotFoundError."""
    path = shutil.which(program)
    if path is None:
        raise FileNotFoundError(program)
    return path


def _write_wrapper(path: Path, module: str) -> None:
    path.write_text(WRAPPER.format(root=ROOT, python=sys.executable, module=module))
    path.chmod(0o755)
