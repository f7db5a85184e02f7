"""The dispatcher: look into the outbox, hand each account's events to a courier, write cursors, rest, look again.

Accounts are carried side by side, each by one courier, within a bound. Nothing that an endpoint does reaches another account: couriers
end with the first failure, so an endpoint that is down holds no place while it rests, and whoever failed or was slow the last time
competes for places of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import groupby
from typing import Protocol
from uuid import UUID

import structlog

from workload.durable.database import die_of_a_defect
from workload.durable.errors import Unanswered
from workload.webhooks.courier import Carry, Posting, carry
from workload.webhooks.cursors import Cursors
from workload.webhooks.model import Event, Trip
from workload.webhooks.outbox import Outbox
from workload.webhooks.settings import Manners
from workload.webhooks.standing import GOOD, Standing, show

log = structlog.get_logger()

FAREWELL = timedelta(seconds=3)
"""How long a stopping dispatcher waits for attempts that are under way."""
SWEEP_INTERVAL = timedelta(minutes=1)
MOST_SHOWN = 50


class Place(Protocol):
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
        seat: Place,
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
        self._standings: dict[UUID, Standing] = {}
        self._more = asyncio.Event()
        self._swept_at = monotonic()
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
        now = self._monotonic()
        return sum(standing.is_parked(now, self._manners) for standing in self._standings.values())

    def failing(self) -> Mapping[str, object]:
        """Accounts whose last attempt failed, those that failed first first, and not all of very many."""
        now = self._monotonic()
        failing = [(account, standing) for account, standing in self._standings.items() if standing.failures]
        failing.sort(key=lambda one: one[1].failing_since or 0.0)
        return {str(account): show(standing, now, self._manners) for account, standing in failing[:MOST_SHOWN]}

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
        if not await self._seat.hold():
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

    async def _write_cursors(self) -> None:
        unwritten = self._cursors.unwritten()
        if unwritten:
            await self._outbox.advance(unwritten)
            self._cursors.settle(unwritten)

    async def _hand_out(self) -> None:
        now = self._monotonic()
        places, slow_places = self._free_places()
        resting = {account for account, standing in self._standings.items() if standing.rests_until > now}
        slow = {account for account, standing in self._standings.items() if not standing.is_good}
        if places <= 0 and slow_places <= 0:
            return
        due = await self._outbox.due(
            busy=resting | self._running.keys(),
            slow=slow,
            places=places,
            slow_places=slow_places,
            most=self._manners.most_events,
        )
        if not self.is_active:
            return
        for account, events in groupby(due, key=lambda event: event.account):
            self._send_off(account, tuple(events))

    def _free_places(self) -> tuple[int, int]:
        good = sum(self._standings.get(account, GOOD).is_good for account in self._running)
        return self._manners.places - good, self._manners.slow_places - (len(self._running) - good)

    def _send_off(self, account: UUID, events: Sequence[Event]) -> None:
        task = asyncio.get_running_loop().create_task(self._travel(account, events))
        self._running[account] = task
        task.add_done_callback(die_of_a_defect)
        task.add_done_callback(lambda _: self._running.pop(account))

    async def _travel(self, account: UUID, events: Sequence[Event]) -> None:
        trip = await self._courier(
            events, post=self._post, cursors=self._cursors, may_go_on=lambda: self.is_active, monotonic=self._monotonic
        )
        self._meter.travelled(trip)
        before = self._standings.pop(account, GOOD)
        now = self._monotonic()
        standing = before.after(trip, now, self._manners, self._chance())
        if standing != GOOD:
            self._standings[account] = standing
        if standing.is_parked(now, self._manners) and not before.is_parked(now, self._manners):
            log.error("endpoint parked", account=str(account), why=standing.why, failures=standing.failures)
        if trip.failure is None and len(events) >= self._manners.most_events:
            self._more.set()

    async def _sweep(self) -> None:
        if self._monotonic() - self._swept_at < SWEEP_INTERVAL.total_seconds():
            return
        self._swept_at = self._monotonic()
        swept = await self._outbox.sweep(self._retention)
        if swept:
            log.info("delivered events deleted", events=swept)

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
