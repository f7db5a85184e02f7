"""The Coordination port, over etcd in memory and over a real member: the same promises, the same words."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from controller.coordination.chain import verify
from controller.coordination.store import Store
from controller.core.model import Epoch, Health, Observation, Opinion, Part, Posture, Site, Trigger
from controller.core.plans import Phase, Plan, PlanKind
from controller.errors import LostOwnership, Transient
from controller.ports import Control, Draft, Request

if TYPE_CHECKING:
    from tests.contract.conftest import World

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
THEN = datetime(2026, 1, 1, tzinfo=UTC)


def first_posture(service: str) -> Posture:
    """A settled reign of azure."""
    return Posture(
        service=service,
        epoch=Epoch(1),
        writer=AZURE,
        reign=Epoch(1),
        must_cut=frozenset({AWS, GCP}),
        weights={AWS: 0.0, AZURE: 1.0, GCP: 0.5},
    )


def failover(service: str, by: str) -> Plan:
    """A claim of epoch 2, just made."""
    return Plan(
        id=f"{service}-e2",
        service=service,
        kind=PlanKind.FAILOVER,
        epoch=Epoch(2),
        trigger=Trigger.AUTOMATIC,
        reason="azure fails",
        by=by,
        started=THEN,
        subject=AZURE,
        phase=Phase.CUT,
    )


def observation(vantage: Site, sequence: int) -> Observation:
    """One vantage that finds azure's database failing."""
    opinion = Opinion(health=Health.FAILING, misses=3, successes=0, latency=timedelta(milliseconds=12), detail="silent")
    return Observation(vantage=vantage, sequence=sequence, opinions={AZURE: {Part.DATABASE: opinion}}, suspects_itself=False)


def wish(identity: str) -> Request:
    """An operator who wants gcp to write."""
    return Request(id=identity, verb="switchover", by="operator", reason="drill", at=THEN, arguments={"to": "gcp"})


async def founded(world: "World", *names: str) -> tuple[Store, ...]:
    """Controllers of a founded service."""
    stores = tuple(world.controller(name) for name in names)
    await stores[0].found(first_posture(world.service))
    return stores


async def now(store: Store, world: "World") -> Control:
    """The present control state of a founded service."""
    control = await store.read(world.service)
    assert control is not None
    return control


async def claim(store: Store, known: Control) -> Control:
    """Take epoch 2 with a new failover plan."""
    posture = replace(known.posture, epoch=Epoch(known.posture.epoch + 1))
    plan = failover(known.posture.service, by="test")
    return await store.commit(known, posture=posture, plan=plan, take=True, journal=[Draft(kind="claimed", body={"epoch": 2})])


async def kinds(store: Store, world: "World") -> list[str]:
    """What the journal tells, after checking that it is one unbroken chain."""
    entries = await store.journal(world.service)
    assert verify(entries) is None
    return [entry.kind for entry in entries]


async def test_a_service_that_was_never_founded_is_a_value(world: "World") -> None:
    """Not found is None, not an error."""
    assert await world.controller("a").read(world.service) is None


async def test_founding_keeps_what_exists(world: "World") -> None:
    """The second founder changes neither posture nor journal."""
    a, b = await founded(world, "a", "b")
    await b.found(replace(first_posture(world.service), writer=GCP))
    assert (await now(b, world)).posture == first_posture(world.service)
    assert await kinds(a, world) == ["founded"]


async def test_one_of_two_claims_wins(world: "World") -> None:
    """Two controllers that saw the same verdict claim the same epoch; exactly one owns it."""
    a, b = await founded(world, "a", "b")
    outcomes = await asyncio.gather(claim(a, await now(a, world)), claim(b, await now(b, world)), return_exceptions=True)
    (winner,) = (outcome for outcome in outcomes if isinstance(outcome, Control))
    (loser,) = (outcome for outcome in outcomes if outcome is not winner)
    assert isinstance(loser, LostOwnership)
    assert replace(await now(a, world), sessions={}) == replace(winner, sessions={})
    assert await kinds(a, world) == ["founded", "claimed"]


async def test_a_commit_answers_what_a_read_would(world: "World") -> None:
    """The new control state needs no second round trip, so it must not differ from one."""
    (a,) = await founded(world, "a")
    await a.request(world.service, wish("w1"))
    known = await now(a, world)
    plan = failover(world.service, by="a")
    committed = await a.commit(known, plan=plan, take=True, settle_request="w1", journal=[Draft(kind="x", body={})])
    assert committed == await now(a, world)
    committed = await a.commit(committed, plan=replace(plan, phase=Phase.DONE), journal=[Draft(kind="y", body={})])
    assert committed == await now(a, world)
    assert committed.plan is None


