"""A clock that moves only when told to; shipped for tests and the simulation."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

TURNS = 20
"""Turns of the event loop given to whoever was woken, before time moves on."""


class SteppedClock:
    """Passes the contract of `ports.Clock` without real time: `advance` wakes every sleeper in order, at its own moment."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start, self._elapsed = start, timedelta(0)
        self._sleepers: list[tuple[timedelta, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        """Start plus everything that has passed."""
        return self._start + self._elapsed

    def monotonic(self) -> timedelta:
        """Everything that has passed."""
        return self._elapsed

    async def sleep(self, duration: timedelta) -> None:
        """Return once `advance` or `jump` has gone past `duration`."""
        self._count += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + duration, self._count, woken))
        await woken

    async def advance(self, duration: timedelta) -> None:
        """Let time pass as it does for a process that runs."""
        end = self._elapsed + duration
        await self._turn()
        while self._sleepers and self._sleepers[0][0] <= end:
            self._elapsed = max(self._elapsed, self._sleepers[0][0])
            self._wake()
            await self._turn()
        self._elapsed = end

    async def jump(self, duration: timedelta) -> None:
        """Let time pass as it does for a process that was stopped: everybody wakes late, at the same moment."""
        await self._turn()
        self._elapsed += duration
        self._wake()
        await self._turn()

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)

    async def _turn(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
