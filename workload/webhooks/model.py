"""The values that travel through the dispatcher; nothing here acts, waits or looks at a clock."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a merchant is to be told, and where."""

    id: UUID
    """The `webhook-id`: the same however often it is sent, and by whom."""
    account: UUID
    sequence: int
    """From 1, without gaps, in the order of the account's payments."""
    body: str
    """Exactly as it is signed and sent."""
    delivered: int
    """The account's cursor when this was read."""
    url: str
    secret: str
    """Name of the secret that signs for this endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of one attempt."""

    is_accepted: bool
    """The endpoint answered 2xx: the event is its responsibility from now on."""
    why: str
    """For a person; never holds a secret or a body."""
    is_gone: bool = False
    """The endpoint says that it wants nothing more (410)."""
    retry_after: timedelta | None = None
    """What the endpoint asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """What became of one account's events that were sent one after the other."""

    delivered: int
    failure: Reply | None
    """The reply that ended it; None: nothing went wrong."""
    slowest: timedelta
    """The longest attempt."""
