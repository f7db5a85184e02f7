"""The merchants' own record: what reached them, in order of arrival, one JSON object a line.

A line is handed to the kernel before the merchant answers, as `lab.record` does it for payers: what a merchant answered 2xx to is in
here. Times `t` are the monotonic clock's seconds.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.lines import Appended, Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A merchant verified an event and took it."""

    account: str
    id: str
    """The webhook-id."""
    sequence: int
    payment: str
    body: str
    """SHA-256 of the body as it arrived, in hexadecimal."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something came that is not signed, not rightly signed, too old, or not for this merchant: none of it counts."""

    account: str
    why: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedAway:
    """A fault kept the merchant from taking an attempt. Nothing is known of it but that it came."""

    account: str
    why: str
    t: float


Line = Accepted | Rejected | TurnedAway
KINDS: dict[str, type[Line]] = {"accepted": Accepted, "rejected": Rejected, "turned-away": TurnedAway}
LINES: Lines[Line] = Lines(KINDS)


class ReceiverRecord(Appended[Line]):
    """The merchants' own, open for appending."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LINES)


def read_receiver_record(path: Path) -> Iterator[Line]:
    """Every line, in order of arrival; none when there is no file. Raises DamagedError with the line's number."""
    return LINES.read_file(path) if path.exists() else iter(())
