"""A control plane that is built anew: over etcd in memory and a real member, on databases in memory and on real PostgreSQL 18."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from controller.coordination.chain import verify
from controller.core.model import Epoch, Posture, Role, Token
from controller.core.rebuild import RANGE, Office
from controller.errors import LostOwnership, StaleToken, Transient
from controller.journal_copy import REBUILT
from controller.ports import Draft
from controller.providers.memory.coordination import MemoryEtcd, coordination
from controller.rebuild import Rebuilder
from tests.contract.conftest import SteadyClock
from tests.contract.database_worlds import DatabaseWorld
from tests.contract.test_coordination import claim, first_posture, founded, kinds, now
from tests.protocol.trio import AWS, AZURE, GCP, SITES

if TYPE_CHECKING:
    from tests.contract.conftest import World

pytest_plugins = ("tests.contract.database_fixtures",)
pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

FROM = Token(RANGE)
WRITTEN = (Draft(kind=REBUILT, body={"by": "kim"}),)


def proven(service: str) -> Posture:
    """What databases prove of a service whose tokens begin anew."""
    return replace(first_posture(service), epoch=Epoch(1004), reign=Epoch(4), tokens_above=FROM)


# ------------------------------------------------------------------------------------------------ etcd


async def test_nothing_remains_of_a_service_that_is_lost(world: "World") -> None:
    """An empty etcd is an answer: no posture, no journal, and a revision."""
    remains = await world.controller("a").remains(world.service)
    assert (remains.control, remains.entries) == (None, 0) and remains.latest >= 0


async def test_a_rebuilt_posture_stands_with_its_journal_entry(world: "World") -> None:
    """Both or neither, without a plan and without an owner; and a founder that comes later changes nothing."""
    a, b = world.controller("a"), world.controller("b")
    await a.rebuild(await a.remains(world.service), proven(world.service), WRITTEN)
    control = await now(b, world)
    assert (control.posture, control.plan, control.ownership) == (proven(world.service), None, None)
    await b.found(first_posture(world.service))
    assert (await now(b, world)).posture == proven(world.service)
    assert await kinds(a, world) == [REBUILT]


async def test_tokens_are_counted_on_from_what_was_promised(world: "World") -> None:
    """What a take answers, what others read of it, and what remains says, are the same count above the range; as is the order of wishes
    for an authority."""
    a, b = world.controller("a"), world.controller("b")
    await a.rebuild(await a.remains(world.service), proven(world.service), WRITTEN)
    before = await now(a, world)
    taken = await claim(a, before)
    seen = await now(b, world)
    assert taken.ownership is not None and taken.ownership == seen.ownership
    assert RANGE < taken.ownership.token <= (await b.remains(world.service)).latest
    assert before.as_of is not None and RANGE < before.as_of < taken.ownership.token == seen.as_of


async def test_what_changed_since_it_was_looked_at_is_not_overwritten(world: "World") -> None:
    """Somebody founded or rebuilt the service meanwhile, or claimed under the posture of the backup."""
    a, b = world.controller("a"), world.controller("b")
    nothing = await a.remains(world.service)
    await b.found(first_posture(world.service))
    with pytest.raises(LostOwnership):
        await a.rebuild(nothing, proven(world.service), WRITTEN)
    old = await a.remains(world.service)
    await claim(b, await now(b, world))
    with pytest.raises(LostOwnership):
        await a.rebuild(old, proven(world.service), WRITTEN)
    assert await kinds(a, world) == ["founded", "claimed"]


async def test_a_plan_of_the_backup_is_gone_and_its_owner_writes_nothing_more(world: "World") -> None:
    """The journal goes on from where the backup stood, in one chain."""
    a, b = await founded(world, "a", "b")
    owned = await claim(b, await now(b, world))
    await a.rebuild(await a.remains(world.service), proven(world.service), WRITTEN)
    control = await now(a, world)
    assert (control.posture, control.plan, control.ownership) == (proven(world.service), None, None)
    with pytest.raises(LostOwnership):
        await b.commit(owned, plan=owned.plan, journal=[Draft(kind="late", body={})])
    assert await kinds(a, world) == ["founded", "claimed", REBUILT]


async def test_a_lost_answer_of_a_rebuild_is_settled_by_asking_again(world: "World") -> None:
    """It stands, and the second asking journals nothing."""
    a = world.controller("a")
    remains = await a.remains(world.service)
    with world.lose_answers("a"), pytest.raises(Transient):
        await a.rebuild(remains, proven(world.service), WRITTEN)
    await a.rebuild(remains, proven(world.service), WRITTEN)
    assert await kinds(a, world) == [REBUILT]


async def test_a_history_is_put_back_before_the_posture(world: "World") -> None:
    """Pages of it, in one chain with the entry that tells of the rebuild; interrupted in between, the same again ends it."""
    a, b = world.controller("a"), world.controller("b")
    elsewhere, _ = coordination(MemoryEtcd(clock=SteadyClock()), "lost")
    await elsewhere.found(first_posture(world.service))
    for number in range(120):
        known = await elsewhere.read(world.service)
        assert known is not None
        await elsewhere.commit(known, journal=[Draft(kind="said", body={"number": number})])
    history = await elsewhere.journal(world.service)
    nothing = await a.remains(world.service)
    with pytest.raises(LostOwnership):
        await b.rebuild(await b.remains(world.service), proven(world.service), WRITTEN, history[:5] + history[6:])
    with world.lose_answers("a"), pytest.raises(Transient):
        await a.rebuild(nothing, proven(world.service), WRITTEN, history)
    assert await b.read(world.service) is None, "pages without a head mean nothing"
    await a.rebuild(nothing, proven(world.service), WRITTEN, history)
    found = await b.journal(world.service)
    assert found[:-1] == history and found[-1].kind == REBUILT and verify(found) is None
    assert (await now(b, world)).posture == proven(world.service)


# ------------------------------------------------------------------------------------------------ databases


async def test_a_copy_of_the_journal_is_appended_to_and_read_in_order(three: DatabaseWorld) -> None:
    """What stands under a number stays, on a follower too; a copy says nothing about the node."""
    copy = three.databases[AWS]
    assert await copy.kept_journal(1) == await copy.branches() == {}  # type: ignore[attr-defined]
    before = await three.facts(AWS)
    for _ in range(2):
        await copy.keep_journal(1, {2: "two", 1: "one", 11: "eleven"})  # type: ignore[attr-defined]
    await copy.keep_journal(1, {2: "another", 3: "three"})  # type: ignore[attr-defined]
    await copy.keep_journal(2, {1: "of another journal"})  # type: ignore[attr-defined]
    assert list((await copy.kept_journal(1, 1, 2)).items()) == [(2, "two"), (3, "three")]  # type: ignore[attr-defined]
    assert await copy.kept_journal(2) == {1: "of another journal"}  # type: ignore[attr-defined]
    assert await copy.branches() == {1: 11, 2: 1}  # type: ignore[attr-defined]
    after = await three.facts(AWS)
    assert (after.role, after.epoch, after.token, after.schema) == (before.role, before.epoch, before.token, before.schema)
    assert await three.databases[GCP].kept_journal(1) == {}, "nobody else has it"  # type: ignore[attr-defined]


def rebuilder(three: DatabaseWorld, etcd: MemoryEtcd) -> Rebuilder:
    """Over these databases and an etcd that knows nothing."""
    store, _ = coordination(etcd, REBUILT)
    return Rebuilder(
        service=three.service, databases=three.databases, coordination=store, first=replace(first_posture(three.service))
    )


async def test_a_reign_is_read_back_from_the_databases(three: DatabaseWorld) -> None:
    """aws writes epoch 2 and gcp follows; azure, left behind, still believes in itself. It is closed, and nobody else is."""
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    await three.fail_over(token=900)
    assert await three.pay(AWS, "b")
    etcd = MemoryEtcd(clock=SteadyClock())
    work = rebuilder(three, etcd)
    seen = await work.look()
    assert [(await three.facts(site)).token for site in SITES] == [900, 0, 900], "looking changes nothing"
    posture = await work.carry_out(seen, by="kim", reason="etcd is gone")
    assert (posture.writer, posture.reign, posture.must_cut, seen.decision.office) == (AWS, 2, {GCP}, Office.WRITES)
    facts = {site: await three.facts(site) for site in SITES}
    assert {site: one.token for site, one in facts.items()} == dict.fromkeys(SITES, FROM)
    assert {site: one.role for site, one in facts.items()} == {AWS: Role.WRITER, AZURE: Role.FENCED, GCP: Role.FOLLOWER}
    assert await three.pay(AWS, "c"), "payments go on"
    control = await work.coordination.read(three.service)
    assert control is not None and control.posture == posture
    assert verify(await work.coordination.journal(three.service)) is None


async def test_whoever_acted_before_is_turned_away_and_the_next_one_is_not(three: DatabaseWorld) -> None:
    """A controller of the lost etcd, however high its revision was; then a failover under the first token of the new one."""
    etcd = MemoryEtcd(clock=SteadyClock())
    work = rebuilder(three, etcd)
    posture = await work.carry_out(await work.look(), by="kim", reason="")
    with pytest.raises(StaleToken):
        await three.cut(AWS, token=RANGE - 1)
    store, _ = coordination(etcd, "aws")
    await store.open_session()
    control = await store.read(three.service)
    assert control is not None
    taken = await store.commit(control, take=True)
    assert taken.ownership is not None
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    await three.fail_over(token=taken.ownership.token)
    assert await three.pay(AWS, "b") and {"a", "b"} <= await three.keys(AWS)
    assert posture.settled


async def test_a_dead_follower_is_in_the_set_and_a_dead_pair_refuses(three: DatabaseWorld) -> None:
    """One silent site cannot have acknowledged anything later by itself; two can."""
    etcd = MemoryEtcd(clock=SteadyClock())
    await three.kill(GCP)
    seen = await rebuilder(three, etcd).look()
    assert seen.decision.posture is not None and seen.decision.posture.must_cut == {AWS, GCP}
    assert set(seen.silent) == {GCP}
    await three.kill(AWS)
    seen = await rebuilder(three, etcd).look()
    assert seen.decision.posture is None and "heard-from" in {one.guard for one in seen.decision.refusals}


async def test_a_dead_writer_is_rebuilt_as_what_must_be_read_first(three: DatabaseWorld) -> None:
    """Nobody knows its row; both followers have whole copies and are cut with it, so either may prove what was acknowledged."""
    assert await three.pay(AZURE, "a")
    await three.level(AZURE, AWS, GCP)
    await three.kill(AZURE)
    seen = await rebuilder(three, MemoryEtcd(clock=SteadyClock())).look()
    assert seen.decision.posture is not None and seen.decision.office is Office.SILENT
    assert seen.decision.posture.must_cut == set(SITES)
