"""Every promise of the Database port, against the world in memory and against real PostgreSQL 18."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count

import psycopg
import pytest

from controller.core.model import Epoch, Lsn, Position, Role, Site, Token
from controller.errors import Conflict, StaleToken, Stuck, Transient, TrimaranError
from lab.binaries import find_postgres
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace
from tests.contract.database_worlds import SOON, DatabaseWorld, Memory, Postgres
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio

NUMBERS = count(1)
FIRST, SECOND = Epoch(1), Epoch(2)
OLD, NOW, LATER = Token(5), Token(10), Token(20)


@pytest.fixture(scope="session")
def contract_servers() -> Iterator[dict[str, PostgresServer]]:
    """One PostgreSQL 18 per site for all tests of this file."""

    async def start(workspace: Workspace) -> dict[str, PostgresServer]:
        binaries = find_postgres(18)
        made = [await create_server(workspace, site, binaries) for site in SITES]
        await asyncio.gather(*(server.start() for server in made))
        return {server.site: server for server in made}

    with Workspace(f"contract-{os.getpid()}") as workspace:
        yield asyncio.run(start(workspace))


@pytest.fixture(params=["memory", "postgres"])
def servers(request: pytest.FixtureRequest) -> dict[str, PostgresServer] | None:
    """What the world stands on; None: memory."""
    return request.getfixturevalue("contract_servers") if request.param == "postgres" else None


@pytest.fixture
async def world(servers: dict[str, PostgresServer] | None) -> AsyncIterator[DatabaseWorld]:
    """Both implementations, with a service that no other test uses."""
    service = f"contract{next(NUMBERS)}"
    if servers is None:
        yield Memory(service)
        return
    trio = Trio(service=service, servers=servers)
    try:
        await trio.found()
        yield Postgres(trio)
    finally:
        await trio.remove()


# ------------------------------------------------------------------------------------------------ who are you


async def test_facts_are_complete(world: DatabaseWorld) -> None:
    """Writer and follower name role, reign, streams, slots and positions as they are."""
    assert await world.pay(AZURE, "a")
    await world.level(AZURE, AWS, GCP)
    writer, follower = await world.facts(AZURE), await world.facts(AWS)
    assert (writer.site, writer.role, writer.epoch, writer.pinned) == (AZURE, Role.WRITER, FIRST, True)
    assert writer.seeded == -1
    assert set(writer.ack_slots) == {one.name for one in writer.slots} == {world.slot(1, AZURE, AWS), world.slot(1, AZURE, GCP)}
    assert all(one.active and one.confirmed >= writer.flushed and not one.lost for one in writer.slots)
    (stream,) = follower.subscriptions
    assert (follower.role, follower.epoch, follower.ack_slots) == (Role.FOLLOWER, FIRST, ())
    assert (stream.name, stream.enabled, stream.running, stream.seeded) == (world.slot(1, AZURE, AWS), True, True, True)
    assert 0 < stream.position <= writer.flushed
    (spare,) = follower.slots
    assert (spare.name, spare.active, spare.lost) == (world.spare(AWS, GCP), False, False)
    assert spare.retained_bytes > 0


async def test_a_dead_node_is_could_not_ask(world: DatabaseWorld) -> None:
    """Facts and steps on it answer Transient, and in time."""
    await world.kill(AWS)
    async with asyncio.timeout(10):
        with pytest.raises(Transient):
            await world.facts(AWS)
        with pytest.raises(Transient):
            await world.cut(AWS)


async def test_digests_are_equal_exactly_when_the_ledgers_are(world: DatabaseWorld) -> None:
    """A payment that one ledger lacks makes the digests differ, unless its epoch is not asked for."""
    await world.level(AZURE, AWS, GCP)
    assert len({await world.databases[site].digest(up_to=FIRST) for site in SITES}) == 1
    await world.part(GCP)
    assert await world.pay(AZURE, "a")
    await world.level(AZURE, AWS)
    azure, aws, gcp = [await world.databases[site].digest(up_to=FIRST) for site in (AZURE, AWS, GCP)]
    assert azure == aws != gcp
    assert len({await world.databases[site].digest(up_to=Epoch(0)) for site in SITES}) == 1


async def test_a_ledger_knows_its_keys(world: DatabaseWorld) -> None:
    """Exactly the keys that exist are answered."""
    await world.pay(AZURE, "a")
    assert await world.databases[AZURE].has(["a", "b"]) == {"a"}
    assert await world.databases[AZURE].has([]) == frozenset()


# ------------------------------------------------------------------------------------------------ cut and fence


async def test_a_cut_is_final_and_may_be_repeated(world: DatabaseWorld) -> None:
    """What is paid after a cut never reaches the node, and a second cut reads the same position."""
    assert await world.pay(AZURE, "before")
    await world.level(AZURE, AWS, GCP)
    (first,) = await world.cut(AWS)
    assert (first.site, first.publisher, first.epoch) == (AWS, AZURE, FIRST)
    assert first.lsn > 0
    assert await world.pay(AZURE, "after"), "gcp still acknowledges"
    assert await world.cut(AWS) == [first]
    assert "after" not in await world.keys(AWS)
    (stream,) = (await world.facts(AWS)).subscriptions
    assert (stream.enabled, stream.running) == (False, False)


async def test_the_position_of_the_member_that_has_more_is_higher(world: DatabaseWorld) -> None:
    """Positions of one publisher and epoch compare."""
    await world.level(AZURE, AWS, GCP)
    await world.hold(GCP)
    assert await world.pay(AZURE, "a")
    aws, gcp = await world.cut(AWS, GCP)
    assert aws.lsn > gcp.lsn > 0


async def test_a_cut_closes_a_writer_and_its_end_is_behind_everything(world: DatabaseWorld) -> None:
    """After its cut the writer admits nothing; followers that confirm the position have everything."""
    assert await world.pay(AZURE, "a")
    (position,) = await world.cut(AZURE)
    assert (position.site, position.publisher, position.epoch) == (AZURE, AZURE, FIRST)
    with pytest.raises((psycopg.Error, TrimaranError)):
        await world.pay(AZURE, "b")
    assert (await world.facts(AZURE)).role is Role.FENCED
    reached = await world.databases[AZURE].await_confirmed(
        reign=FIRST, followers=frozenset({AWS, GCP}), lsn=position.lsn, need=2, deadline=timedelta(seconds=20)
    )
    assert reached == {AWS, GCP}
    assert "a" in await world.keys(AWS) & await world.keys(GCP)
    assert "b" not in await world.keys(AZURE)


async def test_a_fence_closes_only_writers_of_earlier_reigns(world: DatabaseWorld) -> None:
    """The writer of the present reign and followers stay as they are; a fence may be repeated, and answers the last seeding."""
    assert await world.databases[AZURE].fence(token=NOW, reign=FIRST) == -1
    assert await world.pay(AZURE, "a")
    before = await world.traces(AWS)
    await world.databases[AWS].fence(token=before.row[2], reign=SECOND)
    assert await world.traces(AWS) == before
    for _ in range(2):
        assert await world.databases[AZURE].fence(token=NOW, reign=SECOND) == -1
        assert (await world.facts(AZURE)).role is Role.FENCED


async def test_a_wait_answers_who_confirmed_by_its_deadline(world: DatabaseWorld) -> None:
    """Fewer than wanted is an answer; an unknown follower never confirms."""
    await world.level(AZURE, AWS, GCP)
    await world.hold(GCP)
    assert await world.pay(AZURE, "a")
    lsn = (await world.facts(AZURE)).flushed
    reached = await world.databases[AZURE].await_confirmed(
        reign=FIRST, followers=frozenset({AWS, GCP, Site("mars")}), lsn=lsn, need=3, deadline=timedelta(seconds=0.3)
    )
    assert reached == {AWS}


# ------------------------------------------------------------------------------------------------ the token


def _changing(world: DatabaseWorld, token: Token, position: Position) -> dict[str, tuple[Site, Awaitable[object]]]:
    """Every changing method, each where it would otherwise succeed."""
    azure, gcp = world.databases[AZURE], world.databases[GCP]
    aws = world.databases[AWS]
    return {
        "cut": (AWS, aws.cut(token=token, epoch=Epoch(3), writer=AZURE, reign=SECOND)),
        "fence": (AZURE, azure.fence(token=token, reign=Epoch(9))),
        "place_slot": (AWS, aws.place_slot(token=token, epoch=Epoch(3), sibling=GCP, position=position, level=True)),
        "follow": (GCP, gcp.follow(token=token, epoch=Epoch(3), publisher=AZURE)),
        "open": (GCP, gcp.open(token=token, epoch=Epoch(4), ack_set=frozenset())),
        "mark_join": (AZURE, azure.mark_join(token=token, reign=FIRST, newcomer=GCP)),
        "set_ack_set": (AZURE, azure.set_ack_set(token=token, reign=FIRST, ack_set=frozenset())),
        "export_tail": (AZURE, azure.export_tail(token=token, known=gcp)),
        "clear": (AWS, aws.clear(token=token, reign=SECOND)),
        "seed": (AWS, aws.seed(token=token, reign=SECOND, publisher=AZURE)),
        "offer_seed": (AZURE, azure.offer_seed(token=token, reign=FIRST, follower=Site("mars"))),
    }


async def test_an_older_owner_is_turned_away_by_every_step(world: DatabaseWorld) -> None:
    """Once a node holds a newer promise, each changing method answers StaleToken and leaves nothing behind."""
    await world.pay(AZURE, "a")
    await world.level(AZURE, AWS, GCP)
    for site in SITES:
        await world.databases[site].fence(token=NOW, reign=FIRST)
    before = {site: await world.traces(site) for site in SITES}
    position = Position(site=GCP, publisher=AZURE, epoch=FIRST, lsn=Lsn(1))
    for method, (_, call) in _changing(world, OLD, position).items():
        with pytest.raises(StaleToken):
            await call
        assert {site: await world.traces(site) for site in SITES} == before, method


# ------------------------------------------------------------------------------------------------ attach and open


async def test_a_sibling_goes_on_exactly_where_it_stands(world: DatabaseWorld) -> None:
    """The winner has payments the sibling lacks: it gets those, no other, and no copy; each step may be repeated after a lost answer."""
    assert await world.pay(AZURE, "both")
    await world.level(AZURE, AWS, GCP)
    await world.hold(GCP)
    for key in ("aws-1", "aws-2"):
        assert await world.pay(AZURE, key)
    _, gcp = await world.cut(AWS, GCP)
    await world.release(GCP)
    for _ in range(2):
        refusal = await world.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
        assert refusal is None
    for _ in range(2):
        await world.databases[GCP].follow(token=NOW, epoch=SECOND, publisher=AWS)
    opened = [await world.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({GCP})) for _ in range(2)]
    assert opened[0] <= opened[1]
    await world.level(AWS, GCP, reign=2)
    assert await world.keys(AWS) == await world.keys(GCP) >= {"both", "aws-1", "aws-2"}
    assert await world.databases[AWS].digest(up_to=FIRST) == await world.databases[GCP].digest(up_to=FIRST)
    assert await world.pay(AWS, "new")
    (stream,) = (await world.facts(GCP)).subscriptions
    assert stream.name == world.slot(2, AWS, GCP), "older streams are gone"
    assert (await world.facts(AWS)).subscriptions == ()
    assert (await world.facts(GCP)).seeded == -1


async def test_a_position_without_an_exact_match_is_refused_with_the_reason(world: DatabaseWorld) -> None:
    """Another position, another reign, a spare slot that is gone: no slot is placed."""
    assert await world.pay(AZURE, "a")
    await world.level(AZURE, AWS, GCP)
    _, gcp = await world.cut(AWS, GCP)
    winner = world.databases[AWS]
    for wrong in (replace(gcp, lsn=Lsn(gcp.lsn - 1)), replace(gcp, lsn=Lsn(gcp.lsn + 1)), replace(gcp, epoch=Epoch(7))):
        refusal = await winner.place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=wrong, level=False)
        assert refusal
    await world.drop_slot(AWS, world.spare(AWS, GCP))
    refusal = await winner.place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
    assert refusal
    assert "spare" in refusal
    assert world.slot(2, AWS, GCP) not in {one.name for one in (await world.facts(AWS)).slots}


async def test_level_siblings_follow_from_the_winners_end(world: DatabaseWorld) -> None:
    """A switchover by hand: closed, drained, confirmed; both others follow the target, the old writer among them."""
    assert await world.pay(AZURE, "a")
    (azure,) = await world.cut(AZURE)
    await world.level(AZURE, AWS, GCP)
    _, gcp = await world.cut(AWS, GCP)
    for sibling, position in ((AZURE, azure), (GCP, gcp)):
        refusal = await world.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=sibling, position=position, level=True)
        assert refusal is None
        await world.databases[sibling].follow(token=NOW, epoch=SECOND, publisher=AWS)
    await world.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({AZURE, GCP}))
    assert await world.pay(AWS, "b")
    await world.level(AWS, AZURE, GCP, reign=2)
    assert await world.keys(AWS) == await world.keys(AZURE) == await world.keys(GCP) >= {"a", "b"}


async def test_the_old_writer_wins_with_its_own_slots(world: DatabaseWorld) -> None:
    """Given back after its cut: each follower goes on from its slot of the old reign, also one that lags."""
    assert await world.pay(AZURE, "a")
    await world.level(AZURE, AWS, GCP)
    await world.hold(GCP)
    assert await world.pay(AZURE, "b")
    _, aws, gcp = await world.cut(AZURE, AWS, GCP)
    await world.release(GCP)
    for sibling, position in ((AWS, aws), (GCP, gcp)):
        refusal = await world.databases[AZURE].place_slot(
            token=NOW, epoch=SECOND, sibling=sibling, position=position, level=False
        )
        assert refusal is None
        await world.databases[sibling].follow(token=NOW, epoch=SECOND, publisher=AZURE)
    await world.databases[AZURE].open(token=NOW, epoch=SECOND, ack_set=frozenset({AWS, GCP}))
    await world.level(AZURE, AWS, GCP, reign=2)
    assert await world.keys(AZURE) == await world.keys(AWS) == await world.keys(GCP) >= {"a", "b"}
    assert await world.pay(AZURE, "c")


async def test_a_slot_of_its_own_that_is_gone_is_a_reason(world: DatabaseWorld) -> None:
    """Without the old slot nothing says where the follower stands."""
    _, aws = await world.cut(AZURE, AWS)
    await world.drop_slot(AZURE, world.slot(1, AZURE, AWS))
    refusal = await world.databases[AZURE].place_slot(token=NOW, epoch=SECOND, sibling=AWS, position=aws, level=False)
    assert refusal
    assert world.slot(1, AZURE, AWS) in refusal


async def test_a_reign_is_opened_once_and_never_backwards(world: DatabaseWorld) -> None:
    """A node that stands in an epoch, as writer or follower, opens neither it nor an earlier one; a writer follows nobody."""
    await world.fail_over()
    with pytest.raises(Conflict):
        await world.databases[AWS].open(token=LATER, epoch=FIRST, ack_set=frozenset())
    with pytest.raises(Conflict):
        await world.databases[GCP].open(token=LATER, epoch=SECOND, ack_set=frozenset())
    with pytest.raises(Conflict):
        await world.databases[AWS].follow(token=LATER, epoch=Epoch(3), publisher=GCP)
    assert (await world.facts(AWS)).token == (await world.facts(GCP)).token == NOW, "a refusal leaves no promise"
    assert await world.pay(AWS, "a")


# ------------------------------------------------------------------------------------------------ the ack set


async def test_only_the_writer_of_the_reign_marks_and_counts(world: DatabaseWorld) -> None:
    """On a follower, and for another reign, the steps of a writer answer Conflict and change nothing."""
    before = {site: await world.traces(site) for site in SITES}
    for site, reign in ((AWS, FIRST), (AZURE, SECOND), (AZURE, Epoch(0))):
        node = world.databases[site]
        with pytest.raises(Conflict):
            await node.mark_join(token=NOW, reign=reign, newcomer=GCP)
        with pytest.raises(Conflict):
            await node.set_ack_set(token=NOW, reign=reign, ack_set=frozenset())
        with pytest.raises(Conflict):
            await node.offer_seed(token=NOW, reign=reign, follower=Site("mars"))
    assert {site: await world.traces(site) for site in SITES} == before


async def test_the_ack_set_decides_whose_confirmation_counts(world: DatabaseWorld) -> None:
    """Nobody: nothing is acknowledged. One that applies: everything is. A join marker is reached by whoever streams."""
    writer = world.databases[AZURE]
    marked = await writer.mark_join(token=NOW, reign=FIRST, newcomer=GCP)
    await world.level(AZURE, AWS, GCP)
    emptied = await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset())
    assert emptied > marked
    assert (await world.facts(AZURE)).ack_slots == ()
    assert not await world.pay(AZURE, "a", patience=0.3)
    await world.part(GCP)
    await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset({GCP}))
    assert not await world.pay(AZURE, "b", patience=0.3)
    await writer.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset({AWS}))
    assert (await world.facts(AZURE)).ack_slots == (world.slot(1, AZURE, AWS),)
    assert await world.pay(AZURE, "c")


# ------------------------------------------------------------------------------------------------ return


async def _seeded(world: DatabaseWorld, site: Site, stream: str) -> None:
    async with asyncio.timeout(30):
        while not any(one.name == stream and one.seeded for one in (await world.facts(site)).subscriptions):
            await asyncio.sleep(0.05)


async def test_an_old_writer_returns_as_a_follower(world: DatabaseWorld) -> None:
    """Its tail is kept once per key, it is emptied once per token, copied, and follows without a gap."""
    for site in (AWS, GCP):
        await world.part(site)
    for key in ("superseded", "never"):
        assert not await world.pay(AZURE, key, patience=0.1)
    await world.fail_over()
    assert await world.pay(AWS, "superseded")
    azure, aws = world.databases[AZURE], world.databases[AWS]
    await azure.fence(token=LATER, reign=SECOND)
    for _ in range(2):
        report = await azure.export_tail(token=LATER, known=aws)
        assert (report.transactions, report.superseded, report.never_happened) == (2, 1, 1)
        assert await world.quarantine(AZURE) == {"superseded": True, "never": False}
    for _ in range(2):
        await azure.clear(token=LATER, reign=SECOND)
        cleared = await world.traces(AZURE)
        assert (cleared.streams, cleared.slots, cleared.keys) == (frozenset(), frozenset(), frozenset())
        assert cleared.row[:2] == (Role.FOLLOWER, SECOND)
    for _ in range(2):
        await aws.offer_seed(token=LATER, reign=SECOND, follower=AZURE)
    assert await world.pay(AWS, "between slot and copy")
    for _ in range(2):
        await azure.seed(token=LATER, reign=SECOND, publisher=AWS)
    await _seeded(world, AZURE, world.slot(2, AWS, AZURE))
    assert (await world.facts(AZURE)).seeded == LATER
    assert await azure.fence(token=LATER, reign=SECOND) == LATER
    with pytest.raises(Conflict):
        await azure.clear(token=LATER, reign=SECOND)
    assert await world.pay(AWS, "after")
    await world.level(AWS, AZURE, GCP, reign=2)
    assert await world.keys(AWS) == await world.keys(AZURE) == await world.keys(GCP)
    assert "never" not in await world.keys(AWS)


async def test_a_slot_that_streams_is_not_replaced_by_an_offer(world: DatabaseWorld) -> None:
    """An offer that arrives late finds the slot and keeps its position."""
    await world.level(AZURE, AWS, GCP)
    await world.hold(GCP)
    late = asyncio.create_task(world.pay(AZURE, "a"))
    await world.until(AWS, "a")
    await world.databases[AZURE].offer_seed(token=NOW, reign=FIRST, follower=GCP)
    await world.release(GCP)
    assert await late
    await world.level(AZURE, GCP)
    assert "a" in await world.keys(GCP)


async def test_a_writer_is_never_emptied(world: DatabaseWorld) -> None:
    """Clearing it is a conflict, whatever the token."""
    await world.pay(AZURE, "a")
    with pytest.raises(Conflict):
        await world.databases[AZURE].clear(token=LATER, reign=SECOND)
    assert "a" in await world.keys(AZURE)


# ------------------------------------------------------------------------------------------------ caretaker


async def _spare(world: DatabaseWorld) -> Lsn:
    return next(one.confirmed for one in (await world.facts(AWS)).slots if one.name == world.spare(AWS, GCP))


async def _stands(world: DatabaseWorld, site: Site) -> Lsn:
    return (await world.facts(site)).subscriptions[0].position


async def test_a_spare_slot_is_short_and_still_holds_where_the_sibling_stands(world: DatabaseWorld) -> None:
    """It moves forward, never past the sibling's last transaction, so that an exact match is always found."""
    for key in ("a", "b", "c"):
        assert await world.pay(AZURE, key)
    await world.level(AZURE, AWS, GCP)
    long = await _spare(world)
    assert await world.databases[AWS].tend(reign=FIRST, writer=AZURE, siblings={GCP: Lsn(0)}) == ()
    assert await _spare(world) == long, "a sibling that stands nowhere holds everything back"
    stands = await _stands(world, GCP)
    await world.hold(GCP)
    for key in ("d", "e"):
        assert await world.pay(AZURE, key)
    await world.level(AZURE, AWS)
    for _ in range(3):
        await world.databases[AWS].tend(reign=FIRST, writer=AZURE, siblings={GCP: stands})
    assert await _spare(world) > long
    _, gcp = await world.cut(AWS, GCP)
    assert gcp.lsn == stands
    refusal = await world.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
    assert refusal is None
    await world.release(GCP)
    await world.databases[GCP].follow(token=NOW, epoch=SECOND, publisher=AWS)
    await world.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({GCP}))
    await world.level(AWS, GCP, reign=2)
    assert await world.keys(AWS) == await world.keys(GCP) >= {"a", "b", "c", "d", "e"}


