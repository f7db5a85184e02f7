"""Ends and removes everything a lab left behind. The same function serves an orderly end, a crash, and the next start."""

import shutil
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lab import copies, segments, trees
from lab.registry import Registry

CONTEXT = "context.json"
"""Beside the workspaces: a link to the operator's context of the lab that started last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What was found; all zero after an orderly end."""

    processes: int
    segments: int
    data: bool


def sweep(workspace: Path, deadline: timedelta = timedelta(seconds=10)) -> Swept:
    """End every process in the workspace's registry with all its children, then remove its shared memory and its data.

    What no lab needs any more goes with it: a context link that leads nowhere, and copies of PostgreSQL of installations that are
    gone. The caller holds the lab's lock. Raises TimeoutError when a process outlives SIGKILL by the deadline (a disk that hangs);
    nothing is removed then, so that a later sweep still knows whom to end. Raises it too when the data cannot be removed.
    """
    entries = tuple(Registry(workspace).entries())
    orphans = [entry.pid for entry in entries if trees.lives(entry.pid, entry.born)]
    killed = trees.kill(orphans) if orphans else ()
    if left := trees.await_end(killed, deadline):
        raise TimeoutError(f"processes {left} are still there {deadline.total_seconds():.0f} s after SIGKILL")
    removed = segments.remove_segments({entry.pid for entry in entries})
    existed = workspace.exists()
    _remove(workspace, deadline)
    link = workspace.with_name(CONTEXT)
    if link.is_symlink() and not link.exists():
        link.unlink(missing_ok=True)
    copies.remove_stale(workspace.with_name(copies.FOLDER))
    return Swept(processes=len(killed), segments=len(removed), data=existed)


def _remove(workspace: Path, deadline: timedelta) -> None:
    """Until nothing is there. A child of a killed process may write its last file while its directory is being emptied."""
    until = time.monotonic() + deadline.total_seconds()
    while True:
        shutil.rmtree(workspace, ignore_errors=True)
        if not workspace.exists():
            return
        if time.monotonic() > until:
            raise TimeoutError(f"{workspace} cannot be removed: remove it by hand")
        time.sleep(0.05)  # nobody is told when another process has written its last file
