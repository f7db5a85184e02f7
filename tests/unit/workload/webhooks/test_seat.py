"""The seat is held by asking, and no answer is no seat."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from workload.durable.finder import Writer
from workload.durable.session import Lost, Unreachable
from workload.webhooks.seat import STILL, TAKE, Seat

pytestmark = pytest.mark.asyncio

AZURE, AWS = Writer(site="azure", epoch=1), Writer(site="aws", epoch=2)


class Server:
    """A database with one lock; sessions to it, whose answers a test decides."""

    def __init__(self) -> None:
        self.is_writer = True
        self.is_free = True
        self.is_silent = False
        self.is_reachable = True
        self.hangs: asyncio.Event | None = None
        self.given_up = False
        self.asked: list[str] = []
        self.opened: list[OneSession] = []

    async def open(self) -> "OneSession":
        if not self.is_reachable:
            raise Unreachable("away")
        if self.hangs is not None:
            try:
                await self.hangs.wait()
            except asyncio.CancelledError:
                self.given_up = True
                raise
        self.opened.append(OneSession(self))
        return self.opened[-1]


class OneSession:
    """A Session."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.broken = False

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        if self._server.is_silent:
            self.shut()
            raise Lost("deadline")
        return await work(self)

    async def execute(self, query: str, values: object, prepare: bool) -> "OneSession":
        self._server.asked.append(query)
        self._answer = {STILL: self._server.is_writer, TAKE: self._server.is_free}.get(query)
        return self

    async def fetchone(self) -> tuple[object]:
        return (self._answer,)

    def shut(self) -> None:
        self.broken = True

    def watch(self, readable: Callable[[], None]) -> None: ...

    def unwatch(self) -> None: ...


def seat(**servers: Server) -> Seat:
    """Towards these."""
    openers = {site: server.open for site, server in servers.items()}
    return Seat(openers, lapse=timedelta(seconds=3), deadline=timedelta(seconds=0.4))


async def test_a_free_seat_is_taken_once_and_then_only_confirmed() -> None:
    """A lock that is taken twice must be given back twice."""
    server = Server()
    mine = seat(azure=server)
    assert not mine.is_held
    assert [await mine.hold(AZURE) for _ in range(3)] == [True] * 3
    assert server.asked.count(TAKE) == 1
    assert mine.is_held and len(server.opened) == 1


async def test_a_taken_seat_is_asked_for_again_on_the_same_session() -> None:
    """Whoever waits opens no connection a look."""
    server = Server()
    server.is_free = False
    mine = seat(azure=server)
    assert [await mine.hold(AZURE) for _ in range(3)] == [False] * 3
    server.is_free = True
    assert await mine.hold(AZURE)
    assert len(server.opened) == 1


async def test_a_silent_database_is_no_seat_and_ends_the_session() -> None:
    """What cannot be confirmed is not held; the next look begins anew."""
    server = Server()
    mine = seat(azure=server)
    assert await mine.hold(AZURE)
    server.is_silent = True
    assert not await mine.hold(AZURE)
    assert not mine.is_held and server.opened[0].broken
    server.is_silent = False
    assert await mine.hold(AZURE)


@pytest.mark.parametrize("change", ["unknown", "elsewhere", "closed"])
async def test_a_seat_ends_with_its_writer(change: str) -> None:
    """No writer known, another one known, or this one says that it writes no more."""
    old, new = Server(), Server()
    mine = seat(azure=old, aws=new)
    assert await mine.hold(AZURE)
    match change:
        case "unknown":
            assert not await mine.hold(None)
        case "elsewhere":
            assert await mine.hold(AWS)
        case _:
            old.is_writer = False
            assert not await mine.hold(AZURE)
    assert old.opened[0].broken, "its session would keep others from the seat"


async def test_a_database_out_of_reach_is_no_seat() -> None:
    """And no error."""
    server = Server()
    server.is_reachable = False
    assert not await seat(azure=server).hold(AZURE)


async def test_leaving_ends_the_session() -> None:
    """The lock goes with it, at once."""
    server = Server()
    mine = seat(azure=server)
    await mine.hold(AZURE)
    mine.leave()
    assert server.opened[0].broken and not mine.is_held


async def test_a_writer_that_cannot_be_reached_holds_up_nobody() -> None:
    """Its database hangs, as after its cloud has died; the next writer's seat is taken as soon as it is known, not when that has ended."""
    old, new = Server(), Server()
    old.hangs = asyncio.Event()
    mine = Seat(
        {"azure": old.open, "aws": new.open}, lapse=timedelta(seconds=3), deadline=timedelta(seconds=0.4), patience=timedelta(0)
    )
    assert [await mine.hold(AZURE) for _ in range(3)] == [False] * 3
    async with asyncio.timeout(5):
        while not await mine.hold(AWS):
            await asyncio.sleep(0)
    assert old.given_up and not old.opened, "nobody wants that session any more"


async def test_a_slow_opening_is_waited_for_over_several_looks() -> None:
    """One and the same: begun anew with each look, one that is slower than a look would never be done."""
    server = Server()
    server.hangs = asyncio.Event()
    mine = Seat({"azure": server.open}, lapse=timedelta(seconds=3), deadline=timedelta(seconds=0.4), patience=timedelta(0))
    assert [await mine.hold(AZURE) for _ in range(3)] == [False] * 3
    server.hangs.set()
    async with asyncio.timeout(5):
        while not await mine.hold(AZURE):
            await asyncio.sleep(0)
    assert len(server.opened) == 1 and not server.given_up


async def test_what_was_opened_for_nobody_is_shut() -> None:
    """It was done in the very moment in which the seat was left."""
    server = Server()
    server.hangs = asyncio.Event()
    mine = Seat({"azure": server.open}, lapse=timedelta(seconds=3), deadline=timedelta(seconds=0.4), patience=timedelta(0))
    assert not await mine.hold(AZURE)
    server.hangs.set()
    while not server.opened:
        await asyncio.sleep(0)
    mine.leave()
    await asyncio.sleep(0)
    assert server.opened[0].broken
