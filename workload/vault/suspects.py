"""Wraps that their cloud did not open while another cloud opened the same key: left to the next repair. In this process's memory."""

from collections import OrderedDict
from uuid import UUID

from workload.vault.wrapping import Wrapped

MOST = 1000
"""Remembered at once. A cloud that opens nothing any more fills this and no more; what is not remembered is met again when it is used."""


class Suspects:
    """By data key, in the order in which they were first met."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._met: OrderedDict[UUID, frozenset[Wrapped]] = OrderedDict()

    @property
    def keys(self) -> tuple[UUID, ...]:
        """Data keys that have one."""
        return tuple(self._met)

    def add(self, key: UUID, wrap: Wrapped) -> None:
        """Remember it, unless there are too many."""
        if key in self._met or len(self._met) < self._most:
            self._met[key] = self._met.get(key, frozenset()) | {wrap}

    def of(self, key: UUID) -> frozenset[Wrapped]:
        """What is remembered about one data key."""
        return self._met.get(key, frozenset())

    def forget(self, key: UUID) -> None:
        """A repair has seen to it, with whatever success: tried for ever, a wrap that cannot be made would be tried every second."""
        self._met.pop(key, None)
