"""Promises of the Database port that repairs rest on: ack set, return, spare slots, and nodes on another timeline."""

import asyncio
from collections.abc import Mapping

import psycopg
import pytest

from controller.core.model import Epoch, Lsn, Role, Site, Token
from controller.errors import Conflict, StaleToken, Stuck, Transient
from tests.contract.database_worlds import SOON, DatabaseWorld
from tests.protocol.trio import AWS, AZURE, GCP, SITES

pytest_plugins = ("tests.contract.database_fixtures",)

FIRST, SECOND = Epoch(1), Epoch(2)
NOW, LATER = Token(10), Token(20)


# ------------------------------------------------------------------------------------------------ the ack set


async def test_only_the_writer_of_the_reign_marks_and_counts(three: DatabaseWorld) -> None:
    """On a follower, and for another reign, the steps of a writer answer Conflict and change nothing."""
    before = {site: await three.traces(site) for site in SITES}
    for site, reign in ((AWS, FIRST), (AZURE, SECOND), (AZURE, Epoch(0))):
        node = three.databases[site]
        with pytest.raises(Conflict):
            await node.mark_join(token=NOW, reign=reign, newcomer=GCP)
        with pytest.raises(Conflict):
            await node.set_ack_set(token=NOW, reign=reign, ack_set=frozenset())
        with pytest.raises(Conflict):
            await node.offer_seed(token=NOW, reign=reign, follower=Site("mars"))
    assert {site: await three.traces(site) for site in SITES} == before


async def test_the_ack_set_decides_whose_confirmation_counts(three: DatabaseWorld) -> None:
    """Nobody: nothing is acknowledged. One that applies: everything is. A join marker is reached by whoever streams."""
    writer = three.databases[AZURE]
    marked = await writer.mark_join(token=NOW, reign=FIRST, newcomer=GCP)
    await three.level(AZURE, AWS, GCP)
    emptied = await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset())
    assert emptied > marked
    assert (await three.facts(AZURE)).ack_slots == ()
    assert not await three.pay(AZURE, "a", patience=0.3)
    await three.part(GCP)
    await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset({GCP}))
    assert not await three.pay(AZURE, "b", patience=0.3)
    await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset({AWS}))
    assert (await three.facts(AZURE)).ack_slots == (three.slot(1, AZURE, AWS),)
    assert await three.pay(AZURE, "c")


# ------------------------------------------------------------------------------------------------ return


async def _seeded(three: DatabaseWorld, site: Site, stream: str) -> None:
    async with asyncio.timeout(30):
        while not any(one.name == stream and one.seeded for one in (await three.facts(site)).subscriptions):
            await asyncio.sleep(0.05)


async def test_an_old_writer_returns_as_a_follower(three: DatabaseWorld) -> None:
    """Its tail is kept once per key, it is emptied once per token, copied, and follows without a gap."""
    for site in (AWS, GCP):
        await three.part(site)
    for key in ("superseded", "never"):
        assert not await three.pay(AZURE, key, patience=0.1)
    await three.fail_over()
    assert await three.pay(AWS, "superseded")
    azure, aws = three.databases[AZURE], three.databases[AWS]
    await azure.fence(token=LATER, reign=SECOND)
    for _ in range(2):
        report = await azure.export_tail(token=LATER, known=aws)
        assert (report.transactions, report.superseded, report.never_happened) == (2, 1, 1)
        assert await three.quarantine(AZURE) == {"superseded": True, "never": False}
    for _ in range(2):
        await azure.clear(token=LATER, reign=SECOND)
        cleared = await three.traces(AZURE)
        assert (cleared.streams, cleared.slots, cleared.keys) == (frozenset(), frozenset(), frozenset())
        assert cleared.row[:2] == (Role.FOLLOWER, SECOND)
    for _ in range(2):
        await aws.offer_seed(token=LATER, reign=SECOND, follower=AZURE)
    assert await three.pay(AWS, "between slot and copy")
    for _ in range(2):
        await azure.seed(token=LATER, reign=SECOND, publisher=AWS)
    await _seeded(three, AZURE, three.slot(2, AWS, AZURE))
    assert (await three.facts(AZURE)).seeded == LATER
    assert await azure.fence(token=LATER, reign=SECOND) == LATER
    with pytest.raises(Conflict):
        await azure.clear(token=LATER, reign=SECOND)
    assert await three.pay(AWS, "after")
    await three.level(AWS, AZURE, GCP, reign=2)
    assert await three.keys(AWS) == await three.keys(AZURE) == await three.keys(GCP)
    assert "never" not in await three.keys(AWS)


