"""Signed ends of the journal: what a head says, when one is due, and which keys may sign it. Pure; signatures are made elsewhere.

Rules for changing this file: what is signed is signed for good. A field more is another version of `PURPOSE`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

PURPOSE = "trimaran journal head 1"
"""Part of what is signed, so that no signature made for something else is one of a head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What one controller says of one journal: at that moment it ended so, and every entry up to there held."""

    service: str
    sequence: int
    digest: str
    at: datetime
    controller: str
    key: str
    """Short name of the public key that its signature is proven by."""

    def signed_text(self) -> Mapping[str, object]:
        """What the signature is made over, before it is spelled."""
        return {
            "purpose": PURPOSE,
            "service": self.service,
            "sequence": self.sequence,
            "digest": self.digest,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "controller": self.controller,
            "key": self.key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A head with its signature, base64."""

    head: Head
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often a controller signs."""

    entries: int = 100
    """After so many new entries at the latest."""
    every: timedelta = timedelta(minutes=10)
    """And after so long, also without news: a head that is young says that nothing was cut off since."""


class Occasion(StrEnum):
    """Why a head is due."""

    FIRST = "first"
    PLAN = "plan"
    """A plan has ended."""
    ENTRIES = "entries"
    TIME = "time"


def occasion(last: Head | None, sequence: int, now: datetime, rhythm: Rhythm, *, plan_ended: bool) -> Occasion | None:
    """Why the end at `sequence` should be signed now; None: it need not be. `plan_ended`: one has since `last`."""
    if sequence == 0:
        return None
    if last is None:
        return Occasion.FIRST
    if plan_ended:
        return Occasion.PLAN
    if sequence - last.sequence >= rhythm.entries:
        return Occasion.ENTRIES
    # A clock that was set back by a year would else say nothing for a year.
    if abs(now - last.at) >= rhythm.every:
        return Occasion.TIME
    return None
