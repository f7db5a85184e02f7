"""How long something took, and for how much of that this whole process did not get to run."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

_TICK = 0.01


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())


@dataclass(slots=True)
class Pace:
    """What was measured; complete when the block is left."""

    took: timedelta = timedelta()
    stalled: timedelta = timedelta()
    """A deadline that fires late because the machine stood still is no fault of the code that set it. A loop that is blocked, or a
    deadline that does not fire, stalls nothing but itself, and is not excused."""


@contextmanager
def paced(now: Callable[[], timedelta] = _monotonic) -> Iterator[Pace]:
    """Measures the block on the clock that its deadlines are counted on. A thread of its own sleeps and wakes beside it: what it
    oversleeps, nobody in this process could run."""
    pace, over = Pace(), threading.Event()

    def watch() -> None:
        before = time.monotonic()
        while not over.wait(_TICK):
            now = time.monotonic()
            pace.stalled += timedelta(seconds=max(0.0, now - before - 2 * _TICK))
            before = now

    watcher = threading.Thread(target=watch, daemon=True)
    began = now()
    watcher.start()
    try:
        yield pace
    finally:
        pace.took = now() - began
        over.set()
        watcher.join()
