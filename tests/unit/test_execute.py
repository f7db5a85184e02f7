"""Plans carried out on a world in memory, interrupted after every effect: they finish, and no promise is broken on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from controller.core.model import Mode, Role, Site
from controller.core.proposals import Proposal
from controller.errors import LostOwnership, Transient
from controller.ports import Control
from tests.unit.stage import (
    AWS,
    AZURE,
    GCP,
    SERVICE,
    Stage,
    bring_back,
    failover,
    grow,
    promote,
    settle,
    shrink,
    staged,
    steer,
    switchover,
)


@dataclass(frozen=True)
class Play:
    """A plan, what happens before it, and what must be true after it."""

    name: str
    proposal: Proposal
    before: Callable[[Stage], Coroutine[None, None, None]]
    writer: Site
    must_cut: frozenset[Site]
    or_else: tuple[Site, frozenset[Site]] | None = None
    """Another good end, when it is a matter of moments which one it is."""

    @asynccontextmanager
    async def claimed(self) -> AsyncIterator[tuple[Stage, Control]]:
        """The plan is claimed by the first controller; effects are counted from here."""
        async with staged() as stage:
            await self.before(stage)
            control = await stage.claim(self.proposal, FIRST)
            stage.effects = 0
            stage.called.clear()
            yield stage, control


async def _nothing(stage: Stage) -> None:
    """Everybody is well."""


async def _crashed(stage: Stage) -> None:
    """azure is a black hole."""
    stage.world.crash(AZURE)


async def _partitioned(stage: Stage) -> None:
    """azure lives, and clients beside it still reach it."""
    stage.world.isolated.add(AZURE)


async def _lagging(stage: Stage) -> None:
    """gcp lacks what aws alone acknowledged, then azure dies."""
    stage.world.held.add(GCP)
    stage.pay_everywhere()
    stage.pay_everywhere()
    stage.world.crash(AZURE)
    stage.world.held.discard(GCP)


async def _half_closed(stage: Stage) -> None:
    """gcp cannot be cut, and azure, accused by mistake, answers: its own log has to be the proof."""
    stage.world.held.add(GCP)
    stage.pay_everywhere()
    stage.world.crash(GCP)


async def _shrunk(stage: Stage) -> None:
    """gcp follows and does not count."""
    await stage.carry(shrink(GCP))


async def _alone(stage: Stage) -> None:
    """aws is the only member left."""
    await stage.carry(shrink(GCP))


async def _left(stage: Stage) -> None:
    """azure had a tail that nobody else has when it was left; now it is back."""
    stage.world.isolated.add(AZURE)
    for _ in range(3):
        stage.pay_everywhere()
    await stage.carry(failover())
    stage.world.isolated.clear()


async def _unsettled(stage: Stage) -> None:
    """aws opened, and gcp had not applied its marker when the plan ended."""
    stage.world.crash(AZURE)
    stage.world.held.add(GCP)
    await stage.carry(failover())
    assert not (await stage.control()).posture.settled
    stage.world.held.clear()
    stage.world.flow()


PLAYS = (
    Play("failover from a dead writer", failover(), _crashed, AWS, frozenset({GCP})),
    Play("failover from a writer that lives on", failover(), _partitioned, AWS, frozenset({GCP})),
    Play("failover with a member that lags", failover(), _lagging, AWS, frozenset({GCP})),
    Play("failover that finds the writer alive", failover(), _half_closed, AWS, frozenset({AZURE}), (AZURE, frozenset({AWS}))),
    Play("switchover", switchover(AWS), _nothing, AWS, frozenset({AZURE, GCP})),
    Play("switchover to the other one", switchover(GCP), _nothing, GCP, frozenset({AWS, AZURE})),
    Play("grow", grow(GCP), _shrunk, AZURE, frozenset({AWS, GCP})),
    Play("shrink", shrink(GCP), _nothing, AZURE, frozenset({AWS})),
    Play("shrink to nobody", shrink(AWS), _alone, AZURE, frozenset({AZURE})),
    Play("return", bring_back(AZURE), _left, AWS, frozenset({GCP})),
    Play("settle", settle(), _unsettled, AWS, frozenset({GCP})),
    Play("steer", steer(), _nothing, AZURE, frozenset({AWS, GCP})),
    Play("promote", promote(), _nothing, AZURE, frozenset({AWS, GCP})),
)
FIRST, SECOND = "ctl-1", "ctl-2"
plays = pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)


async def _judge(stage: Stage, play: Play) -> None:
    control = await stage.control()
    assert control.plan is None
    writer, must_cut = control.posture.writer, control.posture.must_cut
    assert (writer, must_cut) in {(play.writer, play.must_cut), play.or_else}
    if play.proposal == promote():
        assert (stage.replica.promotions, stage.replica.told and stage.replica.told.replica_of) == (1, None)
    stage.world.flow()
    for site in must_cut - {writer}:
        assert stage.world.servers[site].ledger == stage.world.servers[writer].ledger, site
    acknowledged = len(stage.world.acknowledged)
    stage.pay_everywhere()
    if must_cut != {writer}:
        assert len(stage.world.acknowledged) > acknowledged, "payments go on"
    assert await stage.promises() == ()


async def _carry(stage: Stage, control: Control, by: str = FIRST) -> Control:
    return await stage.drive(stage.controller(by).executor.carry(control))


async def _taken_over(stage: Stage) -> bool:
    """The first controller's session lapses and the second one finishes its plan; False when there was nothing left to do."""
    stage.etcd.lapse(FIRST)
    taken = await stage.take_over(SECOND)
    if taken is not None:
        await _carry(stage, taken, SECOND)
    return taken is not None


