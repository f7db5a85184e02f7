"""Statements by which clients prove to the issuer who they are: each is used once (RFC 7523 section 3).

Bounded in number and age, and never at the cost of its promise: when it cannot tell whether a statement was used, it says no. It forgets
everything when it ends, so what was signed before it began was perhaps used before.
"""

import heapq
from datetime import timedelta


class NotTaken(Exception):
    """The statement proves nothing; the message says why, and nothing of what was shown."""


class SingleUse:
    """Remembers the ids of statements until they end."""

    def __init__(self, *, most: int, longest: timedelta, since: float) -> None:
        """`since`: Unix seconds from which on everything that is used is remembered."""
        self._most = most
        self._longest = longest.total_seconds()
        self._since = since
        self._used: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._used)

    def take(self, id: str, *, issued_at: float, ends_at: float, now: float) -> None:
        """Use this statement up; times in Unix seconds. Raises NotTaken unless this is certainly its first use."""
        self._forget(now)
        if ends_at <= now:
            raise NotTaken("the statement is over")
        if issued_at <= self._since:
            raise NotTaken(
                "the statement was signed before this issuer began, which cannot tell whether it was used; sign another one"
            )
        if issued_at > now:
            # Used today and signed for tomorrow, it would be new to an issuer that begins in between.
            raise NotTaken("the statement was signed in the future")
        if id in self._used:
            raise NotTaken("the statement was used before")
        if ends_at - now > self._longest:
            raise NotTaken(f"a statement used once may end at most {self._longest:g} s ahead")
        if len(self._used) >= self._most:
            # The oldest would have to be forgotten, and could then be used a second time.
            raise NotTaken(f"{self._most} statements are remembered and no more can be; try again in a second")
        self._used.add(id)
        heapq.heappush(self._ends, (ends_at, id))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            self._used.discard(heapq.heappop(self._ends)[1])
