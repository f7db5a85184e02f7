"""Zones as the name servers of an emulated cloud answer them, some time after each change. For servers whose requests are threads."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from lab.clouds.zone import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A zone as it is answered from `due` on."""

    revision: int
    due: float
    """Monotonic seconds."""
    records: tuple[Record, ...]


class Entries:
    """What is known of one zone, whatever waits for it: what is answered now, and what will be."""

    def __init__(self) -> None:
        self._entries: list[Published] = []

    @property
    def newest(self) -> Published | None:
        """What was published last, due or not."""
        return self._entries[-1] if self._entries else None

    def add(self, entry: Published) -> None:
        """Have one more."""
        self._entries.append(entry)

    def answered(self, now: float, after: int) -> Published | None:
        """The zone as it is answered at this moment, when its revision is above `after`; what is older is forgotten."""
        due = [entry for entry in self._entries if entry.due <= now]
        if not due or due[-1].revision <= after:
            return None
        del self._entries[: len(due) - 1]
        return due[-1]

    def next_change(self, now: float, ends: float) -> float:
        """When to look again: at the next entry that falls due, or at `ends`."""
        return min([ends, *(entry.due for entry in self._entries if entry.due > now)])


class Publication:
    """What the name servers of every zone know. Threads may wait for news beside the one that changes something."""

    def __init__(self, propagation: float, monotonic: Callable[[], float]) -> None:
        """`propagation`: seconds from a change until it is answered."""
        self._propagation, self._monotonic = propagation, monotonic
        self._zones: dict[str, Entries] = {}
        self._news = threading.Condition()
        self._revision = 0

    def publish(self, zone: str, records: tuple[Record, ...]) -> float:
        """Have the zone answered like this after the propagation time; answers when that is."""
        due = self._monotonic() + self._propagation
        with self._news:
            self._revision += 1
            self._zones.setdefault(zone, Entries()).add(Published(revision=self._revision, due=due, records=records))
            self._news.notify_all()
        return due

    def await_news(self, zone: str, after: int, patience: float) -> Published | None:
        """What is answered, once its revision is above `after`; None when `patience` seconds brought nothing."""
        ends = self._monotonic() + patience
        with self._news:
            while True:
                now, entries = self._monotonic(), self._zones.get(zone, Entries())
                if (news := entries.answered(now, after)) is not None:
                    return news
                if now >= ends:
                    return None
                self._news.wait(entries.next_change(now, ends) - now)
