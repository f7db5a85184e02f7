"""Somebody outside hears that we live, from whoever ticks and reaches etcd's majority, and from nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from structlog.testing import capture_logs

from controller.heartbeat import LIVELY, Heartbeat
from controller.providers.memory.channel import MemoryMonitor
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES
from tests.unit.telling_office import Office, office


@asynccontextmanager
async def beating(given: Office) -> AsyncIterator[dict[str, MemoryMonitor]]:
    """Every controller pings a monitor of its own, so that a test sees who did."""
    monitors: dict[str, MemoryMonitor] = {site: MemoryMonitor(clock=given.clock) for site in SITES}
    beats = [
        Heartbeat(loops=[one.loop], outside=monitors[site], clock=given.clock, every=timedelta(seconds=10))
        for site, one in given.colleagues.items()
    ]
    tasks = [asyncio.create_task(one.run()) for one in beats]
    yield monitors
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_reaches_the_majority_is_heard_and_who_does_not_is_silent() -> None:
    """aws alone is cut off: the others go on. Then nobody reaches a majority, and all are silent: the monitor outside tells."""
    async with office() as given, beating(given) as monitors:
        await given.live(25)
        assert [len(monitors[site].pings) for site in SITES] == [3, 3, 3]
        given.colleagues[AWS].link.reachable = False
        await given.live(30)
        assert len(monitors[AWS].pings) == 3 and len(monitors[GCP].pings) == 6
        given.etcd.majority = False
        heard = given.clock.monotonic()
        await given.live(60)
        assert max(ping for site in (AZURE, GCP) for ping in monitors[site].pings) <= heard + LIVELY
        given.etcd.majority, given.colleagues[AWS].link.reachable = True, True
        await given.live(10)
        assert all(monitors[site].pings[-1] > heard + LIVELY for site in SITES), "heard again"


async def test_a_ping_that_is_lost_is_sent_again_soon_and_one_that_hangs_ends() -> None:
    """A monitor with a grace of two periods must not take one lost ping for a death."""
    async with office() as given, beating(given) as monitors:
        monitors[AWS].reachable = False
        await given.live(11)
        monitors[AWS].reachable = True
        await given.live(3)
        assert len(monitors[AWS].pings) == 1, "within two seconds, not ten"
        monitors[AZURE].hanging = True
        await given.live(20)
        monitors[AZURE].hanging = False
        before = len(monitors[AZURE].pings)
        await given.live(10)
        assert len(monitors[AZURE].pings) > before


async def test_one_service_that_is_not_looked_after_is_silence() -> None:
    """Its loop stands still while the other's ticks: nobody is content with half."""
    async with office() as given:
        first, second = given.colleagues[AWS].loop, given.colleagues[AZURE].loop
        beat = Heartbeat(loops=[first, second], outside=MemoryMonitor(clock=given.clock), clock=given.clock)
        assert beat.silence() == ""
        given.colleagues[AZURE].link.reachable = False
        with capture_logs():
            await given.live(8)
        assert "no tick" in beat.silence()
