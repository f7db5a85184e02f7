"""Where the position is read decides whether an acknowledgement is true."""

import struct
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, STREAM, Sites, two_sites
from workload.durable import statement
from workload.durable.evidence import parse_lsn
from workload.payments import ledger
from workload.payments.model import Order

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

WITNESS = "witness"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """Writer and follower, and a slot that nobody reads, to see where a commit lies in the log."""
    async with two_sites("payments-order") as sites:
        await sites.ask(AZURE, f"SELECT pg_create_logical_replication_slot('{WITNESS}', 'pgoutput')")
        yield sites


async def run(session: psycopg.AsyncConnection, script: tuple[str, ...], key: str) -> int:
    """Send a script in one pipeline as the service does; answers the position that its last statement read."""
    order = Order(key=key, debtor=ACCOUNTS[0], creditor=ACCOUNTS[1], amount=1, currency="EUR")
    values = (uuid4(), order.key, order.digest, order.debtor, order.creditor, order.amount, order.currency)
    async with session.pipeline():
        for statement in script:
            cursor = await session.execute(statement, values if statement == ledger.PAY else None)
    row = await cursor.fetchone()
    assert row is not None
    return parse_lsn(row[0])


async def commit_end(sites: Sites) -> int:
    """End of the last commit record, from its pgoutput message: byte 'C', flags, commit LSN, end LSN, time."""
    query = (
        f"SELECT data FROM pg_logical_slot_get_binary_changes('{WITNESS}', NULL, NULL,"
        " 'proto_version', '1', 'publication_names', 'payments_ledger')"
    )
    commits = [bytes(data) for (data,) in await sites.ask(AZURE, query) if bytes(data)[:1] == b"C"]
    end: int = struct.unpack(">Q", commits[-1][10:18])[0]
    return end


WRONG = (ledger.PAY, statement.FLUSHED)
"""Looks the same and saves two statements: a pipeline without BEGIN and COMMIT is one implicit transaction."""


async def test_the_shipped_script_reads_the_position_after_its_commit() -> None:
    """BEGIN, pay, COMMIT, position: in this order and nothing in between."""
    assert statement.script(ledger.PAY) == (statement.BEGIN, ledger.PAY, "COMMIT", statement.FLUSHED)
    assert statement.FLUSHED == "SELECT pg_current_wal_flush_lsn()::text, ack_slots FROM trimaran.node"


@pytest.mark.parametrize("setting", ["on", "off"])
async def test_the_position_covers_the_commit(sites: Sites, setting: str) -> None:
    """Also in a session that somebody told to commit asynchronously: pay() itself insists on the flush."""
    async with await sites.connect(AZURE, "payments_app") as session:
        await session.execute(f"SET synchronous_commit = {setting}")
        for _ in range(20):
            position = await run(session, statement.script(ledger.PAY), str(uuid4()))
            assert position >= await commit_end(sites)


async def test_the_wrong_order_reads_a_position_below_its_commit(sites: Sites) -> None:
    """The trap exists: this is what the order of the script protects from."""
    async with await sites.connect(AZURE, "payments_app") as session:
        position = await run(session, WRONG, str(uuid4()))
        assert position < await commit_end(sites)


async def test_the_wrong_order_acknowledges_a_payment_that_exists_nowhere_else(sites: Sites) -> None:
    """With the streams cut, the barrier opens for the wrong position and stays closed for the right one."""
    assert sites.links is not None
    keys = {"wrong": str(uuid4()), "right": str(uuid4())}
    barrier = "SELECT coalesce(confirmed >= %s::pg_lsn, false) FROM trimaran.await_barrier(1, %s::pg_lsn, '200 ms')"
    await sites.caught_up(AZURE, STREAM)
    await sites.links.isolate(AWS)
    try:
        async with await sites.connect(AZURE, "payments_app") as session:
            acknowledged = {}
            for name, script in (("wrong", WRONG), ("right", statement.script(ledger.PAY))):
                position = f"0/{await run(session, script, keys[name]):X}"
                acknowledged[name] = (await (await session.execute(barrier, (position, position))).fetchall())[0][0]
        held = await sites.ask(AWS, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = ANY(%s)", list(keys.values()))
    finally:
        await sites.links.rejoin(AWS)
    assert acknowledged == {"wrong": True, "right": False}
    assert held == [(0,)]
