"""A full disk, without one: no file of a server can grow any more, wherever in it is written.

The kernel's limit on the size of files is set on every process of the server (`RLIMIT_FSIZE`, inherited by those that it starts later):
a write beyond it fails with EFBIG where a full disk answers ENOSPC. PostgreSQL ignores the signal that comes with it and treats both
alike: the log that cannot be written ends in a PANIC, and a server that recovers from it meets the same again. What a full disk would
still let it do, overwriting blocks that are there, fails here too. No root, no mount; it takes Linux and util-linux.
"""

import resource
import shutil
import subprocess

from lab import trees
from lab.accounts import Account
from lab.errors import LabError
from lab.postgres import PostgresServer

LEFT = 64 * 1024
"""Bytes that a file may have: more than a log of warnings or a pid file needs, so that the reason is told; a segment of the write-ahead
log is 16 MB, so that hardly a commit finds room."""


def fill(server: PostgresServer) -> None:
    """Let no file of this server grow beyond `LEFT`, from now on. Raises LabError where that cannot be done."""
    if server.process is None or not server.process.alive:
        raise LabError(f"PostgreSQL of {server.site} does not run: its disk cannot be filled")
    _limit(server, str(LEFT))


async def free(server: PostgresServer) -> None:
    """Undo `fill`, and start a server that has ended meanwhile. Raises LabError when it does not come up."""
    if server.running:
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        _limit(server, "unlimited" if most == resource.RLIM_INFINITY else str(most))
    await server.start()


def _limit(server: PostgresServer, most: str) -> None:
    """The soft limit of every process of the server. The postmaster first: whom it starts meanwhile inherits it."""
    assert server.process is not None, "whoever asks has looked"
    tool, account = shutil.which("prlimit"), server.binaries.account
    if tool is None:
        raise LabError("a full disk takes a limit on the size of another process's files: install util-linux (prlimit)")
    if said := _set(tool, server.process.pid, most, account):
        raise LabError(f"the files of PostgreSQL of {server.site} cannot be limited: {said}")
    for child in trees.members([server.process.pid]):
        _set(tool, child.pid, most, account)  # one that has ended meanwhile writes nothing more


def _set(tool: str, pid: int, most: str, account: Account | None) -> str:
    """What was wrong, empty when nothing was. As the account that the process runs as: not even root may set another one's limits
    everywhere."""
    done = subprocess.run(
        [tool, "--pid", str(pid), f"--fsize={most}:"],
        check=False,
        capture_output=True,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    return done.stderr.strip() if done.returncode else ""
