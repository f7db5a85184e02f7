"""Tells people what the journal says, beside everything else: no tick, decision or plan waits for it, and it waits for no cloud.

One controller tells at a time, for each channel: whoever has the cursor (`core.deliveries`). A round is: read what is kept and the journal
behind the cursor, take the cursor, send, write down what became of it. Without news there is no round, and nothing is asked of etcd: news
is seen in what the loop has read anyway.

Receipts are journaled once no plan is under way: every entry moves the journal's head, and a plan's own write behind it would cost another
round trip, in the middle of a failover.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from controller.chronicler import PAGE, Chronicler, Place
from controller.core.deliveries import (
    RECEIPT,
    Cursor,
    Filing,
    Outcome,
    Pace,
    Receipt,
    Telling,
    Turn,
    due,
    failed,
    filed,
    is_stale,
    receipted,
    taken,
    told_up_to,
    turn,
)
from controller.core.messages import RANK, Action, Message, Severity, wanted
from controller.core.model import Token
from controller.errors import LostOwnership, Transient, TrimaranError, Unsupported
from controller.loop import Loop, View
from controller.ports import Clock, Draft
from controller.telling_ports import Busy, Channel, Desk

log = structlog.get_logger()

FAR = 100
"""Entries without a message after which a cursor is moved all the same: who begins there has less to read."""


WRITES = 5
"""Attempts to write while other channels' cursors move: all of them are one record."""

DONE = timedelta()
"""Nothing is left to tell."""

AGAIN, SELDOM, MANY = timedelta(seconds=1), timedelta(seconds=5), 6
"""Between two looks at a channel in other hands, or that rests; after so many failures they become rare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A channel, and what it is to be told."""

    channel: Channel
    severities: frozenset[Severity] = frozenset(Severity)
    services: frozenset[str] = frozenset()
    """Empty: all of them."""

    def takes(self, message: Message) -> bool:
        """Is it for this channel?"""
        pages = message.action is not Action.NOTE or RANK[message.severity] <= RANK[Severity.ERROR]
        return wanted(message, self.severities, self.services) and (pages or not self.channel.incidents_only)


@dataclass(slots=True)
class _Sighting:
    """A cursor as this controller saw it, and since when it has been so."""

    cursor: Cursor
    since: timedelta