async def test_the_token_grows_with_every_take(world: "World") -> None:
    """Databases refuse older tokens, so a later owner must never hold a smaller one."""
    a, b = await founded(world, "a", "b")
    tokens = []
    for store in (a, b, a, a, b):
        control = await store.commit(await now(store, world), take=True)
        assert control.ownership is not None
        tokens.append(control.ownership.token)
    assert tokens == sorted(set(tokens))


async def test_a_plan_moves_only_in_its_owners_hands(world: "World") -> None:
    """Neither a bystander nor a controller that never took the plan may write it."""
    a, b = await founded(world, "a", "b")
    with pytest.raises(LostOwnership):
        await a.commit(await now(a, world), plan=failover(world.service, by="a"))
    await claim(a, await now(a, world))
    known = await now(b, world)
    assert known.plan is not None
    with pytest.raises(LostOwnership):
        await b.commit(known, plan=replace(known.plan, phase=Phase.OPEN))
    assert (await now(a, world)).plan == known.plan


async def test_a_taken_over_owner_writes_nothing_more(world: "World") -> None:
    """The old owner still believes; the comparison of the owner key stops it."""
    a, b = await founded(world, "a", "b")
    mine = await claim(a, await now(a, world))
    assert mine.plan is not None and mine.ownership is not None
    taken = await b.commit(await now(b, world), take=True)
    assert taken.ownership is not None and taken.ownership.token > mine.ownership.token
    with pytest.raises(LostOwnership):
        await a.commit(mine, plan=replace(mine.plan, phase=Phase.OPEN))
    assert (await now(b, world)).plan == mine.plan


async def test_nothing_is_written_over_a_moved_posture(world: "World") -> None:
    """A decision that rests on yesterday's posture is refused whole, journal included."""
    a, b = await founded(world, "a", "b")
    old = await now(a, world)
    await b.commit(old, posture=replace(old.posture, drained=frozenset({GCP})))
    for change in ({"posture": replace(old.posture, epoch=Epoch(9))}, {"take": True}, {"journal": [Draft(kind="late", body={})]}):
        with pytest.raises(LostOwnership):
            await a.commit(old, **change)
    assert await kinds(a, world) == ["founded"]
    assert (await now(a, world)).posture.drained == {GCP}


async def test_a_lost_answer_is_settled_by_reading_or_by_asking_again(world: "World") -> None:
    """The write stands, a read shows it, and asking again neither fails nor writes a second time."""
    (a,) = await founded(world, "a")
    await a.open_session()
    known = await now(a, world)
    with world.lose_answers("a"), pytest.raises(Transient):
        await claim(a, known)
    truth = await now(a, world)
    assert truth.posture.epoch == Epoch(2) and truth.ownership is not None
    assert await claim(a, known) == truth
    assert await kinds(a, world) == ["founded", "claimed"]


async def test_a_lost_answer_does_not_journal_twice(world: "World") -> None:
    """Only the journal moved, by our own hand: appending again would double the entry."""
    a, b = await founded(world, "a", "b")
    known = await now(a, world)
    held = [Draft(kind="held", body={"guard": "quorum-or-hold"})]
    with world.lose_answers("a"), pytest.raises(Transient):
        await a.commit(known, journal=held)
    await b.commit(await now(b, world), journal=[Draft(kind="other", body={})])
    await a.commit(known, journal=held)
    assert await kinds(a, world) == ["founded", "held", "other"]


async def test_a_lost_answer_after_a_takeover_is_lost_ownership(world: "World") -> None:
    """Our claim was applied and then taken over; asking again must not pretend that we own it."""
    a, b = await founded(world, "a", "b")
    await a.open_session()
    known = await now(a, world)
    with world.lose_answers("a"), pytest.raises(Transient):
        await claim(a, known)
    await b.commit(await now(b, world), take=True)
    with pytest.raises(LostOwnership):
        await claim(a, known)


async def test_nothing_rests_on_what_etcd_has_forgotten(world: "World") -> None:
    """History is compacted in the middle of everything: what was read before it is still compared, a lost answer from before it
    is still recognized, and somebody who was away reads the whole journal."""
    a, b, late = await founded(world, "a", "b", "late")
    await a.request(world.service, wish("w1"))
    for sequence in range(3):
        await b.publish(world.service, observation(AWS, sequence))
    old = await now(b, world)
    known = await now(a, world)
    await a.open_session()
    with world.lose_answers("a"), pytest.raises(Transient):
        await claim(a, known)
    await b.publish(world.service, observation(AWS, 3))
    await world.forget()
    mine = await claim(a, known)
    await b.publish(world.service, observation(AWS, 4))
    await world.forget()
    with pytest.raises(LostOwnership):
        await claim(b, old)
    mine = await a.commit(mine, settle_request="w1", journal=[Draft(kind="settled", body={})])
    assert await kinds(late, world) == ["founded", "claimed", "settled"]
    seen = await now(late, world)
    assert seen.observations == {AWS: observation(AWS, 4)}
    assert (seen.posture, seen.plan, seen.ownership, seen.requests) == (mine.posture, mine.plan, mine.ownership, ())


