"""Calls back at an instant, to a fraction of a millisecond.

Event loops count whole milliseconds: a link of 12.5 ms each way then has a round trip anywhere from 24.4 to 27.0 ms (measured),
which is as much as some of the things the lab is there to measure. Linux's timerfd_create(2) counts nanoseconds.
"""

import asyncio
import ctypes
import heapq
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

CLOCK_MONOTONIC, ABSOLUTE = 1, 1


class _Setting(ctypes.Structure):
    """struct itimerspec: interval, then the first expiry, both in seconds and nanoseconds."""

    _fields_ = [(name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns")]


class Alarm:
    """One alarm clock for everything in this event loop. Alarms cannot be taken back; who no longer cares looks away."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._next = float("inf")
        self._file = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._file = self._libc.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
            if self._file < 0:
                raise OSError(ctypes.get_errno(), "timerfd_create")
            self._loop.add_reader(self._file, self._ring)

    def at(self, due: float, call: Callable[[], None]) -> None:
        """Call at this instant of `time.monotonic`, or as soon as possible after it; never before."""
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, call))
        if due < self._next:
            self._set(due)

    def _set(self, due: float) -> None:
        self._next = due
        if self._file < 0:
            self._loop.call_later(max(due - time.monotonic(), 0), self._ring)
            return
        seconds, rest = divmod(max(due, 1e-9), 1)
        setting = _Setting(0, 0, int(seconds), int(rest * 1e9) + 1)
        if self._libc.timerfd_settime(self._file, ABSOLUTE, ctypes.byref(setting), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _ring(self) -> None:
        if self._file >= 0:
            with suppress(BlockingIOError):
                os.read(self._file, 8)
        self._next = float("inf")
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
        if self._heap and self._heap[0][0] < self._next:
            self._set(self._heap[0][0])
