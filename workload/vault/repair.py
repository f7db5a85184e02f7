"""Repairs of wraps, in the background: what a cloud that was gone could not wrap is added when it is back, and what an older version of
its key-encryption key wrapped is wrapped anew. The data underneath is never touched.

Only the process beside the writer goes round: three that repair the same rows would ask the clouds three times. A wrap that did not open
while another one did is seen by the process that met it and by nobody else, so each repairs those itself, wherever it is. When two
repair one wrap the later finds another than it has read, and leaves it. A round passes all data keys, one window after the other, at a pace
that leaves the clients' requests their room; whatever fails is met again in the next round.
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog

from workload.durable.answers import Answers, Compass
from workload.durable.errors import Unanswered
from workload.durable.evidence import Evidence
from workload.durable.session import Session
from workload.durable.sessions import Pause
from workload.vault import store
from workload.vault.clouds import Clouds
from workload.vault.errors import KeyLost
from workload.vault.inventory import Counts, Inventory
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.model import LockedKey, Outcome, Survey
from workload.vault.wrapping import Wrapped

log = structlog.get_logger()

START = UUID(int=0)
"""Before every data key."""
ENDS = {Outcome.FOUNDED: "placed", Outcome.REPLACED: "overtaken"}
"""What metrics call the end of a repair, where the database's word is about the row."""
SUSPECTS = 50
"""Wraps that did not open, looked at before each window. Of a cloud that opens none any more there are many, and the others' wait."""


class Meter(Protocol):
    """Counts repairs."""

    def repaired(self, cloud: str, result: str) -> None:
        """What became of a wrap that was to be added or replaced."""

    def broken(self, kind: str) -> None:
        """Something does not open as it should: a person must look."""

    def surveyed(self, counts: Counts) -> None:
        """A round past all data keys ended; empty: this process goes round no more."""


class Repairs:
    """Goes round the data keys for ever."""

    def __init__(
        self,
        *,
        answers: Answers,
        compass: Compass,
        site: str,
        clouds: Clouds,
        keyring: Keyring,
        tuning: KeyTuning,
        meter: Meter,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._answers = answers
        self._compass = compass
        self._site = site
        self._clouds = clouds
        self._keyring = keyring
        self._tuning = tuning
        self._meter = meter
        self._pause = pause
        self._after = START
        self._current: dict[str, str] = {}
        self._asked_at: float | None = None
        self._inventory = Inventory(clouds.names)

    async def tend(self) -> None:
        """Look through one window after the other, for ever."""
        while True:
            await self.look_through()
            await self._pause(self._tuning.survey_interval.total_seconds())

    async def look_through(self) -> None:
        """Repair what this process met, and what is flawed in the next window; of the window nothing when the writer is elsewhere, or no
        cloud or database answers."""
        for id in self._clouds.suspects.keys[:SUSPECTS]:
            await self._attempt(id, self._repair_suspects(id))
        if not self._is_beside_writer():
            self._leave()
            return
        await self._refresh()
        if not self._current:
            return
        try:
            survey = await self._survey()
        except Unanswered:
            return
        self._inventory.add(survey, self._current)
        for id in survey.flawed:
            # A window of flawed keys lasts minutes: whoever is beside the writer now goes round now.
            if not self._is_beside_writer():
                self._leave()
                return
            await self._refresh()
            await self._attempt(id, self._repair_flawed(id))
        self._after = survey.upto or START
        if survey.upto is None:
            self._meter.surveyed(self._inventory.counts())
            self._inventory = Inventory(self._clouds.names)

    def _is_beside_writer(self) -> bool:
        writer = self._compass.writer
        return writer is not None and writer.site == self._site

    def _leave(self) -> None:
        self._after, self._asked_at = START, None
        self._current, self._inventory = {}, Inventory(self._clouds.names)
        self._meter.surveyed({})

    async def _attempt(self, id: UUID, repair: Awaitable[None]) -> None:
        try:
            await repair
        except Unanswered:
            pass
        except KeyLost as lost:
            self._meter.broken("key-lost")
            log.critical("a data key is lost", data_key=str(id), why=str(lost))
        await self._pause(self._tuning.repair_interval.total_seconds())

    async def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._asked_at is None or now - self._asked_at >= self._tuning.current_age.total_seconds():
            self._current = await self._clouds.current(self._tuning.wrap_deadline)
            self._asked_at = now

    async def _repair_suspects(self, id: UUID) -> None:
        try:
            locked, met = await self._read(id), self._clouds.suspects.of(id)
            if locked is not None and not locked.is_erased:
                await self._renew(locked, [wrap.cloud for wrap in locked.wraps if wrap in met], is_broken=True)
        finally:
            # Last: whoever opens the key for this meets the same wrap again.
            self._clouds.suspects.forget(id)

    async def _repair_flawed(self, id: UUID) -> None:
        locked = await self._read(id)
        if locked is not None and not locked.is_erased:
            held = {wrap.cloud: wrap.kek for wrap in locked.wraps}
            await self._renew(locked, [cloud for cloud, kek in self._current.items() if held.get(cloud) != kek])

    async def _renew(self, locked: LockedKey, clouds: list[str], *, is_broken: bool = False) -> None:
        if not clouds:
            return
        key = await self._keyring.open_once(locked)
        held = {wrap.cloud: wrap for wrap in locked.wraps}
        for cloud in clouds:
            old = held.get(cloud)
            wrapped = await self._clouds.renew(cloud, key.material, locked, self._tuning.wrap_deadline)
            if wrapped is None:
                self._meter.repaired(cloud, "not wrapped")
            elif old is not None and wrapped.kek == old.kek and not is_broken:
                # What it wraps with is not what it says is current: replaced, the wrap would be replaced again in every round.
                self._meter.repaired(cloud, "not newer")
            else:
                outcome = await self._add(locked.id, wrapped, old)
                self._meter.repaired(cloud, ENDS.get(outcome, outcome.value))

    async def _survey(self) -> Survey:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Survey, Evidence]:
            return await store.survey(session, site, self._after, self._tuning.survey_window, self._current, deadline)

        return await self._answers.give(ask)

    async def _read(self, id: UUID) -> LockedKey | None:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[LockedKey | None, Evidence]:
            return await store.read_key(session, site, deadline, id=id)

        return await self._answers.give(ask)

    async def _add(self, id: UUID, wrapped: Wrapped, old: Wrapped | None) -> Outcome:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Outcome, Evidence]:
            return await store.add_wrap(session, site, id, wrapped, old, deadline)

        return await self._answers.give(ask)
