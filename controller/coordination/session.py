"""A controller's session: a lease in etcd, and one key under it that tells the others that this controller lives."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from controller.coordination.transaction import ABSENT, KeyValue, LeaseLapsed, Put, Range, Txn
from controller.errors import ProviderError, Transient
from controller.ports import Clock

ATTEMPTS = 3
"""A key that only its owner writes needs two: one to learn its revision, one to write."""


async def replace(kv: KeyValue, *, key: str, value: str, lease: int, known: int) -> int:
    """Write a key that only we write, over the revision we left; answers its new revision. Raises LeaseLapsed, Transient.

    Without the comparison: observation 10 is caught in a broken link, 11 is written through another member, the link heals
    and 10 overwrites 11; every reader sees the sequence change and takes ten-second-old news for fresh.
    """
    for _ in range(ATTEMPTS):
        put = Put(key=key, value=value, lease=lease)
        answer = await kv.transact(Txn(unchanged={key: known}, writes=(put,), reads=(Range(key=key),)))
        if answer.succeeded:
            return answer.revision
        (items,) = answer.found
        if items and (items[0].value, items[0].lease) == (value, lease):
            return items[0].revision
        known = items[0].revision if items else ABSENT
    raise Transient(f"{key} keeps changing: somebody else writes under the same name")


class Session:
    """One controller's lease, renewed when due and replaced when it has lapsed.

    `open` alone keeps it alive when it is called more often than the term; `start` does that in the background until `stop`,
    and `open` then answers at once, so that no tick waits behind a renewal that etcd does not answer.
    """

    def __init__(self, kv: KeyValue, *, key: str, controller: str, clock: Clock, term: timedelta) -> None:
        self._kv, self._key, self._controller, self._clock, self._term = kv, key, controller, clock, term
        self._lease = ABSENT
        self._revision = ABSENT
        self._renewed = timedelta()
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def lease(self) -> int:
        """The lease as far as we know, ABSENT before the first and after a lapse; etcd may know better."""
        return self._lease

    @property
    def announcement(self) -> tuple[str, int]:
        """The session's key and the revision of its announcement; unchanged in etcd exactly as long as the session lives."""
        return self._key, self._revision

    @property
    def _due(self) -> bool:
        return self._clock.monotonic() - self._renewed >= self._term / 4

    async def open(self) -> int:
        """A living lease: this one, renewed when a quarter of its term has passed, or a new one. Raises ProviderError."""
        if self._lease != ABSENT and self._task is not None:
            return self._lease
        return await self._beat()

    def lapsed(self, lease: int) -> None:
        """Somebody was told that this lease is gone; the next `open` makes a new one."""
        if lease == self._lease:
            self._lease = ABSENT

    def start(self) -> None:
        """Keep the session alive in the background; a second call changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"session {self._controller}")

    async def stop(self) -> None:
        """End the session at once instead of letting it lapse, so that nobody waits for us. Never raises for etcd."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        lease, self._lease = self._lease, ABSENT
        if lease != ABSENT:
            with suppress(ProviderError):  # then it lapses by itself within its term
                await self._kv.revoke(lease)

    async def _beat(self) -> int:
        async with self._turn:
            if self._lease == ABSENT or (self._due and not await self._renew()):
                await self._begin()
            return self._lease

    async def _renew(self) -> bool:
        asked = self._clock.monotonic()
        if await self._kv.renew(self._lease):
            self._renewed = asked
            return True
        self._lease = ABSENT
        return False

    async def _begin(self) -> None:
        asked = self._clock.monotonic()
        lease = await self._kv.grant(self._term)
        try:
            revision = await replace(self._kv, key=self._key, value=self._controller, lease=lease, known=self._revision)
        except LeaseLapsed as lapse:
            raise Transient("the session lapsed before it was announced") from lapse
        self._lease, self._revision, self._renewed = lease, revision, asked

    async def _keep(self) -> None:
        while True:
            with suppress(ProviderError):  # without etcd's majority there is nothing to keep; the next beat tries again
                await self._beat()
            await self._clock.sleep(self._term / 4)
