"""A site's own in-cloud failover to a standby that lagged. Logs go back, streams go on, and no error stands in any log: without the
pins the same scenario acknowledges payments that nobody else has, and elects a writer that lacks payments which it had confirmed."""

import asyncio

import psycopg
import pytest

from controller.core.model import Epoch, Site
from controller.core.plans import PlanKind
from tests.protocol.standby import fail_over_to, standby_of
from tests.protocol.trio import AWS, AZURE, GCP, Trio

pytestmark = pytest.mark.long

guarded = pytest.mark.parametrize("guarded", [True, False], ids=["with", "without"])

REPIN = "UPDATE trimaran.node SET timeline = i.timeline FROM trimaran.identity() AS i"
"""A node that takes whatever it runs on for what it was."""


@guarded
async def test_a_writer_whose_log_went_back_acknowledges_nothing(trio: Trio, guarded: bool) -> None:
    """Azure's standby lacks what aws and gcp have. They ask it to go on from positions that lie beyond its log, and it skips everything up
    to there; as soon as its log has grown past them, payments that it alone holds pass for confirmed."""
    standby = standby_of(trio, AZURE)
    gone = {await trio.pay() for _ in range(5)}
    await trio.sql(AZURE, "SELECT pg_logical_emit_message(false, 'filler', repeat('x', 200000))")
    gone.add(await trio.pay())
    await trio.await_equal()
    ((ahead,),) = await trio.sql(AZURE, "SELECT pg_current_wal_flush_lsn()::text")
    await fail_over_to(trio, AZURE, standby)
    assert await trio.lost(AZURE) == gone
    if guarded:
        with pytest.raises(psycopg.Error) as refused:
            await trio.pay(AZURE)
        assert refused.value.sqlstate == "TR003"
        assert await trio.sql(AZURE, "SELECT is_open FROM trimaran.barrier()") == [(False,)]
        await trio.carry(PlanKind.FAILOVER, AZURE)
        assert await trio.lost(await trio.writer()) == set()
        assert await trio.pay()
        return
    await trio.sql(AZURE, REPIN)
    await _streams(trio, AWS, GCP)
    paying = asyncio.create_task(trio.pay(AZURE, patience=20))
    await asyncio.sleep(0.3)
    assert not paying.done(), "confirmed beyond the end of the log: that proves nothing"
    while await trio.sql(AZURE, "SELECT 1 WHERE pg_current_wal_flush_lsn() <= %s::pg_lsn", ahead):
        await trio.sql(AZURE, "SELECT pg_logical_emit_message(true, 'filler', repeat('x', 200000))")
    falsely = await paying
    assert falsely
    assert await trio.lost(AWS) == await trio.lost(GCP) == {falsely}


@guarded
async def test_a_follower_whose_log_went_back_is_not_elected(trio: Trio, guarded: bool) -> None:
    """Aws confirmed five payments and came back without them. Its slot says that it has them, so it is sent what comes after: no error,
    and as high a position as anybody's."""
    standby = standby_of(trio, AWS)
    gone = {await trio.pay() for _ in range(5)}
    await trio.await_equal()
    await fail_over_to(trio, AWS, standby)
    if not guarded:
        await trio.sql(AWS, REPIN)
    await _streams(trio, AWS)
    after = await trio.pay()
    await _holds(trio, AWS, after)
    assert await trio.lost(AWS) == gone, "the gap is there, and what came after it was applied"
    if guarded:
        await trio.carry(PlanKind.SHRINK, AWS)
    else:
        await _holds(trio, GCP, after)
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    assert await trio.writer() == (GCP if guarded else AWS)
    assert await trio.lost(await trio.writer()) == (set() if guarded else gone)


async def _streams(trio: Trio, *sites: Site) -> None:
    """Until azure sends to these again. Workers are started again every five seconds."""
    slots = [trio.nodes[AZURE].slot_for(Epoch(1), site) for site in sites]
    until = asyncio.get_running_loop().time() + 15
    while await trio.sql(AZURE, "SELECT 1 FROM pg_replication_slots WHERE slot_name = ANY (%s) AND NOT active", slots):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.05)


async def _holds(trio: Trio, site: Site, key: str | None) -> None:
    """Until a follower has applied this payment."""
    until = asyncio.get_running_loop().time() + 15
    while not await trio.sql(site, "SELECT 1 FROM ledger.payment WHERE idempotency_key = %s", key):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.02)
