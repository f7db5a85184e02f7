"""The journal, read on from where somebody had come, with the situation that it makes.

A reader that is given a place in a journal that is not this one (etcd was lost, and began anew) begins anew as well: with the last entries,
of which only the youngest are news.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

import structlog

from controller.core.incidents import Situation
from controller.core.messages import Message
from controller.core.model import JournalEntry
from controller.core.situation import fold
from controller.ports import Clock, Coordination

log = structlog.get_logger()

PAGE = 200
"""Entries that are read at once."""

TAIL = 200
"""Entries of the past that a new reader looks at, to know what stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Behind an entry of the journal, with what the entries up to it came to."""

    sequence: int = 0
    digest: str = ""
    situation: Situation = field(default_factory=Situation)


START = Place()

Fold = Callable[[Situation, JournalEntry, str], tuple[Situation, Message | None]]
"""See `situation.fold`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One entry, read."""

    place: Place
    """Behind it."""
    message: Message | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicler:
    """One controller's way of reading one service's journal."""

    service: str
    coordination: Coordination
    clock: Clock
    past: timedelta
    """Of a journal that is read for the first time, what is older is no news."""
    fold: Fold = fold

    async def read_on(self, place: Place | None) -> tuple[Place, Sequence[Read]]:
        """Where the reading begins, and the next entries, at most a page. Raises TrimaranError."""
        if place is None:
            return await self._begin()
        if place.sequence == 0:
            return place, self._fold(place, await self.coordination.journal(self.service, 0, PAGE))
        page = await self.coordination.journal(self.service, place.sequence - 1, PAGE)
        if not page or (page[0].sequence, page[0].digest) != (place.sequence, place.digest):
            return await self._begin()
        return place, self._fold(place, page[1:])

    async def _begin(self) -> tuple[Place, Sequence[Read]]:
        """The tail of the journal: what is old in it makes the situation, and nothing to tell."""
        remains = await self.coordination.remains(self.service)
        tail = await self.coordination.journal(self.service, max(remains.entries - TAIL, 0), TAIL)
        young = self.clock.now() - self.past
        read = self._fold(START, tail)
        old = len(list(takewhile(lambda entry: entry.at < young, tail)))
        return (read[old - 1].place if old else START), read[old:]

    def _fold(self, place: Place, entries: Sequence[JournalEntry]) -> list[Read]:
        found: list[Read] = []
        situation = place.situation
        for entry in entries:
            try:
                situation, message = self.fold(situation, entry, self.service)
            except Exception:
                # A later version wrote it, say. Raised, it would be met again at every look, and nobody would be told anything any more.
                log.exception("an entry that cannot be told", service=self.service, entry=entry.sequence, kind=entry.kind)
                message = None
            behind = Place(sequence=entry.sequence, digest=entry.digest, situation=situation)
            found.append(Read(place=behind, message=message))
        return found
