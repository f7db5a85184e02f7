"""Whether this process reaches merchants at all. Pure: time is passed in.

The seat is kept by whoever reaches the database. Site A's resolver breaks, or its certificates run out, or its file of secrets lacks the
new merchants, and its way to the writer is well: it would hold the seat, fail with every merchant, and park all of them one day, beside
two dispatchers that would be well. So whoever has told nobody anything for a while, and has several merchants against it, leaves.
"""

from uuid import UUID

from workload.webhooks.model import Trip
from workload.webhooks.settings import Manners


class Way:
    """What became of this process's attempts since anybody answered it."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._silent: set[UUID] = set()
        self._since: float | None = None

    def travelled(self, account: UUID, trip: Trip, now: float) -> None:
        """A courier came back. Any answer, an error too, shows that the way is well."""
        if trip.delivered or (trip.failure is not None and trip.failure.is_answer):
            self.begin_anew()
        elif trip.failure is not None and trip.failure.is_silence:
            self._since = now if self._since is None else self._since
            self._silent.add(account)

    def is_lost(self, now: float) -> bool:
        """Has nobody answered for long, and were several different merchants asked?"""
        lasts = self._since is not None and now - self._since >= self._manners.silence.total_seconds()
        return lasts and len(self._silent) >= self._manners.silent_accounts

    def begin_anew(self) -> None:
        """Hold nothing against the way."""
        self._silent.clear()
        self._since = None
