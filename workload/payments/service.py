"""What the service does with an order: find the writer, decide in its ledger, hold the answer back until it is durable.

The rule that keeps every promise: no answer that rests on the ledger leaves before its evidence is confirmed. That includes
refusals and reads; a balance that dies with its cloud must not have been shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID

from workload.payments import ledger
from workload.payments.errors import NoWriter, OutcomeUnknown, Unanswered
from workload.payments.finder import Writer
from workload.payments.lanes import Durability
from workload.payments.metrics import Metrics
from workload.payments.model import Account, Decision, Evidence, Order, Payment
from workload.payments.session import Session
from workload.payments.sessions import Sessions
from workload.payments.settings import Tuning

A = TypeVar("A")
Ask = Callable[[Session, str, timedelta], Awaitable[tuple[A, Evidence]]]


class Compass(Protocol):
    """Says who writes."""

    @property
    def writer(self) -> Writer | None:
        """The site to ask now."""


class Payments:
    """The service itself, without HTTP."""

    def __init__(
        self,
        *,
        compass: Compass,
        sessions: Mapping[str, Sessions[Session]],
        durability: Durability,
        tuning: Tuning,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        monotonic: Callable[[], float],
    ) -> None:
        self._compass = compass
        self._sessions = sessions
        self._durability = durability
        self._tuning = tuning
        self._metrics = metrics
        self._new_id = new_id
        self._monotonic = monotonic
        self._proven_at: float | None = None
        self._proven: Writer | None = None
        self._proving: asyncio.Task[None] | None = None

    async def pay(self, order: Order) -> Decision:
        """Carry the order out, once per key for ever. Raises Unanswered within the request deadline."""
        new_id = self._new_id()

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Decision, Evidence]:
            return await ledger.pay(session, site, order, new_id, deadline)

        decision = await self._answer(ask)
        self._metrics.decided(decision.outcome)
        return decision

    async def payment(self, id: UUID) -> Payment | None:
        """The durable payment, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Payment | None, Evidence]:
            return await ledger.read_payment(session, site, id, deadline)

        return await self._answer(ask)

    async def account(self, id: UUID) -> Account | None:
        """The account with a durable balance, or None. Raises Unanswered."""

        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Account | None, Evidence]:
            return await ledger.read_account(session, site, id, deadline)

        return await self._answer(ask)

    @property
    def proof_age(self) -> timedelta | None:
        """Time since anything was last made durable through this process; None: never."""
        return None if self._proven_at is None else timedelta(seconds=self._monotonic() - self._proven_at)

    async def prove_write_path(self) -> None:
        """Return when the write path works: this writer made something durable just now, or lets an empty payment pass.

        Writes nothing. Raises Unanswered. Concurrent callers share one attempt and what becomes of it, also its failure: one after
        the other, twenty probes of a dead writer would take twenty deadlines, and the last would be told of a writer long replaced.
        """
        if self._is_proven():
            return
        if self._proving is None:
            self._proving = asyncio.create_task(self._answer(_pass_guard))
            self._proving.add_done_callback(self._end_proof)
        # A caller that hangs up must not end it for the others.
        await asyncio.shield(self._proving)

    def _end_proof(self, attempt: "asyncio.Task[None]") -> None:
        self._proving = None
        if not attempt.cancelled():
            attempt.exception()  # looked at even when everybody has hung up

    def _is_proven(self) -> bool:
        age = self.proof_age
        is_fresh = age is not None and age <= self._tuning.freshness
        return is_fresh and self._proven is not None and self._proven == self._compass.writer

    async def _answer(self, ask: Ask[A]) -> A:
        end = self._monotonic() + self._tuning.request_deadline.total_seconds()
        try:
            writer = self._compass.writer
            if writer is None:
                raise NoWriter("no site is known to be the writer")
            async with self._sessions[writer.site].borrow(self._within(end, self._tuning.session_patience)) as session:
                answer, evidence = await ask(session, writer.site, self._within(end, self._tuning.statement_deadline))
            committed_at = self._monotonic()
            await self._durability.confirm(evidence, self._within(end, self._tuning.barrier_deadline))
        except Unanswered as error:
            self._metrics.unanswered(error)
            self._proven = None
            raise
        self._proven_at = self._monotonic()
        self._proven = Writer(site=evidence.reign.site, epoch=evidence.reign.epoch)
        self._metrics.confirmed(self._proven_at - committed_at)
        return answer

    def _within(self, end: float, limit: timedelta) -> timedelta:
        left = timedelta(seconds=end - self._monotonic())
        if left <= timedelta(0):
            raise OutcomeUnknown("the request's deadline is over")
        return min(left, limit)


async def _pass_guard(session: Session, site: str, deadline: timedelta) -> tuple[None, Evidence]:
    return None, await ledger.admit(session, site, deadline)
