"""What the service does with an order: decide it in the writer's ledger, and answer once that is durable."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from workload.durable.answers import Answers
from workload.durable.evidence import Evidence
from workload.durable.session import Session
from workload.payments import ledger
from workload.payments.metrics import Metrics
from workload.payments.model import Account, Decision, Order, Payment


class Payments:
    """The service itself, without HTTP."""

    def __init__(self, *, answers: Answers, metrics: Metrics, new_id: Callable[[], UUID]) -> None:
        self._answers = answers
        self._metrics = metrics
        self._new_id = new_id

    async def pay(self, order: Order) -> Decision:
        """Carry the order out, once per key for ever. Raises Unanswered within the request deadline."""
        new_id = self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Decision, Evidence]:
            return await ledger.pay(session, site, order, new_id, deadline)

        decision = await self._answers.give(ask)
        self._metrics.decided(decision.outcome)
        return decision

    async def payment(self, id: UUID) -> Payment | None:
        """The durable payment, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Payment | None, Evidence]:
            return await ledger.read_payment(session, site, id, deadline)

        return await self._answers.give(ask)

    async def account(self, id: UUID) -> Account | None:
        """The account with a durable balance, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Account | None, Evidence]:
            return await ledger.read_account(session, site, id, deadline)

        return await self._answers.give(ask)