async def test_a_caretaker_clears_up_after_a_closed_reign(world: DatabaseWorld) -> None:
    """Slots of the old epoch are dropped, a missing spare slot is made, and the second round has nothing to do."""
    await world.fail_over()
    assert await world.pay(AWS, "a")
    await world.level(AWS, GCP, reign=2)
    assert await world.databases[AWS].tend(reign=SECOND, writer=AWS, siblings={}) == (f"dropped {world.spare(AWS, GCP)}",)
    assert await world.databases[AWS].tend(reign=SECOND, writer=AWS, siblings={}) == ()
    changed = await world.databases[GCP].tend(reign=SECOND, writer=AWS, siblings={AZURE: Lsn(1)})
    created = world.spare(GCP, AZURE).replace("_e1_", "_e2_")
    assert set(changed) == {f"dropped {world.spare(GCP, AWS)}", f"created {created}"}


async def test_a_caretaker_of_another_reign_drops_nothing(world: DatabaseWorld) -> None:
    """A node that has not come to the reign may hold the slots that prove its tail."""
    await world.fail_over()
    before = await world.traces(AZURE)
    assert await world.databases[AZURE].tend(reign=SECOND, writer=AWS, siblings={}) == ()
    assert await world.traces(AZURE) == before


# ------------------------------------------------------------------------------------------------ another timeline


