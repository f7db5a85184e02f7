"""The dispatcher: look into the outbox, hand each account's events to a courier, write cursors, rest, look again.

Accounts are carried side by side, each by one courier, within a bound. Nothing that an endpoint does reaches another account: couriers
end with the first failure, so an endpoint that is down holds no place while it rests, and whoever failed the last time competes for
places with those that failed, whoever was slow with the slow. What a look costs because of others is bounded, see `looks`.

A dispatcher that reaches no merchant leaves the seat, so that another site's may try (`way`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from workload.durable.database import die_of_a_defect
from workload.durable.errors import Unanswered
from workload.webhooks.courier import Carry, Posting, carry
from workload.webhooks.cursors import Cursors
from workload.webhooks.looks import Looks
from workload.webhooks.model import Event, Trip
from workload.webhooks.outbox import BEGINNING, Outbox
from workload.webhooks.settings import Manners
from workload.webhooks.standings import Standings
from workload.webhooks.way import Way

log = structlog.get_logger()

FAREWELL = timedelta(seconds=3)
"""How long a stopping dispatcher waits for attempts that are under way."""
SWEEP_INTERVAL = timedelta(minutes=1)
"""From one look through all old events to the next; the looks that it takes follow each other at once."""
ABSENCE = timedelta(seconds=10)
"""Whoever left the seat asks for it again only then. Another one that waits for it has it within a look."""


class Sitting(Protocol):
    """May this process send now?"""

    @property
    def is_held(self) -> bool:
        """As it was when last asked."""

    async def hold(self) -> bool:
        """Ask."""

    def leave(self) -> None:
        """Send no more."""


class Meter(Protocol):
    """Counts what became of trips."""

    def travelled(self, trip: Trip) -> None:
        """A courier came back."""


class Dispatcher:
    """One process's part in telling merchants."""

    def __init__(
        self,
        outbox: Outbox,
        seat: Sitting,
        post: Posting,
        *,
        manners: Manners,
        interval: timedelta,
        retention: timedelta,
        meter: Meter,
        monotonic: Callable[[], float],
        chance: Callable[[], float],
        courier: Carry = carry,
    ) -> None:
        """`chance` answers uniform numbers in [0, 1); `courier` is `carry`, except in proofs that show what is lost without its rules."""
        self._outbox, self._seat, self._post = outbox, seat, post
        self._manners, self._interval, self._retention = manners, interval, retention
        self._meter, self._monotonic, self._chance, self._courier = meter, monotonic, chance, courier
        self._cursors = Cursors()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._standings = Standings(manners)
        self._looks = Looks(manners, self._standings)
        self._way = Way(manners)
        self._away_until = 0.0
        self._more = asyncio.Event()
        self._swept_at, self._swept_until = monotonic(), BEGINNING
        self._is_stopping = False
        self._trouble: type[Unanswered] | None = None

    @property
    def is_active(self) -> bool:
        """Does this process send?"""
        return self._seat.is_held and not self._is_stopping

    @property
    def running(self) -> int:
        """Accounts that are being sent to."""
        return len(self._running)

    @property
    def parked(self) -> int:
        """Accounts that have failed for so long that they are tried rarely."""
        return self._standings.parked(self._monotonic())

    @property
    def is_away(self) -> bool:
        """Did this process leave the seat a moment ago, because no merchant answers it?"""
        return self._monotonic() < self._away_until

    def failing(self) -> Mapping[str, object]:
        """Accounts whose last attempt failed, those that failed first first, and not all of very many."""
        return self._standings.failing(self._monotonic())

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Send for the length of the block; afterwards let attempts end, write the cursors and leave the seat."""
        working = asyncio.create_task(self._work())
        working.add_done_callback(die_of_a_defect)
        try:
            yield
        finally:
            working.cancel()
            ended = await asyncio.gather(working, return_exceptions=True)
            await self._wind_up()
        for defect in ended:
            if isinstance(defect, Exception):
                raise defect

    async def look(self) -> None:
        """One look: cursors, what is due, what is old. What the database does not answer is asked for at the next one."""
        if self.is_away or not await self._seat.hold():
            self._looks.begin_anew()
            return
        if self._way.is_lost(self._monotonic()):
            self._leave()
            return
        try:
            await self._write_cursors()
            await self._hand_out()
            await self._sweep()
        except Unanswered as error:
            self._tell(error)
        else:
            self._trouble = None

    async def _work(self) -> None:
        while True:
            self._more.clear()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval.total_seconds()):
                    await self._more.wait()

    def _tell(self, error: Unanswered) -> None:
        """Once for each kind of trouble: a failover is a few looks long, a missing grant lasts until somebody reads of it."""
        if type(error) is not self._trouble:
            self._trouble = type(error)
            log.warning("the outbox does not answer", kind=type(error).__name__, why=str(error))

    def _leave(self) -> None:
        log.error("no merchant answers this process; the seat is left to another", failing=len(self.failing()))
        self._seat.leave()
        now = self._monotonic()
        self._way.leave(now)
        self._away_until = now + ABSENCE.total_seconds()

    async def _write_cursors(self) -> None:
        unwritten = self._cursors.unwritten()
        if unwritten:
            await self._outbox.advance(unwritten)
            self._cursors.settle(unwritten)

    async def _hand_out(self) -> None:
        now = self._monotonic()
        look = self._looks.next(self._running.keys(), now)
        if look is None:
            return
        due = await self._outbox.due(look)
        if not self.is_active:
            # Nothing is settled by what nobody is sent: when the next look finds the seat held, those whom this one was for are asked for.
            self._looks.begin_anew()
            return
        # What was held against them was this process's own fault.
        self._standings.forget(self._way.read(due.events))
        sent = self._looks.settle(look, due, self._running.keys())
        for account, events in sent.items():
            self._send_off(account, events, fresh_until=now + self._manners.fresh.total_seconds())

    def _send_off(self, account: UUID, events: Sequence[Event], fresh_until: float) -> None:
        task = asyncio.get_running_loop().create_task(self._travel(account, events, fresh_until))
        self._running[account] = task
        task.add_done_callback(die_of_a_defect)
        task.add_done_callback(lambda _: self._running.pop(account))

    async def _travel(self, account: UUID, events: Sequence[Event], fresh_until: float) -> None:
        trip = await self._courier(
            events,
            post=self._post,
            cursors=self._cursors,
            may_go_on=lambda: self.is_active and self._monotonic() < fresh_until,
            monotonic=self._monotonic,
        )
        self._meter.travelled(trip)
        now = self._monotonic()
        self._way.travelled(account, trip, now)
        parked = self._standings.travelled(account, events[0].registration, trip, now, self._chance())
        if parked is not None:
            log.error("endpoint parked", account=str(account), why=parked.why, failures=parked.failures)
        if trip.failure is None:
            self._looks.has_more(account)
            if len(events) >= self._manners.most_events:
                self._more.set()

    async def _sweep(self) -> None:
        if self._monotonic() - self._swept_at < SWEEP_INTERVAL.total_seconds():
            return
        # One that fails is asked again in a minute, from where it stood: it comes last in a look, and must not make every look late.
        before, self._swept_at = self._swept_at, self._monotonic()
        swept = await self._outbox.sweep(self._retention, self._swept_until)
        self._swept_until = swept.until or BEGINNING
        if swept.until is not None:
            self._swept_at = before
        if swept.events:
            log.info("delivered events deleted", events=swept.events)

    async def _wind_up(self) -> None:
        self._is_stopping = True
        if self._running:
            await asyncio.wait(self._running.values(), timeout=FAREWELL.total_seconds())
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        with suppress(Unanswered):
            await self._write_cursors()
        self._seat.leave()
