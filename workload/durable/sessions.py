"""Warm sessions to one site: opened before they are needed, replaced behind the scenes, never waited for long.

Taken last-in first-out, so that a busy few stay warm in the server too. The one idle longest is proved once a second; when it
turns out dead every other idle one is suspect and is proved at once, because a link that swallowed one swallowed all.

One whose answer is late is nobody's until that has come: it cannot be taken and is not counted as alive, but keeps its place among
`size`, so that no second one is opened beside it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

import psycopg

from workload.durable.errors import NoSession
from workload.durable.session import Lost, Session, Unreachable

S = TypeVar("S", bound=Session)

PROOF_INTERVAL = timedelta(seconds=1)
RETRY_INTERVAL = timedelta(seconds=0.2)


class Pause(Protocol):
    """`asyncio.sleep`, or a test's own."""

    def __call__(self, delay: float, /) -> Awaitable[None]: ...


async def _ask_anything(connection: psycopg.AsyncConnection) -> None:
    await connection.execute("SELECT 1")


class Sessions(Generic[S]):
    """Up to `size` warm sessions to one site."""

    def __init__(
        self,
        open_one: Callable[[], Awaitable[S]],
        *,
        size: int,
        proof_deadline: timedelta,
        on_free: Callable[[], None] = lambda: None,
    ) -> None:
        self._open_one = open_one
        self._size = size
        self._proof_deadline = proof_deadline
        self._on_free = on_free
        self._idle: deque[S] = deque()
        self._waiting: deque[asyncio.Future[S]] = deque()
        self._late: set[S] = set()
        self._alive = 0
        self._is_closed = False
        self._missing = asyncio.Event()

    @property
    def alive(self) -> int:
        """Sessions that exist, owe no late answer and are not known to be dead, idle or in use."""
        return self._alive

    @property
    def idle(self) -> int:
        """Sessions that could be taken now."""
        return len(self._idle)

    def take(self) -> S | None:
        """A free session, or None; never waits. Give it back."""
        while self._idle:
            session = self._idle.pop()
            session.unwatch()
            if not session.broken:
                return session
            self._bury()
        return None

    def give_back(self, session: S) -> None:
        """Return what `take` or `borrow` gave: the next in line gets it, or it rests; a broken one is replaced, and one whose answer is
        late comes back later."""
        if self._is_closed:
            session.shut()
        if session.broken:
            self._bury()
            return
        if session.late is not None:
            self._alive -= 1
            self._late.add(session)
            session.late.add_done_callback(lambda _: self._come_back(session))
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(session)
                return
        self._idle.append(session)
        session.watch(lambda: self._dismiss(session))
        self._on_free()

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> AsyncIterator[S]:
        """A session for the block, in order of asking. Raises NoSession when none is free within `patience`."""
        session = self.take() or await self._queue(patience)
        try:
            yield session
        finally:
            self.give_back(session)

    async def _queue(self, patience: timedelta) -> S:
        waiter: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        done, _ = await _wait_or_withdraw(waiter, patience, self.give_back)
        if not done:
            self._waiting.remove(waiter)
            seen = f"{self._alive} of {self._size} alive, {len(self._late)} late"
            raise NoSession(f"no session free within {patience.total_seconds():g} s, {seen}")
        return waiter.result()

    async def keep(self, pause: Pause = asyncio.sleep) -> None:
        """Open what is missing and prove what rests, for ever."""
        while True:
            if self._lacking > 0:
                if not await self._open_missing():
                    await pause(RETRY_INTERVAL.total_seconds())
                continue
            self._missing.clear()
            if not await _set_within(self._missing, PROOF_INTERVAL):
                await self.prove()

    async def _open_missing(self) -> bool:
        """Open everything that is missing at once; answers whether any could be opened.

        One after the other takes about eight round trips each: in noise a service that had two of its eight sessions left went on
        refusing payments for ten seconds.
        """
        async with asyncio.TaskGroup() as opening:
            tasks = [opening.create_task(self._open()) for _ in range(self._lacking)]
        return any(task.result() for task in tasks)

    async def _open(self) -> bool:
        try:
            session = await self._open_one()
        except Unreachable:
            return False
        self._alive += 1
        self.give_back(session)
        return True

    async def prove(self) -> None:
        """Ask the session idle longest something; when it does not answer, ask all the others too."""
        if not self._idle:
            return
        eldest = self._idle.popleft()
        eldest.unwatch()
        if not await self._prove(eldest):
            suspects = list(self._idle)
            self._idle.clear()
            for suspect in suspects:
                suspect.unwatch()
            await asyncio.gather(*map(self._prove, suspects))

    async def _prove(self, session: S) -> bool:
        try:
            await session.run(_ask_anything, self._proof_deadline)
        except (Lost, psycopg.Error):
            if session.late is None:
                session.shut()
        is_proved = not session.broken and session.late is None
        self.give_back(session)
        return is_proved

    def shut_late(self) -> None:
        """Wait for no late answer any longer: this site is not asked any more."""
        for session in tuple(self._late):
            session.shut()

    async def close(self) -> None:
        """Shut every session that is idle or late, and return when the late ones have ended; those in use end with their work."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().shut()
        owed = [session.late for session in self._late if session.late is not None]
        self.shut_late()
        if owed:
            await asyncio.wait(owed)

    def _dismiss(self, session: S) -> None:
        # An idle server does not speak. When it does, it says goodbye.
        session.shut()
        if session in self._idle:
            self._idle.remove(session)
            self._bury()

    def _come_back(self, session: S) -> None:
        self._late.remove(session)
        self._alive += 1
        self.give_back(session)

    @property
    def _lacking(self) -> int:
        return self._size - self._alive - len(self._late)

    def _bury(self) -> None:
        self._alive -= 1
        self._missing.set()


async def _wait_or_withdraw(
    waiter: "asyncio.Future[S]", patience: timedelta, give_back: Callable[[S], None]
) -> tuple[set["asyncio.Future[S]"], set["asyncio.Future[S]"]]:
    try:
        return await asyncio.wait([waiter], timeout=patience.total_seconds())
    except asyncio.CancelledError:
        # The request was cancelled after a session was handed to it: without this the session would be nobody's for ever.
        if waiter.done():
            give_back(waiter.result())
        waiter.cancel()
        raise


async def _set_within(event: asyncio.Event, patience: timedelta) -> bool:
    try:
        async with asyncio.timeout(patience.total_seconds()):
            await event.wait()
    except TimeoutError:
        return False
    return True
