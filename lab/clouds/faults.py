"""What can go wrong with an emulated API, as rules that are set from outside and asked about on every request."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator


class FaultKind(StrEnum):
    """How an API fails. `delay` and `lose_answer` carry the request out; all others do not."""

    REFUSE = "refuse"
    """The connection is reset before anything is read."""
    HANG = "hang"
    """Accepted, never answered, and dropped unread when the rules change."""
    DELAY = "delay"
    """Carried out and answered after `seconds`. It adds to whatever rule comes after it."""
    THROTTLE = "throttle"
    """Turned away as too many: 400 `Throttling` as Route 53 says it, 429 as Azure and Google do."""
    THROTTLE_ABOVE = "throttle_above"
    """The same for requests above `rate` a second, as the vendors do at their published rates."""
    UNAVAILABLE = "unavailable"
    """503."""
    DENY = "deny"
    """403."""
    BUSY = "busy"
    """The vendor still works on an earlier change: 400 `PriorRequestNotComplete`, 409."""
    GARBLE = "garble"
    """500 with an HTML page, as a proxy in between answers."""
    LIE = "lie"
    """200 with an XHTML page: well-formed, and no answer to anything. Nothing is carried out."""
    NO_EFFECT = "no_effect"
    """Answered in the vendor's own words as if it had been carried out, and nothing was."""
    LOSE_ANSWER = "lose_answer"
    """Carried out; the connection is reset instead of answered."""


class Rule(BaseModel):
    """One fault: which requests, how, and for how many of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    operation: str | None = None
    """Operation name such as `ChangeResourceRecordSets`; None: every operation."""
    count: int | None = Field(default=None, ge=1)
    """How many requests it hits; None: until the rules are replaced."""
    seconds: float | None = Field(default=None, gt=0)
    """For `delay`."""
    rate: float | None = Field(default=None, ge=1)
    """For `throttle_above`: requests a second."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {FaultKind.DELAY: "seconds", FaultKind.THROTTLE_ABOVE: "rate"}.get(self.kind)
        given = {name for name in ("seconds", "rate") if getattr(self, name) is not None}
        if given != ({needed} if needed else set()):
            raise ValueError(f"{self.kind}: needs {needed or 'neither seconds nor rate'}")
        return self


RULES = TypeAdapter(list[Rule])
LONGEST_HANG = 600.0
"""Seconds, for a fault that nobody heals."""
BROKEN_PAGE = "<html>upstream error</html>"
"""What garbles an answer."""
PROXY_PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Back soon</p></body></html>'
"""The lie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What one request meets."""

    kind: FaultKind | None = None
    """Never `delay` or `throttle_above`: these are told as `delay` seconds and as `throttle`."""
    delay: float = 0.0
    """Seconds until it is carried out, or fails as `kind` says."""
    healed: threading.Event = field(default_factory=threading.Event, compare=False)
    """Set once the rules it met are replaced; whatever it waits for ends with that. Of the rules at the time it was met: asked for after a
    delay it would be that of the next ones, and a request that is delayed and then hangs would outlive its fault by minutes."""


class Faults:
    """The rules in force, shared by the server's threads or tasks."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic, self._lock = monotonic, threading.Lock()
        self._rules: list[tuple[Rule, int | None]] = []
        self._accepted: deque[float] = deque()
        self._replaced = threading.Event()

    def replace(self, rules: list[Rule]) -> None:
        """Put these rules in force, and let go of every request that hangs."""
        with self._lock:
            self._rules = [(rule, rule.count) for rule in rules]
            self._accepted.clear()
            self._replaced.set()
            self._replaced = threading.Event()

    def meet(self, operation: str) -> Met:
        """What this request meets: all delays before the first other rule that matches and is not used up."""
        delay = 0.0
        with self._lock:
            for index, (rule, left) in enumerate(self._rules):
                if left == 0 or rule.operation not in (None, operation):
                    continue
                if rule.rate is not None and self._within(rule.rate):
                    continue
                self._rules[index] = (rule, None if left is None else left - 1)
                if rule.seconds is None:
                    kind = FaultKind.THROTTLE if rule.kind is FaultKind.THROTTLE_ABOVE else rule.kind
                    return Met(kind=kind, delay=delay, healed=self._replaced)
                delay += rule.seconds
            return Met(delay=delay, healed=self._replaced)

    def _within(self, rate: float) -> bool:
        """Is one more request still within so many in the second that ends now? Those turned away do not count."""
        now = self._monotonic()
        while self._accepted and self._accepted[0] <= now - 1:
            self._accepted.popleft()
        if len(self._accepted) + 1 > rate:
            return False
        self._accepted.append(now)
        return True
