"""Asking the nearest database about a key: soon, over idle sessions only, and never in the way."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from workload.durable.session import Lost
from workload.limits.follower import Follower

pytestmark = pytest.mark.asyncio


class Near:
    """A pool with one session at most, and the session."""

    broken = False

    def __init__(self, rows: dict[str, tuple[int]], fails: Exception | None = None, idle: bool = True) -> None:
        self.rows, self.fails, self.idle = rows, fails, idle
        self.given_back = 0
        self.asked: tuple[str, ...] = ()

    def take(self) -> "Near | None":
        return self if self.idle else None

    def give_back(self, session: Any) -> None:
        self.given_back += 1

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        if self.fails is not None:
            raise self.fails
        return await work(self)

    async def execute(self, query: str, values: tuple[str, ...], prepare: bool) -> "Near":
        self.asked = values
        return self

    async def fetchone(self) -> tuple[int] | None:
        return self.rows.get(self.asked[0])

    def follower(self) -> Follower:
        return Follower(self, knows="ask")  # type: ignore[arg-type]


async def test_it_says_what_it_has() -> None:
    """And gives its session back."""
    near = Near({"k": (1,)})
    follower = near.follower()
    assert (await follower.knows("k"), await follower.knows("other")) == (True, False)
    assert near.given_back == 2


@pytest.mark.parametrize("error", [Lost("gone"), psycopg.OperationalError("no")])
async def test_no_answer_means_that_nobody_knows(error: Exception) -> None:
    """A database that is gone sends nobody away and lets nobody ahead; its broken session goes back to be replaced."""
    near = Near({"k": (1,)}, fails=error)
    assert not await near.follower().knows("k")
    assert near.given_back == 1


async def test_it_never_waits_for_a_session() -> None:
    """Those in use are used for payments."""
    near = Near({"k": (1,)}, idle=False)
    assert not await near.follower().knows("k")
    assert near.given_back == 0
