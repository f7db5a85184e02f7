"""Rows that have been kept long enough go: on the writer, a few at a time, behind the guard, as any other change is replicated.

The label says how long, by which column. Every batch is one short transaction that passes the writer's guard, so a fence waits for it as
for a payment, and a node that is no longer the writer removes nothing. Big batches would hold up the followers' only apply worker, and
with it every payment's confirmation.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from workload.schema.errors import Refused, SchemaError
from workload.schema.labels import Label, parse_label
from workload.schema.node import NodeSession

LABELS = """
SELECT format('%I.%I', n.nspname, c.relname), obj_description(c.oid, 'pg_class')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspowner = (SELECT t.nspowner FROM pg_namespace AS t WHERE t.nspname = 'trimaran')
ORDER BY 1"""

REMOVE = """
DELETE FROM {table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {table} WHERE {by} < clock_timestamp() - {kept} * interval '1 day' LIMIT {most} FOR UPDATE SKIP LOCKED))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds of one run."""

    batch: int = 200
    """Rows of one transaction."""
    rest: timedelta = timedelta(milliseconds=200)
    """Between two of them: at most a thousand rows a second, whatever has piled up."""
    batches: int = 1000
    """Of one run and table; the next run goes on."""
    answer: timedelta = timedelta(seconds=5)


async def labels(session: NodeSession, pace: Pace) -> Mapping[str, Label | None]:
    """Every table's label as the node has it; None: it has none that can be read. Raises SchemaError."""
    return {name: parse_label(comment) for name, comment in await session.ask(LABELS, deadline=pace.answer)}


async def carry_out(session: NodeSession, pace: Pace, tell: Callable[[str], None] = lambda line: None) -> Mapping[str, int]:
    """Remove what has been kept long enough; answers how many rows of which table. Raises Refused on a node that does not write, and
    for tables without a label, before anything is removed."""
    found = await labels(session, pace)
    if bare := sorted(name for name, label in found.items() if label is None):
        raise Refused(
            guard="labels",
            value=f"{', '.join(bare)} without a label",
            limit="a label on every table",
            way_out="Add it in an expand step; see docs/schema.md.",
        )
    removed: dict[str, int] = {}
    for table, label in found.items():
        if label is not None and label.retention is not None:
            removed[table] = await _remove(session, table, label, pace)
            tell(f"{table}: {removed[table]} rows older than {label.retention.days} days")
    return removed


async def _remove(session: NodeSession, table: str, label: Label, pace: Pace) -> int:
    assert label.retention is not None, "rows that stay for ever are not removed"
    text = sql.SQL(REMOVE).format(
        table=sql.Identifier(*table.split(".")),
        by=sql.Identifier(label.by),
        kept=sql.Literal(label.retention.days),
        most=sql.Literal(pace.batch),
    )

    async def work(connection: psycopg.AsyncConnection) -> int:
        async with connection.transaction():
            await connection.execute("SELECT trimaran.admit()")
            return (await connection.execute(text)).rowcount

    total = 0
    for _ in range(pace.batches):
        try:
            count = await session.run(work, pace.answer)
        except psycopg.Error as error:
            said = error.diag.message_primary or str(error)
            if error.sqlstate in ("TR002", "TR003"):
                raise Refused(guard="writer", value=said, limit="the writer", way_out="Ask the writer.") from error
            raise SchemaError(f"{table} on {session.site}: {said}") from error
        total += count
        if count < pace.batch:
            break
        await asyncio.sleep(pace.rest.total_seconds())
    return total
