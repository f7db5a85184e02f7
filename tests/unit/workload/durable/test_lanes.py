"""Lanes: how polls and waiters meet, with sessions that answer when the test says so."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from workload.durable.errors import OutcomeUnknown
from workload.durable.evidence import Evidence, Reign, format_lsn
from workload.durable.lanes import Lanes
from workload.durable.session import Lost

pytestmark = pytest.mark.asyncio

REIGN = Reign(site="azure", epoch=1, system_identifier=7, timeline=1)
SOON = timedelta(seconds=5)

Row = tuple[Any, ...]


def at(lsn: int) -> Evidence:
    """Evidence in the one reign of these tests."""
    return Evidence(reign=REIGN, lsn=lsn)


def confirmed(lsn: int) -> Row:
    """The database's answer."""
    return (1, True, format_lsn(lsn), 7, 1)


class Line:
    """A session whose answer the test gives."""

    broken = False

    def __init__(self) -> None:
        self.answer: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self.asked: list[Row] = []

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        return await work(self)

    async def execute(self, query: str, values: Row, prepare: bool) -> "Line":
        self.asked.append(values)
        return self

    async def fetchone(self) -> Row:
        row = await self.answer
        self.answer = asyncio.get_running_loop().create_future()
        return row

    def shut(self) -> None:
        raise AssertionError("a lane ends no session")

    def watch(self, readable: Callable[[], None]) -> None: ...

    def unwatch(self) -> None: ...


class Crew:
    """A fixed set of lines."""

    def __init__(self, count: int) -> None:
        self.free = deque(Line() for _ in range(count))
        self.lines = tuple(self.free)
        self.lanes = Lanes({"azure": self}, patience=timedelta(seconds=0.001), statement_deadline=SOON)

    def take(self) -> Line | None:
        return self.free.popleft() if self.free else None

    def give_back(self, session: Any, /) -> None:
        self.free.append(session)
        self.lanes.fly()


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_waiters_that_come_while_the_lane_is_out_travel_together() -> None:
    """One lane: the first flies alone, the next two share, and the lowest of them is the target."""
    crew = Crew(1)
    line = crew.lines[0]
    first = asyncio.create_task(crew.lanes.confirm(at(10), SOON))
    await settle()
    others = [asyncio.create_task(crew.lanes.confirm(at(lsn), SOON)) for lsn in (30, 20)]
    await settle()
    line.answer.set_result(confirmed(10))
    await first
    await settle()
    assert [values[1] for values in line.asked] == ["0/A", "0/14"]
    line.answer.set_result(confirmed(30))
    await asyncio.gather(*others)
    assert crew.lanes.waiting == 0


async def test_a_free_lane_is_used_at_once() -> None:
    """Two lanes: the second waiter does not wait for the first one's answer."""
    crew = Crew(2)
    waits = [asyncio.create_task(crew.lanes.confirm(at(lsn), SOON)) for lsn in (10, 20)]
    await settle()
    assert [len(line.asked) for line in crew.lines] == [1, 1]
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    for line in crew.lines:
        line.answer.set_result(confirmed(0))
    await settle()


async def test_a_deadline_answers_unknown_and_leaves_nothing_behind() -> None:
    """The database never answers; the client does hear something."""
    crew = Crew(1)
    with pytest.raises(OutcomeUnknown, match="deadline"):
        await crew.lanes.confirm(at(10), timedelta(0))
    assert crew.lanes.waiting == 0


async def test_a_new_writer_ends_the_wait() -> None:
    """Nobody waits out a deadline for a reign that is known to be over."""
    crew = Crew(1)
    waiting = asyncio.create_task(crew.lanes.confirm(at(10), SOON))
    await settle()
    crew.lanes.abandon(below=2)
    with pytest.raises(OutcomeUnknown, match="epoch 2 took over"):
        await waiting


async def test_a_closed_node_ends_the_wait() -> None:
    """Fenced while the answer waited: unknown, at once."""
    crew = Crew(1)
    waiting = asyncio.create_task(crew.lanes.confirm(at(10), SOON))
    await settle()
    crew.lines[0].answer.set_result((1, False, format_lsn(10), 7, 1))
    with pytest.raises(OutcomeUnknown, match="no longer the open writer"):
        await waiting


async def test_a_lost_poll_is_flown_again() -> None:
    """A session breaks under a poll: the waiter is taken by the next one."""
    crew = Crew(1)
    line = crew.lines[0]
    waiting = asyncio.create_task(crew.lanes.confirm(at(10), SOON))
    await settle()
    line.answer.set_exception(Lost("the link died"))
    line.answer = asyncio.get_running_loop().create_future()
    await settle()
    line.answer.set_result(confirmed(10))
    await waiting
    assert len(line.asked) == 2
