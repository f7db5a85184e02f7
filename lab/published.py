"""Digests of whole tables, computed where they lie: every row and every column, also one that a later migration adds."""

from collections.abc import Iterable, Mapping

import psycopg
from psycopg import sql

from controller.founding import schemas

LEDGER = tuple(table for table in schemas.payments().tables if table.startswith("ledger."))
OUTBOX = tuple(table for table in schemas.payments().tables if not table.startswith("ledger."))
"""What payments publish: a follower whose subscription was not told of one of these skips its rows without a word, and confirms them."""

DIGEST = """
SELECT encode(sha256(convert_to(coalesce(string_agg(one, E'\\n' ORDER BY one COLLATE "C"), ''), 'UTF8')), 'hex')
FROM (SELECT to_jsonb(t)::text AS one FROM {} AS t) AS every"""


async def digests(connection: psycopg.AsyncConnection, tables: Iterable[str]) -> Mapping[str, str]:
    """SHA-256 of each table, by name, whatever the order of its rows and columns. The caller gives one snapshot and a deadline. Raises
    psycopg.Error."""
    await connection.execute("SET LOCAL TimeZone TO 'UTC'")
    found = {}
    for table in tables:
        row = await (await connection.execute(sql.SQL(DIGEST).format(sql.Identifier(*table.split("."))))).fetchone()
        assert row is not None, "an aggregate answers one row"
        found[table] = str(row[0])
    return found
