"""One reading and one change at a time of each group, also when whoever sent the change no longer waits for it.

Read beside a change that is under way, a group would be found as it was before; changed beside it, the older change may arrive last
and stand. Groups apart from each other do not wait for each other: a caretaker's change that hangs holds up no failover.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from controller.core.model import Group
from controller.errors import Transient

T = TypeVar("T")


class Turn:
    """Some groups, until everything that was sent for them has its answer."""

    def __init__(self, over: "asyncio.Future[None]") -> None:
        self._over, self._under_way, self._left = over, set[asyncio.Future[Any]](), False

    async def see_through(self, change: Coroutine[Any, Any, T]) -> T:
        """What the change answers. Cut off here, it goes on, and the turn ends with its answer."""
        sent = asyncio.ensure_future(change)
        self._under_way.add(sent)
        sent.add_done_callback(self._answered)
        return await asyncio.shield(sent)

    def leave(self) -> None:
        """Nothing more is sent."""
        self._left = True
        self._end()

    def _answered(self, sent: "asyncio.Future[Any]") -> None:
        if not sent.cancelled():
            sent.exception()  # whoever wanted to know may be gone
        self._under_way.discard(sent)
        self._end()

    def _end(self) -> None:
        if self._left and not self._under_way and not self._over.done():
            self._over.set_result(None)


class Turns:
    """Of one adapter."""

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._taken: dict[Group, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def take(self, groups: Iterable[Group], ends: float) -> AsyncIterator[Turn]:
        """Have these groups to oneself. Raises Transient at the loop's time `ends`: whoever has one may wait for an API that hangs."""
        mine = frozenset(groups)
        try:
            async with asyncio.timeout_at(ends):
                while others := {self._taken[group] for group in mine & self._taken.keys() if not self._taken[group].done()}:
                    await asyncio.wait(others)
        except TimeoutError as error:
            raise Transient(f"{self._authority}: not asked, an earlier steering still waits for its answer") from error
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taken |= dict.fromkeys(mine, over)
        turn = Turn(over)
        try:
            yield turn
        finally:
            turn.leave()
