"""What can go wrong with an emulated API, as rules that are set from outside and asked about on every request."""

import threading
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class FaultKind(StrEnum):
    """How an API fails. `lose_answer` carries the request out; all others do not."""

    REFUSE = "refuse"
    """The connection is reset before anything is read."""
    HANG = "hang"
    """Accepted, never answered, and dropped unread when the rules change."""
    THROTTLE = "throttle"
    """400 `Throttling`, as Route 53 answers above its rate."""
    UNAVAILABLE = "unavailable"
    """503 `ServiceUnavailable`."""
    DENY = "deny"
    """403 `AccessDenied`."""
    BUSY = "busy"
    """400 `PriorRequestNotComplete`: the zone still works on an earlier change."""
    GARBLE = "garble"
    """500 with an HTML page, as a proxy in between answers."""
    LIE = "lie"
    """200 with an XHTML page: well-formed, and no answer to anything. Nothing is carried out."""
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


class Faults:
    """The rules in force, shared by the server's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[Rule, int | None]] = []
        self._replaced = threading.Event()

    def replace(self, rules: list[Rule]) -> None:
        """Put these rules in force, and let go of every request that hangs."""
        with self._lock:
            self._rules = [(rule, rule.count) for rule in rules]
            self._replaced.set()
            self._replaced = threading.Event()

    def hit(self, operation: str) -> FaultKind | None:
        """Which fault this request meets; the first rule that matches and is not used up."""
        with self._lock:
            for index, (rule, left) in enumerate(self._rules):
                if left != 0 and rule.operation in (None, operation):
                    self._rules[index] = (rule, None if left is None else left - 1)
                    return rule.kind
        return None

    def wait_until_replaced(self, seconds: float) -> None:
        """Hang, for at most `seconds`."""
        with self._lock:
            replaced = self._replaced
        replaced.wait(seconds)
