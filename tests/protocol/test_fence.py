"""The fence: it waits for every admitted payment, and no load can keep it waiting."""

import asyncio
import time
import uuid
from contextlib import suppress

import psycopg
import pytest

from controller.core import naming
from controller.core.model import Epoch, Token
from tests.protocol.trio import AZURE, CREDITOR, DEBTOR, Trio

ROW_LOCKS = """
CREATE OR REPLACE FUNCTION trimaran.admit() RETURNS trimaran.node
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE me trimaran.node;
BEGIN
    SELECT * INTO STRICT me FROM trimaran.node FOR SHARE;
    IF me.role <> 'writer' THEN RAISE EXCEPTION 'not the writer' USING ERRCODE = 'TR002'; END IF;
    RETURN me;
END $$;
CREATE OR REPLACE FUNCTION trimaran.drain() RETURNS void
LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM trimaran.node FOR UPDATE; END $$"""
"""The guard and the fence as row locks."""


HOLD_AND_COMMIT = """DO $$ BEGIN
    FOR payment IN 1..100 LOOP
        PERFORM trimaran.admit();
        PERFORM pg_sleep(0.025 + random() * 0.015);
        COMMIT;
    END LOOP;
END $$"""
"""Payments of a far-away session, each holding what it was admitted for a round trip before it commits; for three to four seconds, or until
it is admitted no more. The server itself repeats them: sent by one client, all of them would pause whenever that client does, and leave
the gap that a fence needs."""


async def _pay(trio: Trio) -> None:
    dsn = trio.servers[AZURE].dsn(trio.service, naming.app_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        await session.execute("SET default_transaction_read_only = off")
        with suppress(psycopg.Error):
            await session.execute(HOLD_AND_COMMIT)


async def _fence_under_load(trio: Trio) -> float:
    payers = [asyncio.create_task(_pay(trio)) for _ in range(32)]
    await asyncio.sleep(1)
    began = time.monotonic()
    fencing = asyncio.create_task(trio.databases[AZURE].fence(token=Token(1 << 40), reign=Epoch(2)))
    await asyncio.wait([fencing], timeout=1.5)
    took = time.monotonic() - began
    if fencing.done():
        fencing.result()
    await asyncio.gather(*payers)
    await asyncio.wait([fencing])
    return took


async def test_no_load_keeps_a_fence_waiting(trio: Trio) -> None:
    """Thirty-two sessions with overlapping payments: the fence is through in a fraction of a second, and nobody had to be ended for it."""
    assert await _fence_under_load(trio) < 0.25


async def test_row_locks_would_let_newcomers_overtake_the_fence(trio: Trio) -> None:
    """The same with a share lock on the row: it is hardly ever free, and the fence waits for many payments that came after it."""
    for statement in ROW_LOCKS.split(";\nCREATE"):
        await trio.sql(AZURE, statement if statement.lstrip().startswith("CREATE") else "CREATE" + statement)
    assert await _fence_under_load(trio) > 0.5


async def test_a_fence_waits_for_a_payment_that_was_admitted_before(trio: Trio) -> None:
    """The node is not closed before the payment it let through has been committed."""
    dsn = trio.servers[AZURE].dsn(trio.service, naming.app_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        await session.execute("BEGIN READ WRITE")
        await session.execute(
            "SELECT * FROM ledger.pay(%s, 'admitted', '\\x00', %s, %s, 1, 'EUR')", (uuid.uuid4(), DEBTOR, CREDITOR)
        )
        fencing = asyncio.create_task(trio.databases[AZURE].fence(token=Token(1 << 40), reign=Epoch(2)))
        await asyncio.sleep(0.1)
        assert not fencing.done()
        await session.execute("COMMIT")
    await fencing
    assert await trio.sql(AZURE, "SELECT role FROM trimaran.node") == [("fenced",)]
    assert await trio.sql(AZURE, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = 'admitted'") == [(1,)]


async def test_a_session_that_was_cut_off_does_not_hold_the_fence(trio: Trio) -> None:
    """A client that vanished in the middle of a transaction is ended; its payment was never acknowledged."""
    dsn = trio.servers[AZURE].dsn(trio.service, naming.app_role(trio.service), "secret")
    session = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
    await session.execute("BEGIN READ WRITE")
    await session.execute("SELECT trimaran.admit()")
    began = time.monotonic()
    await trio.databases[AZURE].fence(token=Token(1 << 40), reign=Epoch(2))
    assert time.monotonic() - began < 1
    with pytest.raises(psycopg.OperationalError):
        await session.execute("COMMIT")
    await session.close()


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
async def test_a_transaction_with_an_old_snapshot_is_refused(trio: Trio, isolation: str) -> None:
    """Its view of the node row may be older than the fence, so the guard does not look at it."""
    dsn = trio.servers[AZURE].dsn(trio.service, naming.app_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        await session.execute(f"BEGIN ISOLATION LEVEL {isolation} READ WRITE")
        with pytest.raises(psycopg.Error) as refused:
            await session.execute("SELECT trimaran.admit()")
        assert refused.value.sqlstate == "TR004"
