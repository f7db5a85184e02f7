"""A winner that dies right after it was elected, and comes back on its own disk, still begins its sibling's stream where it was placed."""

from contextlib import suppress
from datetime import timedelta

import pytest

from controller.core import naming
from controller.core.model import Epoch, Lsn, Position, Site, Token
from controller.core.plans import PlanKind
from controller.errors import Transient
from controller.postgres.slots import tend
from tests.protocol.trio import AWS, AZURE, GCP, Trio

TOKEN = Token(1 << 40)
SECOND = Epoch(2)


async def confirmed(trio: Trio, at: Site, slot: str) -> str:
    """Where a slot stands, as its server says."""
    return (await trio.sql(at, "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = %s", slot))[0][0]


async def slots(trio: Trio, at: Site) -> set[str]:
    """All of the service's."""
    rows = await trio.sql(at, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
    return {name for (name,) in rows}


async def cut(trio: Trio, site: Site) -> Position:
    """End its stream of the first reign."""
    return await trio.databases[site].cut(token=TOKEN, epoch=SECOND, writer=AZURE, reign=Epoch(1))


async def die_and_come_back(trio: Trio, site: Site) -> None:
    """SIGKILL, and a start on the same data: nothing that was only in memory is left. Sessions of before are met once and thrown away."""
    trio.lose(site)
    await trio.start(site)
    with suppress(Transient):
        await trio.databases[site].digest(up_to=SECOND)


@pytest.mark.parametrize("level", [False, True], ids=["mapped", "at-the-end"])
async def test_a_placed_slot_stands_where_it_was_placed_after_a_crash(trio: Trio, *, level: bool) -> None:
    """`pg_replication_slot_advance` moves a slot in memory, and a crash takes it back to the last checkpoint. 1. aws is elected, gcp's slot
    is moved behind what gcp has. 2. aws crashes and comes back: the slot stands at the beginning of the reign. 3. gcp is sent every payment
    again, stumbles over the first, and confirms nothing ever again; rows without a key of their own would be there twice."""
    for _ in range(3):
        await trio.pay(AZURE)
    await trio.await_equal()
    trio.lose(AZURE)
    await cut(trio, AWS)
    position = await cut(trio, GCP)
    assert await trio.databases[AWS].place_slot(token=TOKEN, epoch=SECOND, sibling=GCP, position=position, level=level) is None
    slot = trio.nodes[AWS].slot_for(SECOND, GCP)
    placed = await confirmed(trio, AWS, slot)
    await die_and_come_back(trio, AWS)
    assert await confirmed(trio, AWS, slot) == placed


@pytest.mark.parametrize("level", [False, True], ids=["mapped", "at-the-end"])
async def test_a_slot_that_was_placed_may_be_placed_again(trio: Trio, *, level: bool) -> None:
    """The first answer was lost, and the log has grown since by what is not published, another service's writes among it."""
    await trio.await_equal()
    trio.lose(AZURE)
    await cut(trio, AWS)
    position = await cut(trio, GCP)
    for _ in range(2):
        assert (
            await trio.databases[AWS].place_slot(token=TOKEN, epoch=SECOND, sibling=GCP, position=position, level=level) is None
        )
        await trio.sql(AWS, "SELECT pg_logical_emit_message(true, 'another', repeat('x', 100000))")


async def test_a_slot_that_follows_the_fenced_writer_stands_after_a_crash_too(trio: Trio) -> None:
    """The same for the writer's own slots, when it is elected again."""
    for _ in range(3):
        await trio.pay(AZURE)
    await trio.await_equal()
    await trio.part(GCP)
    position = await cut(trio, GCP)
    await cut(trio, AZURE)
    assert position.lsn > Lsn(0)
    assert await trio.databases[AZURE].place_slot(token=TOKEN, epoch=SECOND, sibling=GCP, position=position, level=False) is None
    slot = trio.nodes[AZURE].slot_for(SECOND, GCP)
    placed = await confirmed(trio, AZURE, slot)
    await die_and_come_back(trio, AZURE)
    assert await confirmed(trio, AZURE, slot) == placed


async def test_a_winner_that_crashes_before_anybody_follows_it_is_followed_when_it_is_back(trio: Trio) -> None:
    """The whole failover with gcp behind a wall: attached, and not yet come through. Aws opens, dies, comes back; gcp comes through, holds
    what aws holds, and payments are acknowledged again. Found by the sequence `second-site` of the fault matrix."""
    for _ in range(3):
        await trio.pay(AZURE)
    await trio.await_equal()
    trio.lose(AZURE)
    await cut(trio, AWS)
    position = await cut(trio, GCP)
    assert await trio.databases[AWS].place_slot(token=TOKEN, epoch=SECOND, sibling=GCP, position=position, level=False) is None
    await trio.databases[GCP].follow(token=TOKEN, epoch=SECOND, publisher=AWS)
    await trio.part(GCP)
    await trio.databases[AWS].open(token=TOKEN, epoch=SECOND, ack_set=frozenset({GCP}))
    await die_and_come_back(trio, AWS)
    await trio.sql(GCP, f"ALTER SUBSCRIPTION {trio.nodes[GCP].stream_from(SECOND, AWS)} ENABLE")
    assert await trio.pay(AWS, patience=10)
    await trio.await_equal(AWS, GCP)
    assert not await trio.lost(AWS) and not await trio.lost(GCP)
    facts = await trio.databases[GCP].facts(timedelta(seconds=1))
    assert (facts.epoch, facts.marked) == (SECOND, SECOND)


async def test_nothing_is_left_of_how_a_slot_was_placed(trio: Trio) -> None:
    """A slot that nobody reads keeps log until the disk is full: none is left by a placing that ends, nor for long by one that does not."""
    await trio.pay(AZURE)
    await trio.await_equal()
    await trio.carry(PlanKind.SWITCHOVER, AWS)
    names = await slots(trio, AWS)
    assert names >= {trio.nodes[AWS].slot_for(SECOND, site) for site in (AZURE, GCP)}
    assert not [name for name in names if name.endswith("_new")]
    left = naming.unplaced(trio.nodes[AWS].slot_for(SECOND, GCP))
    await trio.sql(AWS, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", left)
    said = await tend(trio.nodes[AWS], reign=SECOND, writer=AWS, siblings={}, outside=frozenset(), limit=1 << 30)
    assert f"dropped {left}" in said
    assert {trio.nodes[AWS].slot_for(SECOND, site) for site in (AZURE, GCP)} <= await slots(trio, AWS)
