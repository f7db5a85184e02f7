"""How a service asks its database, and how it reads refusals and lost answers.

Every answer comes with its evidence: the reign it was given in, and a flush position at or above everything it rests on.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from workload.durable.errors import Busy, NoWriter, OutcomeUnknown, Rejected
from workload.durable.evidence import Evidence, Reign, parse_lsn
from workload.durable.session import Lost, Session

T = TypeVar("T")
Row = tuple[Any, ...]

BEGIN = "BEGIN READ WRITE"
"""A follower that became the writer may still tell this role `default_transaction_read_only=on`; this overrides it."""

COMMIT = "COMMIT"
FLUSHED = "SELECT pg_current_wal_flush_lsn()::text, ack_slots FROM trimaran.node"

REIGN = "a.epoch, a.system_identifier, a.timeline, pg_current_wal_flush_lsn()::text"
"""First columns of whatever is read: what `trimaran.admit() AS a` answers, and how far the log is flushed."""

ADMIT = f"SELECT {REIGN} FROM trimaran.admit() AS a"  # noqa: S608  only constants

NOT_ADMITTED = ("TR002", "TR003")
"""SQLSTATEs of the node's guard: not the writer, or not on the pinned timeline."""

WAITED = ("57014", "55P03", "40P01")
"""SQLSTATEs of a wait that was ended: by the statement's deadline, by the lock's, to break a deadlock."""


PREPARED = None
"""Once the driver has seen it five times. Never what stands behind it in the pipeline.

When the node refuses the statement, its server skips what follows. A COMMIT whose turn to be prepared has come would be one that the
driver believes to be prepared and the server never heard of: the next payment there, when that node writes, would be told of a defect
(`26000`), and 500.
"""


class _NothingDone(Exception):
    """The database said no before COMMIT was executed."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(error.sqlstate, str(error))
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a statement that writes answered, and what was read after its COMMIT on the same session."""

    row: Row
    lsn: int
    ack_slots: frozenset[str]


def script(statement: str) -> tuple[str, ...]:
    """One round trip, and this order is the promise. Without BEGIN and COMMIT a pipeline is one implicit transaction, the position
    is read before the commit exists, the barrier has long passed it, and the client holds a receipt for something that dies with
    the writer. Measured: such a barrier "passed" in 16 ms on a 25 ms path."""
    return (BEGIN, statement, COMMIT, FLUSHED)


async def write(session: Session, site: str, statement: str, values: Row, deadline: timedelta) -> Written:
    """Carry out one statement that writes, in one round trip. Raises NoWriter, Busy, Rejected or OutcomeUnknown."""

    async def work(connection: psycopg.AsyncConnection) -> tuple[Row | None, str | None, Row | None]:
        try:
            async with connection.pipeline():
                _, written, committed, flushed = [
                    await connection.execute(
                        step, values if step is statement else None, prepare=PREPARED if step is statement else False
                    )
                    for step in script(statement)
                ]
        except psycopg.Error as error:
            # In an aborted transaction COMMIT was never executed: nothing happened, for certain.
            if connection.info.transaction_status is TransactionStatus.INERROR:
                raise _NothingDone(error) from error
            raise
        return await written.fetchone(), committed.statusmessage, await flushed.fetchone()

    row, committed, flushed = await _translate(session, site, work, deadline)
    if row is None or flushed is None or committed != "COMMIT":
        raise OutcomeUnknown(f"{site} answered {committed} to COMMIT")
    return Written(row=row, lsn=parse_lsn(flushed[0]), ack_slots=frozenset(flushed[1]))


async def read(session: Session, site: str, query: str, values: Row, deadline: timedelta) -> tuple[Evidence, Row]:
    """One row after the columns of `REIGN`. Raises NoWriter, Rejected or OutcomeUnknown.

    A row is visible only after its commit record was flushed, so a position read during the query covers all that it sees.
    """

    async def work(connection: psycopg.AsyncConnection) -> Row | None:
        cursor = await connection.execute(query, values, prepare=True)
        return await cursor.fetchone()

    row = await _translate(session, site, work, deadline)
    return _evidence(site, row), row[4:] if row else ()


async def admit(session: Session, site: str, deadline: timedelta) -> Evidence:
    """Pass the writer's guard as a write would, in a transaction that may write, and write nothing.

    Committed, not rolled back: after a ROLLBACK the driver drops what it prepared, in a pipeline one statement too late, and the next
    question but one asks for a statement that is gone.
    """

    async def work(connection: psycopg.AsyncConnection) -> Row | None:
        async with connection.pipeline():
            await connection.execute(BEGIN, prepare=False)
            cursor = await connection.execute(ADMIT, prepare=True)
            await connection.execute(COMMIT, prepare=False)
        return await cursor.fetchone()

    return _evidence(site, await _translate(session, site, work, deadline))


def _evidence(site: str, row: Row | None) -> Evidence:
    if row is None:
        raise Rejected(f"{site} has no node row")
    epoch, system_identifier, timeline, lsn = row[:4]
    reign = Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
    return Evidence(reign=reign, lsn=parse_lsn(lsn))


async def _translate(
    session: Session, site: str, script: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta
) -> T:
    try:
        return await session.run(script, deadline)
    except _NothingDone as refusal:
        if refusal.error.sqlstate in NOT_ADMITTED:
            raise NoWriter(f"{site}: {refusal.error.diag.message_primary}") from refusal
        if refusal.error.sqlstate in WAITED:
            raise Busy(f"{site}: {refusal.error.diag.message_primary}") from refusal
        raise Rejected(f"{site}: {refusal.error.sqlstate} {refusal.error.diag.message_primary}") from refusal
    except Lost as lost:
        raise OutcomeUnknown(f"the connection to {site} was lost before the answer: {lost}") from lost
    except psycopg.Error as error:
        if error.sqlstate in NOT_ADMITTED:
            raise NoWriter(f"{site}: {error.diag.message_primary}") from error
        raise OutcomeUnknown(f"{site}: {error.sqlstate} {error.diag.message_primary}") from error
