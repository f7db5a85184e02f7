"""Who is believed to be the writer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest

from workload.durable.finder import Finder, Outlook, View, Writer, judge
from workload.durable.session import Lost, Session

A1 = Outlook(writer=Writer(site="a", epoch=1), floor=1)
B2 = Outlook(writer=Writer(site="b", epoch=2), floor=2)


def writer(epoch: int) -> View:
    """A node that says it writes."""
    return View(role="writer", epoch=epoch)


def follower(epoch: int) -> View:
    """A node that says it follows."""
    return View(role="follower", epoch=epoch)


@pytest.mark.parametrize(
    ("before", "views", "after"),
    [
        (Outlook(), {"a": writer(1), "b": follower(1)}, A1),
        (A1, {"a": writer(1), "b": writer(2)}, B2),
        (A1, {"a": None, "b": writer(2)}, B2),
        (A1, {"a": None, "b": follower(1)}, A1),
        (B2, {"a": writer(1), "b": None}, B2),
        (A1, {"a": View(role="fenced", epoch=1), "b": follower(1)}, Outlook(floor=1)),
        (B2, {"a": writer(1), "b": View(role="fenced", epoch=2)}, Outlook(floor=2)),
        (Outlook(), {"a": None, "b": None}, Outlook()),
        (Outlook(), {"a": writer(3), "b": writer(3)}, Outlook(floor=3)),
    ],
    ids=[
        "the writer is found",
        "the highest epoch wins",
        "a silent old writer does not hold back the new one",
        "unknown is not no longer the writer",
        "a thawed old writer is a ghost while the new one is silent",
        "a fenced writer is none",
        "nor does its ghost become one",
        "nothing known",
        "two claims of one epoch cannot both be right",
    ],
)
def test_the_outlook_follows_the_views(before: Outlook, views: dict[str, View | None], after: Outlook) -> None:
    """Each row is one situation of a failover."""
    assert judge(before, views) == after


def test_a_change_is_reported_once() -> None:
    """Whoever must act on a new writer hears of it when it changes, not at every look."""
    heard: list[Outlook] = []
    finder = Finder(
        dict.fromkeys("ab", _never),
        interval=timedelta(seconds=1),
        deadline=timedelta(seconds=1),
        on_change=lambda before, after: heard.append(after),
    )
    finder.learn("a", writer(1))
    finder.learn("a", writer(1))
    finder.learn("a", None)
    finder.learn("b", writer(2))
    assert heard == [A1, B2]
    assert finder.writer == B2.writer


async def _never() -> Session:
    raise AssertionError("nothing is opened here")


@dataclass
class Node:
    """One site's node behind one session after the other. As a session: what it is asked, and whom it would wake."""

    row: tuple[str, int] = ("follower", 1)
    told: tuple[str, int] = ("follower", 1)
    gone: bool = False
    opened: int = 0
    asked: list[str] = field(default_factory=list)
    wake: Callable[[], None] | None = None
    broken: bool = False
    deaf: bool = False
    beside: Callable[[], None] = lambda: None
    """What happens while it answers."""
    hear: Callable[[object], None] | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> Session:
        """A new session."""
        self.opened, self.broken = self.opened + 1, False
        return cast("Session", self)

    async def run(self, work: Callable[[Any], Awaitable[Any]], deadline: timedelta) -> Any:
        """Carry it out, unless nobody answers any more."""
        if self.gone:
            self.broken = True
            raise Lost("gone")
        return await work(self)

    async def execute(self, query: str, *values: object, prepare: bool = False) -> "Node":
        """Note what is asked."""
        self.asked.append(query.split()[0])
        self.answered.set()
        if self.deaf and self.asked[-1] == "LISTEN":
            raise psycopg.errors.QueryCanceled("statement timeout")
        if self.asked[-1] == "SELECT":
            self.told = self.row
            self.beside()
        return self

    def add_notify_handler(self, hear: Callable[[object], None]) -> None:
        """Whom to tell what is read beside an answer."""
        self.hear = hear

    async def fetchone(self) -> tuple[str, int]:
        """The row, as it was when it was asked for."""
        return self.told

    def shut(self) -> None:
        """End it."""
        self.broken = True

    def watch(self, readable: Callable[[], None]) -> None:
        """Whom to wake."""
        self.wake = readable

    def unwatch(self) -> None:
        """Nobody."""
        self.wake = None

    async def next_answer(self) -> None:
        """Return after the next question, and whatever follows from it."""
        self.answered.clear()
        await asyncio.wait_for(self.answered.wait(), 5)
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_a_node_that_tells_of_a_change_is_asked_at_once() -> None:
    """The next look would be an hour away. It listens before it asks: a change between both would be told to nobody."""
    node = Node()
    finder = Finder({"a": node.open}, interval=timedelta(hours=1), deadline=timedelta(seconds=1))
    watching = asyncio.create_task(finder.watch("a"))
    await node.next_answer()
    assert node.asked == ["LISTEN", "SELECT"] and finder.writer is None
    node.row = ("writer", 2)
    assert node.wake is not None
    node.wake()
    await node.next_answer()
    assert finder.writer == Writer(site="a", epoch=2) and node.opened == 1
    watching.cancel()


