"""What the service asks the ledger's database, and how it reads the answers."""

from datetime import timedelta
from uuid import UUID

from workload.durable import statement
from workload.durable.evidence import Evidence, Reign
from workload.durable.session import Session
from workload.durable.statement import REIGN
from workload.payments.model import Account, Decision, Order, Outcome, Payment

PAY = (
    "SELECT outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline"
    " FROM ledger.pay(%s, %s, %s, %s, %s, %s, %s)"
)
READ_PAYMENT = (  # only constants go into the text
    f"SELECT {REIGN}, p.id, p.debtor, p.creditor, p.amount, p.currency, p.epoch, p.created_at"
    " FROM trimaran.admit() AS a LEFT JOIN ledger.payment AS p ON p.id = %s"
)
READ_ACCOUNT = (
    f"SELECT {REIGN}, c.id, c.currency, c.balance, c.overdraft_allowed"
    " FROM trimaran.admit() AS a LEFT JOIN ledger.account AS c ON c.id = %s"
)
AWAIT_HELD = "SELECT ledger.await_held(%s, %s, %s)"
"""Which of these payments the follower asked holds: what `durable.neighbour` asks."""


async def pay(session: Session, site: str, order: Order, new_id: UUID, deadline: timedelta) -> tuple[Decision, Evidence]:
    """Decide and write one order in one round trip. Raises NoWriter, Rejected or OutcomeUnknown."""
    values = (new_id, order.key, order.digest, order.debtor, order.creditor, order.amount, order.currency)
    written = await statement.write(session, site, PAY, values, deadline)
    outcome, payment_id, payment_epoch, created_at, epoch, system_identifier, timeline = written.row
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
    evidence = Evidence(reign=reign, lsn=written.lsn, row=payment.id if payment else None, ack_slots=written.ack_slots)
    return Decision(outcome=Outcome(outcome), payment=payment), evidence


async def read_payment(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Payment | None, Evidence]:
    """The payment, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await statement.read(session, site, READ_PAYMENT, (id,), deadline)
    if found[0] is None:
        return None, evidence
    id, debtor, creditor, amount, currency, epoch, created_at = found
    return Payment(
        id=id, debtor=debtor, creditor=creditor, amount=amount, currency=currency, epoch=epoch, created_at=created_at
    ), evidence


async def read_account(session: Session, site: str, id: UUID, deadline: timedelta) -> tuple[Account | None, Evidence]:
    """The account, or None when the writer has none of this id. Raises NoWriter, Rejected or OutcomeUnknown."""
    evidence, found = await statement.read(session, site, READ_ACCOUNT, (id,), deadline)
    if found[0] is None:
        return None, evidence
    id, currency, balance, overdraft_allowed = found
    return Account(id=id, currency=currency, balance=balance, overdraft_allowed=overdraft_allowed), evidence
