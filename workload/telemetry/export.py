"""Sends what is to be shown, from a thread of its own, whole requests at a time.

The promise: whoever is served never waits for a collector. What is offered lies in a bounded queue; when that is full the newest is dropped
and counted. A collector that is dead, or a black hole, holds one thread until its deadline, and nothing else.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

import structlog

from workload.telemetry.steps import Trail

log = structlog.get_logger()

AT_ONCE = 64
"""Requests in one message: some hundreds of spans, some hundred kilobytes."""


class Fate(StrEnum):
    """What became of a request's steps."""

    SENT = "sent"
    LOST = "lost"
    """The collector did not take them."""
    DROPPED = "dropped"
    """The queue was full."""


class Send(Protocol):
    """Hands requests to a collector, within a deadline of its own."""

    def __call__(self, trails: Sequence[Trail], /) -> bool:
        """Were they taken?"""


class Exporter:
    """The queue and the thread. `count` is told what became of how many requests, from either side."""

    def __init__(self, send: Send, count: Callable[[Fate, int], None], *, capacity: int, interval: timedelta) -> None:
        self._send, self._count = send, count
        self._capacity, self._interval = capacity, interval.total_seconds()
        self._waiting: deque[Trail] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traces", daemon=True)
        self._answers = True

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def offer(self, trail: Trail) -> None:
        """Take a request's steps to be sent; never waits. One thread offers: that of the event loop."""
        if len(self._waiting) >= self._capacity:
            self._count(Fate.DROPPED, 1)
        else:
            self._waiting.append(trail)

    def close(self, deadline: timedelta) -> None:
        """Send what waits, as far as that goes within the deadline."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(deadline.total_seconds())

    def _run(self) -> None:
        # Woken by the clock alone: a wake for every request would take the interpreter away from those who are served.
        while not self._ending.wait(self._interval):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        # Only what waits now: more comes in while a slow collector takes its time.
        left = len(self._waiting)
        while left > 0:
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, left))]
            left -= len(batch)
            taken = self._sent(batch)
            self._count(Fate.SENT if taken else Fate.LOST, len(batch))
            if taken is not self._answers:
                self._answers = taken
                log.warning("traces are sent again" if taken else "the collector of traces takes nothing; nobody waits for it")
            if not taken:
                return

    def _sent(self, batch: Sequence[Trail]) -> bool:
        try:
            return self._send(batch)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one message must not end the sending of all others
            log.warning("traces could not be put into a message", error=type(error).__name__)
            return False
