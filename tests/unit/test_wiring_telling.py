"""What tells people is put together from the settings, and a defect in it ends nothing but itself."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from structlog.testing import capture_logs

from controller.channels.pagerduty import PagerDuty
from controller.channels.slack import Slack
from controller.channels.webhook import Webhook
from controller.heartbeat import Heartbeat
from controller.providers.memory.channel import MemoryMonitor
from controller.providers.memory.clock import SteppedClock
from controller.wiring import assembled
from controller.wiring_telling import AFTER_A_DEFECT, Voices
from tests.unit.test_settings import ENVIRON, document
from tests.unit.test_settings_notify import CHAT, HOOK, PAGER, reader, with_notify

ENVIRONMENT = {**ENVIRON, "CHAT_URL": "https://hooks.example/services/x"}


async def test_every_channel_of_the_settings_is_told_and_the_heartbeat_watches_every_loop(tmp_path: Path) -> None:
    """By the names of the settings, with the loops that tick."""
    given = with_notify(HOOK, PAGER, CHAT, heartbeat={"url_file": "url"})
    async with assembled(reader(tmp_path)(given, ENVIRONMENT), SteppedClock()) as assembly:
        voices = assembly.voices
        assert voices is not None
        (teller,), (noticer,) = voices.tellers, voices.noticers
        channels = [route.channel for route in teller.routes]
        assert [type(one) for one in channels] == [Webhook, PagerDuty, Slack]
        assert [one.name for one in channels] == ["ops", "oncall", "chat"]
        assert teller.loop is noticer.loop is assembly.loops["payments"] and teller.desk is assembly.store
        assert noticer.members is voices.members is not None
        assert voices.heartbeat is not None and list(voices.heartbeat.loops) == list(assembly.loops.values())


async def test_without_channels_nothing_is_noticed(tmp_path: Path) -> None:
    """Nobody would be told, and the journal is no place for talk."""
    async with assembled(reader(tmp_path)(document()), SteppedClock()) as assembly:
        assert assembly.voices is not None
        assert not assembly.voices.tellers and not assembly.voices.noticers and assembly.voices.heartbeat is None


@dataclass(slots=True, kw_only=True)
class Defect(Heartbeat):
    """A part that stumbles the first time."""

    begun: int = 0

    async def run(self) -> None:
        """Once a division by zero, then well."""
        self.begun += 1
        if self.begun == 1:
            raise ZeroDivisionError
        await asyncio.Event().wait()


async def test_a_defect_in_what_tells_people_ends_no_controller() -> None:
    """It is logged, and the part begins again; were it raised, the group of tasks that moves the writer would end with it."""
    clock = SteppedClock()
    part = Defect(loops=(), outside=MemoryMonitor(clock=clock), clock=clock)
    with capture_logs() as logs:
        work = asyncio.create_task(Voices(heartbeat=part, clock=clock).work())
        await clock.advance(AFTER_A_DEFECT * 2)
        assert part.begun == 2 and not work.done()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert [one["part"] for one in logs] == ["Defect"]