async def _effects(play: Play) -> range:
    """Numbers of the effects that the plan has when nothing disturbs it."""
    async with play.claimed() as (stage, control):
        await _carry(stage, control)
        assert stage.effects > 0
        return range(1, stage.effects + 1)


async def _stalled(stage: Stage, control: Control, number: int) -> tuple["asyncio.Task[Control]", asyncio.Event]:
    """The first controller carries the plan on and stops right behind its n-th effect, until the event is set."""
    stalled, awake = asyncio.Event(), asyncio.Event()

    async def stall() -> None:
        stalled.set()
        await awake.wait()

    stage.at_effect[number] = stall
    work = asyncio.ensure_future(stage.controller(FIRST).executor.carry(control))
    await stage.drive(stalled.wait())
    return work, awake


@plays
async def test_every_plan_finishes(play: Play) -> None:
    """Undisturbed, each kind of plan comes to its end with the writer and the set it is for."""
    async with play.claimed() as (stage, control):
        await _carry(stage, control)
        await _judge(stage, play)


@plays
async def test_a_plan_is_carried_out_by_whoever_takes_it_over_first_thing(play: Play) -> None:
    """The claimer dies before its first step."""
    async with play.claimed() as (stage, _):
        assert await _taken_over(stage)
        await _judge(stage, play)


@plays
async def test_a_controller_that_dies_after_any_effect_is_replaced(play: Play) -> None:
    """Its last effect stands and nobody heard the answer; the next controller finishes from the journal."""
    for number in await _effects(play):
        async with play.claimed() as (stage, control):
            work, _ = await _stalled(stage, control, number)
            work.cancel()
            await _taken_over(stage)
            await _judge(stage, play)


@plays
async def test_a_controller_that_stalls_after_any_effect_harms_nobody_when_it_goes_on(play: Play) -> None:
    """Another one takes over and finishes; the stalled one goes on with what it knew and is turned away."""
    for number in await _effects(play):
        async with play.claimed() as (stage, control):
            work, awake = await _stalled(stage, control, number)
            taken = await _taken_over(stage)
            awake.set()
            if taken:
                with pytest.raises(LostOwnership):
                    await stage.drive(work)
            else:
                await stage.drive(work)
            await _judge(stage, play)


@plays
async def test_what_a_step_found_survives_whatever_is_changed_beside_the_plan(play: Play) -> None:
    """Behind any effect somebody sets the mode, as a drain changes the weights: the posture that the owner read is of the past. It ends
    the plan all the same, without beginning a step anew that takes its time."""

    async def change() -> None:
        store = stage.controller(SECOND).store
        known = await store.read(SERVICE)
        assert known is not None
        await store.commit(known, posture=replace(known.posture, mode=Mode.TRAFFIC_ONLY))

    for number in await _effects(play):
        async with play.claimed() as (stage, control):
            stage.at_effect[number] = change
            await _carry(stage, control)
            await _judge(stage, play)
            assert (await stage.control()).posture.mode is Mode.TRAFFIC_ONLY


@plays
async def test_a_lost_answer_after_any_effect_changes_nothing(play: Play) -> None:
    """The same controller asks again, and the second asking does no harm."""

    async def lose() -> None:
        raise Transient("the answer was lost")

    for number in await _effects(play):
        async with play.claimed() as (stage, control):
            stage.at_effect[number] = lose
            await _carry(stage, control)
            await _judge(stage, play)


