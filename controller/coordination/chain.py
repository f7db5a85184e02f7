"""The journal as a hash chain: whoever changes, removes, reorders or inserts an entry breaks a link that anybody can find. Pure.

`digest` is the SHA-256 of every other field, `previous` among them, as RFC 8785 spells them (`spelling`); it begins with `jcs-`, so that it
says how it was made. Digests without it are of before, and of the few values that RFC 8785 has no spelling for: they are made of
`codec.canonical`, which only Python's way to write a number spells. Both hold for ever. The chain shows tampering to whoever remembers a
later digest; it does not stop somebody who rewrites every entry from the change to the end: signed heads do (`controller.audit`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from controller.coordination.codec import canonical, plain
from controller.coordination.spelling import Unspellable, spelled
from controller.core.model import JournalEntry

RFC8785 = "jcs-"
"""What a digest of that spelling begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a chain stands: the last entry's number and digest."""

    sequence: int = 0
    digest: str = ""


START = End()
"""Before the first entry."""


class Damage(StrEnum):
    """What the first broken link looks like."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """The first place where a chain does not hold."""

    sequence: int
    damage: Damage
    detail: str


def link(end: End, *, at: datetime, actor: str, kind: str, body: Mapping[str, object]) -> JournalEntry:
    """The entry that continues a chain; `body` is kept in JSON's own types, as a reader will see it."""
    bare = JournalEntry(
        sequence=end.sequence + 1, at=at.astimezone(UTC), actor=actor, kind=kind, body=plain(body), previous=end.digest
    )
    return replace(bare, digest=digest(bare))


def end_of(entry: JournalEntry) -> End:
    """Where the chain stands after this entry."""
    return End(sequence=entry.sequence, digest=entry.digest)


def before(entry: JournalEntry) -> End:
    """Where the chain stood before this entry, by its own word."""
    return End(sequence=entry.sequence - 1, digest=entry.previous)


def digest(entry: JournalEntry) -> str:
    """The digest that this entry gets: of RFC 8785 where it has a spelling for every value in it."""
    try:
        return _digest(entry)
    except Unspellable:
        return _digest_of_before(entry)


def _agreeing(entry: JournalEntry) -> str:
    """The digest that its fields give in the spelling that the entry's own names."""
    try:
        return _digest(entry) if entry.digest.startswith(RFC8785) else _digest_of_before(entry)
    except ValueError as error:
        return f"none ({error})"


def _digest(entry: JournalEntry) -> str:
    try:
        text = spelled(_fields(entry, entry.body))
    except TypeError:  # not in JSON's own types yet; an entry that was read is, and there are a hundred thousand of those
        text = spelled(_fields(entry, plain(entry.body)))
    return RFC8785 + sha256(text).hexdigest()


def _digest_of_before(entry: JournalEntry) -> str:
    return sha256(canonical(_fields(entry, plain(entry.body))).encode()).hexdigest()


def _fields(entry: JournalEntry, body: object) -> Mapping[str, object]:
    return {
        "sequence": entry.sequence,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "kind": entry.kind,
        "body": body,
        "previous": entry.previous,
    }


def verify(entries: Sequence[JournalEntry], *, after: End = START, until: End | None = None) -> Break | None:
    """The first broken link of entries that follow `after` (and end in `until`, when that is known), or None when all hold."""
    end = after
    for place, entry in enumerate(entries):
        if found := _misplaced(entry, end, entries[place + 1 :]) or _mismatched(entry, end):
            return found
        end = end_of(entry)
    if until is None or until == end:
        return None
    damage, detail = (
        (Damage.REMOVED, f"the journal should end with entry {until.sequence}, and ends with {end.sequence}")
        if until.sequence > end.sequence
        else (Damage.INSERTED, f"entry {end.sequence} is beyond the known end {until.sequence}")
        if until.sequence < end.sequence
        else (Damage.CHANGED, f"the last entry has digest {end.digest}, and {until.digest} is on record")
    )
    return Break(sequence=min(until.sequence, end.sequence) + (until.sequence != end.sequence), damage=damage, detail=detail)


def _misplaced(entry: JournalEntry, end: End, rest: Sequence[JournalEntry]) -> Break | None:
    """Is another entry due here?"""
    due = end.sequence + 1
    if entry.sequence == due:
        return None
    if entry.sequence < due:
        return Break(
            sequence=entry.sequence, damage=Damage.INSERTED, detail=f"a second entry {entry.sequence} stands after {end.sequence}"
        )
    if any(later.sequence == due for later in rest):
        return Break(sequence=due, damage=Damage.REORDERED, detail=f"entry {entry.sequence} stands before entry {due}")
    return Break(sequence=due, damage=Damage.REMOVED, detail=f"entry {entry.sequence} follows entry {end.sequence}")


def _mismatched(entry: JournalEntry, end: End) -> Break | None:
    """Does the entry fit its own digest and the digest before it?"""
    if (actual := _agreeing(entry)) != entry.digest:
        return Break(
            sequence=entry.sequence,
            damage=Damage.CHANGED,
            detail=f"its fields give digest {actual}, and it carries {entry.digest}",
        )
    if entry.previous != end.digest:
        link_detail = f"it continues {entry.previous or 'nothing'}, and entry {end.sequence} has digest {end.digest or 'none'}"
        return Break(sequence=entry.sequence, damage=Damage.CHANGED, detail=f"{link_detail}: one of the two was rewritten")
    return None
