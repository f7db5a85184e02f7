"""Whole process trees: stopped, let go on, killed. Never by name, never by process group.

PostgreSQL's children call setsid, so a process group misses them; a postmaster that is killed before its children leaves them
running for a moment, long enough to send a FIN that a dead machine would not send. Hence: stop everything, look again until
nothing new appears, kill from the leaves up.
"""

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil

GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


def birth(pid: int) -> str | None:
    """When this process was born, as a mark that no later owner of the same pid shares; None when there is no such process.

    On Linux these are clock ticks since boot together with the boot's id: unlike a date they do not move when somebody sets
    the clock.
    """
    try:
        if sys.platform == "linux":
            ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return f"{ticks}@{boot}"
        return repr(psutil.Process(pid).create_time())
    except (OSError, psutil.Error, IndexError):
        return None


def lives(pid: int, born: str) -> bool:
    """Is the process that had this pid and this birth still there (a zombie is not)?"""
    if birth(pid) != born:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def members(roots: Iterable[int]) -> tuple[psutil.Process, ...]:
    """The roots and everything below them, parents before children, found in one look at the process table."""
    below: dict[int, list[psutil.Process]] = defaultdict(list)
    present: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with suppress(*GONE):
            below[process.ppid()].append(process)
            present[process.pid] = process
    found: dict[int, psutil.Process] = {}
    level = [present[pid] for pid in roots if pid in present]
    while level:
        found.update((process.pid, process) for process in level)
        level = [child for process in level for child in below[process.pid] if child.pid not in found]
    return tuple(found.values())


def freeze(roots: Sequence[int], deadline: timedelta = timedelta(seconds=5)) -> tuple[psutil.Process, ...]:
    """Stop every process of these trees and answer them all, parents first; a child born meanwhile is stopped too.

    Raises TimeoutError when something refuses to stop within the deadline (it waits for a disk).
    """
    found, still = _stop(roots, deadline)
    if not still:
        moving = [process.pid for process in found if _runs(process)]
        raise TimeoutError(f"processes {moving} did not stop within {deadline.total_seconds():.0f} s")
    return found


def _stop(roots: Sequence[int], deadline: timedelta) -> tuple[tuple[psutil.Process, ...], bool]:
    """Everything in these trees, told to stop, and whether all of it did by the deadline."""
    until = time.monotonic() + deadline.total_seconds()
    found: dict[int, psutil.Process] = {}
    while True:
        fresh = [process for process in members(roots) if process.pid not in found]
        for process in fresh:
            with suppress(*GONE):
                process.suspend()
        found.update((process.pid, process) for process in fresh)
        still = not fresh and not any(_runs(process) for process in found.values())
        if still or time.monotonic() > until:
            return tuple(found.values()), still
        if not fresh:
            time.sleep(0.001)  # only a parent is told that a process has stopped, and most of these have another one


def thaw(roots: Sequence[int]) -> None:
    """Let every process of these trees go on, children first."""
    for process in reversed(members(roots)):
        with suppress(*GONE):
            process.resume()


def kill(roots: Sequence[int]) -> tuple[int, ...]:
    """Stop these trees, then kill them from the leaves up; answers the pids. Trees that are gone already are no error.

    What does not stop within a second because it waits for a disk is killed all the same.
    """
    doomed, _ = _stop(roots, timedelta(seconds=1))
    for process in reversed(doomed):
        with suppress(*GONE):
            process.kill()
    return tuple(process.pid for process in doomed)


def await_end(pids: Iterable[int], deadline: timedelta) -> tuple[int, ...]:
    """Wait until these processes have ended (a zombie has); answers those that have not by the deadline."""
    until = time.monotonic() + deadline.total_seconds()
    left = tuple(pids)
    while left := tuple(pid for pid in left if _present(pid)):
        if time.monotonic() > until:
            break
        time.sleep(0.002)  # ... or that it has ended; a pidfd would tell, but not on macOS
    return left


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def _present(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
