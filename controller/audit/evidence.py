"""Everything that can be known about one journal, in one value: the journal, the sites' copies, signed heads, anchored heads, and keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.audit.keys import Ring
from controller.coordination.chain import End
from controller.core.heads import Rhythm, SignedHead
from controller.core.model import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One branch of one site's copy."""

    site: str
    branch: int
    entries: Sequence[JournalEntry]
    """Those that are the journal's own are the very same objects."""

    @property
    def name(self) -> str:
        """For reports."""
        return f"{self.site}'s copy" if self.branch == 1 else f"{self.site}'s copy, branch {self.branch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A head, and where it was found."""

    signed: SignedHead
    places: tuple[str, ...]
    """`etcd`, a site for its node, or `anchor`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What an anchor answered for a head."""

    anchor: str
    head: SignedHead
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is to judge. Nothing in it is believed for where it comes from."""

    service: str
    at: datetime
    """When it was gathered."""
    journal: Sequence[JournalEntry]
    copies: Sequence[Copy] = ()
    heads: Sequence[Seen] = ()
    ring: Ring = field(default_factory=Ring)
    rhythm: Rhythm | None = None
    """How often controllers say that they sign; None: nobody says so."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Who could not be asked, and why."""
    unreadable: Sequence[str] = ()
    """What was found and cannot be read, each as a sentence that says where."""
    disputed: Sequence[str] = ()
    """What controllers say differently of keys, each as a sentence."""


class Wrong(StrEnum):
    """What is wrong."""

    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    """Somebody saw entries behind the journal's end."""
    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    REWRITTEN = "rewritten"
    """Every link holds, and somebody signed another entry."""
    FORKED = "forked"
    """There are two entries of one number."""
    UNKNOWN_KEY = "unknown key"
    ANOTHERS_KEY = "another's key"
    RETIRED_KEY = "retired key"
    NO_SIGNATURE = "no signature of it"
    BACKDATED = "backdated"
    """Signed with a retired key and, by its own word, before the entry was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    sequence: int
    """Of the first entry that it is about."""
    wrong: Wrong
    place: str
    detail: str

    def __str__(self) -> str:
        return f"entry {self.sequence} ({self.wrong}) in {self.place}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How far one controller has signed."""

    controller: str
    sequence: int
    at: datetime
    heads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came out."""

    findings: tuple[Finding, ...]
    """What is wrong, in the order of entries; empty when nothing is."""
    end: End
    stands: tuple[Stand, ...]
    """By controller; those whose heads prove nothing are absent."""
    weak: tuple[str, ...]
    """What would have to be there for the proof to be whole, and is not; each as a sentence."""
