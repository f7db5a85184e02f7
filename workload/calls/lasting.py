"""Work that goes on when whoever asked for it has left: the next one to ask finds it done, or under way.

A request has a moment, and a service that is far or slow needs longer. Ended with its request, the call would be begun anew for the next
one, connection and all, and fail for each of them for as long as the way is slow. Seen in the lab, with round trips of 25 to 250 ms: the
vault opened no number in a minute, because calls to key services ended with their requests, and no payment from a new token was made,
because questions to the vault did.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog

from workload.calls.deadline import ending

log = structlog.get_logger()
T = TypeVar("T")

MOST = 256
"""Under way at once; beyond that nothing new is begun, or services that hang would fill the process with those that wait for them."""


class Lasting(Generic[T]):
    """One piece of work for each thing at a time."""

    def __init__(
        self,
        *,
        longest: timedelta,
        monotonic: Callable[[], float],
        crowded: Callable[[str], Exception],
        expected: tuple[type[Exception], ...],
        most: int = MOST,
    ) -> None:
        """`longest`: after which work is given up, whoever waits for it. `crowded`: what is raised when too much is under way. `expected`:
        failures that are no defect."""
        self._longest, self._monotonic, self._most = longest, monotonic, most
        self._crowded, self._expected = crowded, (*expected, TimeoutError)
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    async def join(self, what: Hashable, begin: Callable[[], Coroutine[Any, Any, T]], patience: timedelta) -> T:
        """What comes of the work, begun unless it is under way. Raises what it raises, TimeoutError when that takes longer than `patience`,
        and `crowded` when too much is under way."""
        task = self._under_way.get(what)
        if task is None:
            if len(self._under_way) >= self._most:
                raise self._crowded(f"{self._most} of its kind are under way already")
            task = self._under_way[what] = asyncio.create_task(self._carry_out(begin))
            task.add_done_callback(lambda ended: self._end(what, ended))
        done, _ = await asyncio.wait({task}, timeout=max(0.0, patience.total_seconds()))
        if not done:
            raise TimeoutError
        return task.result()

    async def _carry_out(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        # Not by the deadline of the request that came first: others wait for the same.
        with ending(self._monotonic() + self._longest.total_seconds()):
            async with asyncio.timeout(self._longest.total_seconds()):
                return await begin()

    def _end(self, what: Hashable, ended: "asyncio.Task[T]") -> None:
        del self._under_way[what]
        failure = None if ended.cancelled() else ended.exception()
        if failure is not None and not isinstance(failure, self._expected):
            # A defect. Whoever waits is told of it as of any; when nobody waits any more, this line is all there is.
            log.error("work that nobody need wait for ended badly", error=type(failure).__name__)