async def test_a_tail_needs_no_slot(three: DatabaseWorld) -> None:
    """A vendor drops the slots of silent followers before a disk is full. What only the old writer has is kept all the same, and
    nothing that others have is told as a tail."""
    await three.part(GCP)
    assert await three.pay(AZURE, "everybody's")
    await three.level(AZURE, AWS)
    await three.part(AWS)
    assert not await three.pay(AZURE, "azure's", patience=0.1)
    await three.fail_over()
    for follower in (AWS, GCP):
        await three.drop_slot(AZURE, three.slot(1, AZURE, follower))
    await three.databases[AZURE].fence(token=LATER, reign=SECOND)
    report = await three.databases[AZURE].export_tail(token=LATER, known=three.databases[AWS])
    assert (report.transactions, report.superseded, report.never_happened) == (1, 0, 1)
    assert await three.quarantine(AZURE) == {"azure's": False}


async def test_a_follower_that_nobody_read_keeps_what_only_it_has(three: DatabaseWorld) -> None:
    """aws alone confirmed a payment, and a person waived it by name: gcp was elected without it. It is the only place where that
    payment is, and a follower has no slot that would say so."""
    await three.part(GCP)
    assert await three.pay(AZURE, "aws's")
    await three.level(AZURE, AWS)
    await three.cut(GCP)
    await three.databases[GCP].open(token=NOW, epoch=SECOND, ack_set=frozenset())
    aws = three.databases[AWS]
    await aws.fence(token=LATER, reign=SECOND)
    report = await aws.export_tail(token=LATER, known=three.databases[GCP])
    assert (report.transactions, report.never_happened) == (1, 1)
    assert await three.quarantine(AWS) == {"aws's": False}
    with pytest.raises(StaleToken):
        await aws.export_tail(token=NOW, known=three.databases[GCP])


async def test_a_slot_that_streams_is_not_replaced_by_an_offer(three: DatabaseWorld) -> None:
    """An offer that arrives late finds the slot and keeps its position."""
    await three.level(AZURE, AWS, GCP)
    await three.hold(GCP)
    late = asyncio.create_task(three.pay(AZURE, "a"))
    await three.until(AWS, "a")
    await three.databases[AZURE].offer_seed(token=NOW, reign=FIRST, follower=GCP)
    await three.release(GCP)
    assert await late
    await three.level(AZURE, GCP)
    assert "a" in await three.keys(GCP)


async def test_a_writer_is_never_emptied(three: DatabaseWorld) -> None:
    """Clearing it is a conflict, whatever the token."""
    await three.pay(AZURE, "a")
    with pytest.raises(Conflict):
        await three.databases[AZURE].clear(token=LATER, reign=SECOND)
    assert "a" in await three.keys(AZURE)


# ------------------------------------------------------------------------------------------------ caretaker


async def _spare(three: DatabaseWorld) -> Lsn:
    return next(one.confirmed for one in (await three.facts(AWS)).slots if one.name == three.spare(AWS, GCP))


async def _stands(three: DatabaseWorld, site: Site) -> Lsn:
    return (await three.facts(site)).subscriptions[0].position


async def tended(
    three: DatabaseWorld,
    at: Site,
    *,
    reign: Epoch,
    writer: Site,
    siblings: Mapping[Site, Lsn],
    outside: frozenset[Site] = frozenset(),
    limit: int = 1 << 40,
) -> tuple[str, ...]:
    """One round of the caretaker of this node; everybody is in the must-cut set, and no disk is small."""
    return await three.databases[at].tend(reign=reign, writer=writer, siblings=siblings, outside=outside, limit=limit)


