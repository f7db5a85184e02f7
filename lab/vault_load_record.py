"""What cardholders asked of the vault and what they were told, one JSON object a line, as `lab.record` keeps it for payers.

No line holds a number. What a number was is kept as an HMAC under a key that the generator makes when it starts, keeps to itself and
forgets: two digests of one run can be compared, and nothing else can be done with them.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

from dataclasses import dataclass
from pathlib import Path

from lab.lines import Appended, Lines
from lab.record import (
    Answered,
    Attempted,
    Declined,
    Defect,
    Enrolled,
    Failed,
    Unanswered,
    Unresolved,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWanted:
    """A cardholder wants this number kept; from now on it is attempted until it is answered or the run is over."""

    key: str
    """Idempotency key."""
    device: int
    name: str
    """DNS name that the device asks through."""
    caller: str
    """Who the vault is told that asks: the client that the device's token names."""
    subject: str
    digest: str
    """Of the number."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenized:
    """The client was told the token. From now on it must exist, exactly once, until its subject is erased."""

    key: str
    attempt: int
    token: str
    epoch: int
    """Reign that admitted it, as the service names it."""
    site: str
    status: int
    latency: float
    """Seconds of this attempt, resolution included."""
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealWanted:
    """Somebody wants the number behind a token that was told before."""

    key: str
    """Name of the wish; the vault never sees it."""
    device: int
    name: str
    caller: str
    subject: str
    token: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """The client was told the number. That it was, by whom and why must be on record for as long as the trail is kept."""

    key: str
    attempt: int
    digest: str
    """Of the number that was told."""
    reason: str
    """Given with this attempt and with no other, so that each has a row of its own."""
    site: str
    status: int
    latency: float
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureWanted:
    """A subject wants to be forgotten."""

    key: str
    """Name of the wish; the vault never sees it."""
    device: int
    name: str
    caller: str
    by: str
    reason: str
    subject: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The client was told the proof. From now on nothing of the subject may ever be opened."""

    key: str
    attempt: int
    proof: str
    epoch: int
    site: str
    status: int
    latency: float
    t: float


Wanted = TokenWanted | RevealWanted | ErasureWanted
Told = Tokenized | Revealed | Erased
Line = Wanted | Told | Attempted | Failed | Declined | Unresolved | Enrolled | Answered | Unanswered | Defect
KINDS: dict[str, type[Line]] = {
    "token-wanted": TokenWanted,
    "tokenized": Tokenized,
    "reveal-wanted": RevealWanted,
    "revealed": Revealed,
    "erasure-wanted": ErasureWanted,
    "erased": Erased,
    "attempted": Attempted,
    "failed": Failed,
    "declined": Declined,
    "unresolved": Unresolved,
    "enrolled": Enrolled,
    "answered": Answered,
    "unanswered": Unanswered,
    "defect": Defect,
}
LINES: Lines[Line] = Lines(KINDS)
write_line, read_line, read_vault_record = LINES.write, LINES.read, LINES.read_file


class VaultRecord(Appended[Line]):
    """The cardholders' own, open for appending."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LINES)
