"""A second fault in the worst moment: payments are acknowledged again without a person whenever two whole ledgers prove what was."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Role, Site
from controller.core.plans import Phase, PlanKind
from controller.core.policy import Policy
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP

OFTEN = replace(Policy(), automatic_failovers=9)


async def _acknowledged_again(given: Crew, within: float) -> None:
    """Payments are, within so many seconds, and every promise held."""
    before = len(given.stage.world.acknowledged)
    end = given.stage.clock.monotonic() + timedelta(seconds=within)
    while len(given.stage.world.acknowledged) == before:
        assert given.stage.clock.monotonic() < end, f"nothing is acknowledged: {await given.stage.control()}"
        await given.live(0.1)
    await given.live(30)
    assert await given.stage.promises() == ()


async def _until(given: Crew, happened: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(4000):
        if await happened():
            return
        given.stage.pay_everywhere()
        await given.stage.clock.advance(timedelta(milliseconds=5))
    raise AssertionError("it never happened")


async def _elected(given: Crew, site: Site) -> None:
    async def named() -> bool:
        return (await given.stage.control()).posture.writer == site

    await _until(given, named)


@pytest.mark.parametrize("begin", ["failover", "switchover"])
async def test_the_winner_dies_before_it_opens(begin: str) -> None:
    """Everybody was level with it, so each of the others proves what it held; nobody is left behind for the winner's silence."""
    async with crew(OFTEN) as given:
        for database in (given.stage.controllers[site].databases[AWS] for site in (AWS, AZURE, GCP)):
            database.path.hold_calls["open"] = 1_000_000
        await (given.crash(AZURE) if begin == "failover" else given.ask("switchover", to="aws"))
        await _elected(given, AWS)
        given.stage.world.crash(AWS)
        await _acknowledged_again(given, within=12) if begin == "switchover" else await given.live(12)
        control = await given.stage.control()
        assert control.posture.writer != AWS
        assert given.stage.world.servers[control.posture.writer].role is Role.WRITER


async def test_the_winner_dies_before_anybody_holds_its_marker() -> None:
    """It opened, and its followers got nothing of the new reign: nothing of that reign was acknowledged. The one that was level wins."""
    async with crew(OFTEN) as given:
        await given.ask("switchover", to="aws")
        await _elected(given, AWS)
        given.stage.world.held |= {AZURE, GCP}

        async def opened() -> bool:
            return given.stage.world.servers[AWS].role is Role.WRITER

        await _until(given, opened)
        given.stage.world.crash(AWS)
        given.stage.world.held.clear()
        await _acknowledged_again(given, within=12)


async def test_an_operator_leaves_out_the_dead_winner() -> None:
    """The sibling lagged at the election and the winner alone had the rest: only a person may go on without it, and then it goes on."""
    async with crew(OFTEN) as given:
        given.stage.world.held.add(GCP)
        await given.live(1)
        await given.crash(AZURE)
        await _elected(given, AWS)
        given.stage.world.crash(AWS)
        await given.live(15)
        assert (await given.stage.control()).posture.writer == AWS, "automation waits for what only aws proves"
        given.stage.world.held.clear()
        await given.ask("failover", **{"from": "aws", "waive": "aws"})
        await given.live(12)
        control = await given.stage.control()
        assert (control.posture.writer, control.plan) == (GCP, None)


async def test_a_follower_that_cannot_reach_the_writer_keeps_nobody_out() -> None:
    """gcp follows the winner on paper, over a link that is down. azure comes back, reaches the winner, and payments go on with it."""
    async with crew(OFTEN) as given:
        given.stage.world.cut_links.add(frozenset({AWS, GCP}))
        await given.crash(AZURE)
        await given.live(12)
        assert (await given.stage.control()).posture.reign == 2
        given.heal(AZURE)
        await _acknowledged_again(given, within=60)


async def test_a_shrink_whose_remaining_member_dies_is_given_up() -> None:
    """gcp is being taken out, aws is to remain and dies, and gcp is back and level: it counts again."""
    async with crew(OFTEN) as given:
        await given.crash(GCP)
        given.stage.world.held.add(AWS)

        async def shrinking() -> bool:
            plan = (await given.stage.control()).plan
            return plan is not None and plan.kind is PlanKind.SHRINK and plan.phase is Phase.CONFIRM

        await _until(given, shrinking)
        await given.crash(AWS)
        given.stage.world.held.clear()
        given.heal(GCP)
        await _acknowledged_again(given, within=30)


async def test_the_last_sibling_dies_and_the_old_writer_comes_back() -> None:
    """aws is elected and gcp dies before it follows; azure is back. gcp is left behind in time although azure's controller, too, reaches
    the winner, and although an edge is drained meanwhile. They took the plan from each other, each time before the wait was over, and
    whatever a drain overtook was waited for again, until gcp came back. Found by the sequence `second-site`."""
    async with crew(OFTEN) as given:
        given.hold("follow", GCP)
        await given.crash(AZURE)
        await _elected(given, AWS)
        await given.crash(GCP)
        given.heal(AZURE)
        await _acknowledged_again(given, within=27)
