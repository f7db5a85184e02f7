"""A place of one's own for the real engine: an empty backend in a directory, the project's own files, plugins that ask no cloud."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
LOGGED = frozenset(("up", "preview", "destroy"))
"""Commands that can write down what happens, event by event."""
ANEW = frozenset(("replace", "create-replacement", "delete-replaced"))
"""Steps of something that is made a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the engine did with one resource, or would do."""

    op: str
    """As it calls it: `same`, `create`, `update`, `replace`, `delete` and so on."""
    urn: str
    type: str
    keys: tuple[str, ...]
    """Properties for which it is made anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command of the engine ended."""

    exit: int
    text: str
    """Everything it printed, errors too."""
    steps: tuple[Step, ...] = ()
    """Of an update that was not ended by its preview: without those of the preview."""

    @property
    def is_well(self) -> bool:
        """Did it do what it was asked?"""
        return self.exit == 0

    def done(self, *ops: str) -> tuple[Step, ...]:
        """Those of its steps."""
        return tuple(step for step in self.steps if step.op in ops)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`pulumi` in a directory."""

    place: Path

    @classmethod
    def in_directory(cls, place: Path) -> "Engine":
        """Everything that a command needs, below `place`, with a copy of the program: it may be spoilt."""
        for folder in ("bin", "state", "said", "events"):
            (place / folder).mkdir(parents=True)
        shutil.copy(ROOT / "Pulumi.yaml", place)
        shutil.copytree(ROOT / "stacks", place / "stacks")
        shutil.copytree(ROOT / "infra", place / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("policies", "controller"):
            (place / name).symlink_to(ROOT / name)
        (place / ".venv").symlink_to(sys.prefix)
        made = cls(place=place)
        for name in PLUGINS:
            made._plug(name)
        if shutil.which(LANGUAGE) is None:
            _write_wrapper(place / "bin" / LANGUAGE, "tests.engine.language_host")
        return made

    def run(self, *arguments: str) -> Said:
        """One command, whatever comes of it. Raises TimeoutExpired when it does not come to an end; then nothing of it is left running."""
        events = self.place / "events" / self._next
        logged = ("--event-log", str(events)) if arguments[0] in LOGGED else ()
        ended, text = self._ended((found("pulumi"), "--non-interactive", "--cwd", str(self.place), *arguments, *logged))
        return Said(exit=ended, text=text, steps=tuple(_steps(events)))

    def follow(self, commands: str) -> Said:
        """What a page says, as it stands there, by a shell that stops where something goes wrong. Nobody is asked anything."""
        ended, text = self._ended(("sh", "-euc", commands))
        return Said(exit=ended, text=text)

    def up(self, stack: str, *more: str) -> Said:
        """As the README has it."""
        return self.run("up", "--yes", "--stack", stack, "--policy-pack", str(self.place / "policies"), *more)

    def preview(self, stack: str, *more: str) -> Said:
        """The same without doing anything."""
        return self.run("preview", "--stack", stack, "--policy-pack", str(self.place / "policies"), *more)

    def destroy(self, stack: str) -> Said:
        """Without asking."""
        return self.run("destroy", "--yes", "--stack", stack)

    def state(self, stack: str) -> list[dict[str, Any]]:
        """Every resource that there is."""
        told = self.run("stack", "export", "--stack", stack)
        assert told.is_well, told.text
        resources: list[dict[str, Any]] = json.loads(told.text)["deployment"].get("resources") or []
        return resources

    def calls(self) -> list[tuple[str, str]]:
        """What plugins were asked to do so far, and to what by its URN; in previews they are asked to do nothing."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [tuple(json.loads(line)) for line in lines]

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every file that commands have left: states, backups and histories, events, what was printed, what plugins were asked."""
        for folder in ("state", "events", "said"):
            yield from ((path, path.read_bytes()) for path in sorted((self.place / folder).rglob("*")) if path.is_file())
        yield self._calls, self._calls.read_bytes()

    @contextmanager
    def spoilt(self, path: str, before: str, after: str) -> Iterator[None]:
        """The program with a slip in it: it says `after` in the only place where it said `before`."""
        file = self.place / "infra" / path
        text = file.read_text()
        assert text.count(before) == 1, f"{path} no longer says {before!r} once"
        file.write_text(text.replace(before, after))
        try:
            yield
        finally:
            file.write_text(text)

    @contextmanager
    def configured(self, stack: str, **changed: object) -> Iterator[None]:
        """The stack's own file with other values, for as long."""
        file = self._file(stack)
        text = file.read_text()
        self.configure(stack, **changed)
        try:
            yield
        finally:
            file.write_text(text)

    def configure(self, stack: str, **changed: object) -> None:
        """Change what the stack's own file says; None is left out."""
        path = self._file(stack)
        document = yaml.safe_load(path.read_text())
        whole = {**document["config"], **{f"trimaran:{key}": value for key, value in changed.items()}}
        document["config"] = {key: value for key, value in whole.items() if value is not None}
        path.write_text(yaml.safe_dump(document))

    @contextmanager
    def unplugged(self, *names: str) -> Iterator[None]:
        """Vendors' plugins end as soon as they are started."""
        for name in names:
            (self.place / "bin" / f"pulumi-resource-{name}").write_text("#!/bin/sh\nexit 1\n")
        try:
            yield
        finally:
            for name in names:
                self._plug(name)

    @contextmanager
    def out(self, name: str) -> Iterator[None]:
        """A vendor's plugin is there, and its cloud answers nothing."""
        self._plug(name, "out")
        try:
            yield
        finally:
            self._plug(name)

    def _plug(self, name: str, *words: str) -> None:
        _write_wrapper(self.place / "bin" / f"pulumi-resource-{name}", "tests.engine.provider", str(self._calls), *words)

    @property
    def _calls(self) -> Path:
        return self.place / "calls"

    @property
    def _next(self) -> str:
        """Commands are numbered."""
        return f"{len(list((self.place / 'said').iterdir())):03}"

    def _ended(self, command: tuple[str, ...]) -> tuple[int, str]:
        """Its exit, and everything that it printed."""
        with subprocess.Popen(
            command,
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment(),
            start_new_session=True,
        ) as process:
            try:
                text, _ = process.communicate(timeout=LIMIT)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, 9)
        (self.place / "said" / self._next).write_text(text)
        return process.returncode, text

    def _file(self, stack: str) -> Path:
        return self.place / "stacks" / f"Pulumi.{stack}.yaml"

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.place),
            "PATH": f"{self.place / 'bin'}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.place / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.place / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of a test",
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
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


def _steps(events: Path) -> Iterator[Step]:
    """What an event log tells. The engine begins it anew for the update, so a preview's is left only where nothing came after it."""
    for line in events.read_text().splitlines() if events.exists() else ():
        if (told := json.loads(line).get("resourcePreEvent")) is not None:
            one = told["metadata"]
            yield Step(op=one["op"], urn=one["urn"], type=one["type"], keys=tuple(one.get("keys") or ()))


def _write_wrapper(path: Path, module: str, *words: str) -> None:
    path.write_text(WRAPPER.format(root=ROOT, python=sys.executable, module=" ".join((module, *words))))
    path.chmod(0o755)
