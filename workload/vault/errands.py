"""Work for data keys that goes on when whoever asked for it has left: the next one to ask finds it done, or under way.

A request has a moment, and a cloud that is far or slow needs longer. Ended with its request, the call to its key service would be begun
anew for the next one, connection and all, and a subject's numbers would stay shut for as long as the way is slow. Seen in the lab: with
round trips of 25 to 250 ms no number was given out in a minute.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from datetime import timedelta
from typing import Any, Generic, TypeVar

from workload.calls.deadline import ending
from workload.vault.errors import KeysOutOfReach

T = TypeVar("T")

MOST = 256
"""Under way at once; beyond that nothing new is begun, or key services that hang would fill the process with those that wait for them."""


class Errands(Generic[T]):
    """One piece of work for each thing at a time."""

    def __init__(self, *, longest: timedelta, monotonic: Callable[[], float], most: int = MOST) -> None:
        """`longest`: after which work is given up, whoever waits for it."""
        self._longest, self._monotonic, self._most = longest, monotonic, most
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    async def join(self, what: Hashable, begin: Callable[[], Coroutine[Any, Any, T]], patience: timedelta) -> T:
        """What comes of the work, begun unless it is under way. Raises what it raises, TimeoutError when that takes longer than `patience`,
        KeysOutOfReach when too much is under way."""
        task = self._under_way.get(what)
        if task is None:
            if len(self._under_way) >= self._most:
                raise KeysOutOfReach(f"{self._most} data keys are being waited for already")
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
        if not ended.cancelled():
            ended.exception()  # looked at even when everybody has left
