"""The client's own record: what it asked for and what it was told, one JSON object a line.

A line is handed to the kernel (O_APPEND, one write, no buffer of ours) before the client acts on it. So a load generator that is
killed has counted no payment as acknowledged that its record does not hold. Times `t` are the monotonic clock's seconds, which
all processes of one machine share; nothing here reads a wall clock.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lab.lines import Appended, Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A payer wants this payment; from now on it is attempted until it is answered or the run is over."""

    key: str
    """Idempotency key, the payment's name on the client's side."""
    device: int
    name: str
    """DNS name that the device pays through."""
    debtor: str
    creditor: str
    amount: int
    currency: str
    source: str | None = None
    """Token of the vault that the money comes from."""
    subject: str | None = None
    """Whose token that is."""
    planted: bool = False
    """Is it one that screening must have held?"""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """A request is about to be sent. From now on the payment may exist."""

    key: str
    attempt: int
    site: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The client was told that the payment is made. From now on it must exist, exactly once, for ever."""

    key: str
    attempt: int
    payment: str
    epoch: int
    """Reign that admitted the payment, as the service names it."""
    site: str
    status: int
    latency: float
    """Seconds of this attempt, resolution included."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The client was told that a person looks at the payment before it is made. From now on it must be known under this id, for ever."""

    key: str
    attempt: int
    payment: str
    epoch: int
    """Reign that held it."""
    site: str
    latency: float
    """As of an acknowledgement."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """An attempt ended without an answer that settles it: nothing is known about the payment, and the key is tried again."""

    key: str
    attempt: int
    site: str | None
    """None: no address was found."""
    why: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The service refused for good (a 4xx that no retry changes)."""

    key: str
    attempt: int
    site: str
    status: int
    why: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """The run was over before anything settled the payment: it may exist or not, and nobody was told."""

    key: str
    t: float


class Habit(StrEnum):
    """What a device does with the TTL of an answer."""

    HONEST = "honest"
    IGNORES_TTL = "ignores-ttl"
    """Keeps the first address for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A device takes part in the run; said once, before anything else of it. One that was never enrolled is honest."""

    device: int
    name: str
    habit: str
    """A Habit."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An authority told a device where to pay."""

    device: int
    name: str
    authority: str
    address: str | None
    """The one that is used; None: the authority says that there is none."""
    ttl: float
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A query that an authority did not answer in time, or not with anything that could be used."""

    device: int
    name: str
    authority: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetWanted:
    """An officer wants payments to forget a subject whose money came from a token; asked for until it is answered or the run is over."""

    key: str
    """Name of the wish; the service never sees it."""
    subject: str
    caller: str
    reason: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The officer was told the proof. From now on no payment may come from the subject's tokens."""

    key: str
    proof: str
    epoch: int
    site: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewWanted:
    """A reviewer wants this held payment to be made."""

    key: str
    """Idempotency key of the payment."""
    payment: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The reviewer was told that the word counts. From now on the payment must exist, for ever."""

    key: str
    payment: str
    epoch: int
    """Reign that took the word."""
    site: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfulfilled:
    """The run was over, or the wish was refused for good, before an officer or a reviewer was told what they wanted."""

    key: str
    why: str
    """What the last attempt came to."""
    t: float


Errand = ForgetWanted | Forgotten | ReviewWanted | Approved | Unfulfilled
"""Of the staff: wishes that are about payments and are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """The load generator did not do what it promises, so the run proves less than it says."""

    what: str
    t: float


Payment = Offered | Attempted | Acknowledged | Held | Failed | Declined | Unresolved
Line = Payment | Errand | Enrolled | Answered | Unanswered | Defect
KINDS: dict[str, type[Line]] = {
    "offered": Offered,
    "attempted": Attempted,
    "acknowledged": Acknowledged,
    "held": Held,
    "failed": Failed,
    "declined": Declined,
    "unresolved": Unresolved,
    "enrolled": Enrolled,
    "answered": Answered,
    "unanswered": Unanswered,
    "forget-wanted": ForgetWanted,
    "forgotten": Forgotten,
    "review-wanted": ReviewWanted,
    "approved": Approved,
    "unfulfilled": Unfulfilled,
    "defect": Defect,
}
LINES: Lines[Line] = Lines(KINDS)
write_line, read_line, read_record = LINES.write, LINES.read, LINES.read_file


class Record(Appended[Line]):
    """The clients' own, open for appending."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LINES)
