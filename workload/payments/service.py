"""What the service does with an order: have it screened, decide it in the writer's ledger, and answer once that is durable."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from workload.durable.answers import Answers, Ask
from workload.durable.evidence import Evidence
from workload.durable.session import Session
from workload.payments import ledger
from workload.payments.forgetting import forget_stepwise
from workload.payments.metrics import Metrics
from workload.payments.model import Account, Decision, Forgotten, Order, Outcome, Payment, Review, Sitting, Verdict
from workload.payments.screen import Advice
from workload.payments.sources import Nowhere, Sources, VaultOutOfReach


class Screened(Protocol):
    """Who says which payments a person has to look at first."""

    async def advice(self, order: Order) -> Advice:
        """Never raises, and returns within a deadline of its own."""


class Payments:
    """The service itself, without HTTP."""

    def __init__(
        self,
        *,
        answers: Answers,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        screening: Screened | None = None,
        sources: Sources | None = None,
    ) -> None:
        """Without `screening` nothing is ever held; without `sources` no payment comes from a token that none came from before."""
        self._answers = answers
        self._sources = sources or Nowhere()
        self._metrics = metrics
        self._new_id = new_id
        self._screening = screening

    async def pay(self, order: Order) -> Decision:
        """Carry the order out, once per key for ever, or hold it. Raises Unanswered, VaultOutOfReach among them, within the request
        deadline and screening's, also for the first payment from a source, which takes two trips and the vault's answer.

        Screened before a session to the writer is taken: those are few, and a screen that hangs would hold all of them. What screening
        says of a key that the ledger knows does not matter: whatever became of it is the answer. The vault is asked last, and only about
        a source that the writer does not know: what the ledger knows needs no vault.

        A source that the vault turns away is refused by the ledger's word, after the vault's: a twin of this key may have been told whose
        it is a moment before the erasure, and be paid. Refused by the vault's word alone, a client would be told that a payment which
        exists was never made.
        """
        advice = None if self._screening is None else await self._screening.advice(order)
        decision = await self._decide(order, advice)
        if order.source is not None and decision.outcome is Outcome.UNKNOWN_SOURCE:
            found = await self._subject(order.source)
            decision = await self._decide(order, advice, None if isinstance(found, Outcome) else found)
            if decision.outcome is Outcome.UNKNOWN_SOURCE and isinstance(found, Outcome):
                decision = Decision(outcome=found, payment=None)
        self._metrics.decided(decision.outcome)
        return decision

    async def _decide(self, order: Order, advice: Advice | None, subject: UUID | None = None) -> Decision:
        new_id = self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Decision, Evidence]:
            if advice is not None and advice.hold:
                return await ledger.hold(session, site, order, advice, new_id, deadline, subject)
            return await ledger.pay(session, site, order, new_id, deadline, subject)

        return await self._answers.give(ask)

    async def _subject(self, source: UUID) -> UUID | Outcome:
        try:
            return await self._sources.subject(source)
        except VaultOutOfReach as error:
            self._metrics.unanswered(error)
            raise

    async def forget(self, subject: UUID, caller: str, reason: str) -> Forgotten:
        """Forget which sources are the subject's, what was learnt of the accounts that were paid from by them, and turn down what waits;
        again answers the same proof, or goes on where it stands. What is not complete within one request is answered as that, with all
        that was done so far durable. Raises Unanswered."""
        new_id = self._new_id()

        def step(most: int) -> Ask[Forgotten]:
            async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Forgotten, Evidence]:
                return await ledger.forget(session, site, subject, caller, reason, new_id, deadline, most)

            return ask

        return await forget_stepwise(self._answers, step)

    async def payment(self, id: UUID) -> Payment | None:
        """The durable payment, made or held, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Payment | None, Evidence]:
            return await ledger.read_payment(session, site, id, deadline)

        return await self._answers.give(ask)

    async def account(self, id: UUID) -> Account | None:
        """The account with a durable balance, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Account | None, Evidence]:
            return await ledger.read_account(session, site, id, deadline)

        return await self._answers.give(ask)

    async def waiting(self, after: UUID, most: int) -> tuple[Review, ...]:
        """Payments that wait for a person, oldest first, from the one behind `after` on. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[tuple[Review, ...], Evidence]:
            return await ledger.read_waiting(session, site, after, most, deadline)

        return await self._answers.give(ask)

    async def held(self, id: UUID) -> Review | None:
        """What is or was held under the id, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Review | None, Evidence]:
            return await ledger.read_review(session, site, id, deadline)

        return await self._answers.give(ask)

    async def review(self, id: UUID, verdict: Verdict, who: str, because: str) -> Sitting:
        """Decide about a held payment, once and for ever; the same word again changes nothing. Raises Unanswered.

        After OutcomeUnknown the reviewer asks again: whichever writer has the first word then answers with it, and one that has not
        takes the second for the first.
        """

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Sitting, Evidence]:
            return await ledger.review(session, site, id, verdict, who, because, deadline)

        return await self._answers.give(ask)
