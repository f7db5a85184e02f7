"""Each controller keeps what it has seen of the journal in its own site's node, and proves it when it is read back.

A copy is appended to and never rewritten: whoever takes etcd over cannot make it tell another story, and a break is found by whoever
reads. A journal that does not continue the copy begins another branch of it, and what was seen before stays:
  1. etcd is restored from a backup that is older than the copies, and somebody writes to it before it is rebuilt. 2. Its journal
  goes on from there, and never continues any copy. 3. Were a copy just left standing, then the next time that etcd is lost, nothing of
  what happened since could be put back.
Nothing decides by it; a node that cannot be written to holds up nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from controller.coordination.chain import START, End, before, end_of, verify
from controller.coordination.codec import decode, encode
from controller.core.model import JournalEntry
from controller.errors import TrimaranError
from controller.ports import Coordination, JournalCopy

log = structlog.get_logger()

PAGE = 200
"""Entries that are copied in one go; the rest follows in the next round."""

REBUILT = "rebuilt"
"""Kind of the journal entry that a rebuilt control plane begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a copy has come."""

    branch: int
    end: End


@dataclass(slots=True, kw_only=True)
class Copyist:
    """One controller's copy of one service's journal."""

    service: str
    coordination: Coordination
    copy: JournalCopy
    _mark: Mark | None = None
    """None: not read yet."""

    async def keep(self) -> int:
        """Copy what is new; answers how much. A journal that does not continue the copy is copied from its beginning, to a new branch,
        and that is said. Raises TrimaranError."""
        mark = self._mark or await self._latest()
        page = await self.coordination.journal(self.service, max(mark.end.sequence - 1, 0), PAGE)
        if mark.end != START and (not page or end_of(page[0]) != mark.end):
            there = f"entry {page[0].sequence} with digest {page[0].digest}" if page else "nothing"
            log.warning(
                "the journal is not the one that was copied",
                service=self.service,
                copied=f"entry {mark.end.sequence} with digest {mark.end.digest}",
                journal=there,
                way_out="After a rebuild of etcd this is well, and said once; otherwise see trimaran audit.",
            )
            mark = Mark(branch=mark.branch + 1, end=START)
            page = await self.coordination.journal(self.service, 0, PAGE)
        new = page if mark.end == START else page[1:]
        if new:
            await self.copy.keep_journal(mark.branch, {entry.sequence: encode(entry) for entry in new})
            self._mark = Mark(branch=mark.branch, end=end_of(new[-1]))
        return len(new)

    async def _latest(self) -> Mark:
        branches = await self.copy.branches()
        if not branches:
            return Mark(branch=1, end=START)
        branch, last = max(branches.items())
        ((number, text),) = (await self.copy.kept_journal(branch, last - 1, 1)).items()
        return Mark(branch=branch, end=end_of(_entry(text, number)))


async def read_back(copy: JournalCopy, end: End) -> tuple[JournalEntry, ...]:
    """What a copy has behind this end of the journal: of its branches the one to be believed. What cannot be read is not there."""
    try:
        branches = await copy.branches()
    except TrimaranError:
        return ()
    return most_believed([await _of_branch(copy, branch, end) for branch in branches])


def most_believed(copies: Sequence[tuple[JournalEntry, ...]]) -> tuple[JournalEntry, ...]:
    """The one that knows of the most rebuilds, and of these the longest; of equal ones any, because they are the same entries.

    A node was silent at a rebuild, and its copy, which is long, ends before it. Were it put back, the journal would tell nothing of the
    rebuild and of all that came after.
    """
    return max(copies, key=lambda entries: (sum(entry.kind == REBUILT for entry in entries), len(entries)), default=())


async def _of_branch(copy: JournalCopy, branch: int, end: End) -> tuple[JournalEntry, ...]:
    """Page by page as far as it is one unbroken chain from there. Of a journal that has no entry: from where the branch begins, whose
    oldest may have gone."""
    found: list[JournalEntry] = []
    try:
        while page := await copy.kept_journal(branch, end.sequence, PAGE):
            entries = [_entry(text, number) for number, text in page.items()]
            after = before(entries[0]) if end == START else end
            if verify(entries, after=after) is not None:
                break
            found += entries
            end = end_of(entries[-1])
    except TrimaranError:
        return tuple(found)
    return tuple(found)


def _entry(text: str, number: int) -> JournalEntry:
    return decode(JournalEntry, text, key=f"entry {number} of a copy of the journal")
