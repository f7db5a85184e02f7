"""Rows that have been kept long enough go: on the writer, a few at a time, behind the guard, as any other change is replicated.

The label says how long, by which column. Every batch is one short transaction that passes the writer's guard, so a fence waits for it as
for a payment, and a node that is no longer the writer removes nothing. Big batches would hold up the followers' only apply worker, and
with it every payment's confirmation.

Rows are looked for outside of those transactions, by primary key and a page at a time: the column that tells a row's age need have no
index. One on `ledger.profile.last_at` would be written with every payment.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString, TypeVar

import psycopg
from psycopg import sql

from workload.schema.errors import Refused, SchemaError
from workload.schema.labels import Label, parse_label
from workload.schema.node import NodeSession, Row

T = TypeVar("T")

LABELS = """
SELECT format('%I.%I', n.nspname, c.relname), obj_description(c.oid, 'pg_class')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspowner = (SELECT t.nspowner FROM pg_namespace AS t WHERE t.nspname = 'trimaran')
ORDER BY 1"""

KEY = """
SELECT a.attname FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int2[], a.attnum)"""

OLD = "{by} < clock_timestamp() - {kept} * interval '1 day'"
LOOK = f"SELECT {OLD}, {{key}} FROM {{table}} WHERE {{behind}} ORDER BY {{key}} LIMIT {{page}}"  # noqa: S608  only identifiers
REMOVE = f"""
DELETE FROM {{table}} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM {{table}} WHERE ({{key}}) IN ({{rows}}) AND {OLD} FOR UPDATE SKIP LOCKED))"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds of one run."""

    batch: int = 200
    """Rows of one transaction."""
    rest: timedelta = timedelta(milliseconds=200)
    """Between two of them: at most a thousand rows a second, whatever has piled up."""
    batches: int = 1000
    """Of one run and table; the next run finds what is left."""
    page: int = 2000
    """Rows looked at with one question."""
    look: timedelta = timedelta(milliseconds=20)
    """Between two of them."""
    tell: timedelta = timedelta(seconds=10)
    """Nobody waits longer for a word."""
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
    await _admitted(session, pace)
    removed: dict[str, int] = {}
    for table, label in found.items():
        if label is not None and label.retention is not None:
            removed[table] = await _Table(session=session, name=table, label=label, pace=pace).clear(tell)
            tell(f"{table}: {removed[table]} rows older than {label.retention.days} days removed")
    return removed


async def _admitted(session: NodeSession, pace: Pace) -> None:
    """This is the writer; a follower that has nothing old is no reason to say that nothing is old."""

    async def work(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            await connection.execute("SELECT trimaran.admit()")

    await _carried(session, work, pace, "retention")


async def _carried(session: NodeSession, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], pace: Pace, what: str) -> T:
    try:
        return await session.run(work, pace.answer)
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error)
        if error.sqlstate in ("TR002", "TR003"):
            raise Refused(guard="writer", value=said, limit="the writer", way_out="Ask the writer.") from error
        raise SchemaError(f"{what} on {session.site}: {said}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """One table that is cleared of what was kept long enough."""

    session: NodeSession
    name: str
    label: Label
    pace: Pace

    async def clear(self, tell: Callable[[str], None]) -> int:
        """Answers how many rows it removed."""
        columns = [name for (name,) in await self.session.ask(KEY, self.name, deadline=self.pace.answer)]
        if not columns:
            raise SchemaError(f"{self.name} has no primary key")
        key = sql.SQL(", ").join(map(sql.Identifier, columns))
        clock = asyncio.get_running_loop().time
        told, batches, removed, looked = clock(), 0, 0, 0
        async for page in self._pages(key, len(columns)):
            old = [row for is_old, *row in page if is_old]
            for begin in range(0, len(old), self.pace.batch):
                if batches == self.pace.batches:
                    return removed
                removed += await self._remove(key, old[begin : begin + self.pace.batch])
                batches += 1
                await asyncio.sleep(self.pace.rest.total_seconds())
            looked += len(page)
            if clock() - told >= self.pace.tell.total_seconds():
                told = clock()
                tell(f"{self.name}: {looked} rows looked at, {removed} removed")
        return removed

    async def _pages(self, key: sql.Composable, width: int) -> AsyncIterator[Sequence[Row]]:
        """All rows in the order of their key: are they old, and their key."""
        behind: sql.Composable = sql.SQL("true")
        last: list[object] = []
        while True:
            text = self._text(LOOK, key=key, behind=behind, page=sql.Literal(self.pace.page)).as_string()
            page = await self.session.ask(text, *last, deadline=self.pace.answer)
            if page:
                yield page
            if len(page) < self.pace.page:
                return
            behind, last = sql.SQL("({}) > ({})").format(key, _places(width)), list(page[-1][1:])
            await asyncio.sleep(self.pace.look.total_seconds())

    async def _remove(self, key: sql.Composable, rows: Sequence[Sequence[object]]) -> int:
        places = sql.SQL(", ").join(sql.SQL("({})").format(_places(len(row))) for row in rows)
        text = self._text(REMOVE, key=key, rows=places)
        values = [value for row in rows for value in row]

        async def work(connection: psycopg.AsyncConnection) -> int:
            async with connection.transaction():
                await connection.execute("SELECT trimaran.admit()")
                return (await connection.execute(text, values)).rowcount

        return await _carried(self.session, work, self.pace, self.name)

    def _text(self, template: LiteralString, **parts: sql.Composable) -> sql.Composed:
        assert self.label.retention is not None, "rows that stay for ever are not removed"
        return sql.SQL(template).format(
            table=sql.Identifier(*self.name.split(".")),
            by=sql.Identifier(self.label.by),
            kept=sql.Literal(self.label.retention.days),
            **parts,
        )


def _places(count: int) -> sql.Composed:
    return sql.SQL(", ").join([sql.Placeholder()] * count)
