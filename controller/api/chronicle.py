"""The recent journal of one service, kept up to date on demand, so that `status` need not read all of it each time."""

import asyncio
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta

from controller.core.model import Epoch, JournalEntry
from controller.errors import TrimaranError
from controller.ports import Coordination

KEPT = 2000
"""Entries kept in memory; older ones are read from etcd when somebody asks for them."""

PAGE = 1000


class Chronicle:
    """Reads every entry once. What etcd does not answer in time is read the next time."""

    def __init__(self, coordination: Coordination, service: str) -> None:
        self._coordination, self._service = coordination, service
        self._entries: deque[JournalEntry] = deque(maxlen=KEPT)
        self._reigns: dict[Epoch, datetime] = {}
        self._turn = asyncio.Lock()

    @property
    def end(self) -> int:
        """Number of the last entry read, 0 before the first."""
        return self._entries[-1].sequence if self._entries else 0

    @property
    def entries(self) -> tuple[JournalEntry, ...]:
        """The last ones read, oldest first."""
        return tuple(self._entries)

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

    async def glance(self, patience: timedelta) -> None:
        """Read what is new, as far as etcd answers within `patience`."""
        with suppress(TimeoutError, TrimaranError):
            async with asyncio.timeout(patience.total_seconds()):
                await self.catch_up()

    async def before(self, at: datetime, limit: int) -> tuple[JournalEntry, ...]:
        """The last entries up to this moment, from the whole journal. Raises TrimaranError when etcd does not answer."""
        found: deque[JournalEntry] = deque(maxlen=limit)
        after = 0
        while page := await self._coordination.journal(self._service, after, PAGE):
            after = page[-1].sequence
            found.extend(entry for entry in page if entry.at <= at)
        return tuple(found)

    def _note(self, entry: JournalEntry) -> None:
        match entry.kind, entry.body:
            case "elected", {"epoch": int(epoch)}:
                self._reigns[Epoch(epoch)] = entry.at
            case "founded", {"posture": {"reign": int(reign)}}:
                self._reigns.setdefault(Epoch(reign), entry.at)
