"""Ends and removes everything a lab left behind. The same function serves an orderly end, a crash, and the next start."""

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab import segments, trees
from lab.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was found; all zero after an orderly end."""

    processes: int
    segments: int
    data: bool


def sweep(workspace: Path, deadline: timedelta = timedelta(seconds=10)) -> Swept:
    """End every process in the workspace's registry with all its children, then remove its shared memory and its data.

    The caller holds the lab's lock. Raises TimeoutError when a process outlives SIGKILL by the deadline (a disk that hangs);
    nothing is removed then, so that a later sweep still knows whom to end.
    """
    entries = tuple(Registry(workspace).entries())
    orphans = [entry.pid for entry in entries if trees.lives(entry.pid, entry.born)]
    killed = trees.kill(orphans) if orphans else ()
    if left := trees.await_end(killed, deadline):
        raise TimeoutError(f"processes {left} are still there {deadline.total_seconds():.0f} s after SIGKILL")
    removed = segments.remove_segments({entry.pid for entry in entries})
    existed = workspace.exists()
    shutil.rmtree(workspace, ignore_errors=True)
    return Swept(processes=len(killed), segments=len(removed), data=existed)
