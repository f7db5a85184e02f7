"""What the service asks the ledger's database, and how it reads the answers."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from workload.durable import statement
from workload.durable.evidence import Evidence, Reign
from workload.durable.session import Session
from workload.durable.statement import REIGN
from workload.payments.model import (
    Account,
    Decision,
    Erasure,
    Forgotten,
    Order,
    Outcome,
    Payment,
    Review,
    Reviewed,
    Ruling,
    Sitting,
    Status,
    Verdict,
)
from workload.payments.screen import Advice

DECIDED = "SELECT outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline FROM"
PAY = f"{DECIDED} ledger.pay(%s, %s, %s, %s, %s, %s, %s)"
HOLD = f"{DECIDED} ledger.hold(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
PAY_FROM = f"{DECIDED} ledger.pay_from(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
HOLD_FROM = f"{DECIDED} ledger.hold_from(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
FORGET = "SELECT outcome, to_jsonb(proof) - 'payers', epoch, system_identifier, timeline FROM ledger.forget_subject(%s, %s, %s, %s, %s)"
REVIEW = "SELECT outcome, held, epoch, system_identifier, timeline FROM ledger.review_from(%s, %s, %s, %s)"
READ_PAYMENT = (  # only constants go into the text
    f"SELECT {REIGN}, p.id, p.debtor, p.creditor, p.amount, p.currency, p.epoch, p.created_at, p.status FROM trimaran.admit() AS a"
    " LEFT JOIN LATERAL ("
    "SELECT id, debtor, creditor, amount, currency, epoch, created_at, 'completed' AS status FROM ledger.payment WHERE id = %s"
    " UNION ALL SELECT id, debtor, creditor, amount, currency, epoch, created_at, state FROM ledger.held"
    " WHERE id = %s AND state <> 'approved') AS p ON true"
)
READ_REVIEW = f"SELECT {REIGN}, to_jsonb(h) - 'body_digest' FROM trimaran.admit() AS a LEFT JOIN ledger.held AS h ON h.id = %s"
READ_WAITING = (
    f"SELECT {REIGN}, (SELECT coalesce(jsonb_agg(to_jsonb(w) - 'body_digest' ORDER BY w.id), '[]') FROM"
    " (SELECT * FROM ledger.held WHERE state = 'held' AND id > %s ORDER BY id LIMIT %s) AS w) FROM trimaran.admit() AS a"
)
READ_ACCOUNT = (
    f"SELECT {REIGN}, c.id, c.currency, c.balance, c.overdraft_allowed"
    " FROM trimaran.admit() AS a LEFT JOIN ledger.account AS c ON c.id = %s"
)
AWAIT_HELD = "SELECT ledger.await_held(%s, %s, %s)"
"""Which of these payments the follower asked holds: what `durable.neighbour` asks."""

KNOWS = (
    "SELECT 1 FROM (SELECT %s::text AS key) AS asked"
    " WHERE EXISTS (SELECT FROM ledger.payment AS p WHERE p.idempotency_key = asked.key)"
    " OR EXISTS (SELECT FROM ledger.held AS h WHERE h.idempotency_key = asked.key)"
)
"""Was an order of this key ever taken, made or held? What `limits.follower` asks the nearest database."""

COMPLETED = frozenset({Outcome.CREATED, Outcome.REPLAYED})
STATUSES = {
    **dict.fromkeys(COMPLETED, Status.COMPLETED),
    Outcome.HELD: Status.HELD,
    Outcome.STILL_HELD: Status.HELD,
    Outcome.REJECTED: Status.REJECTED,
}
"""Of the payment that an outcome is about; every other outcome is about none."""


async def pay(
    session: Session, site: str, order: Order, new_id: UUID, deadline: timedelta, subject: UUID | None = None
) -> tuple[Decision, Evidence]:
    """Decide and write one order in one round trip. `subject`: whose its source is, when the vault was asked; else the ledger has to
    know. Raises NoWriter, Rejected or OutcomeUnknown."""
    values, query = _values(order, new_id), PAY
    if order.source is not None:
        values, query = (*values, order.source, subject), PAY_FROM
    return _decided(site, order, await statement.write(session, site, query, values, deadline))


async def hold(
    session: Session, site: str, order: Order, advice: Advice, new_id: UUID, deadline: timedelta, subject: UUID | None = None
) -> tuple[Decision, Evidence]:
    """Keep one order for a person, in one round trip, unless its key is taken. `subject`: see `pay`. Raises NoWriter, Rejected or
    OutcomeUnknown."""
    values, query = (*_values(order, new_id), advice.score, list(advice.reasons)), HOLD
    if order.source is not None:
        values, query = (*values, order.source, subject), HOLD_FROM
    return _decided(site, order, await statement.write(session, site, query, values, deadline))


async def forget(
    session: Session, site: str, subject: UUID, caller: str, reason: str, new_id: UUID, deadline: timedelta, most: int
) -> tuple[Forgotten, Evidence]:
    """The next step of forgetting which sources are the subject's, and what goes with them: the first is that it begins, each further one
    is about `most` payments. One round trip. Raises NoWriter, Busy, Rejected or OutcomeUnknown."""
    written = await statement.write(session, site, FORGET, (new_id, subject, caller, reason, most), deadline)
    outcome, proof, *reign = written.row
    found = Forgotten(is_replayed=outcome == "replayed", is_unknown=outcome == "unknown_subject", proof=_erasure(proof))
    return found, Evidence(reign=_reign(site, reign), lsn=written.lsn, ack_slots=written.ack_slots)


async def review(
    session: Session, site: str, id: UUID, verdict: Verdict, who: str, because: str, deadline: timedelta
) -> tuple[Sitting, Evidence]:
    """Carry out what a reviewer said, in one round trip. Raises NoWriter, Rejected or OutcomeUnknown."""
    written = await statement.write(session, site, REVIEW, (id, verdict.value, who, because), deadline)
    outcome, held, *reign = written.row
    known = frozenset(Reviewed)
    sitting = Sitting(
        outcome=Reviewed(outcome) if outcome in known else Outcome(outcome), review=None if held is None else _review(held)
    )
    return sitting, Evidence(reign=_reign(site, reign), lsn=written.lsn, ack_slots=written.ack_slots)


async def read_payment(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Payment | None, Evidence]:
    """The payment, also one that is held, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await statement.read(session, site, READ_PAYMENT, (id, id), deadline)
    if found[0] is None:
        return None, evidence
    id, debtor, creditor, amount, currency, epoch, created_at, status = found
    return Payment(
        id=id,
        debtor=debtor,
        creditor=creditor,
        amount=amount,
        currency=currency,
        epoch=epoch,
        created_at=created_at,
        status=Status(status),
    ), evidence


