"""Zones as the name servers of the emulated Azure answer them, some time after each change."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lab.clouds.zone import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A zone as it is answered from `due` on."""

    revision: int
    due: float
    """Monotonic seconds."""
    records: tuple[Record, ...]


class Publication:
    """What the name servers of every zone know. For one event loop."""

    def __init__(self, propagation: float, monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from a change until it is answered."""
        self._propagation, self._monotonic = propagation, monotonic
        self._entries: dict[str, list[Published]] = {}
        self._revision = 0
        self._news = asyncio.Event()

    def publish(self, zone: str, records: tuple[Record, ...]) -> None:
        """Have the zone answered like this after the propagation time; nothing happens when nothing has changed."""
        entries = self._entries.setdefault(zone, [])
        if entries and entries[-1].records == records:
            return
        self._revision += 1
        entries.append(Published(revision=self._revision, due=self._monotonic() + self._propagation, records=records))
        self._news.set()
        self._news = asyncio.Event()

    async def await_news(self, zone: str, after: int, patience: float) -> Published | None:
        """The zone as it is answered, once its revision is above `after`; None when `patience` seconds brought nothing."""
        ends = self._monotonic() + patience
        while True:
            news, now = self._news, self._monotonic()
            entries = self._entries.get(zone, [])
            answered = [entry for entry in entries if entry.due <= now]
            if answered and answered[-1].revision > after:
                del entries[: len(answered) - 1]
                return answered[-1]
            if now >= ends:
                return None
            wait = min([ends, *(entry.due for entry in entries if entry.due > now)]) - now
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), wait)
