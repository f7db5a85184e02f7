"""How an endpoint has behaved, and when it is tried again. Pure: time and chance are passed in.

An endpoint that fails rests, longer each time. One that has failed for long enough is *parked*: tried rarely, and shown to people. It
loses nothing meanwhile, because events wait in the outbox until they are delivered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from workload.webhooks.model import Kind, Reply, Trip
from workload.webhooks.settings import Manners


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One endpoint's behaviour. Times are seconds of a monotonic clock."""

    failures: int = 0
    """In a row."""
    failing_since: float | None = None
    rests_until: float = 0.0
    is_slow: bool = False
    is_gone: bool = False
    why: str = ""
    tried_at: float = 0.0
    """When the last courier came back; of whoever is not quick only."""

    @property
    def kind(self) -> Kind:
        """Whose places does it use?"""
        if self.failures:
            return Kind.FAILING
        return Kind.SLOW if self.is_slow else Kind.QUICK

    def is_parked(self, now: float, manners: Manners) -> bool:
        """Has it failed for so long, or so clearly, that it is tried rarely and shown?"""
        lasts = self.failing_since is not None and now - self.failing_since >= manners.parked_after.total_seconds()
        return self.is_gone or lasts

    def after(self, trip: Trip, now: float, manners: Manners, chance: float) -> "Standing":
        """The standing after a trip. `chance` is uniform in [0, 1): the share of the pause that is left to it is a half.

        Without it: a merchant's load balancer falls over and everything that waits for it comes back in the same instant.
        """
        if trip.failure is None and not trip.delivered:
            return self  # it was not asked anything
        is_slow = trip.slowest >= manners.slow_after
        if trip.failure is None:
            return Standing(is_slow=True, tried_at=now) if is_slow else GOOD
        if trip.delivered:
            # It answered a moment ago: this is its first failure, whatever was before.
            return GOOD._failed(trip.failure, now, manners, chance)
        return self._failed(trip.failure, now, manners, chance)

    def _failed(self, failure: Reply, now: float, manners: Manners, chance: float) -> "Standing":
        since = now if self.failing_since is None else self.failing_since
        failed = Standing(failures=self.failures + 1, failing_since=since, is_gone=failure.is_gone, why=failure.why, tried_at=now)
        pause = manners.pause(failed.failures, is_parked=failed.is_parked(now, manners)) * (0.5 + chance / 2)
        if failure.retry_after is not None:
            pause = max(pause, min(failure.retry_after, manners.longest_pause))
        return replace(failed, rests_until=now + pause.total_seconds())


def show(standing: Standing, now: float, manners: Manners) -> Mapping[str, object]:
    """A failing endpoint, for people."""
    return {
        "failures": standing.failures,
        "failing_seconds": 0 if standing.failing_since is None else round(now - standing.failing_since, 1),
        "tried_again_in_seconds": max(0.0, round(standing.rests_until - now, 1)),
        "parked": standing.is_parked(now, manners),
        "why": standing.why,
    }


GOOD = Standing()
"""Whoever is not known to have failed."""