async def test_a_node_on_a_new_timeline_proves_nothing(world: DatabaseWorld) -> None:
    """Every step that builds on a cut is stuck there, the cut itself too; emptied and seeded it is trusted again."""
    await world.level(AZURE, AWS, GCP)
    (before,) = await world.cut(AWS)
    await world.fail_over_in_cloud(AWS)
    node = world.databases[AWS]
    assert not (await world.facts(AWS)).pinned
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
    facts = await world.facts(AWS)
    assert (facts.role, facts.epoch) == (Role.FOLLOWER, FIRST)
    await node.fence(token=LATER, reign=FIRST)
    await node.clear(token=LATER, reign=FIRST)
    assert (await world.facts(AWS)).pinned


async def test_a_writer_on_a_new_timeline_admits_nothing(world: DatabaseWorld) -> None:
    """Neither payments nor the steps of a writer."""
    await world.pay(AZURE, "a")
    await world.fail_over_in_cloud(AZURE)
    with pytest.raises((psycopg.Error, Stuck)):
        await world.pay(AZURE, "b")
    node = world.databases[AZURE]
    for step in (
        node.mark_join(token=NOW, reign=FIRST, newcomer=GCP),
        node.set_ack_set(token=NOW, reign=FIRST, ack_set=frozenset()),
        node.offer_seed(token=NOW, reign=FIRST, follower=GCP),
    ):
        with pytest.raises(Stuck):
            await step
    assert await node.facts(SOON)
