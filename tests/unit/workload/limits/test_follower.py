"""Asking the nearest database about a key: soon, and never in the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from workload.durable.errors import NoSession
from workload.durable.session import Lost
from workload.limits.follower import Follower

pytestmark = pytest.mark.asyncio

STATEMENT = timedelta(seconds=0.4)


class Near:
    """Sessions that answer what a test says, once they may."""

    def __init__(self, rows: dict[str, tuple[int]], fails: Exception | None = None) -> None:
        self.rows, self.fails = rows, fails
        self.given_back = 0
        self.asked: tuple[str, ...] = ()
        self.deadlines: list[timedelta] = []
        self.go = asyncio.Event()
        self.go.set()

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> AsyncIterator["Near"]:
        if isinstance(self.fails, NoSession):
            raise self.fails
        try:
            yield self
        finally:
            self.given_back += 1

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        self.deadlines.append(deadline)
        await self.go.wait()
        if self.fails is not None:
            raise self.fails
        return await work(self)

    async def execute(self, query: str, values: tuple[str, ...], prepare: bool) -> "Near":
        self.asked = values
        return self

    async def fetchone(self) -> tuple[int] | None:
        return self.rows.get(self.asked[0])

    def follower(self, patience: float = 5) -> Follower:
        return Follower(self, knows="ask", statement_deadline=STATEMENT, patience=timedelta(seconds=patience))  # type: ignore[arg-type]


async def test_it_says_what_it_has() -> None:
    """And gives its session back."""
    near = Near({"k": (1,)})
    follower = near.follower()
    assert (await follower.knows("k"), await follower.knows("other")) == (True, False)
    assert near.given_back == 2


@pytest.mark.parametrize("error", [Lost("gone"), psycopg.OperationalError("no"), NoSession("all taken")])
async def test_no_answer_means_that_nobody_knows(error: Exception) -> None:
    """A database that is gone sends nobody away and lets nobody ahead; its broken session goes back to be replaced."""
    near = Near({"k": (1,)}, fails=error)
    assert not await near.follower().knows("k")
    assert near.given_back == (0 if isinstance(error, NoSession) else 1)


async def test_a_pause_of_the_database_ends_no_session() -> None:
    """Whoever asks goes on after a moment; the session has as long as any other, and is given back."""
    near = Near({"k": (1,)})
    near.go.clear()
    assert not await near.follower(patience=0.005).knows("k")
    assert (near.deadlines, near.given_back) == ([STATEMENT], 0)
    near.go.set()
    while not near.given_back:
        await asyncio.sleep(0)
