"""What people are told, as values: one message for one journal entry, and the incident that it belongs to.

Rules for changing this file: a message can be made of the journal alone, so that whoever takes over from a controller that died in the
middle makes the very same one, under the same id; and it holds no secret, because journals and receivers keep it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How urgent it is, in PagerDuty's words."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


RANK = {severity: place for place, severity in enumerate(Severity)}
"""0 is the most urgent."""


def worse(one: Severity, other: Severity) -> Severity:
    """The more urgent one."""
    return min(one, other, key=RANK.__getitem__)


class Action(StrEnum):
    """What a message does to the incident of its service."""

    OPEN = "open"
    UPDATE = "update"
    RESOLVE = "resolve"
    NOTE = "note"
    """There is no incident that it belongs to."""


DRILL = "[DRILL]"
"""How everything begins that is told of a drill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What changed, since when, why, what follows by itself, and what a person can do now."""

    id: str
    """Of the entry it was made of: told twice, it has the same."""
    service: str
    action: Action
    incident: str
    """By which receivers know all messages of one incident; of a note its own id."""
    severity: Severity
    """Of the message; of the end of an incident the worst that it came to."""
    title: str
    at: datetime
    """When it was journaled."""
    since: datetime
    """Since when it has been so; of a message of an incident, since when that has been open."""
    why: str
    then: str
    """What follows without anybody."""
    command: str
    """What a person can type now."""
    drill: bool
    entry: int
    """Number of the journal's entry."""

    @property
    def headline(self) -> str:
        """The title as it is shown."""
        return f"{DRILL} {self.service}: {self.title}" if self.drill else f"{self.service}: {self.title}"


def wanted(message: Message, severities: frozenset[Severity], services: frozenset[str]) -> bool:
    """Is this message for somebody who wants these severities of these services? An empty set of services is all of them."""
    return message.severity in severities and (not services or message.service in services)
