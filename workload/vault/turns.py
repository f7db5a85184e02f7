"""Whose turn it is to ask one cloud's key service: so many calls at once, and nobody queues up behind one that hangs.

Who waits for a turn gives up on standstill, not on age. A turn is three calls long (which key wraps, wrap, open), 0.3 s where a key
service is 80 ms away: given up by age, more new subjects at once than there are turns would be refused by clouds that are all well. A
cloud that hangs ends no call, and once that has lasted for more than half of those that are under way, whoever comes next is told at once.
One of them alone tells nothing: its packet was lost.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice

from workload.vault.errors import WrapUnavailable

MOST = 16
"""Turns at once at one cloud: an adapter refuses what would be one more."""
TURN = timedelta(seconds=1)
"""A cloud that ends no call for so long hangs. Longer than the three calls of a turn, each a quarter of a second away."""


class Turns:
    """The turns at one cloud."""

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud
        self._places = asyncio.Semaphore(MOST)
        self._begun: dict[object, float] = {}
        """When each turn began that has not ended, the oldest first."""
        self._answered_at = -math.inf
        self._waiting: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """For the length of the block, perhaps after a wait. Raises WrapUnavailable when the cloud hangs; the caller has a deadline of
        its own around this."""
        await self._wait()
        mine, has_answered = object(), False
        self._begun[mine] = _now()
        try:
            yield
            has_answered = True
        except Exception as error:
            has_answered = not isinstance(error, WrapUnavailable)
            raise
        finally:
            del self._begun[mine]
            if has_answered:
                self._note_answer()
            self._places.release()

    async def _wait(self) -> None:
        since = max(self._answered_at, next(islice(self._begun.values(), MOST // 2, None), _now()))
        try:
            async with asyncio.timeout_at(since + TURN.total_seconds()) as patience:
                self._waiting.add(patience)
                try:
                    await self._places.acquire()
                finally:
                    self._waiting.discard(patience)
        except TimeoutError as error:
            told = f"{self._cloud} was not asked: {MOST} calls before have no answer, and none had one for {TURN.total_seconds():g} s"
            raise WrapUnavailable(told) from error

    def _note_answer(self) -> None:
        self._answered_at = _now()
        for patience in self._waiting:
            if not patience.expired():
                patience.reschedule(self._answered_at + TURN.total_seconds())


def _now() -> float:
    return asyncio.get_running_loop().time()