@dataclass(slots=True, kw_only=True)
class Teller:
    """One controller's, for one service."""

    controller: str
    loop: Loop
    desk: Desk
    chronicler: Chronicler
    routes: Sequence[Route]
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    _sightings: dict[str, _Sighting] = field(default_factory=dict)
    _places: dict[str, Place] = field(default_factory=dict)
    """How far each channel's journal was read here, at or behind its cursor."""
    tries: dict[str, int] = field(default_factory=dict)
    """Channels that have not taken what is next, and how often it was tried, by whomever."""
    _unfiled: bool = True
    """May there be receipts that are not in the journal?"""

    @property
    def service(self) -> str:
        """Whose journal it is."""
        return self.loop.service

    async def run(self) -> None:
        """Tell until cancelled. Each channel has a task of its own: one that hangs holds back no other."""
        async with asyncio.TaskGroup() as tasks:
            for route in self.routes:
                tasks.create_task(self._keep(route), name=f"tell {route.channel.name} of {self.service}")
            tasks.create_task(self._file(), name=f"receipts of {self.service}")

    async def _keep(self, route: Route) -> None:
        """Rounds while there is anything to tell; whatever fails ends this round and nothing else."""
        read: Token | None = None
        while True:
            view, rest = self.view(), self.pace.look
            if view is not None and view.control.as_of != read:
                await self.clock.sleep(self._rank(view) * self.pace.stagger)
                as_of = view.control.as_of
                left = await self._attempt(self._round(route))
                read, rest = (as_of, rest) if left == DONE else (read, left or AGAIN)
            await self.clock.sleep(rest)

    async def _attempt(self, work: Awaitable[timedelta]) -> timedelta | None:
        """When to look again; None: it failed."""
        try:
            return await work
        except LostOwnership:
            return None  # somebody else was first, which is well
        except TrimaranError as error:
            log.warning("telling", service=self.service, error=str(error))
        except Exception:
            log.exception("telling", service=self.service)
        return None

    def view(self) -> View | None:
        """What the loop knew a moment ago; None: nothing, or this controller is cut off from etcd's majority."""
        view = self.loop.view
        if view is None or self.clock.monotonic() - view.at > self.loop.policy.freshness:
            return None
        return view

    def _living(self) -> frozenset[str]:
        view = self.loop.view
        return frozenset(view.control.sessions) if view is not None else frozenset()

    def _rank(self, view: View) -> int:
        """Place in the queue of those that live; whoever etcd does not know to live comes last."""
        living = sorted(view.control.sessions)
        return living.index(self.controller) if self.controller in living else len(living)

    # ------------------------------------------------------------------------------------------------ one channel's round

    async def _round(self, route: Route) -> timedelta:
        """Tell this channel what is next. Answers when to look again: `DONE` when nothing is left. Raises TrimaranError."""
        name = route.channel.name
        kept = await self.desk.telling(self.service)
        self._unfiled = self._unfiled or bool(kept.record.filings)
        present = kept.record.cursors.get(name)
        start = self._start(name, present)
        place, entries = await self.chronicler.read_on(start)
        if place is not start and self._places.pop(name, None) is not None:  # it was a place in a journal that is gone
            start = self._start(name, present)
            place, entries = await self.chronicler.read_on(start)
        cursor = present if present is not None and place is start else _at(place)
        messages = [(one.place, message) for one in entries if (message := one.message) is not None and route.takes(message)]
        end = entries[-1].place if entries else place
        self.tries[name] = cursor.tries if messages else 0
        if not messages:
            self._places[name] = end
            if present is None or cursor is not present or end.sequence - present.sequence > FAR:
                await self._move(name, present, told_up_to(cursor, end.sequence, end.digest, end.situation))
            return DONE if len(entries) < PAGE - 1 else self.pace.look
        if turn(cursor, self.controller, self._living(), self._unmoved(name, cursor), self.pace) is Turn.WAIT:
            return AGAIN if cursor.tries < MANY else SELDOM
        await self._move(name, present, taken(cursor, self.controller))
        return await self._tell(route, taken(cursor, self.controller), messages, end)

    def _start(self, name: str, cursor: Cursor | None) -> Place | None:
        """The furthest place that is known; None: neither etcd nor this controller knows one."""
        if cursor is None:
            return None
        known = self._places.get(name)
        if known is not None and known.sequence >= cursor.sequence:
            return known
        return Place(sequence=cursor.sequence, digest=cursor.digest, situation=cursor.situation)

    def _unmoved(self, name: str, cursor: Cursor) -> timedelta:
        """For how long this controller has seen the cursor as it is."""
        now, seen = self.clock.monotonic(), self._sightings.get(name)
        if seen is None or seen.cursor != cursor:
            seen = self._sightings[name] = _Sighting(cursor, now)
        return now - seen.since

    async def _tell(self, route: Route, mine: Cursor, messages: Sequence[tuple[Place, Message]], end: Place) -> timedelta:
        """Send them in order, and write down what became of each before the next. Raises LostOwnership when the cursor was taken."""
        name, left = route.channel.name, len(messages)
        for read, message in messages:
            receipt, after = await self._deliver(route.channel, message, mine)
            if receipt is None:
                await self._move(name, mine, after)
                return AGAIN
            left -= 1
            place = read if left else end
            after = told_up_to(mine, place.sequence, place.digest, place.situation, holder=self.controller if left else "")
            await self._move(name, mine, after, self._receipted(name, message, receipt))
            self._places[name], mine = place, after
        return self.pace.look

    def _receipted(self, name: str, message: Message, receipt: Receipt) -> Callable[[Sequence[Filing]], tuple[Filing, ...]]:
        awaited = [route.channel.name for route in self.routes if route.takes(message)]
        return lambda filings: receipted(filings, message, awaited, name, receipt)

    async def _deliver(self, channel: Channel, message: Message, mine: Cursor) -> tuple[Receipt | None, Cursor]:
        """One attempt: a receipt, or none and the cursor as this failure leaves it. It ends by its deadline whatever the adapter does."""
        now = self.clock.now()
        receipt = Receipt(outcome=Outcome.STALE, by=self.controller, at=now, tries=mine.tries + 1, detail="")
        if is_stale(message, now, self.pace):
            return receipt, mine
        rest: timedelta | None = None
        try:
            said = await self._in_time(channel, message)
            return replace(receipt, outcome=Outcome.ACCEPTED, at=self.clock.now(), detail=said), mine
        except Unsupported as error:
            if mine.tries + 1 >= self.pace.refusals:
                log.warning("telling", channel=channel.name, service=self.service, message=message.id, refused=str(error))
                return replace(receipt, outcome=Outcome.REFUSED, detail=str(error)), mine
            why = str(error)
        except Busy as busy:
            rest, why = busy.rest, str(busy)
        except TrimaranError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - told below, by its kind alone: its text may be an address
            why = type(error).__name__
        log.warning("telling", channel=channel.name, service=self.service, message=message.id, error=why)
        return None, failed(mine, self.controller, self._living(), rest)

    async def _in_time(self, channel: Channel, message: Message) -> str:
        asking = asyncio.ensure_future(channel.deliver(message, self.pace.deadline))
        late = asyncio.ensure_future(self.clock.sleep(self.pace.deadline + timedelta(milliseconds=500)))
        try:
            await asyncio.wait({asking, late}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Transient(f"no answer within {self.pace.deadline.total_seconds():g} s")
            return asking.result()
        finally:
            asking.cancel()
            late.cancel()

    async def _move(
        self,
        name: str,
        before: Cursor | None,
        after: Cursor,
        file: Callable[[Sequence[Filing]], tuple[Filing, ...]] = tuple,
    ) -> None:
        """Replace one channel's cursor, as long as it is what it was; other channels' may have moved meanwhile. Raises LostOwnership."""
        for left in reversed(range(WRITES)):
            kept = await self.desk.telling(self.service)
            if kept.record.cursors.get(name) != before:
                raise LostOwnership(f"{name} was moved by another controller")
            record = Telling(cursors={**kept.record.cursors, name: after}, filings=file(kept.record.filings))
            self._unfiled = self._unfiled or bool(record.filings)
            try:
                await self.desk.tell(self.service, kept, record)
                return
            except LostOwnership:
                if not left:
                    raise

    # ------------------------------------------------------------------------------------------------ receipts

    async def _file(self) -> None:
        """Journal receipts, in calm."""
        while True:
            view = self.view()
            if self._unfiled and view is not None:
                await self.clock.sleep(self._rank(view) * self.pace.stagger)
                await self._attempt(self._file_due())
            await self.clock.sleep(AGAIN)

    async def _file_due(self) -> timedelta:
        kept = await self.desk.telling(self.service)
        self._unfiled = bool(kept.record.filings)
        view, now = self.view(), self.clock.now()
        ready = due(kept.record.filings, now, self.pace)
        if view is None or (view.control.plan is not None and all(now - one.first < self.pace.filed_after for one in ready)):
            return AGAIN
        if ready:
            left = tuple(one for one in kept.record.filings if one not in ready)
            journal = [Draft(kind=RECEIPT, body=filed(one)) for one in ready]
            await self.desk.tell(self.service, kept, replace(kept.record, filings=left), journal)
        return AGAIN


def _at(place: Place) -> Cursor:
    return Cursor(sequence=place.sequence, digest=place.digest, situation=place.situation)
