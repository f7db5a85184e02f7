"""Where a lab keeps its things, and the promise that they are gone when the lab is, however it ends."""

import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import guardian
from lab.addresses import Addresses
from lab.errors import AlreadyRunningError, LabError
from lab.locking import Lock, Purpose
from lab.registry import Registry
from lab.sweeping import Swept, sweep

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
PACKAGES = Path(__file__).resolve().parent.parent


def python_environment() -> dict[str, str]:
    """Our own environment, in which our own modules can be started from any directory."""
    path = os.pathsep.join(filter(None, [str(PACKAGES), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def private_root() -> Path:
    """The directory of this user's labs, `<tempdir>/trimaran-<uid>`, made if needed.

    Mode 0711: the account PostgreSQL runs as must walk through, nobody else may look or write. Raises LabError when somebody
    else owns it or can write to it: another local user who made it first could plant binaries that we would then run.
    """
    root = Path(tempfile.gettempdir()).resolve() / f"trimaran-{os.getuid()}"
    with suppress(FileExistsError):
        root.mkdir(mode=0o711)
        root.chmod(0o711)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise LabError(f"{root} is not a directory that only this user can write to: remove it, or set TMPDIR to another place")
    return root


class Workspace:
    """One lab's directory, ports, processes and lock. Use as a context manager, or call `close`.

    Every process that `processes.launch` starts here is in the registry before it runs. If this process dies, a guardian ends
    them all and removes the data; if the guardian dies too, the next lab of the same name does.
    """

    def __init__(self, name: str = "lab") -> None:
        """Raises AlreadyRunningError when a lab of this name lives, LabError when its place cannot be used."""
        if not NAME.fullmatch(name):
            raise LabError(f"a lab's name is lower-case letters, digits and dashes, not {name!r}")
        self.name = name
        self.path = private_root() / name
        self._closed = False
        self.children: list[subprocess.Popen[bytes]] = []
        self._lock = Lock(self.path)
        self._acquire()
        self.inherited: Swept = self._sweep()
        """What an earlier lab that crashed had left here, ended and removed before this one began."""
        self.path.mkdir(mode=0o711)
        self.path.chmod(0o711)
        self.registry = Registry(self.path)
        self._addresses = Addresses()
        self._guardian = subprocess.Popen(
            [sys.executable, "-m", "lab.guardian", str(self.path), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.path.parent,
            env=python_environment(),
            start_new_session=True,
        )

    def _acquire(self, patience: timedelta = timedelta(seconds=15)) -> None:
        """Take the lock; a guardian that is sweeping a dead lab of this name is given time to finish."""
        until = time.monotonic() + patience.total_seconds()
        while not self._lock.acquire(Purpose.LAB):
            holder = self._lock.holder()
            living = holder is not None and holder.purpose is Purpose.LAB
            if living or time.monotonic() > until:
                pid = holder.pid if holder else "unknown"
                raise AlreadyRunningError(
                    f"a lab named {self.name!r} is already running (pid {pid}): end it, or give this one another name"
                )
            time.sleep(0.05)  # a lock that the kernel waits for cannot be given up at a deadline

    def _sweep(self) -> Swept:
        try:
            return sweep(self.path)
        except TimeoutError as error:
            self._lock.release()
            raise LabError(f"an earlier lab named {self.name!r} cannot be ended: {error}") from error

    def port(self) -> int:
        """A free port on 127.0.0.1 that stays this lab's until it ends."""
        return self._addresses.take()

    def directory(self, *parts: str) -> Path:
        """A directory inside the workspace that the dropped account can walk through, made if needed. Raises LabError when the lab
        has ended: whatever still wanted one would leave data behind."""
        if self._closed:
            raise LabError(f"the lab {self.name!r} has ended")
        place = self.path.joinpath(*parts)
        for step in reversed([place, *place.parents]):
            if step.is_relative_to(self.path) and not step.exists():
                step.mkdir(mode=0o711)
                step.chmod(0o711)
        return place

    def log(self, label: str) -> Path:
        """File that a process of this label writes its output to."""
        return self.directory("logs") / f"{label.replace('/', '-')}.log"

    def close(self) -> Swept:
        """End everything, remove everything, let the name go. Safe to call twice. Raises LabError when something of it stays."""
        self._closed = True
        try:
            return sweep(self.path)
        except TimeoutError as error:
            raise LabError(f"the lab {self.name!r} cannot be ended: {error}") from error
        finally:
            for child in self.children:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=5)
            self.children.clear()
            self._addresses.release()
            with suppress(subprocess.TimeoutExpired, ValueError):
                self._guardian.communicate(guardian.DISMISSED, timeout=15)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
