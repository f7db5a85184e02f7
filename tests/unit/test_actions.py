"""Steps as calls on ports: what each answers, what it waits for, and what it makes of a node that does not answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import cast, get_args

import pytest
from structlog.testing import capture_logs

from controller.actions import Actions, Patience
from controller.core.model import Epoch, Lsn, Position, Role, Token
from controller.core.steps import (
    ASKS_PROVIDER,
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Confirmed,
    Cut,
    Done,
    ExportTail,
    Fence,
    Fenced,
    LeftBehind,
    MarkJoin,
    Open,
    Promotion,
    Reached,
    Reseed,
    Result,
    SetAckSet,
    Settle,
    Steer,
    Steered,
    Step,
    Unanswered,
    Verified,
    Verify,
)
from controller.errors import StaleToken
from controller.ports import Dns
from controller.providers.memory.managed import MemoryManagedDatabase, MemoryServerOffice
from controller.providers.memory.probe import Behaviour, MemoryProbe
from controller.steering import Helm, Rudder
from tests.unit.stage import AWS, AZURE, GCP, GROUP, SITES, Stage, bring_back, failover, staged

NOW, OLD = Token(100), Token(1)
FIRST, SECOND = Epoch(1), Epoch(2)
CUT = Cut(site=AWS, epoch=SECOND, writer=AZURE, reign=FIRST)
STEPS: Mapping[type[Step], tuple[Step, type[Result]]] = {
    Cut: (CUT, Reached),
    CatchUp: (CatchUp(writer=AZURE, reign=FIRST, followers=frozenset({AWS}), lsn=Lsn(1)), Confirmed),
    Attach: (
        Attach(
            sibling=GCP,
            winner=AWS,
            epoch=SECOND,
            position=Position(site=GCP, publisher=AZURE, epoch=FIRST, lsn=Lsn(1)),
            level=True,
            last=False,
        ),
        Done,
    ),
    Open: (Open(winner=AWS, epoch=SECOND, ack_set=frozenset({GCP})), Reached),
    Settle: (Settle(writer=AZURE, reign=FIRST), Confirmed),
    Steer: (Steer(weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0}), Steered),
    Verify: (Verify(writer=AZURE, epoch=SECOND, sites=frozenset(SITES), followers=frozenset({AWS, GCP})), Verified),
    MarkJoin: (MarkJoin(writer=AZURE, reign=FIRST, newcomer=GCP), Reached),
    AwaitConfirmed: (AwaitConfirmed(writer=AZURE, reign=FIRST, followers=frozenset({AWS}), need=1, lsn=Lsn(1)), Confirmed),
    SetAckSet: (SetAckSet(writer=AZURE, reign=FIRST, ack_set=frozenset({AWS})), Reached),
    Fence: (Fence(site=GCP, reign=FIRST), Fenced),
    ExportTail: (ExportTail(site=GCP, writer=AZURE, reign=FIRST), Done),
    Reseed: (Reseed(site=GCP, writer=AZURE, reign=FIRST, seeded_before=-1), Done),
    BeginPromotion: (BeginPromotion(site=GCP), Promotion),
    AwaitPromotion: (AwaitPromotion(site=GCP, operation="replica"), Promotion),
}
every = pytest.mark.parametrize(("step", "result"), STEPS.values(), ids=[kind.__name__ for kind in STEPS])


def actions(stage: Stage, **changes: object) -> Actions:
    """The hands of the stage's first controller, with a read replica at every site."""
    changes.setdefault("managed", {site: MemoryManagedDatabase(site=site, clock=stage.clock) for site in SITES})
    return replace(stage.controller("ctl-1").executor.actions, **changes)  # type: ignore[type-var]


async def perform(stage: Stage, step: Step, token: Token = NOW, **changes: object) -> Result:
    """Carry one step out, letting time pass."""
    return await stage.drive(actions(stage, **changes).perform(step, token))


def rudders(stage: Stage, *authorities: object) -> tuple[Rudder, ...]:
    """The service's handles on these authorities."""
    return tuple(Helm(cast("Dns", one), stage.clock).rudder(GROUP, urgent=True) for one in authorities)


def test_every_step_can_be_performed() -> None:
    """The table below leaves none out."""
    assert set(STEPS) == set(get_args(Step))


@every
async def test_a_step_answers_its_own_result(step: Step, result: type[Result]) -> None:
    """Once, and once more after a lost answer."""
    async with staged() as stage:
        for _ in range(2):
            assert isinstance(await perform(stage, step), result)


