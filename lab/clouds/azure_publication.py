"""Zones as the name servers of the emulated Azure answer them, some time after each change."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from lab.clouds.publication import Entries, Published
from lab.clouds.zone import Record


class Publication:
    """What the name servers of every zone know. For one event loop."""

    def __init__(self, propagation: float, monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from a change until it is answered."""
        self._propagation, self._monotonic = propagation, monotonic
        self._zones: dict[str, Entries] = {}
        self._revision = 0
        self._news = asyncio.Event()

    def publish(self, zone: str, records: tuple[Record, ...]) -> None:
        """Have the zone answered like this after the propagation time; nothing happens when nothing has changed."""
        entries = self._zones.setdefault(zone, Entries())
        if entries.newest is not None and entries.newest.records == records:
            return
        self._revision += 1
        entries.add(Published(revision=self._revision, due=self._monotonic() + self._propagation, records=records))
        self._news.set()
        self._news = asyncio.Event()

    async def await_news(self, zone: str, after: int, patience: float) -> Published | None:
        """The zone as it is answered, once its revision is above `after`; None when `patience` seconds brought nothing."""
        ends = self._monotonic() + patience
        while True:
            news, now, entries = self._news, self._monotonic(), self._zones.get(zone, Entries())
            if (answered := entries.answered(now, after)) is not None:
                return answered
            if now >= ends:
                return None
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), entries.next_change(now, ends) - now)