async def read_review(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Review | None, Evidence]:
    """What is or was held under the id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, (held,) = await statement.read(session, site, READ_REVIEW, (id,), deadline)
    return None if held is None else _review(held), evidence


async def read_waiting(
    session: Session, site: str, after: UUID, most: int, deadline: timedelta
) -> tuple[tuple[Review, ...], Evidence]:
    """Payments that wait for a person, oldest first, from the one behind `after` on. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, (waiting,) = await statement.read(session, site, READ_WAITING, (after, most), deadline)
    return tuple(map(_review, waiting)), evidence


async def read_account(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Account | None, Evidence]:
    """The account, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await statement.read(session, site, READ_ACCOUNT, (id,), deadline)
    if found[0] is None:
        return None, evidence
    id, currency, balance, overdraft_allowed = found
    return Account(id=id, currency=currency, balance=balance, overdraft_allowed=overdraft_allowed), evidence


def _values(order: Order, new_id: UUID) -> statement.Row:
    return new_id, order.key, order.digest, order.debtor, order.creditor, order.amount, order.currency


def _decided(site: str, order: Order, written: statement.Written) -> tuple[Decision, Evidence]:
    outcome, id, payment_epoch, created_at, *reign = written.row
    decision = Decision(outcome=Outcome(outcome), payment=None)
    if (status := STATUSES.get(decision.outcome)) is not None:
        payment = Payment(
            id=id,
            debtor=order.debtor,
            creditor=order.creditor,
            amount=order.amount,
            currency=order.currency,
            epoch=payment_epoch,
            created_at=created_at,
            status=status,
        )
        decision = Decision(outcome=decision.outcome, payment=payment)
    # Only a completed payment is a row that a follower's copy of `ledger.payment` proves; all else waits for the barrier.
    row = id if decision.outcome in COMPLETED else None
    return decision, Evidence(reign=_reign(site, reign), lsn=written.lsn, row=row, ack_slots=written.ack_slots)


def _reign(site: str, found: list[Any]) -> Reign:
    epoch, system_identifier, timeline = found
    return Reign(site=site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)


def _erasure(proof: dict[str, Any]) -> Erasure:
    """A row of `ledger.erasure` as `to_jsonb` writes it."""
    return Erasure(
        id=UUID(proof["id"]),
        subject_digest=bytes.fromhex(proof["subject_digest"].removeprefix("\\x")),
        accounts=proof["accounts"],
        profiles=proof["profiles"],
        sources=proof["sources"],
        caller=proof["caller"],
        reason=proof["reason"],
        epoch=proof["epoch"],
        at=datetime.fromisoformat(proof["at"]),
        ended_at=None if proof["ended_at"] is None else datetime.fromisoformat(proof["ended_at"]),
    )


def _review(held: dict[str, Any]) -> Review:
    """A row of `ledger.held` as `to_jsonb` writes it."""
    ruling = None
    if held["decided_at"] is not None:
        ruling = Ruling(
            verdict=Verdict(held["state"]),
            who=held["decided_by"],
            because=held["decided_because"],
            at=datetime.fromisoformat(held["decided_at"]),
            epoch=held["decided_epoch"],
        )
    return Review(
        id=UUID(held["id"]),
        key=held["idempotency_key"],
        debtor=UUID(held["debtor"]),
        creditor=UUID(held["creditor"]),
        amount=held["amount"],
        currency=held["currency"],
        score=float(held["score"]),
        reasons=tuple(held["reasons"]),
        epoch=held["epoch"],
        created_at=datetime.fromisoformat(held["created_at"]),
        ruling=ruling,
    )
