"""How often somebody may ask: a token bucket for each client, and one for all of them together. Pure: moments are passed in.

A bucket is kept as one number, the moment at which it would be full again: the generic cell rate algorithm (ITU-T I.371, virtual
scheduling), which is a token bucket without a clock of its own. A client that was never seen and one whose bucket is full again are
the same, so forgetting the latter costs nobody anything.

Rules for changing this file: whoever is forgotten starts with a full bucket, so forget first whoever is nearest to one.
"""

import heapq
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many a second in the long run, and so many at once after a rest."""

    per_second: float
    burst: float
    """At least 1: a bucket that holds less never lets anybody pass."""

    @property
    def depth(self) -> float:
        """Seconds that an empty bucket takes to be full."""
        return self.burst / self.per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What became of asking a bucket for one token."""

    full_at: float
    """Monotonic seconds at which the bucket is full again."""
    wait: float
    """Seconds until a token would be there; 0: it was taken."""


def draw(rate: Rate, full_at: float, now: float) -> Draw:
    """Take one token, or say how long to wait for it; a refusal costs nothing. All moments in monotonic seconds."""
    filled = max(full_at, now) + 1 / rate.per_second
    wait = filled - now - rate.depth
    # Sums of thirds and tenths: the last token of a burst must not be refused for a nanosecond.
    return Draw(full_at=filled, wait=0.0) if wait <= 1e-9 else Draw(full_at=full_at, wait=wait)


class Clients:
    """The buckets of at most `room` clients.

    A flood of new names cannot make it forget a heavy client: each of them has taken a token or two and is full again soon, the heavy
    one has an empty bucket and is forgotten last. With the least recently seen forgotten first, a client that has used up its rate
    would only have to invent `room` names to be given a full bucket again.
    """

    def __init__(self, rate: Rate, *, room: int) -> None:
        self._rate, self._room = rate, room
        self._full_at: dict[str, float] = {}
        self._queue: list[tuple[float, str]] = []
        """Each client once, at a moment that is at most its true one: brought up to date when it comes to the front."""

    def __len__(self) -> int:
        """Clients that are remembered."""
        return len(self._full_at)

    def draw(self, client: str, now: float) -> float:
        """Seconds that this client has to wait for its next request; 0: it may go on, and a token was taken."""
        known = self._full_at.get(client)
        drawn = draw(self._rate, now if known is None else known, now)
        if drawn.wait > 0:
            return drawn.wait
        if known is None:
            if len(self._full_at) >= self._room:
                self._forget_one()
            heapq.heappush(self._queue, (drawn.full_at, client))
        self._full_at[client] = drawn.full_at
        return 0.0

    def _forget_one(self) -> None:
        """The one whose bucket is full first: of several that are full already, the one that has been so for longest."""
        while True:
            noted, client = self._queue[0]
            if (full_at := self._full_at[client]) <= noted:
                heapq.heappop(self._queue)
                del self._full_at[client]
                return
            heapq.heapreplace(self._queue, (full_at, client))
