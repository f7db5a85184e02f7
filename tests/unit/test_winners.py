"""Whom a plan elects when not everybody can be read, or is level: carried out on a world in memory."""

import pytest

from tests.unit.stage import AWS, AZURE, GCP, failover, staged, switchover

pytestmark = pytest.mark.asyncio


async def test_a_waived_member_lets_the_other_one_win() -> None:
    """An operator names the member that cannot be reached; what only it had is lost, and on the record."""
    async with staged() as stage:
        stage.world.crash(AZURE)
        stage.world.crash(GCP)
        control = await stage.carry(failover(waived=(GCP,)))
        assert control.posture.writer == AWS
        assert control.plan is None


async def test_a_switchover_whose_target_is_not_level_gives_the_reign_back() -> None:
    """The target applies nothing: the old writer is opened again, with everybody who can follow it."""
    async with staged() as stage:
        stage.world.held.add(AWS)
        stage.pay_everywhere()
        control = await stage.carry(switchover(AWS))
        assert control.posture.writer == AZURE
        assert control.posture.reign == 2
        assert await stage.left_behind() == []
        stage.world.held.clear()
        stage.world.flow()
        assert control.posture.must_cut >= {GCP}
        assert stage.world.servers[AWS].ledger == stage.world.servers[AZURE].ledger
        assert await stage.promises() == ()
