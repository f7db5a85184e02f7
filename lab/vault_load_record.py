"""What cardholders asked of the vault and what they were told, one JSON object a line, as `lab.record` keeps it for payers.

No line holds a number. What a number was is kept as an HMAC under a key that the generator makes when it starts, keeps to itself and
forgets: two digests of one run can be compared, and nothing else can be done with them.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.record import (
    Answered,
    Attempted,
    DamagedError,
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
NAMES = {kind: name for name, kind in KINDS.items()}
FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in NAMES}


def write_line(line: Line) -> bytes:
    """One line of the file."""
    kind = type(line)
    content = {"kind": NAMES[kind], **{name: getattr(line, name) for name in FIELDS[kind]}}
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def read_line(text: str) -> Line:
    """The line as a value. Raises DamagedError."""
    try:
        content = json.loads(text)
        return KINDS[content.pop("kind")](**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{error!r} in {text[:120]!r}") from error


class VaultRecord:
    """The file, open for appending. An existing one is continued, never shortened."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, line: Line) -> None:
        """Returns once the kernel has the whole line. Raises OSError (a full disk) before anything counts."""
        content = write_line(line)
        while content:
            content = content[os.write(self._file, content) :]

    def close(self) -> None:
        """Have the disk hold everything, then close."""
        os.fsync(self._file)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_vault_record(path: Path) -> Iterator[Line]:
    """Every line, in order. Raises DamagedError with the line's number.

    A last line without its end was being written and is left out: what it would have said had not been counted yet.
    """
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith("\n"):
                return
            try:
                yield read_line(text)
            except DamagedError as error:
                raise DamagedError(f"{path.name}, line {number}: {error}") from error
