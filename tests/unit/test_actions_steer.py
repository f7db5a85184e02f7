"""Traffic is steered past whatever one authority does, and floors rise beside it without holding anybody up."""

import asyncio
from datetime import timedelta

import pytest

from controller.core.model import Site
from controller.core.steps import Steer, Steered
from controller.errors import LostOwnership
from controller.ports import Raised
from controller.providers.memory.capacity import MemoryCapacity
from controller.providers.memory.dns import MemoryDns
from tests.unit.stage import AWS, AZURE, GCP, GROUP, SERVICE, SITES, Stage, failover, staged
from tests.unit.test_actions import STEPS, Stumbling, perform, rudders


async def test_an_authority_out_of_reach_is_noted_and_holds_up_nobody() -> None:
    """The others are told at the same time."""
    async with staged() as stage:
        dead, well = MemoryDns(clock=stage.clock, name="dead"), MemoryDns(clock=stage.clock, name="well")
        dead.zone.hanging = True
        well.set_by_hand(GROUP, dict.fromkeys(SITES, 1.0))
        said = await perform(stage, STEPS[Steer][0], authorities=rudders(stage, dead, well))
        assert isinstance(said, Steered)
        assert "dead: left behind" in str(said)
        assert "well: in sync" in str(said)
        assert (await well.read())[GROUP][AZURE] == 0.0


async def test_an_authority_that_stumbles_keeps_no_other_from_being_told() -> None:
    """It is left behind like one that is out of reach."""
    async with staged() as stage:
        well = MemoryDns(clock=stage.clock, name="well")
        well.set_by_hand(GROUP, dict.fromkeys(SITES, 1.0))
        said = await perform(stage, STEPS[Steer][0], authorities=rudders(stage, Stumbling(), well))
        assert isinstance(said, Steered)
        assert "stumbling: left behind (KeyError" in str(said)
        assert "well: in sync" in str(said)


async def test_an_authority_that_refuses_the_group_is_noted_with_its_reason() -> None:
    """Somebody else's record stands there: a person has to know which."""
    async with staged() as stage:
        taken = MemoryDns(clock=stage.clock, name="taken")
        taken.zone.taken.add(GROUP)
        said = await perform(stage, STEPS[Steer][0], authorities=rudders(stage, taken))
        assert isinstance(said, Steered)
        assert "taken: left behind (refused by record-owner" in str(said)


async def test_a_plan_that_was_taken_over_steers_behind_nobody() -> None:
    """Its controller was stopped, and has read meanwhile what the posture wants now: the old plan's weights come after that."""
    async with staged() as stage:
        authority = MemoryDns(clock=stage.clock)
        authority.set_by_hand(GROUP, dict.fromkeys(SITES, 1.0))
        held = rudders(stage, authority)
        steering = asyncio.create_task(held[0].steer({AWS: 1.0}, timedelta(seconds=1), revision=1_000_000))
        await stage.clock.advance(timedelta(milliseconds=200))
        assert steering.result().changed
        said = await perform(stage, STEPS[Steer][0], authorities=held)
        assert isinstance(said, Steered) and "left behind (memory: payments" in said.told[0]
        assert (await authority.read())[GROUP] == {AWS: 1.0, AZURE: 0.0, GCP: 0.0}


async def test_weights_of_a_lost_plan_are_sent_no_more() -> None:
    """The authority turns everything away for a moment; meanwhile the plan is another controller's, whose weights may be newer ones."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        stage.dns.zone.throttled = 1_000_000
        control = await stage.claim(failover(), "first")
        stage.etcd.lapse("first")
        assert await stage.take_over("second") is not None
        with pytest.raises(LostOwnership):
            await stage.drive(stage.controller("first").executor.carry(control))
        stage.dns.zone.throttled = 0
        for _ in range(40):
            await stage.clock.advance(timedelta(milliseconds=50))
        assert stage.dns.zone.changes_sent == 0


# ------------------------------------------------------------------------------------------------ floors


def capacities(stage: Stage) -> dict[Site, MemoryCapacity]:
    """One instance of the service at every site."""
    return {site: MemoryCapacity(site=site, clock=stage.clock, floors={SERVICE: 1}) for site in SITES}


async def test_sites_that_are_to_serve_get_their_floor_and_the_failing_one_is_not_asked() -> None:
    """Its API may be what hangs, and no instance of it is wanted."""
    async with staged() as stage:
        held = capacities(stage)
        said = await perform(stage, STEPS[Steer][0], capacities=held, floors=dict.fromkeys(SITES, 4))
        assert {site: one.floors[SERVICE] for site, one in held.items()} == {AWS: 4, AZURE: 1, GCP: 4}
        assert held[AZURE].calls == 0
        assert isinstance(said, Steered)
        assert "aws: floor 1 -> 4" in str(said)


async def test_a_floor_that_cannot_be_had_in_time_holds_up_nobody() -> None:
    """One API hangs, one denies: both are noted, and traffic is steered within the second that it has."""
    async with staged() as stage:
        held = capacities(stage)
        held[AWS].hanging = held[GCP].denied = True
        began = stage.clock.monotonic()
        said = await perform(stage, STEPS[Steer][0], capacities=held, floors=dict.fromkeys(SITES, 4))
        assert stage.clock.monotonic() - began <= timedelta(seconds=1.1)
        assert isinstance(said, Steered)
        assert "memory: in sync" in str(said)
        assert "aws: floor not raised" in str(said)
        assert "gcp: floor not raised (gcp: credentials are missing)" in str(said)


class Deaf(MemoryCapacity):
    """An adapter that does not know what a deadline is."""

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Never."""
        await self.clock.sleep(timedelta(days=1))
        return await super().raise_floor(service, instances, deadline)


async def test_an_adapter_that_keeps_no_deadline_holds_up_nobody() -> None:
    """The step has a deadline of its own."""
    async with staged() as stage:
        deaf = Deaf(site=AWS, clock=stage.clock, floors={SERVICE: 1})
        began = stage.clock.monotonic()
        said = await perform(stage, STEPS[Steer][0], capacities={AWS: deaf}, floors={AWS: 4})
        assert stage.clock.monotonic() - began <= timedelta(seconds=1.1)
        assert isinstance(said, Steered) and "aws: floor not raised (no answer within 1 s)" in str(said)


async def test_a_floor_is_asked_for_again_while_there_is_time() -> None:
    """Everybody raises theirs in the same moment, and some are turned away."""
    async with staged() as stage:
        held = capacities(stage)
        held[AWS].throttled, held[AWS].busy, held[AWS].lost_answers = 2, 1, 1
        await perform(stage, STEPS[Steer][0], capacities=held, floors={AWS: 4})
        assert held[AWS].floors[SERVICE] == 4


async def test_what_became_of_every_floor_is_told_apart_from_the_authorities() -> None:
    """From how many to how many, how long, or why not; and how long steering took, whatever an API of instances did."""
    async with staged() as stage:
        held = capacities(stage)
        held[GCP].hanging = True
        said = await perform(stage, STEPS[Steer][0], capacities=held, floors=dict.fromkeys(SITES, 4))
        assert isinstance(said, Steered)
        raised, late = said.floors
        assert (raised.site, raised.before, raised.after, raised.because) == (AWS, 1, 4, "")
        assert (late.site, late.before, late.after) == (GCP, None, None) and late.because
        assert said.told_ms < 500 < late.took_ms <= 1100
