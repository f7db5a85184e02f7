"""Places inside, and who gets them. Pure: moments are passed in, and whoever waits is told by a call."""

from enum import Enum, auto

from workload.limits.concurrency import ConcurrencyLimit
from workload.limits.waiting import Caller, Place, Waiting


class Ending(Enum):
    """How a request that was inside ended."""

    ANSWERED = auto()
    FAILED = auto()
    """Without an answer, for a reason of the service's own."""
    REFUSED = auto()
    """Answered that it cannot be done (4xx)."""
    NEITHER = auto()
    """Says nothing about the service: the client had gone before anything was begun, or another service was waited for in vain."""


class Door:
    """All places of one process."""

    def __init__(self, limit: ConcurrencyLimit, waiting: Waiting) -> None:
        self.limit, self.waiting = limit, waiting
        self.inside = 0

    def arrive(self, caller: Caller, now: float) -> Place:
        """Let it in, have it wait, or send it away; perhaps somebody who waits has to go for it."""
        if caller.until <= now:
            return Place.NONE
        if self.inside < self.limit.limit:
            self._let_in(caller, now)
            return Place.INSIDE
        self.limit.strain()
        gone = self.waiting.add(caller, now)
        if gone is caller:
            return Place.NONE
        if gone is not None:
            gone.tell(Place.NONE)
        return Place.QUEUE

    def leave(self, caller: Caller, now: float, ending: Ending) -> None:
        """Free the place of one who was inside, and learn from how it fared."""
        took = now - caller.entered
        if ending is Ending.ANSWERED:
            self.limit.answered(took, self.inside, now)
        elif ending is Ending.REFUSED:
            self.limit.refused(took, self.inside, now)
        elif ending is Ending.FAILED:
            self.limit.failed(took, now)
        self.inside -= 1
        self._fill(now)

    def give_up(self, caller: Caller) -> None:
        """It has waited long enough; nothing when it no longer waits."""
        if self.waiting.remove(caller):
            caller.tell(Place.NONE)

    def _let_in(self, caller: Caller, now: float) -> None:
        self.inside += 1
        caller.entered = now

    def _fill(self, now: float) -> None:
        while self.inside < self.limit.limit and (caller := self.waiting.take(now)) is not None:
            if caller.until <= now:
                # On a busy machine its own alarm rings late: served now, it would be answered to nobody.
                caller.tell(Place.NONE)
                continue
            self._let_in(caller, now)
            caller.tell(Place.INSIDE)