@pytest.mark.asyncio
async def test_a_session_that_dies_while_it_is_listened_to_is_opened_anew_and_listens_again() -> None:
    """Its goodbye wakes whoever listens; a new session that does not listen would be told nothing for ever."""
    node = Node(row=("writer", 2))
    finder = Finder({"a": node.open}, interval=timedelta(hours=1), deadline=timedelta(seconds=1))
    watching = asyncio.create_task(finder.watch("a"))
    await node.next_answer()
    node.gone = True
    assert node.wake is not None
    node.wake()
    while finder.views["a"] is not None:
        await asyncio.sleep(0)
    assert finder.writer == Writer(site="a", epoch=2), "unknown is not no longer the writer"
    node.gone = False
    await node.next_answer()
    assert node.asked == ["LISTEN", "SELECT"] * 2 and node.opened == 2
    watching.cancel()


@pytest.mark.asyncio
async def test_a_node_that_tells_nothing_is_asked_every_interval() -> None:
    """A dead session tells nothing."""
    node = Node()
    finder = Finder({"a": node.open}, interval=timedelta(milliseconds=1), deadline=timedelta(seconds=1))
    watching = asyncio.create_task(finder.watch("a"))
    for _ in range(3):
        await node.next_answer()
    assert node.opened == 1 and node.asked.count("LISTEN") == 1
    watching.cancel()


@pytest.mark.asyncio
async def test_what_a_node_tells_beside_an_answer_is_not_lost() -> None:
    """The driver reads it with the answer, which is from before; nothing is left on the line that would wake anybody, and the next look
    is an hour away."""
    node = Node()

    def change() -> None:
        node.beside = lambda: None
        node.row = ("writer", 2)
        assert node.hear is not None
        node.hear(None)

    node.beside = change
    finder = Finder({"a": node.open}, interval=timedelta(hours=1), deadline=timedelta(seconds=1))
    watching = asyncio.create_task(finder.watch("a"))
    async with asyncio.timeout(5):
        while finder.writer is None:
            await asyncio.sleep(0)
    assert finder.writer == Writer(site="a", epoch=2) and node.asked == ["LISTEN", "SELECT", "SELECT"]
    watching.cancel()


@pytest.mark.asyncio
async def test_a_session_that_could_not_listen_is_not_kept() -> None:
    """Its statement took too long, and it lives: kept, it would be asked every interval for as long as it lives, and told nothing."""
    node = Node(deaf=True)
    finder = Finder({"a": node.open}, interval=timedelta(milliseconds=1), deadline=timedelta(seconds=1))
    watching = asyncio.create_task(finder.watch("a"))
    await node.next_answer()
    assert node.broken
    node.deaf = False
    await node.next_answer()
    assert node.asked == ["LISTEN", "LISTEN", "SELECT"] and node.opened == 2
    watching.cancel()
