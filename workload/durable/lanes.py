"""Flies the barrier's polls: one poller per process serves every waiting answer.

A waiter is never alone on the wire for long: whoever registered while all lanes were out travels together on the next one.
Followers that are far are waited for inside the writer's database, where looking again costs no round trip.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Protocol

import psycopg

from workload.durable.barrier import Barrier, Flight, Look, Waiter
from workload.durable.errors import OutcomeUnknown
from workload.durable.evidence import Evidence, Reign, format_lsn, parse_lsn
from workload.durable.pace import Pace
from workload.durable.session import Lost, Session
from workload.telemetry.steps import note

AWAIT_BARRIER = (
    "SELECT b.epoch, b.is_open, b.confirmed::text, (b.pins).system_identifier, (b.pins).timeline FROM"
    " (SELECT l.*, trimaran.identity() AS pins FROM trimaran.await_barrier(%s, %s::pg_lsn, %s) AS l OFFSET 0) AS b"
)
"""The identity is read after the look: when it still is what it was at the payment, it was so in between."""


class Durability(Protocol):
    """Holds an answer back until what it rests on would survive the loss of the writer's cloud."""

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        """Return once some member of the ack set has it on disk. Raises OutcomeUnknown at the deadline or when the reign ends."""


class Crew(Protocol):
    """Where a lane gets its session. Whenever one becomes free the crew calls `Lanes.fly`."""

    def take(self) -> Session | None:
        """A free session or None; never waits."""

    def give_back(self, session: Session, /) -> None:
        """Return it, broken or not."""


class Lanes:
    """Durability by polling `trimaran.await_barrier` on the writer."""

    def __init__(self, crews: Mapping[str, Crew], *, patience: timedelta, statement_deadline: timedelta) -> None:
        self._crews = crews
        self._patience = patience
        self._deadline = patience + statement_deadline
        self._barrier = Barrier()
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._since: dict[int, float] = {}
        self._pace = Pace()
        self._flying: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """Answers held back at this moment."""
        return self._barrier.waiting

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        loop = asyncio.get_running_loop()
        waiter = self._barrier.register(evidence)
        answer = self._answers[waiter.ticket] = loop.create_future()
        began = self._since[waiter.ticket] = loop.time()
        timer = loop.call_later(deadline.total_seconds(), self._give_up, waiter, "the barrier stayed closed until the deadline")
        try:
            self.fly()
            await answer
            note(confirmed_by="writer")
            self._pace = self._pace.after(timedelta(seconds=loop.time() - began))
        finally:
            timer.cancel()
            self._barrier.withdraw(waiter)
            del self._answers[waiter.ticket], self._since[waiter.ticket]

    def fly(self) -> None:
        """Send a lane for every group of waiters that has none, while lanes are free."""
        for site in self._barrier.wanting():
            session = self._crews[site].take()
            if session is None:
                continue
            task = asyncio.get_running_loop().create_task(self._fly(session, self._barrier.depart(site)))
            self._flying.add(task)
            task.add_done_callback(self._flying.discard)

    def abandon(self, below: int) -> None:
        """A writer of epoch `below` is known: fail everybody who waits for an older reign, now and not at their deadline."""
        for waiter in self._barrier.abandon(below):
            self._give_up(waiter, f"a writer of epoch {below} took over")

    async def _fly(self, session: Session, flight: Flight) -> None:
        look = None
        try:
            look = await session.run(partial(_look, flight=flight, patience=self._patience_for(flight)), self._deadline)
        except Lost:
            pass
        except psycopg.Error:
            # The database answers, but not this question. Asking again at once would only spin.
            await asyncio.sleep(self._patience.total_seconds())
        finally:
            landing = self._barrier.land(flight, look)
            for waiter in landing.released:
                self._settle(waiter, lambda answer: answer.set_result(None))
            for waiter in landing.hopeless:
                self._give_up(waiter, f"{flight.reign.site} is no longer the open writer of epoch {flight.reign.epoch}")
            self._crews[flight.reign.site].give_back(session)

    def _patience_for(self, flight: Flight) -> timedelta:
        now = asyncio.get_running_loop().time()
        return self._pace.patience(timedelta(seconds=now - self._since.get(flight.eldest, now)), self._patience)

    def _give_up(self, waiter: Waiter, why: str) -> None:
        self._settle(waiter, lambda answer: answer.set_exception(OutcomeUnknown(why)))

    def _settle(self, waiter: Waiter, settle: Callable[["asyncio.Future[None]"], None]) -> None:
        answer = self._answers.get(waiter.ticket)
        if answer is not None and not answer.done():
            settle(answer)


async def _look(connection: psycopg.AsyncConnection, *, flight: Flight, patience: timedelta) -> Look | None:
    values = (flight.reign.epoch, format_lsn(flight.target), patience)
    cursor = await connection.execute(AWAIT_BARRIER, values, prepare=True)
    row = await cursor.fetchone()
    if row is None:
        return None
    epoch, is_open, confirmed, system_identifier, timeline = row
    reign = Reign(site=flight.reign.site, epoch=epoch, system_identifier=system_identifier, timeline=timeline)
    return Look(reign=reign, is_open=is_open, confirmed=None if confirmed is None else parse_lsn(confirmed))
