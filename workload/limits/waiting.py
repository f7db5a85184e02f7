"""Who waits for a place, and who gets the next one. Pure: moments are passed in.

Short, because a queue serves only to keep places from standing empty. Normally the one who came first is next. When the queue has not
been empty for a while, the one who came last is: with everybody served in turn, everybody would have waited until just before giving
up, and the service would be busy with requests whose clients are gone ("adaptive LIFO": Maurer, "Fail at Scale", ACM Queue 13/8, 2015).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from workload.limits.rank import Rank


class Place(Enum):
    """What a caller finds."""

    INSIDE = auto()
    QUEUE = auto()
    """It will be told."""
    NONE = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Caller:
    """One request at the door."""

    rank: Rank
    until: float
    """Monotonic seconds after which serving it would be in vain: its client has given up, or would have before the end."""
    tell: Callable[[Place], None] = lambda _: None
    """Called once when a wait ends: it is inside, or there is none for it."""
    entered: float = 0.0


class Waiting:
    """At most `room` callers."""

    def __init__(self, *, room: int, calm: float) -> None:
        """`calm`: seconds for which a queue may stand before the last to come is served first."""
        self._room, self._calm = room, calm
        self._ranks: dict[Rank, deque[Caller]] = {rank: deque() for rank in Rank}
        self._length = 0
        self._stands_since: float | None = None

    def __len__(self) -> int:
        """Callers that wait."""
        return self._length

    def overloaded(self, now: float) -> bool:
        """Has somebody been waiting all the time for longer than a passing crowd explains?"""
        return self._stands_since is not None and now - self._stands_since > self._calm

    def add(self, caller: Caller, now: float) -> Caller | None:
        """Who has to go for this one: nobody while there is room, else the oldest of the lowest rank, or the caller itself."""
        if self._room < 1:
            return caller
        gone = None
        if self._length >= self._room:
            worst = max(rank for rank, line in self._ranks.items() if line)
            if caller.rank > worst:
                return caller
            gone = self._ranks[worst].popleft()
            self._length -= 1
        if self._stands_since is None:
            self._stands_since = now
        self._ranks[caller.rank].append(caller)
        self._length += 1
        return gone

    def take(self, now: float) -> Caller | None:
        """The next one, who may be too late; None: nobody waits."""
        newest = self.overloaded(now)
        for line in self._ranks.values():
            if line:
                caller = line.pop() if newest else line.popleft()
                self._shrink()
                return caller
        return None

    def remove(self, caller: Caller) -> bool:
        """Was it waiting? It no longer is."""
        try:
            self._ranks[caller.rank].remove(caller)
        except ValueError:
            return False
        self._shrink()
        return True

    def _shrink(self) -> None:
        self._length -= 1
        if not self._length:
            self._stands_since = None