async def test_the_journal_is_one_chain_under_twenty_writers(world: "World") -> None:
    """Everybody appends at once; every entry is there once, and every link holds."""
    stores = await founded(world, *(f"c{number}" for number in range(20)))
    known = await now(stores[0], world)

    async def write(number: int) -> None:
        for turn in range(3):
            await stores[number].commit(known, journal=[Draft(kind=f"w{number}.{turn}", body={"turn": turn})])

    await asyncio.gather(*map(write, range(20)))
    written = await kinds(stores[0], world)
    assert sorted(written[1:]) == sorted(f"w{number}.{turn}" for number in range(20) for turn in range(3))


async def test_the_journal_is_read_in_pages(world: "World") -> None:
    """`after` and `limit` cut exactly, also beyond one page of the store."""
    (a,) = await founded(world, "a")
    control = await now(a, world)
    for _ in range(6):
        control = await a.commit(control, journal=[Draft(kind="x", body={})] * 40)
    assert [entry.sequence for entry in await a.journal(world.service)] == list(range(1, 242))
    assert [entry.sequence for entry in await a.journal(world.service, after=199, limit=3)] == [200, 201, 202]
    assert await a.journal(world.service, after=241) == ()


async def test_a_session_is_opened_once(world: "World") -> None:
    """Asking again answers the same lease, which every reader sees."""
    (a,) = await founded(world, "a")
    lease = await a.open_session()
    assert await a.open_session() == lease
    assert lease in (await now(a, world)).sessions.values()


async def test_a_session_outlives_its_term_while_it_is_kept(world: "World") -> None:
    """Opening again and again, as a loop does, renews the lease."""
    (a,) = await founded(world, "a")
    lease = await a.open_session()
    for _ in range(8):
        await world.wait(timedelta(seconds=0.6))
        assert await a.open_session() == lease


async def test_silence_ends_the_session_and_takes_the_observation_with_it(world: "World") -> None:
    """Others see within seconds that a controller is gone; when it is back, it has a new session and owns nothing by it."""
    a, b = await founded(world, "a", "b")
    await a.publish(world.service, observation(AWS, 1))
    mine = await claim(a, await now(a, world))
    seen = await now(b, world)
    assert mine.ownership is not None and mine.plan is not None
    assert mine.ownership.session in seen.sessions.values()
    assert seen.observations == {AWS: observation(AWS, 1)}

    await world.wait(timedelta(seconds=4.5))
    seen = await now(b, world)
    assert mine.ownership.session not in seen.sessions.values()
    assert seen.observations == {} and seen.ownership == mine.ownership

    assert await a.open_session() != mine.ownership.session
    with pytest.raises(LostOwnership):
        await a.commit(mine, plan=replace(mine.plan, phase=Phase.OPEN))
    again = await a.commit(mine, take=True)
    assert again.ownership is not None and again.ownership.token > mine.ownership.token


async def test_an_observation_is_replaced_whole_and_survives_a_lapse(world: "World") -> None:
    """Publishing goes on under a new session without anybody's help."""
    (a,) = await founded(world, "a")
    await a.publish(world.service, observation(AWS, 1))
    await a.publish(world.service, observation(AWS, 2))
    assert (await now(a, world)).observations == {AWS: observation(AWS, 2)}
    await a.session.stop()
    assert (await now(a, world)).observations == {}
    await a.publish(world.service, observation(AWS, 3))
    assert (await now(a, world)).observations == {AWS: observation(AWS, 3)}


async def test_a_request_is_one_wish_until_it_is_settled(world: "World") -> None:
    """Asked twice it waits once; the commit that settles it removes it; asked again late, it does not come back."""
    a, b = await founded(world, "a", "b")
    for _ in range(2):
        await b.request(world.service, wish("w1"))
    known = await now(a, world)
    assert known.requests == (wish("w1"),)
    settled = await a.commit(known, settle_request="w1", journal=[Draft(kind="refused", body={"request": "w1"})])
    await b.request(world.service, wish("w1"))
    assert settled.requests == (await now(b, world)).requests == ()
    with pytest.raises(LostOwnership):
        await b.commit(await now(b, world), settle_request="w1")


async def test_a_wish_is_settled_by_one_controller(world: "World") -> None:
    """Two controllers read the same wish; only one may act on it, or the operator's one switchover becomes two."""
    a, b = await founded(world, "a", "b")
    await a.request(world.service, wish("w1"))
    first, second = await now(a, world), await now(b, world)
    await a.commit(first, settle_request="w1", journal=[Draft(kind="settled", body={})])
    with pytest.raises(LostOwnership):
        await b.commit(second, settle_request="w1", journal=[Draft(kind="settled again", body={})])
    assert await kinds(b, world) == ["founded", "settled"]
