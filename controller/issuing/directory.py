"""A directory for its owner alone, in which a file is there as a whole or not at all, also when the machine goes down.

One process at a time changes it (`locked`).
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.errors import Refused

OTHERS = stat.S_IRWXG | stat.S_IRWXO
LOCK = "lock"


class Directory:
    """Files by their names in it, `a/b` for one in a folder."""

    def __init__(self, place: Path) -> None:
        """Nothing is made before it is needed. Raises Refused for a place that somebody else may look into."""
        self._place = place
        if place.exists():
            _private(place, directory=True)

    def path(self, name: str) -> Path:
        """Where it is, or would be."""
        return self._place / name

    def has(self, name: str) -> bool:
        """Is it there?"""
        return self.path(name).exists()

    def read(self, name: str) -> bytes | None:
        """None: it is not there. Raises Refused for what somebody else may read or replace."""
        file = self.path(name)
        if not file.exists():
            return None
        _private(file)
        return file.read_bytes()

    def once(self, name: str, content: Callable[[], bytes]) -> bytes:
        """What is in this file; made when there is none. Of two who make it at once both are told the same. Raises Refused."""
        file = self.path(name)
        if not file.exists():
            part = self._part(file, content())
            try:
                os.link(part, file)
            except FileExistsError:
                pass  # somebody else's is there first, and is what counts
            finally:
                part.unlink()
            _settle(file.parent)
        _private(file)
        return file.read_bytes()

    def replace(self, name: str, content: bytes) -> None:
        """From now on this is in it."""
        file = self.path(name)
        self._part(file, content).replace(file)
        _settle(file.parent)

    def rename(self, name: str, other: str) -> None:
        """In the same folder; what was called so before is gone."""
        self.path(name).replace(self.path(other))
        _settle(self.path(other).parent)

    def remove(self, name: str) -> None:
        """It is not there any more."""
        if (file := self.path(name)).exists():
            file.unlink()
            _settle(file.parent)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with it. Raises Refused when somebody else is: who dies lets go.

        1. Two people begin at once. 2. Both find a place empty, and both fill it. 3. The later one's certificate is there, the earlier
        one's is written down here, and is never renewed.
        """
        _make(self._place)
        opened = os.open(self.path(LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(
                    guard="lock",
                    value=f"{self.path(LOCK)}: somebody else fills from this directory at this moment",
                    limit="one at a time",
                    way_out="Nothing was changed. Wait until that command has ended, and repeat this one.",
                ) from error
            yield
        finally:
            os.close(opened)

    def _part(self, file: Path, content: bytes) -> Path:
        # 1. The machine goes down while a key is written. 2. The file is there, with half a key. 3. What it has issued is in use at three
        # sites, and nothing can be issued beside it any more. So a file gets its name when it is whole, and on the disk.
        _make(self._place)
        for folder in reversed(file.relative_to(self._place).parents[:-1]):  # one by one: `mkdir` makes parents for everybody
            _make(self._place / folder)
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        return part


def unusable(path: Path, value: str, limit: str) -> Refused:
    """Why what is there is not taken."""
    return Refused(
        guard="authority",
        value=f"{path}: {value}",
        limit=limit,
        way_out="Name the directory that bootstrap was given the first time; for a new environment, one that is not there yet.",
    )


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _settle(folder.parent)


def _settle(folder: Path) -> None:
    """1. A key is on the disk, its name is not. 2. What it issues is sent to three sites. 3. The machine goes down, and comes back without
    the file: another authority is made in its place, whom nobody believes."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _private(path: Path, *, directory: bool = False) -> None:
    """Raises Refused for what somebody else may read or replace."""
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) is not directory or stat.S_ISLNK(found.st_mode):
        raise unusable(path, "it is none", "a directory" if directory else "a file")
    if found.st_uid != os.geteuid() or found.st_mode & OTHERS:
        mode = "0700" if directory else "0600"
        value = f"others have rights to it ({stat.S_IMODE(found.st_mode):04o}), or it is another user's"
        raise unusable(path, value, f"your own with mode {mode}: whoever reads it can be anybody of the fleet")
