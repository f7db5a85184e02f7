"""What becomes of a call, as a value: a caller that cannot be answered degrades as documented, and must see that it has to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request to another service."""

    method: str
    path: str
    content: Mapping[str, Any] | None = field(default=None, repr=False)
    """Sent as JSON. It may hold what nobody may see in a log."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    within: timedelta
    """At most, all attempts together; less when the request that it is made for has less left."""
    idempotent: bool
    """May it be asked twice, with the effect of once? Only then is it asked again after it may have arrived."""
    elsewhere: bool = False
    """May another site's instance answer? Not what must stay where it is, and not what only the own site knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The service answered, with any status below 500."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """By lower-case names."""
    site: str
    """Whose instance it was."""

    def document(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)


class Reason(StrEnum):
    """Why there is no answer."""

    FULL = "full"
    """So many calls to this service are under way that one more would wait."""
    OPEN = "open"
    """It has not answered others lately; it is asked again in a moment."""
    OVER = "over"
    """The time was over before it was asked."""
    UNREACHABLE = "unreachable"
    """No connection, or somebody else behind the address. Nothing was sent."""
    SILENT = "silent"
    """Asked, and no answer in time or at all."""
    TROUBLED = "troubled"
    """It answered that it cannot: 5xx."""


NOTHING_HAPPENED = frozenset({Reason.FULL, Reason.OPEN, Reason.OVER, Reason.UNREACHABLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """No answer to build on."""

    reason: Reason
    """Of the last attempt."""
    detail: str
    """In words for a person; nothing of what was sent or answered."""
    reached: bool = False
    """May any attempt have arrived? Then what was asked may have been done."""


Outcome = Answered | Unavailable
