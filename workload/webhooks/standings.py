"""How every endpoint has behaved that did not simply answer, as long as it is registered as it was then. Pure: time and chance are
passed in.

They are this process's own, and no other's: whoever takes the seat begins with everybody in good standing.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from workload.webhooks.model import Trip
from workload.webhooks.settings import Manners
from workload.webhooks.standing import GOOD, Standing, show

MOST_SHOWN = 50


class Standings:
    """By account."""

    def __init__(self, manners: Manners) -> None:
        self._manners = manners
        self._of: dict[UUID, Standing] = {}
        self._registrations: dict[UUID, UUID] = {}

    def of(self, account: UUID) -> Standing:
        """How it stands."""
        return self._of.get(account, GOOD)

    @property
    def known(self) -> Mapping[UUID, UUID]:
        """Under which registration each of them behaved so; a copy."""
        return dict(self._registrations)

    def resting(self, now: float) -> set[UUID]:
        """Who is not to be tried now."""
        return {account for account, standing in self._of.items() if standing.rests_until > now}

    def slow(self) -> set[UUID]:
        """Who competes for the places of the slow."""
        return {account for account, standing in self._of.items() if not standing.is_good}

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
        if after != GOOD:
            self._of[account], self._registrations[account] = after, registration
        is_new = after.is_parked(now, self._manners) and not before.is_parked(now, self._manners)
        return after if is_new else None

    def forget(self, accounts: Collection[UUID]) -> None:
        """They are registered anew, or not at all: what was held against them was held against another place."""
        for account in accounts:
            self._of.pop(account, None)
            self._registrations.pop(account, None)
