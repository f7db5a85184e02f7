"""What an answer rests on, as values."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """One writer's time in office on one unbroken log: what a confirmation must still belong to when it arrives."""

    site: str
    epoch: int
    system_identifier: int
    timeline: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an answer rests on: nobody may see the answer before `reign`'s barrier has passed `lsn`."""

    reign: Reign
    lsn: int
    row: UUID | None = None
    """The one row that was written and that it rests on; None when it rests on more, such as a balance."""
    ack_slots: frozenset[str] = frozenset()
    """Slots whose confirmation counted on the writer when that was read: after the commit, on the same session."""


def parse_lsn(text: str) -> int:
    """`16/B374D848` as a number of bytes. Raises ValueError for anything else."""
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(lsn: int) -> str:
    """The form PostgreSQL reads."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
