"""Each controller keeps what it has seen of the journal in its own site's node, and proves it when it is read back.

A copy is appended to and never rewritten: whoever takes etcd over cannot make it tell another story, and a break is found by whoever
reads. Nothing decides by it; a node that cannot be written to holds up nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.coordination.chain import START, End, before, end_of, verify
from controller.coordination.codec import decode, encode
from controller.core.model import JournalEntry
from controller.errors import Stuck, TrimaranError
from controller.ports import Coordination, JournalCopy

PAGE = 200
"""Entries that are copied in one go; the rest follows in the next round."""


@dataclass(slots=True, kw_only=True)
class Copyist:
    """One controller's copy of one service's journal."""

    service: str
    coordination: Coordination
    copy: JournalCopy
    _end: End | None = None
    """Where the copy ends; None: not read yet."""

    async def keep(self) -> int:
        """Copy what is new; answers how much. Raises TrimaranError, Stuck for a journal that does not continue the copy."""
        if self._end is None:
            self._end = _ends(await self.copy.last_kept())
        entries = await self.coordination.journal(self.service, self._end.sequence, PAGE)
        if found := verify(entries, after=self._end):
            raise Stuck(
                step="copying the journal",
                blocked_by=f"entry {found.sequence}, which does not continue the copy ({found.detail})",
                way_out="etcd was begun anew without its past, or somebody changed it: see trimaran audit.",
            )
        if entries:
            await self.copy.keep_journal({entry.sequence: encode(entry) for entry in entries})
            self._end = end_of(entries[-1])
        return len(entries)


async def read_back(copy: JournalCopy, end: End) -> tuple[JournalEntry, ...]:
    """What a copy has behind this end of the journal, page by page as far as it is one unbroken chain from there. Of a journal that has
    no entry: from where the copy begins, whose oldest may have gone. What cannot be read is not there."""
    found: list[JournalEntry] = []
    try:
        while page := await copy.kept_journal(end.sequence, PAGE):
            entries = [_entry(text, number) for number, text in page.items()]
            after = before(entries[0]) if end == START else end
            if verify(entries, after=after) is not None:
                break
            found += entries
            end = end_of(entries[-1])
    except TrimaranError:
        return tuple(found)
    return tuple(found)


def _ends(last: Mapping[int, str]) -> End:
    return next((end_of(_entry(text, number)) for number, text in last.items()), START)


def _entry(text: str, number: int) -> JournalEntry:
    return decode(JournalEntry, text, key=f"entry {number} of a copy of the journal")
