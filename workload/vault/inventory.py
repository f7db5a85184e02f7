"""What a round past all data keys has seen of their wraps: by the present key-encryption key, by an older one, missing. Pure.

Of a cloud whose present key was not known, or changed, while the round went on, a round cannot tell the one from the other.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from enum import StrEnum

from workload.vault.model import Survey

Counts = Mapping[tuple[str, str], int]
"""Data keys by cloud and `State`."""


class State(StrEnum):
    """Of a cloud's wrap of a data key that is not erased."""

    CURRENT = "current"
    OLDER = "older"
    """By another key-encryption key than the cloud's present one, which must not be disabled yet."""
    MISSING = "missing"
    UNSURE = "unsure"
    """There, and nobody could say by which of the two."""


class Inventory:
    """One round."""

    def __init__(self, clouds: Collection[str]) -> None:
        self._clouds = tuple(clouds)
        self._living = 0
        self._held: Counter[tuple[str, str]] = Counter()
        self._current: dict[str, set[str | None]] = {cloud: set() for cloud in clouds}

    def add(self, survey: Survey, current: Mapping[str, str]) -> None:
        """One window. `current`: key-encryption keys of the clouds that told theirs."""
        self._living += survey.living
        self._held.update(survey.held)
        for cloud in self._clouds:
            self._current[cloud].add(current.get(cloud))

    def counts(self) -> Counts:
        """What was seen in all windows; every cloud has every state."""
        found: dict[tuple[str, str], int] = {}
        for cloud in self._clouds:
            held = {kek: wraps for (by, kek), wraps in self._held.items() if by == cloud}
            every, (kek, *others) = sum(held.values()), [*self._current[cloud], None]
            sure = kek is not None and others == [None]
            newest = held.get(kek, 0) if sure and kek is not None else 0
            found[cloud, State.CURRENT] = newest
            found[cloud, State.OLDER] = every - newest if sure else 0
            found[cloud, State.UNSURE] = 0 if sure else every
            found[cloud, State.MISSING] = self._living - every
        return found