@every
async def test_a_node_that_does_not_answer_is_an_answer(step: Step, result: type[Result]) -> None:
    """Every site is a black hole: no error leaves a step, and it ends in bounded time."""
    async with staged() as stage:
        stage.world.isolated |= set(SITES)
        for probe in actions(stage).canaries.values():
            assert isinstance(probe, MemoryProbe)
            probe.behaviour = Behaviour.HANGS
        silent = {
            site: MemoryManagedDatabase(site=site, clock=stage.clock, server=MemoryServerOffice(hanging=True)) for site in SITES
        }
        began = stage.clock.monotonic()
        said = await perform(stage, step, managed=silent)
        assert isinstance(said, Unanswered | Done | LeftBehind | Steered | Verified)
        patience = Patience().provider if isinstance(step, ASKS_PROVIDER) else timedelta(seconds=8)
        assert stage.clock.monotonic() - began <= patience
        if not isinstance(step, Steer | Verify | Attach):
            assert isinstance(said, Unanswered)


CHANGING = [kind for kind in STEPS if kind not in {CatchUp, Settle, Steer, Verify, AwaitConfirmed, *ASKS_PROVIDER}]


@pytest.mark.parametrize("kind", CHANGING)
async def test_an_older_token_ends_the_plan(kind: type[Step]) -> None:
    """A step that a node turns away is not unanswered: the owner has lost the plan and stops."""
    async with staged() as stage:
        for database in stage.controller("ctl-2").databases.values():
            await database.fence(token=NOW, reign=FIRST)
        with pytest.raises(StaleToken):
            await perform(stage, STEPS[kind][0], OLD)


# ------------------------------------------------------------------------------------------------ cut


async def test_a_cut_whose_session_was_broken_is_tried_again() -> None:
    """A first failure that comes at once is not yet no answer."""
    async with staged() as stage:
        stage.controller("ctl-1").databases[AWS].path.lose_answers["cut"] = 2
        assert isinstance(await perform(stage, CUT), Reached)


async def test_a_cut_that_keeps_failing_is_unanswered() -> None:
    """Within the patience for it, so that others need not wait long."""
    async with staged() as stage:
        stage.controller("ctl-1").databases[AWS].path.lose_answers["cut"] = 1000
        began = stage.clock.monotonic()
        assert isinstance(await perform(stage, CUT), Unanswered)
        assert stage.clock.monotonic() - began < timedelta(seconds=1.5)


# ------------------------------------------------------------------------------------------------ attach


async def _attach(stage: Stage, *, level: bool = False) -> Attach:
    """Both followers cut, gcp to follow aws."""
    reached = await perform(stage, replace(CUT, site=GCP))
    await perform(stage, CUT)
    assert isinstance(reached, Reached)
    return Attach(sibling=GCP, winner=AWS, epoch=SECOND, position=reached.position, level=level, last=False)


async def test_a_sibling_that_follows_already_is_left_as_it_is() -> None:
    """Its slot has moved on since; placing it again could only be wrong."""
    async with staged() as stage:
        step = await _attach(stage)
        assert await perform(stage, step) == Done()
        assert await perform(stage, step) == Done(detail="followed already")


async def test_a_sibling_without_a_match_is_left_behind_with_the_reason() -> None:
    """Nothing is placed for it, and it keeps what it has."""
    async with staged() as stage:
        step = await _attach(stage)
        wrong = replace(step, position=replace(step.position, lsn=Lsn(step.position.lsn + 1)))
        said = await perform(stage, wrong)
        assert isinstance(said, LeftBehind)
        assert "is not in spare slot" in said.because


async def test_a_sibling_that_does_not_answer_holds_nobody_up_for_long() -> None:
    """It is left behind when the patience for it is over."""
    async with staged() as stage:
        step = await _attach(stage)
        stage.world.crash(GCP)
        began = stage.clock.monotonic()
        assert isinstance(await perform(stage, step), LeftBehind)
        assert stage.clock.monotonic() - began < timedelta(seconds=6)


async def test_the_only_sibling_is_waited_for_longer() -> None:
    """A pause of four seconds must not cost it everything: left behind, it would be emptied and copied while nobody acknowledges."""
    async with staged() as stage:
        step = replace(await _attach(stage), last=True)
        stage.world.crash(GCP)
        attaching = asyncio.ensure_future(actions(stage).perform(step, NOW))
        for _ in range(40):
            await stage.clock.advance(timedelta(seconds=0.1))
        stage.world.start(GCP)
        for _ in range(40):
            await stage.clock.advance(timedelta(seconds=0.1))
        assert await attaching == Done()


async def test_a_silent_winner_says_nothing_about_the_sibling() -> None:
    """Nobody is left behind for it: the sibling may be level with the winner, and be the next one."""
    async with staged() as stage:
        step = await _attach(stage)
        stage.world.crash(AWS)
        assert isinstance(await perform(stage, step), Unanswered)


