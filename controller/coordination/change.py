"""One commit as a value: what it rests on, what it writes, and how it reads etcd's refusal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from controller.coordination.chain import end_of, link
from controller.coordination.codec import encode
from controller.coordination.layout import Keys
from controller.coordination.records import REMEMBERED, Head, Tip
from controller.coordination.transaction import ABSENT, Item, Put, Range, Remove, Txn
from controller.errors import LostOwnership, Transient
from controller.ports import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Writes and journal entries that stand together or not at all."""

    keys: Keys
    actor: str
    unchanged: Mapping[str, int]
    """Everything it rests on, apart from the journal's head: key to revision."""
    writes: tuple[Put | Remove, ...]
    drafts: tuple[Draft, ...]
    stamp: str
    """Names this very commit; asking again with the same stamp cannot write twice."""

    @property
    def put(self) -> tuple[str, ...]:
        """Keys of the control state that it sets, all of which it also compares."""
        return (*(write.key for write in self.writes if isinstance(write, Put) and write.key in self.unchanged), self.keys.head)

    def onto(self, tip: Tip, at: datetime) -> tuple[Txn, Head]:
        """The transaction that appends to this tip, and the head it leaves."""
        end, entries = tip.head.end, []
        for draft in self.drafts:
            entry = link(end, at=at, actor=self.actor, kind=draft.kind, body=draft.body)
            entries.append(Put(key=self.keys.entry(entry.sequence), value=encode(entry)))
            end = end_of(entry)
        head = tip.head.after(end, self.stamp)
        txn = Txn(
            unchanged={**self.unchanged, self.keys.head: tip.revision},
            writes=(*self.writes, *entries, Put(key=self.keys.head, value=encode(head))),
            reads=tuple(Range(key=key) for key in (*self.unchanged, self.keys.head)),
        )
        return txn, head

    def refused(self, seen: Mapping[str, Item], built_on: Tip, tip: Tip) -> bool:
        """Why did the comparison fail? True: this commit stands already. False: only the journal moved, append again.

        Raises LostOwnership when something it rests on changed, Transient when it cannot be told whether it was applied.
        """
        applied = self.stamp in tip.head.recent
        moved = [key for key, revision in self.unchanged.items() if not self._holds(key, revision, seen.get(key), applied)]
        if moved:
            raise Moved(moved)
        if not applied and built_on.revision != ABSENT and tip.head.commits - built_on.head.commits > REMEMBERED:
            raise Transient(f"{self.keys.head} moved too far to tell whether this commit was applied: read again")
        return applied

    def _holds(self, key: str, revision: int, item: Item | None, applied: bool) -> bool:
        """Is the key as it was read or, once this commit was applied, as this commit left it?"""
        written = next((write for write in self.writes if write.key == key), None) if applied else None
        if isinstance(written, Put):
            return item is not None and item.value == written.value
        return (item.revision if item else ABSENT) == (ABSENT if written else revision)


class Moved(LostOwnership):
    """Something a commit rests on changed since it was read; nothing more was written."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"{', '.join(keys)} changed since it was read; nothing more was written")
        self.keys = tuple(keys)


def stamp(*parts: object) -> str:
    """A name for a commit: 64 bits of the SHA-256 of everything that makes it this commit and no other."""
    return sha256(encode(parts).encode()).hexdigest()[:16]
