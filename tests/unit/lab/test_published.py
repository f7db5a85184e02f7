"""Every table that is published is compared: a follower that was not told of one skips its rows without a word, and confirms them."""

from typing import Any, cast

import psycopg
import pytest

from controller.founding import schemas
from lab import reconcile_vault_sql
from lab.published import LEDGER, OUTBOX
from lab.reconcile_rows import Ledger
from lab.reconcile_sql import ledger_of
from lab.reconcile_webhooks import OutboxRows
from lab.reconcile_webhooks_sql import read_outbox


class Scribe:
    """A connection to an empty database, which keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def execute(self, query: Any) -> "Scribe":
        """Take note."""
        self.asked.append(query if isinstance(query, str) else query.as_string(None))
        return self

    async def fetchall(self) -> list[Any]:
        """No rows."""
        return []

    async def fetchone(self) -> tuple[str]:
        """A digest that names what it is of."""
        return (f"digest {len(self.asked)}",)


async def read() -> tuple[Ledger, OutboxRows, list[str]]:
    """What is read of one site's payments database, and by what."""
    scribe = Scribe()
    connection = cast(psycopg.AsyncConnection, scribe)
    return await ledger_of(connection), await read_outbox(connection), scribe.asked


async def test_every_published_table_of_payments_is_in_a_digest() -> None:
    """Whole, and with every column: also one that the next migration adds."""
    ledger, outbox, asked = await read()
    published = schemas.payments().tables
    assert {*ledger.tables, *outbox.tables} == set(published) == {*LEDGER, *OUTBOX}
    for table in published:
        schema, name = table.split(".")
        assert any("to_jsonb(t)" in query and f'FROM "{schema}"."{name}" AS t' in query for query in asked), table


@pytest.mark.parametrize("table", schemas.vault().tables)
def test_every_published_table_of_the_vault_is_read(table: str) -> None:
    """Row by row: what is sealed or wrapped leaves the database as a digest."""
    assert any(table in query for name, query in vars(reconcile_vault_sql).items() if name.isupper() and isinstance(query, str))


def test_ledgers_that_differ_in_one_table_differ() -> None:
    """Though every payment, entry and balance is the same."""
    alike = Ledger(payments=(), entries=(), accounts=(), tables={"ledger.profile": "a"})
    other = Ledger(payments=(), entries=(), accounts=(), tables={"ledger.profile": "b"})
    assert alike.digest() != other.digest()
