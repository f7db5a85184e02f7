"""The merchants' own record: what reached them, in order of arrival, one JSON object a line.

A line is handed to the kernel before the merchant answers, as `lab.record` does it for payers: what a merchant answered 2xx to is in
here. Times `t` are the monotonic clock's seconds.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.record import DamagedError


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
NAMES = {kind: name for name, kind in KINDS.items()}


def write_line(line: Line) -> bytes:
    """One line of the file."""
    return json.dumps({"kind": NAMES[type(line)], **asdict(line)}, separators=(",", ":")).encode() + b"\n"


def read_line(text: str) -> Line:
    """The line as a value. Raises DamagedError."""
    try:
        content = json.loads(text)
        return KINDS[content.pop("kind")](**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{error!r} in {text[:120]!r}") from error


class ReceiverRecord:
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


def read_receiver_record(path: Path) -> Iterator[Line]:
    """Every line, in order of arrival; none when there is no file. Raises DamagedError with the line's number.

    A last line without its end was being written and is left out: nobody was answered yet.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith("\n"):
                return
            try:
                yield read_line(text)
            except DamagedError as error:
                raise DamagedError(f"{path.name}, line {number}: {error}") from error
