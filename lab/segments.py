"""System V shared memory that killed PostgreSQL servers leave behind: 56 bytes each, for ever, unless somebody removes it."""

import ctypes
import subprocess
import sys
from collections.abc import Set as AbstractSet
from pathlib import Path

IPC_RMID = 0


def remove_segments(creators: AbstractSet[int]) -> tuple[int, ...]:
    """Remove every unattached segment that one of these processes created; answers the removed ids.

    A segment that somebody is attached to is left alone, whoever created it: its creator's pid may be a reused one.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return tuple(
        segment
        for segment, creator, attached in _segments()
        if creator in creators and attached == 0 and libc.shmctl(segment, IPC_RMID, None) == 0
    )


def _segments() -> list[tuple[int, int, int]]:
    """(id, creator's pid, how many processes are attached) of every segment on this machine."""
    if sys.platform == "linux":
        table = Path("/proc/sysvipc/shm")
        rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
        return [(int(row[1]), int(row[4]), int(row[6])) for row in rows]
    listed = subprocess.run(["/usr/bin/ipcs", "-mop"], capture_output=True, text=True, timeout=10, check=False).stdout
    rows = [line.split() for line in listed.splitlines() if line.startswith("m ")]
    # BSD: T ID KEY MODE OWNER GROUP NATTCH CPID LPID
    return [(int(row[1]), int(row[7]), int(row[6])) for row in rows if len(row) >= 9]
