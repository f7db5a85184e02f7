"""The record of whoever is told: what reached them, in order of arrival, one JSON object a line, handed to the kernel before the answer.

Times `t` are the monotonic clock's seconds.

Rules for changing this file: append only, a line's meaning never changes, a reader knows every kind or refuses the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.lines import Appended, Lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A message that was verified and taken; empty where a channel does not carry it apart."""

    channel: str
    id: str
    action: str
    incident: str
    severity: str
    title: str
    why: str
    command: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Something that is not signed, not rightly signed, or no event."""

    channel: str
    why: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A ping."""

    method: str
    t: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Nobody was heard for the grace: a person is called."""

    silent_s: float
    t: float


Line = Told | Rejected | Heard | Alarm
KINDS: dict[str, type[Line]] = {"told": Told, "rejected": Rejected, "heard": Heard, "alarm": Alarm}
LINES: Lines[Line] = Lines(KINDS)


class OncallRecord(Appended[Line]):
    """Open for appending."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LINES)


def read_oncall_record(path: Path) -> Iterator[Line]:
    """Every line, in order of arrival; none when there is no file. Raises DamagedError with the line's number."""
    return LINES.read_file(path) if path.exists() else iter(())
