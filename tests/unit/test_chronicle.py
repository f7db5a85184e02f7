"""The recent journal in a controller's memory: what has been read stays read, and the past is found without reading all of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.chronicle import KEPT, PAGE, Chronicle
from controller.core.model import Epoch, JournalEntry
from controller.errors import Transient

pytestmark = pytest.mark.asyncio

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = timedelta(0)


@dataclass
class Journal:
    """Some thousand entries, one a second, behind a way to etcd that lets through one page at a time."""

    length: int
    special: Mapping[int, tuple[str, Mapping[str, object]]] = field(default_factory=dict)
    calls: list[tuple[int, int]] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False

    async def journal(self, service: str, after: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """See `Coordination`."""
        await self.open.wait()
        if self.broken:
            raise Transient("silent")
        self.calls.append((after, limit))
        return tuple(self.entry(number) for number in range(after + 1, min(after + limit, self.length) + 1))

    def entry(self, number: int) -> JournalEntry:
        """One of them."""
        kind, body = self.special.get(number, ("decision", {}))
        return JournalEntry(sequence=number, at=START + timedelta(seconds=number), actor="aws", kind=kind, body=body)


def chronicle(journal: Journal, *, reachable: bool = True) -> Chronicle:
    """A new one, that has read nothing."""
    if reachable:
        journal.open.set()
    coordination: Any = journal
    return Chronicle(coordination, "payments")


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_a_glance_that_is_too_short_for_the_journal_is_not_wasted() -> None:
    """Five thousand entries, and nobody waits: the reading goes on for those who ask next, who learn since when the writer writes."""
    journal = Journal(5 * KEPT // 2, {3: ("elected", {"epoch": 7, "winner": "aws"})})
    read = chronicle(journal, reachable=False)
    await read.glance(NOW)
    assert (read.end, read.since(Epoch(7))) == (0, None)
    journal.open.set()
    await settle()
    await read.glance(NOW)
    assert (read.end, read.since(Epoch(7))) == (journal.length, START + timedelta(seconds=3))
    afters = [after for after, _ in journal.calls if after < journal.length]
    assert len(afters) == len(set(afters)), "a page was read twice"


async def test_a_broken_reading_goes_on_where_it_stopped() -> None:
    """etcd changes its leader in the middle: pages that were read are kept, and the next glance reads the rest."""
    journal = Journal(3 * PAGE)
    read = chronicle(journal)
    journal.broken = True
    await read.glance(timedelta(seconds=1))
    assert read.end == 0
    journal.broken = False
    await read.glance(timedelta(seconds=1))
    assert read.end == journal.length


@pytest.mark.parametrize("at", [1, 2, 777, 3000, 4999, 9000, 9999, 10_000])
@pytest.mark.parametrize("limit", [1, 20, 1000])
async def test_the_past_is_found_without_reading_all_of_it(at: int, limit: int) -> None:
    """The last entries up to any moment; from memory when it reaches back far enough, else by halving."""
    journal = Journal(10_000)
    read = chronicle(journal)
    await read.catch_up()
    journal.calls.clear()
    found = await read.before(START + timedelta(seconds=at), limit)
    assert [entry.sequence for entry in found] == list(range(max(1, at - limit + 1), at + 1))
    assert len(journal.calls) < 25
    if at - limit >= journal.length - KEPT:
        assert all(after >= journal.length for after, _ in journal.calls), "it was in memory"


async def test_before_the_first_entry_there_is_nothing() -> None:
    """And no error."""
    read = chronicle(Journal(5000))
    assert await read.before(START, 20) == ()
    assert await read.before(START + timedelta(days=1), 0) == ()


async def test_the_last_check_that_was_made_is_remembered() -> None:
    """A plan that is not checked at its end says nothing about the move before it."""
    verified = {"proven": False, "said": "gcp did not pay"}
    journal = Journal(
        10, {4: ("plan.done", {"plan": "p", "verified": verified}), 9: ("plan.done", {"plan": "q", "plan_kind": "grow"})}
    )
    read = chronicle(journal)
    assert read.verified is None
    await read.catch_up()
    assert read.verified == {"at": "2026-03-01T00:00:04.000+00:00", "plan": "p", **verified}
