"""The check at the end of a move: what it finds is a value, and what was not checked proves nothing."""

from datetime import timedelta

import pytest

from controller.core.model import Epoch
from controller.core.steps import Ledgers, Verified, Verify
from controller.providers.memory.probe import Behaviour, MemoryProbe
from tests.unit.stage import AWS, AZURE, GCP, SITES, staged
from tests.unit.test_actions import perform

pytestmark = pytest.mark.asyncio

VERIFY = Verify(writer=AZURE, epoch=Epoch(2), sites=frozenset(SITES), followers=frozenset({AWS, GCP}))


async def test_verifying_names_canaries_and_ledgers() -> None:
    """What did not pay and what differs is said, and stops nothing."""
    async with staged() as stage:
        said = await perform(stage, VERIFY)
        assert said == Verified(paid=frozenset(SITES), unpaid={}, ledgers=Ledgers.EQUAL) and said.proven
        stage.world.held.add(GCP)
        stage.pay_everywhere()
        canaries = {site: MemoryProbe(clock=stage.clock) for site in SITES}
        canaries[AWS].behaviour = Behaviour.FAILS
        said = await perform(stage, VERIFY, canaries=canaries)
        assert isinstance(said, Verified) and not said.proven
        assert (said.paid, said.unpaid) == ({AZURE, GCP}, {AWS: "refused"})
        assert (said.ledgers, said.differing) == (Ledgers.DIFFER, {GCP})


async def test_ledgers_that_cannot_be_read_are_not_compared() -> None:
    """A check that was not made proves nothing, and says why."""
    async with staged() as stage:
        stage.world.crash(GCP)
        said = await perform(stage, VERIFY)
        assert isinstance(said, Verified) and not said.proven
        assert said.ledgers is Ledgers.NOT_COMPARED and said.because


async def test_a_service_that_has_not_found_the_writer_yet_is_asked_again() -> None:
    """A second after the opening one site still answers 503: that is no reason to call the move unproven."""
    async with staged() as stage:
        canaries = {site: MemoryProbe(clock=stage.clock) for site in SITES}
        canaries[AWS].behaviour = Behaviour.FAILS

        async def later() -> None:
            await stage.clock.sleep(timedelta(seconds=1))
            canaries[AWS].behaviour = Behaviour.ANSWERS

        stage.keep(later())
        said = await perform(stage, VERIFY, canaries=canaries)
        assert isinstance(said, Verified) and said.proven


async def test_ledgers_that_become_equal_in_time_are_equal() -> None:
    """A follower gets the time it needs to apply what only the winner had."""
    async with staged() as stage:
        stage.world.held.add(GCP)
        stage.pay_everywhere()

        async def later() -> None:
            await stage.clock.sleep(timedelta(seconds=2))
            stage.world.held.clear()
            stage.world.flow()

        stage.keep(later())
        said = await perform(stage, VERIFY)
        assert isinstance(said, Verified) and said.proven
