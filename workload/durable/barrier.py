"""Who may be answered when a poll of the barrier lands. Pure: no I/O, no clock.

The promise: a waiter is released only by a look that was sent after it registered, that was taken in the very reign it was
decided in, on an open node, with a confirmation at or above its position.

Rules for changing this file: think of a look as a photograph. It proves something about the moment it was taken, and it was
taken some time between sending and landing; a waiter that registered in between may have committed after the photograph, in a
log that by then was another one.
"""

from dataclasses import dataclass

from workload.durable.evidence import Evidence, Reign


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """One answer that waits. Tickets grow in order of registration."""

    ticket: int
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """One poll under way for the waiters it took."""

    number: int
    reign: Reign
    target: int
    """Lowest position taken: the database answers as soon as this is confirmed."""
    eldest: int
    """Ticket of the waiter that has waited longest of those it took."""
    sent_before: int
    """First ticket given after this poll was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the writer's database answered: the reign it is in now, and how far some member of the ack set confirmed it."""

    reign: Reign
    is_open: bool
    confirmed: int | None
    """None: no member has confirmed anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """What a look settles."""

    released: tuple[Waiter, ...] = ()
    hopeless: tuple[Waiter, ...] = ()
    """Their reign is over or closed; no later look can release them."""


class Barrier:
    """The waiters of one process and the polls under way for them."""

    def __init__(self) -> None:
        self._next_ticket = 0
        self._next_flight = 0
        self._waiters: dict[int, Waiter] = {}
        self._covered_by: dict[int, int] = {}
        self._flights: dict[int, Flight] = {}
        self._stalled: set[Reign] = set()

    @property
    def waiting(self) -> int:
        """How many answers wait."""
        return len(self._waiters)

    def register(self, evidence: Evidence) -> Waiter:
        """Add a waiter. No poll already under way can release it."""
        waiter = Waiter(ticket=self._next_ticket, evidence=evidence)
        self._next_ticket += 1
        self._waiters[waiter.ticket] = waiter
        return waiter

    def withdraw(self, waiter: Waiter) -> None:
        """Forget a waiter that gave up."""
        self._waiters.pop(waiter.ticket, None)
        self._covered_by.pop(waiter.ticket, None)

    def wanting(self) -> tuple[str, ...]:
        """Sites whose waiters a new flight would take, those of the oldest waiter first."""
        return tuple(dict.fromkeys(waiter.evidence.reign.site for waiter in self._waiters.values() if self._may_fly(waiter)))

    def depart(self, site: str) -> Flight:
        """Take every waiter of the site's oldest waiting reign that no flight covers. Raises ValueError when there is none.

        Call at the moment of sending, not before: whoever registers after this call is not covered.
        """
        taken = [waiter for waiter in self._waiters.values() if waiter.evidence.reign.site == site and self._may_fly(waiter)]
        if not taken:
            raise ValueError(f"nobody at {site} waits for a flight")
        reign = taken[0].evidence.reign
        taken = [waiter for waiter in taken if waiter.evidence.reign == reign]
        target = min(waiter.evidence.lsn for waiter in taken)
        flight = Flight(
            number=self._next_flight, reign=reign, target=target, eldest=taken[0].ticket, sent_before=self._next_ticket
        )
        self._next_flight += 1
        self._flights[flight.number] = flight
        self._covered_by.update((waiter.ticket, flight.number) for waiter in taken)
        return flight

    def land(self, flight: Flight, look: Look | None) -> Landing:
        """Settle what this look settles and uncover the rest of what the flight took; None is a poll that got no answer."""
        self._end(flight)
        if look is None:
            return Landing()
        here = [waiter for waiter in self._waiters.values() if self._is_answered_by(flight, waiter)]
        if look.reign != flight.reign or not look.is_open:
            return Landing(hopeless=self._remove(here))
        released = self._remove(
            [waiter for waiter in here if look.confirmed is not None and waiter.evidence.lsn <= look.confirmed]
        )
        if released:
            self._stalled.discard(flight.reign)
        elif here:
            self._stalled.add(flight.reign)
        return Landing(released=released)

    def abandon(self, below: int) -> tuple[Waiter, ...]:
        """Remove the waiters of reigns older than epoch `below`: a newer writer is known, nothing will confirm them."""
        self._stalled = {reign for reign in self._stalled if reign.epoch >= below}
        return self._remove([waiter for waiter in self._waiters.values() if waiter.evidence.reign.epoch < below])

    def _is_answered_by(self, flight: Flight, waiter: Waiter) -> bool:
        return waiter.ticket < flight.sent_before and waiter.evidence.reign == flight.reign

    def _may_fly(self, waiter: Waiter) -> bool:
        if waiter.ticket in self._covered_by:
            return False
        # While nothing is being confirmed one poll asks for everybody: several would only burn the writer's processor.
        reign = waiter.evidence.reign
        return reign not in self._stalled or all(flight.reign != reign for flight in self._flights.values())

    def _end(self, flight: Flight) -> None:
        del self._flights[flight.number]
        for ticket in [ticket for ticket, number in self._covered_by.items() if number == flight.number]:
            del self._covered_by[ticket]

    def _remove(self, waiters: list[Waiter]) -> tuple[Waiter, ...]:
        for waiter in waiters:
            self.withdraw(waiter)
        return tuple(waiters)
