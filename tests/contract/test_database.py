"""Every promise of the Database port, against the world in memory and against real PostgreSQL 18."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from controller.core.model import Epoch, Lsn, Position, Role, Site, Token
from controller.errors import Conflict, StaleToken, Transient, TrimaranError
from tests.contract.database_worlds import DatabaseWorld
from tests.protocol.trio import AWS, AZURE, GCP, SITES

pytest_plugins = ("tests.contract.database_fixtures",)

FIRST, SECOND = Epoch(1), Epoch(2)
OLD, NOW, LATER = Token(5), Token(10), Token(20)


# ------------------------------------------------------------------------------------------------ who are you


async def test_facts_are_complete(three: DatabaseWorld) -> None:
    """Writer and follower name role, reign, streams, slots and positions as they are."""
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    writer, follower = await three.facts(AZURE), await three.facts(AWS)
    assert (writer.site, writer.role, writer.epoch, writer.pinned) == (AZURE, Role.WRITER, FIRST, True)
    assert writer.seeded == -1
    assert set(writer.ack_slots) == {one.name for one in writer.slots} == {three.slot(1, AZURE, AWS), three.slot(1, AZURE, GCP)}
    assert all(one.active and one.confirmed >= writer.flushed and not one.lost for one in writer.slots)
    (stream,) = follower.subscriptions
    assert (follower.role, follower.epoch, follower.ack_slots) == (Role.FOLLOWER, FIRST, ())
    assert (stream.name, stream.enabled, stream.running, stream.seeded) == (three.slot(1, AZURE, AWS), True, True, True)
    assert 0 < stream.position <= writer.flushed
    (spare,) = follower.slots
    assert (spare.name, spare.active, spare.lost) == (three.spare(AWS, GCP), False, False)
    assert spare.retained_bytes > 0


async def test_a_dead_node_is_could_not_ask(three: DatabaseWorld) -> None:
    """Facts and steps on it answer Transient, and in time."""
    await three.kill(AWS)
    async with asyncio.timeout(10):
        with pytest.raises(Transient):
            await three.facts(AWS)
        with pytest.raises(Transient):
            await three.cut(AWS)


async def test_digests_are_equal_exactly_when_the_ledgers_are(three: DatabaseWorld) -> None:
    """A payment that one ledger lacks makes the digests differ, unless its epoch is not asked for."""
    await three.level(AZURE, AWS, GCP)
    assert len({await three.databases[site].digest(up_to=FIRST) for site in SITES}) == 1
    await three.part(GCP)
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS)
    azure, aws, gcp = [await three.databases[site].digest(up_to=FIRST) for site in (AZURE, AWS, GCP)]
    assert azure == aws != gcp
    assert len({await three.databases[site].digest(up_to=Epoch(0)) for site in SITES}) == 1


async def test_a_ledger_tells_what_it_lacks(three: DatabaseWorld) -> None:
    """Not there at all, or there as another payment: a key alone does not say that the client was served with this one."""
    nobody = "00000000-0000-0000-0000-000000000000"
    await three.pay(AZURE, "a")
    assert await three.databases[AZURE].lacks({"a": nobody, "b": nobody}) == {"a": True, "b": False}
    assert await three.databases[AZURE].lacks({}) == {}


# ------------------------------------------------------------------------------------------------ cut and fence


async def test_a_cut_is_final_and_may_be_repeated(three: DatabaseWorld) -> None:
    """What is paid after a cut never reaches the node, and a second cut reads the same position."""
    assert await three.pay(AZURE, "before")
    await three.level(AZURE, AWS, GCP)
    (first,) = await three.cut(AWS)
    assert (first.site, first.publisher, first.epoch) == (AWS, AZURE, FIRST)
    assert first.lsn > 0
    assert await three.pay(AZURE, "after"), "gcp still acknowledges"
    assert await three.cut(AWS) == [first]
    assert "after" not in await three.keys(AWS)
    (stream,) = (await three.facts(AWS)).subscriptions
    assert (stream.enabled, stream.running) == (False, False)


async def test_the_position_of_the_member_that_has_more_is_higher(three: DatabaseWorld) -> None:
    """Positions of one publisher and epoch compare."""
    await three.level(AZURE, AWS, GCP)
    await three.hold(GCP)
    assert await three.pay(AZURE, "a")
    aws, gcp = await three.cut(AWS, GCP)
    assert aws.lsn > gcp.lsn > 0


async def test_a_cut_closes_a_writer_and_its_end_is_behind_everything(three: DatabaseWorld) -> None:
    """After its cut the writer admits nothing; followers that confirm the position have everything."""
    assert await three.pay(AZURE, "a")
    (position,) = await three.cut(AZURE)
    assert (position.site, position.publisher, position.epoch) == (AZURE, AZURE, FIRST)
    with pytest.raises((psycopg.Error, TrimaranError)):
        await three.pay(AZURE, "b")
    assert (await three.facts(AZURE)).role is Role.FENCED
    reached = await three.databases[AZURE].await_confirmed(
        reign=FIRST, followers=frozenset({AWS, GCP}), lsn=position.lsn, need=2, deadline=timedelta(seconds=20)
    )
    assert reached == {AWS, GCP}
    assert "a" in await three.keys(AWS) & await three.keys(GCP)
    assert "b" not in await three.keys(AZURE)


async def test_a_fence_closes_only_writers_of_earlier_reigns(three: DatabaseWorld) -> None:
    """The writer of the present reign and followers stay as they are; a fence may be repeated, and answers the last seeding."""
    assert await three.databases[AZURE].fence(token=NOW, reign=FIRST) == -1
    assert await three.pay(AZURE, "a")
    before = await three.traces(AWS)
    await three.databases[AWS].fence(token=before.row[2], reign=SECOND)
    assert await three.traces(AWS) == before
    for _ in range(2):
        assert await three.databases[AZURE].fence(token=NOW, reign=SECOND) == -1
        assert (await three.facts(AZURE)).role is Role.FENCED


async def test_a_wait_answers_who_confirmed_by_its_deadline(three: DatabaseWorld) -> None:
    """Fewer than wanted is an answer; an unknown follower never confirms."""
    await three.level(AZURE, AWS, GCP)
    await three.hold(GCP)
    assert await three.pay(AZURE, "a")
    lsn = (await three.facts(AZURE)).flushed
    reached = await three.databases[AZURE].await_confirmed(
        reign=FIRST, followers=frozenset({AWS, GCP, Site("mars")}), lsn=lsn, need=3, deadline=timedelta(seconds=0.3)
    )
    assert reached == {AWS}


# ------------------------------------------------------------------------------------------------ the token


def _changing(three: DatabaseWorld, token: Token, position: Position) -> dict[str, tuple[Site, Awaitable[object]]]:
    """Every changing method, each where it would otherwise succeed."""
    azure, gcp = three.databases[AZURE], three.databases[GCP]
    aws = three.databases[AWS]
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


async def test_an_older_owner_is_turned_away_by_every_step(three: DatabaseWorld) -> None:
    """Once a node holds a newer promise, each changing method answers StaleToken and leaves nothing behind."""
    await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    for site in SITES:
        await three.databases[site].fence(token=NOW, reign=FIRST)
    before = {site: await three.traces(site) for site in SITES}
    position = Position(site=GCP, publisher=AZURE, epoch=FIRST, lsn=Lsn(1))
    for method, (_, call) in _changing(three, OLD, position).items():
        with pytest.raises(StaleToken):
            await call
        assert {site: await three.traces(site) for site in SITES} == before, method


# ------------------------------------------------------------------------------------------------ attach and open


async def test_a_sibling_goes_on_exactly_where_it_stands(three: DatabaseWorld) -> None:
    """The winner has payments the sibling lacks: it gets those, no other, and no copy; each step may be repeated after a lost answer."""
    assert await three.pay(AZURE, "both")
    await three.level(AZURE, AWS, GCP)
    await three.hold(GCP)
    for key in ("aws-1", "aws-2"):
        assert await three.pay(AZURE, key)
    _, gcp = await three.cut(AWS, GCP)
    await three.release(GCP)
    for _ in range(2):
        refusal = await three.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
        assert refusal is None
    for _ in range(2):
        await three.databases[GCP].follow(token=NOW, epoch=SECOND, publisher=AWS)
    opened = [await three.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({GCP})) for _ in range(2)]
    assert opened[0] <= opened[1]
    await three.level(AWS, GCP, reign=2)
    assert await three.keys(AWS) == await three.keys(GCP) >= {"both", "aws-1", "aws-2"}
    assert await three.databases[AWS].digest(up_to=FIRST) == await three.databases[GCP].digest(up_to=FIRST)
    assert await three.pay(AWS, "new")
    (stream,) = (await three.facts(GCP)).subscriptions
    assert stream.name == three.slot(2, AWS, GCP), "older streams are gone"
    assert (await three.facts(AWS)).subscriptions == ()
    assert (await three.facts(GCP)).seeded == -1


async def test_a_position_without_an_exact_match_is_refused_with_the_reason(three: DatabaseWorld) -> None:
    """Another position, another reign, a spare slot that is gone: no slot is placed."""
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    _, gcp = await three.cut(AWS, GCP)
    winner = three.databases[AWS]
    for wrong in (replace(gcp, lsn=Lsn(gcp.lsn - 1)), replace(gcp, lsn=Lsn(gcp.lsn + 1)), replace(gcp, epoch=Epoch(7))):
        refusal = await winner.place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=wrong, level=False)
        assert refusal
    await three.drop_slot(AWS, three.spare(AWS, GCP))
    refusal = await winner.place_slot(token=NOW, epoch=SECOND, sibling=GCP, position=gcp, level=False)
    assert refusal
    assert "spare" in refusal
    assert three.slot(2, AWS, GCP) not in {one.name for one in (await three.facts(AWS)).slots}


async def test_level_siblings_follow_from_the_winners_end(three: DatabaseWorld) -> None:
    """A switchover by hand: closed, drained, confirmed; both others follow the target, the old writer among them."""
    assert await three.pay(AZURE, "a")
    (azure,) = await three.cut(AZURE)
    await three.level(AZURE, AWS, GCP)
    _, gcp = await three.cut(AWS, GCP)
    for sibling, position in ((AZURE, azure), (GCP, gcp)):
        refusal = await three.databases[AWS].place_slot(token=NOW, epoch=SECOND, sibling=sibling, position=position, level=True)
        assert refusal is None
        await three.databases[sibling].follow(token=NOW, epoch=SECOND, publisher=AWS)
    await three.databases[AWS].open(token=NOW, epoch=SECOND, ack_set=frozenset({AZURE, GCP}))
    assert await three.pay(AWS, "b")
    await three.level(AWS, AZURE, GCP, reign=2)
    assert await three.keys(AWS) == await three.keys(AZURE) == await three.keys(GCP) >= {"a", "b"}


async def test_the_old_writer_wins_with_its_own_slots(three: DatabaseWorld) -> None:
    """Given back after its cut: each follower goes on from its slot of the old reign, also one that lags."""
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    await three.hold(GCP)
    assert await three.pay(AZURE, "b")
    _, aws, gcp = await three.cut(AZURE, AWS, GCP)
    await three.release(GCP)
    for sibling, position in ((AWS, aws), (GCP, gcp)):
        refusal = await three.databases[AZURE].place_slot(
            token=NOW, epoch=SECOND, sibling=sibling, position=position, level=False
        )
        assert refusal is None
        await three.databases[sibling].follow(token=NOW, epoch=SECOND, publisher=AZURE)
    await three.databases[AZURE].open(token=NOW, epoch=SECOND, ack_set=frozenset({AWS, GCP}))
    await three.level(AZURE, AWS, GCP, reign=2)
    assert await three.keys(AZURE) == await three.keys(AWS) == await three.keys(GCP) >= {"a", "b"}
    assert await three.pay(AZURE, "c")


async def test_a_slot_of_its_own_that_is_gone_is_a_reason(three: DatabaseWorld) -> None:
    """Without the old slot nothing says where the follower stands."""
    _, aws = await three.cut(AZURE, AWS)
    await three.drop_slot(AZURE, three.slot(1, AZURE, AWS))
    refusal = await three.databases[AZURE].place_slot(token=NOW, epoch=SECOND, sibling=AWS, position=aws, level=False)
    assert refusal
    assert three.slot(1, AZURE, AWS) in refusal


async def test_a_reign_is_opened_once_and_never_backwards(three: DatabaseWorld) -> None:
    """A node that stands in an epoch, as writer or follower, opens neither it nor an earlier one; a writer follows nobody."""
    await three.fail_over()
    with pytest.raises(Conflict):
        await three.databases[AWS].open(token=LATER, epoch=FIRST, ack_set=frozenset())
    with pytest.raises(Conflict):
        await three.databases[GCP].open(token=LATER, epoch=SECOND, ack_set=frozenset())
    with pytest.raises(Conflict):
        await three.databases[AWS].follow(token=LATER, epoch=Epoch(3), publisher=GCP)
    assert (await three.facts(AWS)).token == (await three.facts(GCP)).token == NOW, "a refusal leaves no promise"
    assert await three.pay(AWS, "a")