async def test_a_spare_slot_is_short_and_still_holds_where_the_sibling_stands(three: DatabaseWorld) -> None:
    """It moves forward, never past the sibling's last transaction, so that an exact match is always found."""
    for key in ("a", "b", "c"):
        assert await three.pay(AZURE, key)
    await three.level(AZURE, AWS, GCP)
    long = await _spare(three)
    assert await tended(three, AWS, reign=FIRST, writer=AZURE, siblings={GCP: Lsn(0)}) == ()
    assert await _spare(three) == long, "a sibling that stands nowhere holds everything back"
    stands = await _stands(three, GCP)
    await three.hold(GCP)
    for key in ("d", "e"):
        assert await three.pay(AZURE, key)
    await three.level(AZURE, AWS)
    for _ in range(3):
        await tended(three, AWS, reign=FIRST, writer=AZURE, siblings={GCP: stands})
    assert await _spare(three) > long
    _, gcp = await three.cut(AWS, GCP)
    assert gcp.lsn == stands
    refusal = await three.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
    assert refusal is None
    await three.release(GCP)
    await three.databases[GCP].follow(token=NOW, epoch=SECOND, publisher=AWS)
    await three.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({GCP}))
    await three.level(AWS, GCP, reign=2)
    assert await three.keys(AWS) == await three.keys(GCP) >= {"a", "b", "c", "d", "e"}


async def test_a_caretaker_clears_up_after_a_closed_reign(three: DatabaseWorld) -> None:
    """What is spare of the old epoch is dropped, what is missing is made, and the second round has nothing to do."""
    await three.fail_over()
    assert await three.pay(AWS, "a")
    await three.level(AWS, GCP, reign=2)
    assert await tended(three, AWS, reign=SECOND, writer=AWS, siblings={}) == (
        f"dropped {three.spare(AWS, GCP)}",  # the slot
        f"dropped {three.spare(GCP, AWS)}",  # the subscription
    )
    assert await tended(three, AWS, reign=SECOND, writer=AWS, siblings={}) == ()
    changed = await tended(three, GCP, reign=SECOND, writer=AWS, siblings={AZURE: Lsn(1)})
    slot, subscription = (three.spare(*pair).replace("_e1_", "_e2_") for pair in ((GCP, AZURE), (AZURE, GCP)))
    assert changed == (f"dropped {three.spare(GCP, AWS)}", f"created {slot}", f"created {subscription}")
    assert await tended(three, GCP, reign=SECOND, writer=AWS, siblings={AZURE: Lsn(1)}) == ()


async def _slots(three: DatabaseWorld, site: Site) -> frozenset[str]:
    return (await three.traces(site)).slots


async def test_a_node_that_stays_away_does_not_fill_the_others_disks(three: DatabaseWorld) -> None:
    """gcp is down for nineteen hours. As soon as it is outside the must-cut set and its confirmation no longer counts, the log that
    waits for it on both survivors is let go at the limit, and not before; everybody else's slots stay."""
    own, spare = three.slot(1, AZURE, GCP), three.spare(AWS, GCP)
    await three.level(AZURE, AWS, GCP)
    await three.part(GCP)
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS)
    before = {site: await _slots(three, site) for site in (AZURE, AWS)}
    away = frozenset({GCP})
    for outside, limit in ((frozenset(), 0), (away, 1 << 40), (away, 0)):
        await tended(three, AZURE, reign=FIRST, writer=AZURE, siblings={}, outside=outside, limit=limit)
    assert await _slots(three, AZURE) == before[AZURE], "a member, below the limit, or still counted in the row"
    await three.databases[AZURE].set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset({AWS}))
    for site, name in ((AZURE, own), (AWS, spare)):
        for outside, limit in ((frozenset(), 0), (away, 1 << 40)):
            await tended(three, site, reign=FIRST, writer=AZURE, siblings={}, outside=outside, limit=limit)
        assert await _slots(three, site) == before[site]
        told = await tended(three, site, reign=FIRST, writer=AZURE, siblings={}, outside=away, limit=0)
        assert f"dropped {name}: it held back more than 0 bytes" in told
        assert await _slots(three, site) == before[site] - {name}
    both = frozenset({AWS, GCP})
    await tended(three, AZURE, reign=FIRST, writer=AZURE, siblings={}, outside=both, limit=0)
    assert await _slots(three, AZURE) == before[AZURE] - {own}, "one that streams needs no more than it reads"