@plays
async def test_a_call_that_arrives_after_the_plan_is_done_does_nothing(play: Play) -> None:
    """The network held the first try of a step while the second one succeeded; both carry the same token."""
    for site, method in sorted(await _calls(play)):
        async with play.claimed() as (stage, control):
            path = stage.controller(FIRST).databases[site].path
            path.hold_calls[method] = 1
            await _carry(stage, control)
            assert len(path.held) == 1, (site, method)
            await path.deliver()
            await _judge(stage, play)


@plays
async def test_a_call_that_arrives_after_another_plan_is_refused(play: Play) -> None:
    """The same, when others have moved the service on meanwhile: the writer moves, and moves again."""
    for site, method in sorted(await _calls(play)):
        async with play.claimed() as (stage, control):
            path = stage.controller(FIRST).databases[site].path
            path.hold_calls[method] = 1
            await _carry(stage, control)
            posture = (await stage.control()).posture
            for target in sorted(posture.must_cut - {posture.writer}):
                await stage.carry(switchover(target), SECOND)
            before = (await stage.control()).posture
            await path.deliver()
            stage.world.flow()
            stage.pay_everywhere()
            assert (await stage.control()).posture == before
            assert await stage.promises() == ()


async def _calls(play: Play) -> set[tuple[Site, str]]:
    """Every changing call that the plan makes, by site."""
    async with play.claimed() as (stage, control):
        await _carry(stage, control)
        return stage.called


# ------------------------------------------------------------------------------------------------ beside the plays


async def test_a_dead_writer_that_never_answers_delays_nothing() -> None:
    """Its cut hangs for seconds; the winner is open long before that."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        control = await stage.claim(failover())
        began = stage.clock.monotonic()

        async def opened() -> None:
            while stage.world.servers[AWS].role is not Role.WRITER:
                await stage.clock.sleep(timedelta(milliseconds=10))

        carrying = asyncio.ensure_future(stage.controller(FIRST).executor.carry(control))
        await stage.drive(opened())
        assert stage.clock.monotonic() - began < timedelta(seconds=0.3)
        await stage.drive(carrying)
        assert stage.clock.monotonic() - began < timedelta(seconds=2)
        assert await stage.promises() == ()


async def test_an_etcd_without_majority_delays_a_plan_and_loses_nothing() -> None:
    """Whenever the majority is gone for five seconds, the plan waits and then finishes."""
    play = PLAYS[0]
    for number in await _effects(play):
        async with play.claimed() as (stage, control):

            async def lose_majority(stage: Stage = stage) -> None:
                stage.etcd.majority = False

            stage.at_effect[number] = lose_majority
            carrying = asyncio.ensure_future(stage.controller(FIRST).executor.carry(control))
            for _ in range(100):
                await stage.clock.advance(timedelta(milliseconds=50))
            stage.etcd.majority = True
            await stage.drive(carrying)
            await _judge(stage, play)


async def test_losing_the_plan_stops_its_old_owner_at_once() -> None:
    """Another controller takes the plan; the old owner's next write is refused, and it starts no further step."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        stage.world.crash(GCP)
        control = await stage.claim(failover())
        carrying = asyncio.ensure_future(stage.controller(FIRST).executor.carry(control))
        await stage.clock.advance(timedelta(seconds=1))
        assert not carrying.done(), "gcp has to be cut and does not answer"
        stage.etcd.lapse(FIRST)
        taken = await stage.take_over(SECOND)
        assert taken is not None
        with pytest.raises(LostOwnership):
            await stage.drive(carrying)
        calls = stage.effects
        stage.world.start(GCP)
        for _ in range(100):
            await stage.clock.advance(timedelta(milliseconds=50))
        assert stage.effects == calls, "nobody carries the plan on yet"
        await _carry(stage, taken, SECOND)
        assert (await stage.control()).posture.writer == AWS
        assert await stage.promises() == ()


async def test_a_plan_that_nobody_can_go_on_with_is_kept() -> None:
    """A steering plan that is done answers at once; one that waits for a dead member goes on asking it."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        stage.world.crash(GCP)
        control = await stage.claim(failover())
        carrying = asyncio.ensure_future(stage.controller(FIRST).executor.carry(control))
        for _ in range(400):
            await stage.clock.advance(timedelta(milliseconds=50))
        assert not carrying.done()
        assert (await stage.control()).posture.writer == AZURE, "one of two members proves nothing"
        stage.world.start(GCP)
        done = await stage.drive(carrying)
        assert done.plan is None
        assert await stage.promises() == ()
