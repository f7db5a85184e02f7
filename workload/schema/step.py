"""One statement on one node, done once whatever becomes of whoever does it.

A statement and the record that it is done are one transaction; what cannot run in one is looked at before and after. Whoever waits
for a lock that payments hold is waited for by payments, so nobody waits for long: the lock is given up and asked for again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg import sql

from workload.schema.effects import Effect, Kind, effect_of
from workload.schema.errors import Moved, Refused, SchemaError, Unreached
from workload.schema.migration import Migration
from workload.schema.node import NodeSession

GIVEN_UP = ("55P03", "40P01")
"""SQLSTATEs of a lock that was not waited for any longer, and of a deadlock: nothing was done."""

HOLDERS = """
SELECT pid, usename, application_name, state, round(extract(epoch FROM clock_timestamp() - xact_start))
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < clock_timestamp() - interval '1 s'
ORDER BY xact_start LIMIT 3"""

RECORD = """
INSERT INTO trimaran.migration (number, name, kind, digest, steps, done, began_at, ended_at)
VALUES (%(number)s, %(name)s, %(kind)s, %(digest)s, %(steps)s, %(done)s, now(), CASE WHEN %(done)s = %(steps)s THEN now() END)
ON CONFLICT (number) DO UPDATE SET done = excluded.done, ended_at = excluded.ended_at"""

TELL_COUNTERS = "SELECT pg_stat_force_next_flush()"
"""With the commit, and not up to ten seconds later: the counters by which `trimaran.schema` sees that the catalogue has changed."""

POWERS = """
SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = %s AND p.proname = %s AND p.prosecdef"""

INDEX_STATE = """
SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Waits of a migration."""

    lock: timedelta = timedelta(milliseconds=100)
    """For a lock. Payments queue behind it for as long, and have 300 ms."""
    again: timedelta = timedelta(milliseconds=700)
    """Until it is asked for again, more or less, so that payments get through."""
    patience: timedelta = timedelta(seconds=60)
    """Until a statement that gets no lock is given up."""
    statement: timedelta = timedelta(seconds=10)
    """For a statement that holds a lock."""
    beside: timedelta = timedelta(hours=6)
    """For an index that is made beside payments."""
    answer: timedelta = timedelta(seconds=5)
    """For a question."""
    confirm: timedelta = timedelta(seconds=30)
    """For followers to have what the writer has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a node must still be when a step is done on it."""

    role: str
    epoch: int


async def carry_out(session: NodeSession, one: Migration, index: int, expected: Expected, pace: Pace) -> None:
    """Before: every earlier statement is done here. After: this one too, and it is on record. Raises Moved, Refused, Unreached,
    SchemaError with the database's own words."""
    effect = effect_of(one.statements[index])
    if effect is None:
        raise SchemaError(f"{one.file}: statement {index + 1} is none that is known")
    if effect.alone:
        await _beside(session, one, index, effect, expected, pace)
        return

    async def work(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            if await _already(connection, one, index, expected, pace):
                return
            powers = await _powers(connection, effect)
            await connection.execute(one.statements[index].text.encode())
            if effect.kind is Kind.CREATE_TABLE:
                await _publish(connection, effect.table, session.service)
            if lost := powers - await _powers(connection, effect):
                raise _powerless(session.site, lost)
            await _note(connection, one, index + 1)

    await patiently(session, work, pace)


async def restore_columns(
    session: NodeSession, one: Migration, missing: list[tuple[str, str, str]], done: int, expected: Expected, pace: Pace
) -> None:
    """Have these columns (table, name, type) again, empty, and count the statements behind `done` as not done: the writer still sends
    what this follower has removed already."""

    async def work(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            await _still(connection, expected, pace)
            for table, name, kind in missing:
                text = sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}")
                await connection.execute(text.format(sql.Identifier(*table.split(".")), sql.Identifier(name), sql.SQL(kind)))
            await _note(connection, one, done)

    await patiently(session, work, pace)


async def unpublish(session: NodeSession, table: str, expected: Expected, pace: Pace) -> None:
    """The node publishes the table no more; repeating it changes nothing."""
    name = f"{session.service}_ledger"

    async def work(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            await _still(connection, expected, pace)
            if await _publishes(connection, name, table):
                text = sql.SQL("ALTER PUBLICATION {} DROP TABLE {}")
                await connection.execute(text.format(sql.Identifier(name), sql.Identifier(*table.split("."))))
            await connection.execute(TELL_COUNTERS)

    await patiently(session, work, pace)


async def patiently(session: NodeSession, work: Callable[[psycopg.AsyncConnection], Awaitable[None]], pace: Pace) -> None:
    """Do it as soon as its locks are free. Raises Refused with who holds them, when that takes too long."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + pace.patience.total_seconds()
    while True:
        try:
            return await session.run(work, pace.statement)
        except psycopg.Error as error:
            if error.sqlstate not in GIVEN_UP:
                raise SchemaError(f"{session.site}: {error.diag.message_primary or error}") from error
        if loop.time() >= give_up:
            raise await _held(session, pace)
        await asyncio.sleep(pace.again.total_seconds() * random.uniform(0.5, 1.5))  # noqa: S311  two runs out of step


async def _already(connection: psycopg.AsyncConnection, one: Migration, index: int, expected: Expected, pace: Pace) -> bool:
    """Is the statement done here, by a try whose answer was lost? Raises Moved when this is not the node it was."""
    await _still(connection, expected, pace)
    cursor = await connection.execute("SELECT done, digest FROM trimaran.migration WHERE number = %s FOR UPDATE", (one.number,))
    row = await cursor.fetchone()
    if row is not None and row[1] != one.digest:
        raise SchemaError(f"{one.file} is another one than was begun here")
    return row is not None and int(row[0]) > index


async def _still(connection: psycopg.AsyncConnection, expected: Expected, pace: Pace) -> None:
    """The node is what it was when the steps were ordered. A writer stays it until the end of this transaction: a fence waits for it, as
    for a payment. A follower may be opened as the writer between this look and the commit: an opening's lock does not meet this one.

    Without this: the order is made with aws as a follower; aws is elected; minutes later the new column is added there first, as planned
    for followers, while azure, which follows it now, has not got it, and stops. With it that takes an election within a lock's wait and
    one statement; it is an expand step half done, and the same command mends it.
    """
    limit = sql.Literal(f"{round(pace.lock.total_seconds() * 1000)}ms")
    await connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(limit))
    await connection.execute("LOCK TABLE trimaran.node IN ROW SHARE MODE")
    cursor = await connection.execute("SELECT role, epoch, site FROM trimaran.node")
    role, epoch, site = await cursor.fetchone() or ("nobody", 0, "?")
    if (role, epoch) != (expected.role, expected.epoch):
        raise Moved(f"{site} is {role} of epoch {epoch}, and was {expected.role} of epoch {expected.epoch}: begin again")
    if expected.role == "writer":
        await connection.execute("SELECT trimaran.admit()")


async def _note(connection: psycopg.AsyncConnection, one: Migration, done: int) -> None:
    values: dict[str, Any] = {
        "number": one.number,
        "name": one.name,
        "kind": str(one.kind),
        "digest": one.digest,
        "steps": len(one.statements),
        "done": done,
    }
    await connection.execute(RECORD, values)
    await connection.execute(TELL_COUNTERS)


async def _publish(connection: psycopg.AsyncConnection, table: str, service: str) -> None:
    """In the same transaction as the table: at no moment could a row be written that nobody is sent."""
    name = f"{service}_ledger"
    if not await _publishes(connection, name, table):
        text = sql.SQL("ALTER PUBLICATION {} ADD TABLE {}")
        await connection.execute(text.format(sql.Identifier(name), sql.Identifier(*table.split("."))))


async def _publishes(connection: psycopg.AsyncConnection, name: str, table: str) -> bool:
    query = "SELECT 1 FROM pg_publication_tables WHERE pubname = %s AND format('%%I.%%I', schemaname, tablename) = %s"
    return await (await connection.execute(query, (name, table))).fetchone() is not None


async def _powers(connection: psycopg.AsyncConnection, effect: Effect) -> frozenset[str]:
    """Functions of the name that is replaced that act with their owner's rights."""
    if effect.kind is not Kind.REPLACE_FUNCTION:
        return frozenset()
    return frozenset(name for (name,) in await (await connection.execute(POWERS, effect.name.split("."))).fetchall())


def _powerless(site: str, lost: frozenset[str]) -> Refused:
    return Refused(
        guard="same-powers",
        value=f"{', '.join(sorted(lost))} on {site} would lose SECURITY DEFINER",
        limit="a function that replaces one with its owner's rights has them too, or its callers are turned away at their next payment",
        way_out="Say SECURITY DEFINER in the file.",
    )


async def _beside(session: NodeSession, one: Migration, index: int, effect: Effect, expected: Expected, pace: Pace) -> None:
    """An index, made or dropped beside payments. One that was broken off half-way has the name and serves nobody, and IF NOT EXISTS would
    take it for done: so it is dropped first."""
    found: list[bool] = []

    async def look(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            found.append(await _already(connection, one, index, expected, pace))

    await patiently(session, look, pace)
    if found[-1]:
        return
    if effect.kind is Kind.CREATE_INDEX_BESIDE:
        schema = effect.table.split(".")[0]
        if await _index(session, schema, effect.name, pace) is False:
            drop = sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(schema, effect.name))
            await _alone(session, drop.as_string().encode(), pace)
        await _alone(session, one.statements[index].text.encode(), pace)
        if await _index(session, schema, effect.name, pace) is not True:
            raise SchemaError(f"{session.site}: index {effect.name} was broken off; begin again")
    else:
        await _alone(session, one.statements[index].text.encode(), pace)

    async def note(connection: psycopg.AsyncConnection) -> None:
        async with connection.transaction():
            await _still(connection, expected, pace)
            await _note(connection, one, index + 1)

    await patiently(session, note, pace)


async def _index(session: NodeSession, schema: str, name: str, pace: Pace) -> bool | None:
    rows = await session.ask(INDEX_STATE, schema, name, deadline=pace.answer)
    return bool(rows[0][0]) if rows else None


async def _alone(session: NodeSession, text: bytes, pace: Pace) -> None:
    """A statement outside any transaction; what it waits for keeps no payment waiting."""

    async def work(connection: psycopg.AsyncConnection) -> None:
        await connection.execute(text)

    try:
        await session.run(work, pace.beside)
    except psycopg.Error as error:
        raise SchemaError(f"{session.site}: {error.diag.message_primary or error}") from error


async def _held(session: NodeSession, pace: Pace) -> Refused | Unreached:
    try:
        rows = await session.ask(HOLDERS, deadline=pace.answer)
    except Unreached as error:
        return error
    told = "; ".join(f"pid {pid} ({user}, {name or 'no name'}, {state}, for {age} s)" for pid, user, name, state, age in rows)
    return Refused(
        guard="short-locks",
        value=f"no lock on {session.site} within {pace.patience.total_seconds():g} s; long transactions: {told or 'none now'}",
        limit=f"a lock within {pace.lock.total_seconds() * 1000:g} ms",
        way_out="Let them end, or end them; then begin again: what is done stays done.",
    )
