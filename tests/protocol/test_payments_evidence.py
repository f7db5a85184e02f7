"""What two ledgers are compared by: every row and column of closed epochs, and nothing that later epochs may still change."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.payments_site import ACCOUNTS, AZURE, Sites, one_site
from tests.unit.workload.test_evidence import LEFT_COLUMNS, columns, digests

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PAYER, PAYEE, OTHER_PAYEE = ACCOUNTS[:3]
SUBJECT, GONE, LEAVING, TOKEN, OTHER, LAST = (UUID(int=number) for number in range(101, 107))
PAID, TURNED_DOWN, WAITING, THEIRS = (UUID(int=number) for number in range(201, 205))

PAY = "SELECT ledger.pay_from(%s, %s, '\\x00', %s, %s, 1, 'EUR', %s, %s)"
HOLD = "SELECT ledger.hold_from(%s, %s, '\\x00', %s, %s, 1, 'EUR', 7.5, '{much}', %s, %s)"
FORGET = "SELECT ledger.forget_subject(gen_random_uuid(), %s, 'desk', 'request', 100)"
REVIEW = "SELECT ledger.review_from(%s, %s, 'maria', 'called her')"

OTHERWISE = {
    "uuid": "gen_random_uuid()",
    "text": "{} || 'x'",
    "bigint": "{} + 1",
    "integer": "{} + 1",
    "boolean": "NOT {}",
    "bytea": "{} || '\\x00'::bytea",
    "timestamp with time zone": "{} + interval '1 microsecond'",
    "double precision": "{} + 0.001",
    "ARRAY": "{} || 'x'::text",
}
SPECIAL = {
    ("ledger.account", "currency"): "'XTS'",
    ("ledger.entry", "amount"): "amount * 2",
    ("ledger.held", "state"): "'approved'",
    ("ledger.erasure", "payers"): "payers || id",
}
WHERE = {
    "ledger.held": "WHERE state = 'rejected'",
    "ledger.erasure": "WHERE ended_at IS NOT NULL",
    "ledger.erasure of one that has not ended": "WHERE ended_at IS NULL",
}
UNDER_WAY = ("reached", "payers")
COLUMNS = [
    (table, column)
    for table, all_of_it in sorted(columns().items())
    if table in digests() and not table.startswith("vault.")
    for column in sorted(all_of_it)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer, on which its first epoch did everything once."""
    async with one_site("payments-evidence") as sites:
        ask = sites.ask
        await ask(AZURE, "SELECT outbox.register(%s, 'https://shop.example', 'shop', true)", PAYEE)
        await ask(AZURE, PAY, PAID, "paid", PAYER, PAYEE, TOKEN, SUBJECT)
        await ask(AZURE, HOLD, WAITING, "waiting", PAYER, PAYEE, TOKEN, SUBJECT)
        await ask(AZURE, HOLD, TURNED_DOWN, "turned down", PAYER, PAYEE, TOKEN, SUBJECT)
        await ask(AZURE, REVIEW, TURNED_DOWN, "rejected")
        await ask(AZURE, FORGET, GONE)
        await ask(AZURE, PAY, THEIRS, "theirs", PAYER, OTHER_PAYEE, OTHER, LEAVING)
        await ask(AZURE, FORGET, LEAVING)
        yield sites


@asynccontextmanager
async def undone(sites: Sites) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A session whose doings nobody keeps."""
    async with await sites.connect(AZURE) as session, session.transaction(force_rollback=True):
        yield session


async def digest(session: psycopg.AsyncConnection[Any], up_to: int = 1) -> str:
    """Of closed epochs."""
    row = await (await session.execute("SELECT trimaran.digest(%s)", (up_to,))).fetchone()
    assert row is not None
    return str(row[0])


async def types(session: psycopg.AsyncConnection[Any], table: str) -> Mapping[str, str]:
    """Of a table's columns."""
    query = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema || '.' || table_name = %s"
    return dict(await (await session.execute(query, (table,))).fetchall())


@pytest.mark.parametrize(("table", "column"), COLUMNS)
async def test_a_value_that_is_another_makes_another_digest(sites: Sites, table: str, column: str) -> None:
    """In every column of every table that is compared, but those that are left out for a reason."""
    async with undone(sites) as session:
        before, kinds = await digest(session), await types(session, table)
        value = SPECIAL.get((table, column)) or OTHERWISE[kinds[column]].format(column)
        where = WHERE.get(f"{table} of one that has not ended" if column in UNDER_WAY else table, "")
        changed = await session.execute(f"UPDATE {table} SET {column} = {value} {where}".encode())
        assert changed.rowcount > 0
        assert (await digest(session) == before) is (column in LEFT_COLUMNS.get(table, ()))


@pytest.mark.parametrize("table", sorted({table for table, _ in COLUMNS}))
async def test_a_row_that_is_missing_makes_another_digest(sites: Sites, table: str) -> None:
    """A follower that was not told of the table has none of them; and one that has not even the table is like one that has it empty."""
    async with undone(sites) as session:
        before = await digest(session)
        await session.execute(f"DELETE FROM {table}".encode())
        without = await digest(session)
        assert without != before
        if table in ("ledger.source", "ledger.erasure", "outbox.event"):
            await session.execute(f"ALTER TABLE {table} RENAME TO later".encode())
            assert await digest(session) == without


async def test_what_later_epochs_do_changes_no_digest_of_closed_ones(sites: Sites) -> None:
    """They are compared beside the load: a payment, a ruling, an erasure or a merchant's new address between two looks is no difference."""
    async with undone(sites) as session:
        before = await digest(session)
        await session.execute("UPDATE trimaran.node SET epoch = 2")
        await session.execute("SELECT ledger.open_account(%s, 'EUR', 0, true)", (LAST,))
        await session.execute(PAY, (LAST, "later", PAYER, PAYEE, TOKEN, None))
        await session.execute("SELECT outbox.register(%s, 'https://other.example', 'shop', false)", (PAYEE,))
        await session.execute(REVIEW, (WAITING, "approved"))
        for subject in (SUBJECT, SUBJECT, LEAVING):
            await session.execute(FORGET, (subject,))
        left = await (await session.execute("SELECT count(*) FROM ledger.source WHERE subject IS NOT NULL")).fetchone()
        assert left == (0,)
        assert await digest(session) == before
        assert await digest(session, 2) != before


async def test_a_column_that_one_node_has_before_the_others_is_no_difference(sites: Sites) -> None:
    """A migration is on its way while a cloud dies: the ledgers hold the same rows, and are told so."""
    async with undone(sites) as session:
        before = await digest(session)
        await session.execute("ALTER TABLE ledger.payment ADD COLUMN purpose text DEFAULT 'none'")
        await session.execute("ALTER TABLE ledger.held ADD COLUMN purpose text DEFAULT 'none'")
        assert await digest(session) == before


async def test_a_digest_is_the_same_whoever_asks(sites: Sites) -> None:
    """Rows are hashed as text; zone, style and precision of the session that asks change nothing."""
    async with undone(sites) as session:
        before = await digest(session)
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'", "bytea_output = 'escape'", "extra_float_digits = -5"):
            await session.execute(f"SET LOCAL {setting}".encode())
            assert await digest(session) == before, setting