async def test_no_slot_of_a_fenced_node_is_dropped(three: DatabaseWorld) -> None:
    """A round that the network held back finds the writer fenced: from its own slots its followers are attached again, should it be
    elected."""
    for site in (AWS, GCP):
        await three.part(site)
    assert not await three.pay(AZURE, "a", patience=0.1)
    await three.databases[AZURE].set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset())
    await three.databases[AZURE].fence(token=LATER, reign=SECOND)
    before = await _slots(three, AZURE)
    late = await tended(three, AZURE, reign=FIRST, writer=AZURE, siblings={}, outside=frozenset({AWS, GCP}), limit=0)
    assert not [told for told in late if "held back" in told]
    assert await _slots(three, AZURE) == before


async def test_a_spare_attaches_without_a_dial(three: DatabaseWorld) -> None:
    """A publisher that cannot be dialled in this very moment leaves nobody behind: the sibling with a spare subscription follows it as
    soon as it answers. Without a spare the same step fails for now."""
    _, gcp = await three.cut(AWS, GCP)
    assert await three.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False) is None
    await three.kill(AWS)
    await three.databases[GCP].follow(token=NOW, epoch=SECOND, publisher=AWS)
    (stream,) = (await three.facts(GCP)).subscriptions
    assert (stream.name, stream.enabled) == (three.slot(2, AWS, GCP), True)
    with pytest.raises(Transient):
        await three.databases[GCP].follow(token=NOW, epoch=Epoch(3), publisher=AWS)


async def test_a_caretaker_of_another_reign_drops_nothing(three: DatabaseWorld) -> None:
    """A node that has not come to the reign may hold the slots that prove its tail."""
    await three.fail_over()
    before = await three.traces(AZURE)
    assert await tended(three, AZURE, reign=SECOND, writer=AWS, siblings={}) == ()
    assert await three.traces(AZURE) == before


# ------------------------------------------------------------------------------------------------ another timeline


async def test_a_node_on_a_new_timeline_proves_nothing(three: DatabaseWorld) -> None:
    """Every step that builds on a cut is stuck there, the cut itself too; emptied and seeded it is trusted again."""
    await three.level(AZURE, AWS, GCP)
    (before,) = await three.cut(AWS)
    await three.fail_over_in_cloud(AWS)
    node = three.databases[AWS]
    assert not (await three.facts(AWS)).pinned
    steps = (
        node.cut(token=NOW, epoch=SECOND, writer=AZURE, reign=FIRST),
        node.place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=before, level=True),
        node.follow(token=NOW, epoch=SECOND, publisher=AZURE),
        node.open(token=NOW, epoch=SECOND, ack_set=frozenset()),
        node.seed(token=NOW, reign=SECOND, publisher=AZURE),
    )
    for step in steps:
        with pytest.raises(Stuck):
            await step
    facts = await three.facts(AWS)
    assert (facts.role, facts.epoch) == (Role.FOLLOWER, FIRST)
    await node.fence(token=LATER, reign=FIRST)
    await node.clear(token=LATER, reign=FIRST)
    assert (await three.facts(AWS)).pinned


async def test_a_writer_on_a_new_timeline_admits_nothing(three: DatabaseWorld) -> None:
    """Neither payments nor the steps of a writer."""
    await three.pay(AZURE, "a")
    await three.fail_over_in_cloud(AZURE)
    with pytest.raises((psycopg.Error, Stuck)):
        await three.pay(AZURE, "b")
    node = three.databases[AZURE]
    for step in (
        node.mark_join(token=NOW, reign=FIRST, newcomer=GCP),
        node.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset()),
        node.offer_seed(token=NOW, reign=FIRST, follower=GCP),
    ):
        with pytest.raises(Stuck):
            await step
    assert await node.facts(SOON)


async def test_confirmations_on_a_new_timeline_say_nothing(three: DatabaseWorld) -> None:
    """Followers confirmed this position of the writer, and what stood before it may be gone: nobody is said to hold it."""
    await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    lsn = (await three.facts(AZURE)).flushed
    await three.fail_over_in_cloud(AZURE)
    with pytest.raises(Stuck):
        await three.databases[AZURE].await_confirmed(reign=FIRST, followers=frozenset({AWS, GCP}), lsn=lsn, need=1, deadline=SOON)
