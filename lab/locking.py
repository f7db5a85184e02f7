"""One lab per name: a file lock that the kernel lets go when its holder dies, however it dies."""

import fcntl
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Purpose(StrEnum):
    """What the lock is held for."""

    LAB = "lab"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wrote itself into the lock last; only meaningful while somebody holds it."""

    pid: int
    purpose: Purpose


class Lock:
    """Lock beside the workspace (not inside: the workspace is removed while the lock is held)."""

    def __init__(self, workspace: Path) -> None:
        self._path = workspace.with_name(workspace.name + ".lock")
        self._file: int | None = None

    def acquire(self, purpose: Purpose) -> bool:
        """Take the lock if it is free, and write down who has it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        if not self._is_current(file):
            os.close(file)  # Its last holder removed the file between our opening and locking it.
            return False
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps({"pid": os.getpid(), "purpose": purpose}).encode(), 0)
        self._file = file
        return True

    def holder(self) -> Holder | None:
        """Who wrote itself down last, or None when that cannot be read (it is being written this moment)."""
        try:
            written = json.loads(self._path.read_text())
            return Holder(pid=int(written["pid"]), purpose=Purpose(written["purpose"]))
        except (OSError, ValueError, KeyError):
            return None

    def release(self) -> None:
        """Remove the file, then let go; who locked the removed one notices, see `acquire`."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def _is_current(self, file: int) -> bool:
        try:
            return os.fstat(file).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False
