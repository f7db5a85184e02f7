"""The recent journal of one service, kept up to date on demand, so that `status` need not read all of it each time."""

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.core.model import Epoch, JournalEntry
from controller.errors import TrimaranError
from controller.ports import Coordination

KEPT = 2000
"""Entries kept in memory; older ones are read from etcd when somebody asks for them."""

PAGE = 200
"""One request to etcd each: what has been read is kept, however soon the reader is out of patience."""


class Chronicle:
    """Reads every entry once. What etcd does not answer in time is read the next time."""

    def __init__(self, coordination: Coordination, service: str) -> None:
        self._coordination, self._service = coordination, service
        self._entries: deque[JournalEntry] = deque(maxlen=KEPT)
        self._reigns: dict[Epoch, datetime] = {}
        self._verified: Mapping[str, object] | None = None
        self._turn = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None

    @property
    def end(self) -> int:
        """Number of the last entry read, 0 before the first."""
        return self._entries[-1].sequence if self._entries else 0

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """The last ones read, oldest first."""
        return tuple(self._entries)

    @property
    def verified(self) -> Mapping[str, object] | None:
        """What the check at the end of the last move found; None while no move has been read."""
        return self._verified

    def since(self, reign: Epoch) -> datetime | None:
        """When the writer of this reign was elected, or founded; None while that has not been read."""
        return self._reigns.get(reign)

    async def catch_up(self) -> None:
        """Read what is new. Raises TrimaranError when etcd does not answer."""
        async with self._turn:
            while new := await self._coordination.journal(self._service, self.end, PAGE):
                self._entries.extend(new)
                for entry in new:
                    self._note(entry)
                if len(new) < PAGE:
                    return

    async def glance(self, patience: timedelta) -> None:
        """Read what is new, and wait for it as long as `patience`; a reading that takes longer goes on for those who ask next.

        Given up instead, the first reading of a long journal would begin anew at every glance, and never come to its end.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._catch_up_if_possible(), name=f"journal of {self._service}")
        await asyncio.wait({self._reading}, timeout=patience.total_seconds())

    async def _catch_up_if_possible(self) -> None:
        try:
            await self.catch_up()
        except TrimaranError:
            return

    async def before(self, at: datetime, limit: int) -> tuple[JournalEntry, ...]:
        """The last entries up to this moment, as the clocks of those who wrote them tell it. Raises TrimaranError when etcd does not
        answer."""
        await self.catch_up()
        known = [entry for entry in self._entries if entry.at <= at]
        if not self._entries or self._entries[0].sequence == 1 or len(known) >= limit:
            return tuple(known[-limit:]) if limit else ()
        last = known[-1].sequence if known else await self._last_before(at, self._entries[0].sequence)
        found: list[JournalEntry] = []
        for after in range(max(0, last - limit), last, PAGE):
            found += await self._coordination.journal(self._service, after, min(PAGE, last - after))
        return tuple(entry for entry in found if entry.at <= at)[-limit:]

    async def _last_before(self, at: datetime, above: int) -> int:
        """Number of the last entry up to this moment, below `above`; 0 when there is none. Entries lie in the order of time but for
        what their writers' clocks disagree."""
        low, high = 0, above
        while high - low > 1:
            middle = (low + high) // 2
            (entry,) = await self._coordination.journal(self._service, middle - 1, 1)
            low, high = (middle, high) if entry.at <= at else (low, middle)
        return low

    def _note(self, entry: JournalEntry) -> None:
        match entry.kind, entry.body:
            case "elected", {"epoch": int(epoch)}:
                self._reigns[Epoch(epoch)] = entry.at
            case "founded", {"posture": {"reign": int(reign)}}:
                self._reigns.setdefault(Epoch(reign), entry.at)
            case "plan.done", {"plan": str(plan), "verified": Mapping() as verified}:
                self._verified = {"at": entry.at.isoformat(timespec="milliseconds"), "plan": plan, **verified}
