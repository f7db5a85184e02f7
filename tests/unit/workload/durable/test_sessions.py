"""Warm sessions: lent once, replaced when broken, suspected together."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from workload.durable.errors import NoSession
from workload.durable.session import Lost
from workload.durable.sessions import Sessions

pytestmark = pytest.mark.asyncio

SOON = timedelta(seconds=5)
NOW = timedelta(0)


class Stub:
    """A session without a server: `dead` is a link that swallows everything."""

    def __init__(self) -> None:
        self.broken = False
        self.late: asyncio.Future[None] | None = None
        self.dead = False
        self.asked = 0
        self.farewell: Callable[[], None] | None = None

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        self.asked += 1
        if self.dead:
            self.shut()
            raise Lost("deadline")

    def shut(self) -> None:
        self.broken = True

    def watch(self, readable: Callable[[], None]) -> None:
        self.farewell = readable

    def unwatch(self) -> None:
        self.farewell = None


class Pool:
    """A set of stubs kept by its own task."""

    def __init__(self, size: int) -> None:
        self.opened: list[Stub] = []
        self.freed = 0
        self.sessions: Sessions[Any] = Sessions(self.open, size=size, proof_deadline=SOON, on_free=self.free)

    async def open(self) -> Stub:
        self.opened.append(Stub())
        return self.opened[-1]

    def free(self) -> None:
        self.freed += 1

    async def __aenter__(self) -> "Pool":
        self.keeper = asyncio.create_task(self.sessions.keep())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.keeper.cancel()
        await asyncio.gather(self.keeper, return_exceptions=True)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_all_sessions_exist_before_anybody_asks() -> None:
    """At a failover nothing has to be opened."""
    async with Pool(3) as pool:
        assert (pool.sessions.alive, pool.sessions.idle, pool.freed) == (3, 3, 3)


async def test_a_session_is_lent_to_one_at_a_time_in_order_of_asking() -> None:
    """Two that wait are served first come first served."""
    async with Pool(1) as pool:
        served: list[str] = []

        async def use(name: str) -> None:
            async with pool.sessions.borrow(SOON):
                served.append(name)
                await settle()

        await asyncio.gather(use("first"), use("second"), use("third"))
        assert served == ["first", "second", "third"]


async def test_nobody_waits_beyond_patience() -> None:
    """No free session is an answer, not a queue."""
    async with Pool(1) as pool, pool.sessions.borrow(SOON):
        with pytest.raises(NoSession, match="1 of 1 alive"):
            async with pool.sessions.borrow(NOW):
                pass


async def test_a_broken_session_is_replaced() -> None:
    """It never comes back to anybody."""
    async with Pool(1) as pool:
        async with pool.sessions.borrow(SOON) as session:
            session.shut()
        await settle()
        assert len(pool.opened) == 2
        assert pool.sessions.take() is pool.opened[1]


async def test_what_is_missing_is_opened_at_once() -> None:
    """Four sessions are missing and the first connection hangs: the other three are there all the same."""
    tried, answer = 0, asyncio.Event()

    async def open_one() -> Stub:
        nonlocal tried
        tried += 1
        if tried == 1:
            await answer.wait()
        return Stub()

    sessions: Sessions[Any] = Sessions(open_one, size=4, proof_deadline=SOON)
    keeping = asyncio.create_task(sessions.keep())
    for _ in range(10):
        await asyncio.sleep(0)
    assert (tried, sessions.alive) == (4, 3)
    answer.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (tried, sessions.alive) == (4, 4)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping


async def test_a_cancelled_borrower_leaks_no_session() -> None:
    """The client hung up in the instant a session was handed over."""
    async with Pool(1) as pool:
        held = pool.sessions.take()
        waiting = asyncio.create_task(_hold(pool.sessions))
        await settle()
        pool.sessions.give_back(held)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert pool.sessions.take() is held


async def _hold(sessions: Sessions[Any]) -> None:
    async with sessions.borrow(SOON):
        await asyncio.sleep(0)


async def test_an_idle_session_that_speaks_is_gone() -> None:
    """The server said goodbye: the session is replaced before anybody takes it."""
    async with Pool(1) as pool:
        farewell = pool.opened[0].farewell
        assert farewell is not None
        farewell()
        await settle()
        assert pool.sessions.take() is pool.opened[1]


async def test_one_dead_session_makes_all_idle_ones_suspect() -> None:
    """A link swallowed everything and came back: one proof finds the dead ones all at once, not one per second."""
    async with Pool(4) as pool:
        for session in pool.opened:
            session.dead = True
        await pool.sessions.prove()
        await settle()
        assert len(pool.opened) == 8
        assert pool.sessions.idle == 4


async def test_a_living_session_proves_for_itself_only() -> None:
    """In calm weather one question a second is all it costs."""
    async with Pool(4) as pool:
        await pool.sessions.prove()
        assert [session.asked for session in pool.opened] == [1, 0, 0, 0]
