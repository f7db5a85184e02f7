"""Processes of the lab: started with a log and a place in the registry, frozen, thawed and killed as whole trees."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from lab import trees
from lab.accounts import Account
from lab.errors import LabError
from lab.workspace import Workspace, python_environment

GATE = ("/bin/sh", "-c", 'read -r leave && exec "$@" </dev/null')
"""Waits for one line before it becomes the program, keeping its pid. Without it the lab could be killed after a server started
and before its pid was on disk: the server would run for ever. A lab that dies first closes the pipe, and nothing starts."""

LOOK = 0.01
"""Seconds between two looks at a process that is expected to end."""


class Supervised:
    """One process of the lab with everything it starts itself."""

    def __init__(self, *, label: str, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.label = label
        self.pid = popen.pid
        self.log = log
        self.frozen = False
        self._popen = popen

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    @property
    def alive(self) -> bool:
        """Has it not ended (a frozen process has not)?"""
        return self._popen.poll() is None

    def tail(self, lines: int = 20) -> str:
        """The last lines of the log, for an error that somebody has to read."""
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    async def await_exit(self, deadline: timedelta) -> int | None:
        """Exit status, or None when it still runs at the deadline."""
        until = time.monotonic() + deadline.total_seconds()
        while (status := self._popen.poll()) is None and time.monotonic() < until:  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(LOOK)
        return status

    async def stop(self, deadline: timedelta = timedelta(seconds=5), how: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end; kill the whole tree when it has not by the deadline, or cannot hear because it is frozen."""
        if self.alive and not self.frozen:
            self._popen.send_signal(how)
            if await self.await_exit(deadline) is not None:
                return
        kill(self)

    def freeze(self) -> None:
        """Stop the whole tree where it stands."""
        freeze(self)

    def thaw(self) -> None:
        """Let the whole tree go on."""
        thaw(self)

    def kill(self) -> None:
        """Kill the whole tree and wait until it is gone."""
        kill(self)


def freeze(*processes: Supervised) -> None:
    """Stop several trees as one, where they stand. Raises LabError when a part of them did not stop."""
    alive = [process for process in processes if process.alive]
    try:
        trees.freeze([process.pid for process in alive])
    except TimeoutError as error:
        raise LabError(f"not everything could be frozen: {error}") from error
    for process in alive:
        process.frozen = True


def thaw(*processes: Supervised) -> None:
    """Let several trees go on."""
    trees.thaw([process.pid for process in processes if process.alive])
    for process in processes:
        process.frozen = False


def kill(*processes: Supervised, deadline: timedelta = timedelta(seconds=10)) -> None:
    """Kill several trees: all are stopped before the first dies. Cut a dead site's links before, or its FINs leak out.

    Raises LabError when something outlives SIGKILL by the deadline.
    """
    killed = trees.kill([process.pid for process in processes if process.alive])
    if left := trees.await_end(killed, deadline):
        raise LabError(f"processes {left} are still there {deadline.total_seconds():.0f} s after SIGKILL: a disk may hang")
    for process in processes:
        process.frozen = False
        with suppress(subprocess.TimeoutExpired):
            process._popen.wait(timeout=1)


def launch(
    workspace: Workspace,
    label: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
) -> Supervised:
    """Start a program in its own session, output appended to the label's log, registered before its first instruction.

    `environment` replaces ours when given. Raises LabError when it cannot be started at all.
    """
    log = workspace.log(label)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            [*GATE, label, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=workspace.path,
            env=None if environment is None else dict(environment),
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    workspace.children.append(popen)
    registered = workspace.registry.record(popen.pid, label)
    if popen.stdin is not None:
        with suppress(BrokenPipeError), popen.stdin as gate:
            gate.write(b"go\n" if registered else b"")
    if registered is None:
        raise LabError(f"{label} ended before it could start (status {popen.wait()}): see {log}")
    return Supervised(label=label, popen=popen, log=log)


def launch_module(
    workspace: Workspace, label: str, module: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> Supervised:
    """Start one of our own Python modules, whatever directory the lab itself was started from. `environment` is added to ours."""
    extended = {**python_environment(), **(environment or {})}
    return launch(workspace, label, [sys.executable, "-m", module, *arguments], environment=extended)
