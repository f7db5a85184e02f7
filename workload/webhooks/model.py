"""The values that travel through the dispatcher; nothing here acts, waits or looks at a clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
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


class Kind(StrEnum):
    """How an endpoint behaved the last time. Each kind has places of its own, so that it keeps nobody waiting but those like it."""

    QUICK = "quick"
    SLOW = "slow"
    """It accepted what it was sent, and took its time."""
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the outbox is asked for."""

    failing: frozenset[UUID]
    """Accounts that failed and are tried now; no more than there are places for them."""
    busy: Collection[UUID]
    """Accounts of which nothing is to be sent now."""
    slow: Collection[UUID]
    """Accounts that have places of their own, so that they keep nobody else waiting."""
    known: Mapping[UUID, UUID]
    """Accounts of which to ask whether they are registered as before, and the registration under which each is known."""
    places: int
    slow_places: int
    beyond: int
    """Accounts beyond `places` of which one event each is read: whoever comes first may be somebody who rests and was not named."""
    most: int
    """Events of one account."""
    also: Collection[UUID] | None
    """Accounts to look for beside the failing and whoever was paid lately; None: everybody, which takes the longer the more there are."""


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
    stopped_at: int | None = None
    """Sequence of the event that was sent and not accepted."""
