"""The values that travel through the dispatcher; nothing here acts, waits or looks at a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

Place = tuple[int, int]
"""An event's among those of its account: epoch, then sequence. A sequence alone may come twice, after a failover that waived a member."""
NOWHERE: Place = (0, 0)
"""Before every event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that a merchant is to be told, and where."""

    id: UUID
    """The `webhook-id`: the same however often it is sent, and by whom."""
    account: UUID
    epoch: int
    """Reign that made the payment."""
    sequence: int
    """From 1, without gaps, in the order of the account's payments."""
    body: str
    """Exactly as it is signed and sent."""
    delivered: int
    """The account's cursor when this was read."""
    url: str
    secret: str
    """Name of the secret that signs for this endpoint."""
    registration: UUID
    """Which order said where the account's events go."""

    @property
    def place(self) -> Place:
        """Grows with every event of the account, whatever becomes of writers."""
        return self.epoch, self.sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be sent next."""

    events: Sequence[Event]
    """In order of account and sequence."""
    outdated: frozenset[UUID]
    """Accounts whose endpoint is another one than it was known to be, or takes nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What became of one look for events that are no longer needed."""

    events: int
    """How many were deleted."""
    until: UUID | None
    """The last that was looked at; None: there is nothing more that is old enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of one attempt."""

    is_accepted: bool
    """The endpoint answered 2xx: the event is its responsibility from now on."""
    why: str
    """For a person; never holds a secret or a body."""
    is_gone: bool = False
    """The endpoint says that it wants nothing more (410)."""
    is_answer: bool = False
    """The endpoint said something, if only an error."""
    is_silence: bool = False
    """Nothing came back, or nothing could be sent, and as far as this process knows the fault may be its own."""
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
