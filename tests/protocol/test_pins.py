"""A site's own in-cloud failover may move its log backwards without an error anywhere. A node on a new timeline proves nothing."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from controller.core.model import Epoch, Token
from controller.core.plans import PlanKind
from controller.errors import Stuck
from tests.protocol.trio import AWS, AZURE, GCP, Trio


async def fail_over_in_cloud(trio: Trio, site: str) -> None:
    """What a managed service does by itself: the server comes back on a new timeline. Nothing is lost here, and nobody can know."""
    server = trio.servers[site]
    for database in trio.databases.values():
        await database.close()
    await server.stop()
    (server.data / "standby.signal").touch()
    if server.binaries.account is not None:
        import os

        os.chown(server.data / "standby.signal", server.binaries.account.uid, server.binaries.account.gid)
    await server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        assert admin.execute("SELECT pg_promote()").fetchone() == (True,)
        while admin.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
            await asyncio.sleep(0.01)


async def test_a_writer_on_a_new_timeline_admits_nothing_and_acknowledges_nothing(trio: Trio) -> None:
    """The guard refuses with TR003, and the barrier is closed, though the node row still says writer."""
    await fail_over_in_cloud(trio, AZURE)
    with pytest.raises(psycopg.Error) as refused:
        await trio.pay(AZURE)
    assert refused.value.sqlstate == "TR003"
    (looked,) = await trio.sql(AZURE, "SELECT is_open FROM trimaran.barrier()")
    assert looked == (False,)


async def test_a_follower_on_a_new_timeline_takes_part_in_no_election(trio: Trio) -> None:
    """Its cut is refused by name, and facts say that it is not pinned."""
    await fail_over_in_cloud(trio, AWS)
    assert not (await trio.databases[AWS].facts(timedelta(seconds=2))).pinned
    with pytest.raises(Stuck, match="new timeline"):
        await trio.databases[AWS].cut(token=Token(1 << 40), epoch=Epoch(2), writer=AZURE, reign=Epoch(1))


async def test_a_reseeded_node_is_trusted_again(trio: Trio) -> None:
    """Out of the set, reseeded, in again: pinned to its new timeline, and an ack member like any other."""
    await fail_over_in_cloud(trio, AWS)
    await trio.carry(PlanKind.SHRINK, AWS)
    await trio.carry(PlanKind.RETURN, AWS)
    control = await trio.carry(PlanKind.GROW, AWS)
    assert control.posture.must_cut == {AWS, GCP}
    assert (await trio.databases[AWS].facts(timedelta(seconds=2))).pinned
    await trio.part(GCP)
    assert await trio.pay(AZURE)
    await trio.await_equal(AWS, AZURE)
