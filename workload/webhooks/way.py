"""Whether this process reaches merchants at all. Pure: time is passed in.

The seat is kept by whoever reaches the database. Site A's resolver breaks, or its certificates run out, or its file of secrets lacks the
new merchants, and its way to the writer is well: it would hold the seat, fail with every merchant, and park all of them one day, beside
two dispatchers that would be well. So whoever has told nobody anything for a while, and has several merchants against it, leaves.

Two things speak against a merchant instead of the way. Silence that is old: shops that died on Monday and are tried now and then are not
joined on Tuesday by a third to make a broken way. And silence that lasted beyond a change of seats: at night three dead shops are all that
is tried, each site's dispatcher leaves because of them, and the seat would go round until somebody opens. Whoever has left because of
some merchants holds these against its way no more for a while: the others had their turn with them, and left them to it again.

Whether they did is looked at. Site A's way is broken, so all merchants are silent for it; it leaves, B tells all of them, and ten minutes
later a failover gives the seat to A. A cursor beyond the event that A could not bring says that somebody else brought it: the fault was
A's own, nobody is pardoned any more, and A leaves again. Else A would sit among merchants that are all pardoned, and tell nobody anything.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from workload.webhooks.model import Event, Trip
from workload.webhooks.settings import Manners

REMEMBERED = 3
"""A merchant's silence counts for so many times `silence` after its last attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One account's."""

    first: float
    last: float
    sequence: int | None
    """Of the event that it did not accept the last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pardon:
    """One account's silence is its own for a while."""

    until: float
    sequence: int | None
    """Of the event that it did not accept from this process."""


class Way:
    """What became of this process's attempts since anybody answered it."""

    def __init__(self, manners: Manners) -> None:
        self._silence = manners.silence.total_seconds()
        self._accounts = manners.silent_accounts
        self._pardon = manners.pardon.total_seconds()
        self._silent: dict[UUID, Silence] = {}
        self._pardoned: dict[UUID, Pardon] = {}
        """Also those that are over, until the seat is left again: what they tell of who else was heard is as true as before."""

    def travelled(self, account: UUID, trip: Trip, now: float) -> None:
        """A courier came back. Any answer, an error too, shows that the way is well."""
        if trip.delivered or (trip.failure is not None and trip.failure.is_answer):
            self._silent.clear()
            self._pardoned.pop(account, None)
        elif trip.failure is not None and trip.failure.is_silence and not self._is_pardoned(account, now):
            before = self._silent.get(account)
            first = now if before is None or self._is_old(before.last, now) else before.first
            self._silent[account] = Silence(first=first, last=now, sequence=trip.stopped_at)

    def read(self, events: Iterable[Event]) -> Collection[UUID]:
        """This was read from the outbox. When it shows that somebody else told one of those who are pardoned what this process could not,
        answers all of them: that they did not answer was this process's fault, and they are pardoned no more."""
        if not any(self._was_told(event) for event in events):
            return ()
        ours, self._pardoned = self._pardoned.keys(), {}
        return ours

    def is_lost(self, now: float) -> bool:
        """Has nobody answered for long, were several different merchants asked in that time, and one of them just now?"""
        self._silent = {one: silence for one, silence in self._silent.items() if not self._is_old(silence.last, now)}
        if len(self._silent) < self._accounts:
            return False
        first, last = min(one.first for one in self._silent.values()), max(one.last for one in self._silent.values())
        return now - first >= self._silence and now - last <= self._silence

    def leave(self, now: float) -> None:
        """The seat was left because of whoever is silent: for a while only others speak against the way."""
        self._pardoned = {one: pardon for one, pardon in self._pardoned.items() if pardon.until > now}
        for account, silence in self._silent.items():
            self._pardoned[account] = Pardon(until=now + self._pardon, sequence=silence.sequence)
        self._silent.clear()

    def _is_pardoned(self, account: UUID, now: float) -> bool:
        pardon = self._pardoned.get(account)
        return pardon is not None and pardon.until > now

    def _was_told(self, event: Event) -> bool:
        pardon = self._pardoned.get(event.account)
        return pardon is not None and pardon.sequence is not None and event.delivered >= pardon.sequence

    def _is_old(self, last: float, now: float) -> bool:
        return now - last > REMEMBERED * self._silence
