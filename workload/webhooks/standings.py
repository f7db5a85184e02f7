"""How every endpoint has behaved that did not simply answer, as long as it is registered as it was then. Pure: time and chance are
passed in.

They are this process's own, and no other's: whoever takes the seat begins with everybody in good standing.
"""

from collections.abc import Collection, Mapping
from heapq import nsmallest
from itertools import islice
from uuid import UUID

from workload.webhooks.model import Kind, Trip
from workload.webhooks.settings import Manners
from workload.webhooks.standing import GOOD, Standing, show

MOST_SHOWN = 50


class Standings:
    """By account."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._of: dict[UUID, Standing] = {}
        """Whoever was tried last comes last."""
        self._met: set[UUID] = set()
        self._registrations: dict[UUID, UUID] = {}
        self._unasked: list[UUID] = []

    def of(self, account: UUID) -> Standing:
        """How it stands."""
        return self._of.get(account, GOOD)

    def known(self, most: int) -> Mapping[UUID, UUID]:
        """Under which registration each of them behaved so: of as many as are to be asked about now, the next ones each time."""
        if not self._unasked:
            self._unasked = list(self._registrations)
        asked, self._unasked = self._unasked[:most], self._unasked[most:]
        return {account: self._registrations[account] for account in asked if account in self._registrations}

    def to_try(self, now: float, running: Collection[UUID], places: int) -> frozenset[UUID]:
        """Who failed and may be tried again: as many as there are places, whoever was tried longest ago first."""
        ready = [
            (standing.tried_at, account)
            for account, standing in self._of.items()
            if standing.failures and standing.rests_until <= now and account not in running
        ]
        return frozenset(account for _, account in nsmallest(places, ready))

    def failed(self, most: int | None) -> set[UUID]:
        """Whose last attempt failed; of very many, those that were tried last and those that were met."""
        return self._named(Kind.FAILING, most)

    def slow(self, most: int | None) -> set[UUID]:
        """Who competes for the places of the slow; of very many, those that were tried last and those that were met."""
        return self._named(Kind.SLOW, most)

    def _named(self, kind: Kind, most: int | None) -> set[UUID]:
        last = set(islice((account for account in reversed(self._of) if self._of[account].kind is kind), most))
        return last | {account for account in self._met if self._of[account].kind is kind}

    def parked(self, now: float) -> int:
        """How many have failed for so long that they are tried rarely."""
        return sum(standing.is_parked(now, self._manners) for standing in self._of.values())

    def failing(self, now: float) -> Mapping[str, object]:
        """Accounts whose last attempt failed, those that failed first first, and not all of very many."""
        failing = [(account, standing) for account, standing in self._of.items() if standing.failures]
        failing.sort(key=lambda one: one[1].failing_since or 0.0)
        return {str(account): show(standing, now, self._manners) for account, standing in failing[:MOST_SHOWN]}

    def travelled(self, account: UUID, registration: UUID, trip: Trip, now: float, chance: float) -> Standing | None:
        """A courier came back. Answers the standing when the endpoint was parked by it."""
        before = self.of(account)
        after = before.after(trip, now, self._manners, chance)
        self.forget((account,))
        if after.kind is not Kind.QUICK:
            self._of[account], self._registrations[account] = after, registration
        is_new = after.is_parked(now, self._manners) and not before.is_parked(now, self._manners)
        return after if is_new else None

    def meet(self, account: UUID) -> None:
        """It came in the way of others because it was not named: from now on it is, until it is tried again. Beside those that were tried
        last and not instead of one: that one would come in the way next, and nobody else would ever be found."""
        if account in self._of:
            self._met.add(account)

    def age(self, now: float) -> None:
        """Forget who was slow so long ago that a failing one would have been tried again since."""
        longest = self._manners.longest_pause.total_seconds()
        self.forget([one for one, standing in self._of.items() if not standing.failures and now - standing.tried_at > longest])

    def forget(self, accounts: Collection[UUID]) -> None:
        """They are registered anew, or not at all, or have nothing more to be told: what was held against them counts no longer."""
        for account in accounts:
            self._of.pop(account, None)
            self._met.discard(account)
            self._registrations.pop(account, None)
