"""Each safeguard bears load: the same scenario with it loses nothing, and without it loses a payment that the checker names.

Nothing of ours is patched: a safeguard is removed by leaving it out of the client, the set, or the database.
"""

import asyncio
from contextlib import suppress

import pytest

from controller.core.model import Epoch, Position, Site, Token
from controller.core.plans import PlanKind
from controller.errors import StaleToken
from controller.postgres.cut import read_position
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node, alone
from tests.protocol.trio import AWS, AZURE, GCP, OTHER_CREDITOR, OTHER_DEBTOR, Trio

guarded = pytest.mark.parametrize("guarded", [True, False], ids=["with", "without"])


class HastyDatabase(PostgresDatabase):
    """A node whose cut does not wait: DISABLE, then the position at once."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._hasty = node

    async def cut(self, *, token: Token, epoch: Epoch, writer: Site, reign: Epoch) -> Position:
        """Half a cut."""
        rows = await self._hasty.run(
            "cut",
            *alone("SELECT (trimaran.stop_streams(%s, %s)).role", token, epoch),
            ("SELECT * FROM trimaran.positions()", ()),
        )
        return read_position(self._hasty, rows[3], writer=writer, reign=reign)


@guarded
async def test_a_commit_is_not_an_acknowledgement(trio: Trio, guarded: bool) -> None:
    """A payment that no follower has is not acknowledged; a client that believes the COMMIT loses it with the cloud."""
    for site in (AWS, GCP):
        await trio.part(site)
    key = await trio.pay(patience=0.1, barrier=guarded)
    assert (key is None) is guarded
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    assert await trio.lost(await trio.writer()) == (set() if guarded else {key})


@guarded
async def test_a_cut_waits_until_the_worker_is_gone(trio: Trio, guarded: bool) -> None:
    """A worker that lives on after DISABLE applies and confirms one more payment, and the election has already been held without it."""
    await trio.part(AWS)
    await trio.hold_apply(GCP)
    paying = asyncio.create_task(trio.pay(AZURE, patience=8))
    await _arrives(trio, GCP)
    databases = trio.databases if guarded else {site: HastyDatabase(node) for site, node in trio.nodes.items()}
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    token = control.ownership.token
    # Both members are cut and read; the old writer is still alive behind its partition.
    for site in (AWS, GCP):
        await databases[site].cut(token=token, epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
    await trio.release_apply(GCP)
    acknowledged = await _acknowledged_soon(paying)
    assert acknowledged is not guarded
    trio.lose(AZURE)
    await trio.executor(databases=databases).carry(control) if guarded else await _elect_aws(trio, token)
    paying.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await paying
    assert bool(await trio.lost(await trio.writer())) is not guarded


@guarded
async def test_every_member_of_the_ack_set_is_read(trio: Trio, guarded: bool) -> None:
    """One member alone may have acknowledged; a controller that reads the other one only elects a writer without the payment."""
    await trio.part(AWS)
    key = await trio.pay(AZURE)
    assert key
    trio.lose(AZURE)
    if not guarded:
        await trio.rewrite(frozenset({AWS}))
    await trio.carry(PlanKind.FAILOVER, AZURE)
    assert await trio.writer() == (GCP if guarded else AWS)
    assert await trio.lost(await trio.writer()) == (set() if guarded else {key})


@guarded
async def test_a_stale_controller_is_turned_away_by_the_database(trio: Trio, guarded: bool) -> None:
    """Controller 1 checks etcd, stalls before its step; meanwhile others take the member out, in again, and the other one out. Its late
    step would let a follower acknowledge that no failover reads."""
    if not guarded:
        await trio.sql(AZURE, _CREDULOUS)
    stale = (await trio.claim(PlanKind.SHRINK, AWS, by="ctl-1")).ownership.token
    trio.etcd.lapse("ctl-1")
    taken = await trio.take_over(by="ctl-2")
    await trio.executor("ctl-2").carry(taken)
    assert (await trio.carry(PlanKind.GROW, AWS)).posture.must_cut == {AWS, GCP}
    assert (await trio.carry(PlanKind.SHRINK, GCP)).posture.must_cut == {AWS}
    late = trio.databases[AZURE].set_ack_set(token=stale, reign=Epoch(1), ack_set=frozenset({GCP}))
    if guarded:
        with pytest.raises(StaleToken):
            await late
    else:
        await late
    await trio.part(AWS)
    key = await trio.pay(AZURE, patience=0.3)
    assert (key is None) is guarded
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    assert await trio.lost(await trio.writer()) == (set() if guarded else {key})


@guarded
async def test_the_winner_stays_in_the_must_cut_set_until_a_sibling_has_settled(trio: Trio, guarded: bool) -> None:
    """Two failovers in a row: the first winner is the only place where an earlier payment is. Whoever forgets that elects its sibling
    without it; whoever remembers waits for the winner's return."""
    await trio.part(GCP)
    assert await trio.pay(AZURE)
    key = await trio.pay(AZURE, accounts=(OTHER_DEBTOR, OTHER_CREDITOR))
    await trio.hold_account(GCP, OTHER_DEBTOR)
    trio.lose(AZURE)
    control = await trio.carry(PlanKind.FAILOVER, AZURE)
    assert control.posture.writer == AWS
    assert control.posture.must_cut == {AWS, GCP}, "the sibling holds one payment, but not the marker"
    if not guarded:
        await trio.rewrite(frozenset({GCP}))
    trio.lose(AWS)
    second = asyncio.create_task(trio.carry(PlanKind.FAILOVER, AWS))
    await asyncio.wait([second], timeout=5)
    assert second.done() is not guarded
    if guarded:
        await trio.release_apply(GCP)
        await trio.start(AWS)
        await second
    assert await trio.lost(await trio.writer()) == (set() if guarded else {key})


_CREDULOUS = """
CREATE OR REPLACE FUNCTION trimaran.promise(presented bigint) RETURNS trimaran.node LANGUAGE sql AS
$$ SELECT * FROM trimaran.node $$"""
"""A database that believes every controller."""


async def _arrives(trio: Trio, site: Site) -> None:
    """Until the follower's worker has the payment and waits for the lock."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'ledger.payment'::regclass"
    while not await trio.sql(site, waiting):
        await asyncio.sleep(0.01)


async def _acknowledged_soon(paying: "asyncio.Task[str | None]") -> bool:
    await asyncio.wait([paying], timeout=1.5)
    return paying.done() and paying.result() is not None


async def _elect_aws(trio: Trio, token: Token) -> None:
    """What follows from the two equal positions that the hasty cuts read: the first by name."""
    await trio.databases[AWS].open(token=token, epoch=Epoch(2), ack_set=frozenset())
