"""Heads in a file that is only appended to, a head a line: on a share, or in a folder that something else carries away.

It is only as far outside as its file is. The file system of this very machine anchors nothing.
"""

import asyncio
import fcntl
import os
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from controller.errors import Denied, Transient

LOOKED_BACK = 256 * 1024
"""Bytes at the file's end among which a head is looked for that was put there already, before it is put there again."""


class FileAnchor:
    """Implements `ports_audit.Anchor`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """For reports."""
        return f"file {self._path}"

    @property
    def id(self) -> str:
        """Part of a key."""
        return f"file-{sha256(str(self._path).encode()).hexdigest()[:12]}"

    async def put(self, text: str, deadline: timedelta) -> str:
        """Append the head and have it on disk. There is no receipt: whoever reads the file has it.

        A file system that hangs keeps one thread and no more: while it does, everything else is refused at once as Transient.
        """
        if self._writing is not None and not self._writing.done():
            raise Transient(f"{self.name}: what was written before has not come to an end")
        self._writing = asyncio.ensure_future(asyncio.to_thread(_append, self._path, text))
        done, _ = await asyncio.wait({self._writing}, timeout=deadline.total_seconds())
        if not done:
            self._writing.add_done_callback(_retrieve)
            raise Transient(f"{self.name} did not answer within {deadline.total_seconds():g} s")
        try:
            self._writing.result()
        except PermissionError as error:
            raise Denied(f"{self.name}: {error.strerror}") from error
        except OSError as error:
            raise Transient(f"{self.name}: {error.strerror or error}") from error
        return ""


def _append(path: Path, text: str) -> None:
    """One line, unless it stands there. A line that a crash left torn is ended first, and stays for a reader to see."""
    line = text.encode()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644), "r+b", buffering=0) as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(size - LOOKED_BACK, 0))
        end = opened.read()
        whole, _, torn = end.rpartition(b"\n")
        if line in whole.split(b"\n"):
            return
        opened.write((b"\n" if torn else b"") + line + b"\n")
        os.fsync(opened.fileno())


def _retrieve(ended: "asyncio.Future[None]") -> None:
    if not ended.cancelled():
        ended.exception()
