"""Statements that may be used once, such as the assertion by which a client proves to an issuer who it is (RFC 7523 section 3).

Bounded in number and age, and never at the cost of its promise: when it cannot tell whether a statement was used, it says no.
"""

import heapq
from datetime import timedelta

from workload.access.refusal import AccessRefused, Kind


class SingleUse:
    """Remembers the ids of statements until they end."""

    def __init__(self, *, most: int, longest: timedelta) -> None:
        self._most = most
        self._longest = longest.total_seconds()
        self._used: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._used)

    def take(self, id: str, *, ends_at: float, now: float) -> None:
        """Use this statement up; times in Unix seconds. Raises AccessRefused unless this is certainly its first use."""
        self._forget(now)
        if ends_at <= now:
            raise AccessRefused(Kind.EXPIRED, "the statement is over")
        if id in self._used:
            raise AccessRefused(Kind.REPLAYED, "the statement was used before")
        if ends_at - now > self._longest:
            raise AccessRefused(Kind.REPLAYED, f"a statement used once may end at most {self._longest:g} s ahead")
        if len(self._used) >= self._most:
            # The oldest would have to be forgotten, and could then be used a second time.
            raise AccessRefused(
                Kind.REPLAYED, f"{self._most} statements are remembered and no more can be; try again in a second"
            )
        self._used.add(id)
        heapq.heappush(self._ends, (ends_at, id))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._used.discard(heapq.heappop(self._ends)[1])
