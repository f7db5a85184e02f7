"""Who is believed to be the writer."""

from datetime import timedelta

import pytest

from workload.durable.finder import Finder, Outlook, View, Writer, judge
from workload.durable.session import Session

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
