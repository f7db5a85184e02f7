"""Repairs of wraps, in the background: what a cloud that was gone could not wrap is added when it is back, and what an older version of
its key-encryption key wrapped is wrapped anew. The data underneath is never touched.

Only the process beside the writer does it: three that repair the same rows would ask the clouds three times. When two do it anyway,
in the moments of a failover, the later wrap replaces the earlier one and both open. A round passes all data keys, one window after the
other, at a pace that leaves the clients' requests their room; whatever fails is met again in the next round.
"""

import asyncio
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
from workload.vault.key_settings import KeyTuning
from workload.vault.keyring import Keyring
from workload.vault.model import LockedKey, Outcome, Survey
from workload.vault.wrapping import Wrapped

log = structlog.get_logger()

START = UUID(int=0)
"""Before every data key."""


class Meter(Protocol):
    """Counts repairs."""

    def repaired(self, cloud: str, result: str) -> None:
        """A wrap was added or replaced, or could not be."""


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

    async def tend(self) -> None:
        """Look through one window after the other, for ever."""
        while True:
            await self.look_through()
            await self._pause(self._tuning.survey_interval.total_seconds())

    async def look_through(self) -> None:
        """Repair what is flawed in the next window; nothing when the writer is elsewhere, or no cloud or database answers."""
        writer = self._compass.writer
        if writer is None or writer.site != self._site:
            self._after = START
            return
        await self._refresh()
        if not self._current:
            return
        try:
            survey = await self._survey()
        except Unanswered:
            return
        for id in survey.flawed:
            try:
                await self._repair(id)
            except Unanswered:
                pass
            except KeyLost as lost:
                log.critical("a data key is lost", data_key=str(id), why=str(lost))
            await self._pause(self._tuning.repair_interval.total_seconds())
        self._after = survey.upto or START

    async def _refresh(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._asked_at is None or now - self._asked_at >= self._tuning.current_age.total_seconds():
            self._current = await self._clouds.current(self._tuning.wrap_deadline)
            self._asked_at = now

    async def _repair(self, id: UUID) -> None:
        locked = await self._read(id)
        if locked is None or locked.is_erased:
            return
        held = {wrap.cloud: wrap.kek for wrap in locked.wraps}
        flawed = [cloud for cloud, kek in self._current.items() if held.get(cloud) != kek]
        if not flawed:
            return
        key = await self._keyring.open_once(locked)
        for cloud in flawed:
            wrapped = await self._clouds.wrap_by(cloud, key.material, locked.context, self._tuning.wrap_deadline)
            if wrapped is None:
                self._meter.repaired(cloud, "not wrapped")
            elif wrapped.kek == held.get(cloud):
                # What it wraps with is not what it says is current: replaced, the wrap would be replaced again in every round.
                self._meter.repaired(cloud, "not newer")
            else:
                self._meter.repaired(cloud, (await self._add(id, wrapped)).value)

    async def _survey(self) -> Survey:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Survey, Evidence]:
            return await store.survey(session, site, self._after, self._tuning.survey_window, self._current, deadline)

        return await self._answers.give(ask)

    async def _read(self, id: UUID) -> LockedKey | None:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[LockedKey | None, Evidence]:
            return await store.read_key(session, site, deadline, id=id)

        return await self._answers.give(ask)

    async def _add(self, id: UUID, wrapped: Wrapped) -> Outcome:
        async def ask(session: Session, site: str, deadline: timedelta) -> tuple[Outcome, Evidence]:
            return await store.add_wrap(session, site, id, wrapped, deadline)

        return await self._answers.give(ask)
