"""A promotion as three controllers carry it out: what ends it, what goes before it, and how often a provider is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Site
from controller.core.plans import Phase, PlanKind
from controller.core.policy import Policy
from controller.providers.memory.managed import MemoryManagedDatabase, MemoryServerOffice
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP, SITES

KEPT = replace(Policy(), replicas=frozenset({GCP}))


@asynccontextmanager
async def keeping(server: MemoryServerOffice) -> AsyncIterator[Crew]:
    """Three controllers; gcp's provider keeps a read replica, which is this one."""
    async with crew(KEPT) as given:
        for site in SITES:
            _reach(given, site, server)
        yield given


def _reach(given: Crew, site: Site, server: MemoryServerOffice) -> None:
    executor = given.stage.controllers[site].executor
    managed = {GCP: MemoryManagedDatabase(site=GCP, clock=given.stage.clock, server=server)}
    executor.actions = replace(executor.actions, managed=managed)


async def _plan(given: Crew) -> tuple[PlanKind, Phase] | None:
    plan = (await given.stage.control()).plan
    return None if plan is None else (plan.kind, plan.phase)


async def _ends(given: Crew) -> list[object]:
    """How promotions ended: the failure told, empty when there was none."""
    done = await given.journal("plan.done")
    return [entry.body.get("failure", "") for entry in done if entry.body.get("plan_kind") == PlanKind.PROMOTE]


async def test_a_promotion_comes_to_its_end() -> None:
    """The provider takes its time; whoever asked is told when it is over."""
    server = MemoryServerOffice(takes=timedelta(seconds=20))
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(5)
        assert await _plan(given) == (PlanKind.PROMOTE, Phase.COMPLETE)
        await given.live(30)
        assert (await _plan(given), await _ends(given), server.promotions) == (None, [""], 1)


@pytest.mark.parametrize(
    "server", [MemoryServerOffice(told=None), MemoryServerOffice(denied=True), MemoryServerOffice(denied_changes=True)]
)
async def test_a_promotion_that_asking_again_does_not_mend_ends_and_says_why(server: MemoryServerOffice) -> None:
    """No such server, no permission: asked ten times a second for ever it would stay refused, and nobody would be told why."""
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(5)
        (failure,) = await _ends(given)
        assert await _plan(given) is None
        assert "no server" in str(failure) or "not permitted" in str(failure) or "credentials" in str(failure)


async def test_a_provider_that_turns_us_away_is_not_stormed() -> None:
    """A vendor's limit counts for the whole account: ten questions a second would take the others' share for as long as it lasts."""
    server = MemoryServerOffice(throttled=1_000_000)
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(1)
        before = server.throttled
        await given.live(20)
        assert await _plan(given) == (PlanKind.PROMOTE, Phase.ASK)
        assert 10 <= before - server.throttled <= 25


@pytest.mark.parametrize("server", [MemoryServerOffice(takes=timedelta(hours=1)), MemoryServerOffice(hanging=True)])
async def test_a_promotion_delays_no_failover(server: MemoryServerOffice) -> None:
    """The writer dies while the provider is at it, or hangs: payments are acknowledged as soon as without it."""

    async def recovery(*, promoting: bool) -> timedelta:
        async with keeping(replace(server)) as given:
            if promoting:
                await given.ask("promote", site="gcp")
            await given.live(3)
            assert (await _plan(given) is not None) is promoting
            await given.crash(AZURE)
            before, began = len(given.stage.world.acknowledged), given.stage.clock.monotonic()
            while len(given.stage.world.acknowledged) == before:
                await given.live(0.05)
            took = given.stage.clock.monotonic() - began
            await given.live(10)
            assert await given.stage.promises() == ()
            return took

    assert await recovery(promoting=True) <= await recovery(promoting=False) + timedelta(seconds=0.1)


@pytest.mark.parametrize("server", [MemoryServerOffice(takes=timedelta(hours=1)), MemoryServerOffice(hanging=True)])
async def test_repairs_do_not_wait_for_a_provider(server: MemoryServerOffice) -> None:
    """A follower dies while a provider is at a promotion. Kept in the must-cut set for as long, it would be what the next failover waits
    for: the writer dies too, and nobody can pay."""
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(3)
        assert (await _plan(given) or (None,))[0] is PlanKind.PROMOTE
        await given.crash(GCP)
        await given.live(15)
        assert (await given.stage.control()).posture.must_cut == {AWS}
        given.heal(GCP)
        _reach(given, GCP, server)
        await given.live(30)
        assert (await given.stage.control()).posture.must_cut == {AWS, GCP}
        assert await given.stage.promises() == ()


async def test_a_promotion_whose_plan_was_replaced_is_found_again() -> None:
    """A repair took its place and the provider went on: asked for again, nothing begins a second time."""
    server = MemoryServerOffice(takes=timedelta(seconds=60))
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(3)
        await given.crash(AWS)
        await given.live(10)
        assert await _ends(given) == []
        given.heal(AWS)
        _reach(given, AWS, server)
        await given.live(25)
        await given.ask("promote", site="gcp")
        await given.live(40)
        assert (await _ends(given), server.promotions) == ([""], 1)


async def test_traffic_returns_while_a_provider_is_at_a_promotion() -> None:
    """A site that is well again is needed, whatever a provider takes its time over."""
    server = MemoryServerOffice(takes=timedelta(hours=1))
    async with keeping(server) as given:
        await given.crash(AWS)
        await given.live(12)
        await given.ask("promote", site="gcp")
        await given.live(3)
        assert (await given.stage.control()).posture.weights[AWS] == 0
        given.heal(AWS)
        _reach(given, AWS, server)
        await given.live(60)
        assert (await given.stage.control()).posture.weights[AWS] > 0


async def test_of_two_operators_one_is_told_to_wait() -> None:
    """Both ask in the same moment: one promotion begins, and the other one is refused by name."""
    server = MemoryServerOffice(takes=timedelta(seconds=20))
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.ask("promote", site="gcp")
        await given.live(30)
        refused = [
            entry for entry in await given.journal("decision") if entry.body.get("request") and not entry.body.get("proposal")
        ]
        assert len(refused) == 1 and "one-plan" in str(refused[0].body["reasons"])
        assert (await _ends(given), server.promotions) == ([""], 1)


@pytest.mark.parametrize("dies", [AWS, AZURE, GCP])
async def test_a_promotion_outlives_its_controllers(dies: Site) -> None:
    """One of them dies while it runs; if it was the owner, another one goes on, and nothing begins twice."""
    server = MemoryServerOffice(takes=timedelta(seconds=30))
    async with keeping(server) as given:
        await given.ask("promote", site="gcp")
        await given.live(3)
        await given.stop(dies)
        await given.live(60)
        assert (await _plan(given), await _ends(given), server.promotions) == (None, [""], 1)