async def test_a_sibling_that_answers_again_in_time_is_attached() -> None:
    """One lost answer costs a look, no reseed."""
    async with staged() as stage:
        step = await _attach(stage)
        path = stage.controller("ctl-1").databases[GCP].path
        path.lose_answers["facts"] = 1
        path.lose_answers["follow"] = 1
        assert isinstance(await perform(stage, step), Done)


# ------------------------------------------------------------------------------------------------ settle


async def test_nobody_yet_is_an_answer() -> None:
    """A writer whose ack set is empty or silent is asked again later."""
    async with staged() as stage:
        stage.world.held |= {AWS, GCP}
        stage.world.servers[AZURE].commit()
        assert await perform(stage, STEPS[Settle][0]) == Confirmed(followers=frozenset())
        stage.world.servers[AZURE].ack_slots = ()
        assert await perform(stage, STEPS[Settle][0]) == Confirmed(followers=frozenset())


async def test_one_member_is_enough_to_settle() -> None:
    """The winner's disk is then no longer the only proof."""
    async with staged() as stage:
        stage.world.held.add(GCP)
        stage.world.servers[AZURE].commit()
        stage.world.flow()
        assert await perform(stage, STEPS[Settle][0]) == Confirmed(followers=frozenset({AWS}))


# ------------------------------------------------------------------------------------------------ adapters


class Stumbling:
    """A node or an authority whose adapter stumbles over every answer."""

    name = "stumbling"

    def __getattr__(self, name: str) -> object:
        async def stumble(*given: object, **named: object) -> object:
            raise KeyError(name)

        return stumble


@every
async def test_what_an_adapter_stumbles_over_is_an_answer(step: Step, result: type[Result]) -> None:
    """A fault of an adapter ends one try of one step: no error leaves it, and its traceback is told."""
    async with staged() as stage:
        with capture_logs() as logs:
            bad = dict.fromkeys(SITES, Stumbling())
            said = await perform(stage, step, databases=bad, canaries=bad, managed=bad, authorities=rudders(stage, Stumbling()))
        assert isinstance(said, Steered if isinstance(step, Steer) else Unanswered)
        assert "KeyError" in str(said)
        assert any(entry.get("exc_info") for entry in logs)


# ------------------------------------------------------------------------------------------------ reseed


async def test_a_copy_that_began_under_this_plan_is_waited_for() -> None:
    """A controller that takes over does not empty the node again."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        await stage.carry(failover())
        stage.world.start(AZURE)
        stage.world.held.add(AZURE)
        assert await perform(stage, Fence(site=AZURE, reign=SECOND)) == Fenced(seeded=-1)
        step = Reseed(site=AZURE, writer=AWS, reign=SECOND, seeded_before=-1)
        copying = stage.keep(actions(stage).perform(step, NOW))
        await stage.clock.advance(timedelta(seconds=1))
        assert not copying.done()
        assert stage.world.servers[AZURE].seeded == NOW
        stage.called.clear()
        again = stage.keep(actions(stage).perform(step, Token(NOW + 1)))
        await stage.clock.advance(timedelta(seconds=1))
        assert stage.called == set(), "it only looks"
        stage.world.held.clear()
        stage.world.flow()
        assert await stage.drive(again) == Done()


async def test_a_copy_that_never_ends_is_unanswered_in_the_end() -> None:
    """And tried again by whoever owns the plan then."""
    async with staged() as stage:
        stage.world.held.add(GCP)
        said = await perform(stage, STEPS[Reseed][0], patience=Patience(seed=timedelta(seconds=5)))
        assert isinstance(said, Unanswered)


async def test_the_tail_is_reported_in_words() -> None:
    """How many, how many of them superseded, how many never happened."""
    async with staged() as stage:
        stage.world.isolated.add(AZURE)
        stage.pay_everywhere()
        stage.pay_everywhere()
        await stage.carry(failover())
        stage.world.isolated.clear()
        tail = set(stage.world.servers[AZURE].ledger) - set(stage.world.servers[AWS].ledger)
        stage.world.commit(AWS, retried := min(tail))
        said = await perform(stage, ExportTail(site=AZURE, writer=AWS, reign=SECOND))
        assert isinstance(said, Done)
        kept = stage.world.servers[AZURE].quarantine
        assert kept == {key: key == retried for key in tail}
        assert f"{len(tail)} payments nobody else had: 1 superseded, {len(tail) - 1} never happened" in said.detail


async def test_a_returned_node_follows_and_the_writer_was_never_closed() -> None:
    """The whole way of a return, on its ports."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        await stage.carry(failover())
        stage.world.start(AZURE)
        await stage.carry(bring_back())
        assert stage.world.servers[AWS].role is Role.WRITER
        assert stage.world.servers[AZURE].role is Role.FOLLOWER
        assert stage.world.servers[AZURE].ledger == stage.world.servers[AWS].ledger
