"""Answers that survive the loss of a cloud: find the writer, ask it, hold the answer back until it is durable.

The rule that keeps every promise: no answer that rests on the database leaves before its evidence is confirmed. That includes
refusals and reads; a balance that dies with its cloud must not have been shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol, TypeVar

from workload.calls.deadline import budget, ending
from workload.durable import statement
from workload.durable.errors import Late, NoWriter, OutcomeUnknown, Unanswered
from workload.durable.evidence import Evidence
from workload.durable.finder import Writer
from workload.durable.lanes import Durability
from workload.durable.session import Session
from workload.durable.sessions import Sessions
from workload.durable.settings import Tuning
from workload.telemetry.steps import Kind, step

A = TypeVar("A")
Ask = Callable[[Session, str, timedelta], Awaitable[tuple[A, Evidence]]]


class Compass(Protocol):
    """Says who writes."""

    @property
    def writer(self) -> Writer | None:
        """The site to ask now."""


class Meter(Protocol):
    """Counts what became of questions."""

    def unanswered(self, error: Unanswered) -> None:
        """A request ended without an answer."""

    def confirmed(self, seconds: float) -> None:
        """An answer became durable this long after its commit."""


class Answers:
    """Asks the writer on behalf of one service."""

    def __init__(
        self,
        *,
        compass: Compass,
        sessions: Mapping[str, Sessions[Session]],
        durability: Durability,
        tuning: Tuning,
        meter: Meter,
        monotonic: Callable[[], float],
    ) -> None:
        self._compass = compass
        self._sessions = sessions
        self._durability = durability
        self._tuning = tuning
        self._meter = meter
        self._monotonic = monotonic
        self._proven_at: float | None = None
        self._proven: Writer | None = None
        self._proving: asyncio.Task[None] | None = None

    @property
    def proof_age(self) -> timedelta | None:
        """Time since anything was last made durable through this process; None: never."""
        return None if self._proven_at is None else timedelta(seconds=self._monotonic() - self._proven_at)

    async def prove_write_path(self) -> None:
        """Return when the write path works: this writer made something durable just now, or lets an empty write pass.

        Writes nothing. Raises Unanswered. Concurrent callers share one attempt and what becomes of it, also its failure: one after
        the other, twenty probes of a dead writer would take twenty deadlines, and the last would be told of a writer long replaced.
        """
        if self._is_proven():
            return
        if self._proving is None:
            # For everybody who asks: it is not the first one's time that bounds it.
            self._proving = asyncio.create_task(self._give(_pass_guard, self._tuning.request_deadline))
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

    async def give(self, ask: Ask[A]) -> A:
        """Ask the writer, and answer once what the answer rests on is durable. Raises Unanswered within the request deadline, or within
        what the caller has left of its own: whoever goes on waiting after that takes a place from those who are waited for.

        A statement that was sent has its own deadline all the same, since a deadline costs the session, for a while or for good: otherwise
        a client that names a few milliseconds, again and again, would cost the service all its warm sessions.
        """
        return await self._give(ask, budget(self._tuning.request_deadline, self._monotonic()))

    @contextmanager
    def one_request(self) -> Iterator[Callable[[], timedelta]]:
        """All that is given in the block shares the time of one request, which is the caller's or the longest there is; yields how much of
        it is left."""
        began = self._monotonic()
        end = began + budget(self._tuning.request_deadline, began).total_seconds()
        with ending(end):
            yield lambda: timedelta(seconds=end - self._monotonic())

    async def _give(self, ask: Ask[A], within: timedelta) -> A:
        began = self._monotonic()
        end, own_end = began + within.total_seconds(), began + self._tuning.request_deadline.total_seconds()
        try:
            writer = self._compass.writer
            if writer is None:
                raise NoWriter("no site is known to be the writer")
            with step("database", Kind.CLIENT, site=writer.site):
                patience = self._within(end, self._tuning.session_patience, Late)
                async with self._sessions[writer.site].borrow(patience) as session:
                    self._within(end, self._tuning.statement_deadline, Late)
                    with step("statement"):
                        deadline = self._within(own_end, self._tuning.statement_deadline, Late)
                        answer, evidence = await ask(session, writer.site, deadline)
            committed_at = self._monotonic()
            with step("barrier", site=evidence.reign.site, epoch=evidence.reign.epoch):
                await self._durability.confirm(evidence, self._within(end, self._tuning.barrier_deadline, OutcomeUnknown))
        except Unanswered as error:
            self._meter.unanswered(error)
            self._proven = None
            raise
        self._proven_at = self._monotonic()
        self._proven = Writer(site=evidence.reign.site, epoch=evidence.reign.epoch)
        self._meter.confirmed(self._proven_at - committed_at)
        return answer

    def _within(self, end: float, limit: timedelta, over: type[Unanswered]) -> timedelta:
        """How long the next thing may take. Raises `over` when there is no time left for it."""
        left = timedelta(seconds=end - self._monotonic())
        if left <= timedelta(0):
            raise over("the request's deadline is over")
        return min(left, limit)


async def _pass_guard(session: Session, site: str, deadline: timedelta) -> tuple[None, Evidence]:
    return None, await statement.admit(session, site, deadline)
