"""Reads the whole journal and proves its chain, here and not at the controller that is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.cli.exits import Ended, Exit
from controller.cli.inquiry import Document, Inquiry
from controller.coordination.chain import START, End, end_of, verify
from controller.core.model import JournalEntry

PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What came out."""

    entries: int
    digest: str
    broken: str
    """The first broken link as a sentence; empty when all hold."""

    def document(self) -> Mapping[str, object]:
        """The same for machines."""
        return {"holds": not self.broken, "entries": self.entries, "digest": self.digest, "broken": self.broken or None}


async def prove(inquiry: Inquiry, expect: str | None = None) -> Proof:
    """Prove the chain from its first entry. Raises Ended."""
    remembered = _remembered(expect) if expect else None
    end, broken = START, ""
    while not broken:
        page = [_entry(item) for item in (await inquiry.freshest("journal", after=end.sequence, limit=PAGE))["entries"]]
        if not page:
            break
        if found := verify(page, after=end):
            broken = f"the chain breaks at entry {found.sequence} ({found.damage}): {found.detail}"
        for entry in page:
            if remembered and entry.sequence == remembered.sequence and entry.digest != remembered.digest:
                broken = broken or f"entry {entry.sequence} has digest {entry.digest}, and {remembered.digest} was remembered"
        end = end_of(page[-1])
        inquiry.doing = f"{end.sequence} entries read"
    if remembered and not broken and end.sequence < remembered.sequence:
        broken = f"the journal ends with entry {end.sequence}, and entry {remembered.sequence} was remembered"
    return Proof(entries=end.sequence, digest=end.digest, broken=broken)


def _remembered(expect: str) -> End:
    number, _, digest = expect.partition(":")
    if not number.isdigit() or not digest:
        raise Ended(Exit.USAGE, f"--expect: expected N:DIGEST as printed by an earlier run, not {expect!r}")
    return End(sequence=int(number), digest=digest)


def _entry(item: Document) -> JournalEntry:
    return JournalEntry(**{**item, "at": datetime.fromisoformat(item["at"])})
