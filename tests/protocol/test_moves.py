"""Moves of the writer on three real servers: every acknowledged payment is on every later writer."""

from datetime import timedelta

from controller.core.model import Role
from controller.core.plans import PlanKind
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio


async def test_a_switchover_moves_the_writer_and_copies_nothing(trio: Trio) -> None:
    """After a switchover the target writes, both others follow it, and nobody was left behind."""
    control = await trio.carry(PlanKind.SWITCHOVER, AWS)
    assert control.plan is None
    assert await trio.writer() == AWS
    assert control.posture.must_cut == {AZURE, GCP}
    assert not await trio.left_behind()
    assert await trio.pay()
    await trio.await_equal()
    assert not await trio.lost(AWS)


async def test_there_and_back_again(trio: Trio) -> None:
    """A chain of switchovers through all sites loses nothing and leaves no node behind."""
    for target in (AWS, GCP, AZURE, GCP):
        control = await trio.carry(PlanKind.SWITCHOVER, target)
        assert control.posture.writer == target
        assert not await trio.left_behind()
        assert await trio.pay()
    await trio.await_equal()
    for site in SITES:
        facts = await trio.databases[site].facts(timedelta(seconds=1))
        assert facts.role is (Role.WRITER if site == GCP else Role.FOLLOWER)
        assert not await trio.lost(site)


async def test_a_failover_elects_the_member_that_has_everything(trio: Trio) -> None:
    """One follower falls behind, the other alone acknowledges; whichever name comes first, the higher position wins and the other is
    re-parented without a copy."""
    await trio.hold_apply(AWS)
    for _ in range(20):
        assert await trio.pay()
    trio.lose(AZURE)
    await trio.release_apply(AWS)
    control = await trio.carry(PlanKind.FAILOVER, AZURE)
    assert control.posture.writer == GCP
    assert control.posture.must_cut == {AWS}
    assert not await trio.left_behind()
    assert await trio.pay(GCP)
    assert not await trio.lost(GCP)
    await trio.await_equal(AWS, GCP)


async def test_the_old_writer_returns_with_its_tail_in_quarantine(trio: Trio) -> None:
    """What only the old writer had is kept for a person and never applied; the node follows again and acknowledges again."""
    for site in (AWS, GCP):
        await trio.part(site)
    unacknowledged = [await trio.pay(AZURE, key=f"tail-{n}", patience=0.05) for n in range(5)]
    assert unacknowledged == [None] * 5
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    assert await trio.pay(AWS, key="tail-0")
    await trio.start(AZURE)
    await trio.carry(PlanKind.RETURN, AZURE)
    kept = await trio.sql(
        AZURE, "SELECT idempotency_key, superseded FROM trimaran.quarantine WHERE idempotency_key ~ 'tail' ORDER BY 1"
    )
    assert kept == [("tail-0", True), *((f"tail-{n}", False) for n in range(1, 5))]
    assert await trio.sql(AWS, "SELECT count(*) FROM ledger.payment WHERE idempotency_key ~ 'tail'") == [(1,)]
    control = await trio.carry(PlanKind.GROW, AZURE)
    assert AZURE in control.posture.must_cut
    assert await trio.pay()
    await trio.await_equal()
    assert not await trio.lost(AZURE)


async def test_a_failover_right_after_another_leaves_nobody_behind(trio: Trio) -> None:
    """No spare slot of the new reign exists yet, and nobody has paid since: equal positions are proof enough to go on without a copy."""
    await trio.carry(PlanKind.SWITCHOVER, AWS)
    trio.lose(AWS)
    control = await trio.carry(PlanKind.FAILOVER, AWS)
    assert not await trio.left_behind()
    assert control.posture.settled
    assert await trio.pay()
    assert not await trio.lost(await trio.writer())
    await trio.await_equal(AZURE, GCP)
