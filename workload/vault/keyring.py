"""Data keys in this process's memory: few, not for long, and never one that its database does not hold durably.

A cached key serves nobody by itself: every use asks the database first, which knows what was erased. Erasing drops the key here at
once, and bounds how long it lives in other processes: `cache_age`. Dropping is not scrubbing. Python keeps no promise about copies of
bytes, and a key that is overwritten while a request still holds it would seal a number with zeros; so keys are let go, no more.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from workload.vault import sealing
from workload.vault.clouds import Clouds
from workload.vault.key_settings import KeyTuning
from workload.vault.model import DataKey, LockedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cached:
    key: DataKey
    since: float


class Keyring:
    """Makes data keys, opens them, and keeps those lately used."""

    def __init__(
        self, clouds: Clouds, *, tuning: KeyTuning, entropy: Callable[[int], bytes], monotonic: Callable[[], float]
    ) -> None:
        self._clouds = clouds
        self._tuning = tuning
        self._entropy = entropy
        self._monotonic = monotonic
        self._cached: OrderedDict[UUID, _Cached] = OrderedDict()
        self._forgotten: dict[UUID, float] = {}
        self._opening: dict[UUID, asyncio.Task[bytes]] = {}

    @property
    def cached(self) -> int:
        """Keys in memory."""
        return len(self._cached)

    def at_hand(self, subject: UUID) -> DataKey | None:
        """The subject's key, when it is cached and not too old."""
        found = self._cached.get(subject)
        if found is None:
            return None
        if self._is_old(found.since):
            del self._cached[subject]
            return None
        self._cached.move_to_end(subject)
        return found.key

    async def make(self, id: UUID, subject: UUID) -> tuple[DataKey, LockedKey]:
        """A new key and its wraps. Use it only once these are durable, and `keep` it then. Raises KeysOutOfReach."""
        key = DataKey(id=id, subject=subject, material=self._entropy(sealing.KEY_BYTES))
        wraps = await self._clouds.wrap(
            key.material,
            sealing.context(id, subject),
            minimum=self._tuning.minimum_wraps,
            deadline=self._tuning.wrap_deadline,
            grace=self._tuning.wrap_grace,
        )
        return key, LockedKey(id=id, subject=subject, check=sealing.check(key.material, id), wraps=wraps)

    async def open(self, locked: LockedKey) -> DataKey:
        """The key, kept from now on. Whoever asks for it meanwhile waits for the same answer. Raises KeysOutOfReach or KeyLost."""
        task = self._opening.get(locked.id)
        if task is None:
            task = self._opening[locked.id] = asyncio.create_task(self._unwrap(locked))
            task.add_done_callback(lambda ended: self._end_opening(locked.id, ended))
        # A caller that hangs up must not end it for the others.
        key = DataKey(id=locked.id, subject=locked.subject, material=await asyncio.shield(task))
        self.keep(key)
        return key

    async def open_once(self, locked: LockedKey) -> DataKey:
        """The key, and nothing kept: a repair passes thousands, and would turn out every key that is in use."""
        found = self.at_hand(locked.subject)
        if found is not None and found.id == locked.id:
            return found
        return DataKey(id=locked.id, subject=locked.subject, material=await self._unwrap(locked))

    def keep(self, key: DataKey) -> None:
        """Cache a key that the database holds durably; the one unused longest makes room."""
        if key.subject in self._forgotten or key.subject in self._cached:
            return
        self._cached[key.subject] = _Cached(key=key, since=self._monotonic())
        while len(self._cached) > self._tuning.cached_keys:
            self._cached.popitem(last=False)

    def forget(self, subject: UUID) -> None:
        """Drop an erased subject's key, and let no call under way bring it back: a reveal read the wraps before, and their opening
        ends after the erasure."""
        self._cached.pop(subject, None)
        self._forgotten[subject] = self._monotonic()

    def drop(self, subject: UUID) -> None:
        """Drop a key that the database does not know; the subject may get another one."""
        self._cached.pop(subject, None)

    def sweep(self) -> None:
        """Let go of what is too old, also when nobody ever asks for it again."""
        for subject in [subject for subject, found in self._cached.items() if self._is_old(found.since)]:
            del self._cached[subject]
        # No call lasts as long as a key is kept.
        for subject in [subject for subject, since in self._forgotten.items() if self._is_old(since)]:
            del self._forgotten[subject]

    async def tend(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(self._tuning.sweep_interval.total_seconds())
            self.sweep()

    def _is_old(self, since: float) -> bool:
        return self._monotonic() - since >= self._tuning.cache_age.total_seconds()

    async def _unwrap(self, locked: LockedKey) -> bytes:
        return await self._clouds.unwrap(locked, deadline=self._tuning.unwrap_deadline, hedge=self._tuning.hedge)

    def _end_opening(self, id: UUID, ended: "asyncio.Task[bytes]") -> None:
        del self._opening[id]
        if not ended.cancelled():
            ended.exception()  # looked at even when everybody has hung up
