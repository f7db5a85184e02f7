"""What is kept about telling, over etcd in memory and over a real member: replaced only by whoever knows what is there."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from controller.coordination.chain import verify
from controller.core.deliveries import Cursor, Telling
from controller.core.incidents import Incident, Situation, Standing
from controller.core.messages import Severity
from controller.errors import LostOwnership, Transient
from controller.ports import Draft
from tests.contract.test_coordination import first_posture

if TYPE_CHECKING:
    from tests.contract.conftest import World

pytestmark = pytest.mark.timeout(60)

SITUATION = Situation(
    incident=Incident(
        key="k", opened=datetime(2026, 1, 1, tzinfo=UTC), worst=Severity.ERROR, sites=frozenset({"aws", "gcp"}), drill=False
    ),
    standing={"failing:aws/edge": Standing(kind="failing", site="aws", severity=Severity.ERROR, said="as seen")},
    move="p",
)
RECORD = Telling(cursors={"pager": Cursor(sequence=3, digest="d", situation=SITUATION, holder="aws", passed=("gcp",))})


async def test_it_is_kept_as_it_was(world: "World") -> None:
    """Empty before anything was written; then whatever was, for everybody."""
    store = world.controller("aws")
    await store.found(first_posture(world.service))
    assert (await store.telling(world.service)).record == Telling()
    kept = await store.tell(world.service, await store.telling(world.service), RECORD)
    assert kept.record == RECORD
    assert await world.controller("gcp").telling(world.service) == kept


async def test_of_two_who_read_the_same_one_writes(world: "World") -> None:
    """And both of its writes, the record and the entries, stand or do not."""
    first, second = world.controller("aws"), world.controller("gcp")
    await first.found(first_posture(world.service))
    known = await first.telling(world.service)
    again = await second.telling(world.service)
    await first.tell(world.service, known, RECORD, [Draft(kind="told", body={"by": "first"})])
    with pytest.raises(LostOwnership):
        await second.tell(world.service, again, Telling(), [Draft(kind="told", body={"by": "second"})])
    with pytest.raises(LostOwnership):
        await second.tell(world.service, again, Telling())
    journal = await first.journal(world.service)
    assert [entry.body.get("by") for entry in journal if entry.kind == "told"] == ["first"]
    assert verify(journal) is None
    assert (await second.telling(world.service)).record == RECORD


async def test_a_lost_answer_leaves_one_write(world: "World") -> None:
    """It may stand: whoever reads again sees, and the same write again is refused or the same."""
    store = world.controller("aws")
    await store.found(first_posture(world.service))
    known = await store.telling(world.service)
    with world.lose_answers("aws"), pytest.raises(Transient):
        await store.tell(world.service, known, RECORD, [Draft(kind="told", body={})])
    await store.tell(world.service, known, RECORD, [Draft(kind="told", body={})])
    journal = await store.journal(world.service)
    assert len([entry for entry in journal if entry.kind == "told"]) == 1


async def test_many_writers_lose_nothing(world: "World") -> None:
    """Each moves a cursor of its own in the one record, beside entries that others journal; whoever was refused reads again."""
    store = world.controller("aws")
    await store.found(first_posture(world.service))

    async def move(name: str) -> None:
        own = world.controller(name)
        for sequence in range(3):
            while True:
                known = await own.telling(world.service)
                cursors = {**known.record.cursors, name: Cursor(sequence=sequence, digest="d")}
                try:
                    await own.tell(world.service, known, replace(known.record, cursors=cursors), [Draft(kind="told", body={})])
                    break
                except LostOwnership:
                    await asyncio.sleep(0)

    await asyncio.gather(*map(move, ("a", "b", "c")))
    kept = await store.telling(world.service)
    assert {name: one.sequence for name, one in kept.record.cursors.items()} == dict.fromkeys("abc", 2)
    assert len([entry for entry in await store.journal(world.service) if entry.kind == "told"]) == 9
