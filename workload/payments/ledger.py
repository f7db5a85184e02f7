"""What the service asks the ledger's database, and how it reads the answers.

Every answer comes with its evidence: the reign it was given in, and a flush position at or above everything it rests on.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus

from workload.payments.errors import Busy, NoWriter, OutcomeUnknown, Rejected
from workload.payments.model import Account, Decision, Evidence, Order, Outcome, Payment, Reign, parse_lsn
from workload.payments.session import Lost, Session

T = TypeVar("T")
Row = tuple[Any, ...]

BEGIN = "BEGIN READ WRITE"
"""A follower that became the writer may still tell this role `default_transaction_read_only=on`; this overrides it."""

PAY = (
    "SELECT outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline"
    " FROM ledger.pay(%s, %s, %s, %s, %s, %s, %s)"
)
COMMIT = "COMMIT"
FLUSHED = "SELECT pg_current_wal_flush_lsn()::text, ack_slots FROM trimaran.node"

PAY_SCRIPT = (BEGIN, PAY, COMMIT, FLUSHED)
"""One round trip, and this order is the promise. Without BEGIN and COMMIT a pipeline is one implicit transaction, the position
is read before the commit exists, the barrier has long passed it, and the client holds a receipt for a payment that dies with
the writer. Measured: such a barrier "passed" in 16 ms on a 25 ms path."""

_REIGN = "a.epoch, a.system_identifier, a.timeline, pg_current_wal_flush_lsn()::text"
READ_PAYMENT = (  # only constants of this file go into the text
    f"SELECT {_REIGN}, p.id, p.debtor, p.creditor, p.amount, p.currency, p.epoch, p.created_at"
    " FROM trimaran.admit() AS a LEFT JOIN ledger.payment AS p ON p.id = %s"
)
READ_ACCOUNT = (
    f"SELECT {_REIGN}, c.id, c.currency, c.balance, c.overdraft_allowed"
    " FROM trimaran.admit() AS a LEFT JOIN ledger.account AS c ON c.id = %s"
)
ADMIT = f"SELECT {_REIGN} FROM trimaran.admit() AS a"

NOT_ADMITTED = ("TR002", "TR003")
"""SQLSTATEs of the node's guard: not the writer, or not on the pinned timeline."""

WAITED = ("57014", "55P03", "40P01")
"""SQLSTATEs of a wait that was ended: by the statement's deadline, by the lock's, to break a deadlock."""


class _NothingDone(Exception):
    """The database said no before COMMIT was executed."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(error.sqlstate, str(error))
        self.error = error


async def pay(session: Session, site: str, order: Order, new_id: UUID, deadline: timedelta) -> tuple[Decision, Evidence]:
    """Decide and write one order in one round trip. Raises NoWriter, Rejected or OutcomeUnknown."""

    async def script(connection: psycopg.AsyncConnection) -> tuple[Row | None, str | None, Row | None]:
        values = (new_id, order.key, order.digest, order.debtor, order.creditor, order.amount, order.currency)
        try:
            async with connection.pipeline():
                _, paid, committed, flushed = [
                    await connection.execute(statement, values if statement is PAY else None) for statement in PAY_SCRIPT
                ]
        except psycopg.Error as error:
            # In an aborted transaction COMMIT was never executed: nothing happened, for certain.
            if connection.info.transaction_status is TransactionStatus.INERROR:
                raise _NothingDone(error) from error
            raise
        return await paid.fetchone(), committed.statusmessage, await flushed.fetchone()

    row, committed, flushed = await _translate(session, site, script, deadline)
    if row is None or flushed is None or committed != "COMMIT":
        raise OutcomeUnknown(f"{site} answered {committed} to COMMIT")
    outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline = row
    payment = None
    if outcome in (Outcome.CREATED, Outcome.REPLAYED):
        payment = Payment(
            id=payment_id,
            debtor=order.debtor,
            creditor=order.creditor,
            amount=order.amount,
            currency=order.currency,
            epoch=payment_epoch,
            created_at=created_at,
        )
    reign = Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
    evidence = Evidence(
        reign=reign, lsn=parse_lsn(flushed[0]), payment=payment.id if payment else None, ack_slots=frozenset(flushed[1])
    )
    return Decision(outcome=Outcome(outcome), payment=payment), evidence


async def read_payment(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Payment | None, Evidence]:
    """The payment, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await _read(session, site, READ_PAYMENT, (id,), deadline)
    if found[0] is None:
        return None, evidence
    id, debtor, creditor, amount, currency, epoch, created_at = found
    return Payment(
        id=id, debtor=debtor, creditor=creditor, amount=amount, currency=currency, epoch=epoch, created_at=created_at
    ), evidence


async def read_account(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Account | None, Evidence]:
    """The account, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await _read(session, site, READ_ACCOUNT, (id,), deadline)
    if found[0] is None:
        return None, evidence
    id, currency, balance, overdraft_allowed = found
    return Account(id=id, currency=currency, balance=balance, overdraft_allowed=overdraft_allowed), evidence


async def admit(session: Session, site: str, deadline: timedelta) -> Evidence:
    """Pass the writer's guard as a payment would, in a transaction that may write, and write nothing.

    Committed, not rolled back: after a ROLLBACK the driver drops what it prepared, in a pipeline one statement too late, and the next
    question but one asks for a statement that is gone.
    """

    async def script(connection: psycopg.AsyncConnection) -> Row | None:
        async with connection.pipeline():
            await connection.execute(BEGIN)
            cursor = await connection.execute(ADMIT, prepare=True)
            await connection.execute(COMMIT)
        return await cursor.fetchone()

    row = await _translate(session, site, script, deadline)
    return _evidence(site, row)


async def _read(session: Session, site: str, query: str, values: Row, deadline: timedelta) -> tuple[Evidence, Row]:
    # A row is visible only after its commit record was flushed, so a position read during the query covers all that it sees.
    async def script(connection: psycopg.AsyncConnection) -> Row | None:
        cursor = await connection.execute(query, values, prepare=True)
        return await cursor.fetchone()

    row = await _translate(session, site, script, deadline)
    return _evidence(site, row), row[4:] if row else ()


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
