"""The watch over the own site's traffic on real sockets: a real agent beside real HAProxy, and one that never says a word."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import aiohttp
import pytest

from controller.clock import SystemClock
from controller.core.model import Health, Opinion
from controller.core.traffic import Limits, Track
from controller.probing.traffic_probe import TrafficProbe
from controller.traffic_watch import TrafficWatch
from tests.contract.edge_worlds import KEY
from tests.contract.test_edge_agent import SERVING, kept

pytestmark = pytest.mark.asyncio

HASTY = Limits(known=0, volume=1, accuse=1, forgive=1)
"""Tells after one window what others tell after a minute."""


@asynccontextmanager
async def watching(url: str, patience: timedelta = timedelta(seconds=5)) -> AsyncIterator[TrafficWatch]:
    """A watch that runs over this agent."""
    clock = SystemClock()
    async with aiohttp.ClientSession() as session:
        probe = TrafficProbe(session=session, url=url, clock=clock, limits=HASTY, track=Track())
        watch = TrafficWatch(probe=probe, clock=clock, patience=patience, every=timedelta(milliseconds=200))
        task = asyncio.create_task(watch.run())
        try:
            yield watch
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(watch: TrafficWatch, word: str) -> Opinion:
    """What it says once its detail has this in it."""
    async with asyncio.timeout(15):
        while (said := watch.word("payments")) is None or word not in said.detail:
            await asyncio.sleep(0.02)
    return said


async def test_what_a_real_edge_counted_becomes_a_word() -> None:
    """Requests through HAProxy are told with their number; of another service than the one that the edge leads with nothing is."""
    async with kept("traffic-watch", SERVING) as given, watching(f"http://{given.settings['aws'].agent}/status") as watch:

        async def pay() -> None:
            while True:
                await given.ask("aws", headers=KEY)

        paying = asyncio.create_task(pay())
        try:
            said = await until(watch, "requests a second, 0 of ")
        finally:
            paying.cancel()
            with suppress(asyncio.CancelledError):
                await paying
        assert said.health is Health.HEALTHY and said.successes > 0
        assert watch.word("vault") is None


async def test_an_agent_that_hangs_is_asked_again_and_again_and_is_unknown() -> None:
    """Each look ends at its deadline, by itself; nobody waits for it, and it accuses nobody."""
    asked = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        with suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with watching(f"http://127.0.0.1:{port}/status", patience=timedelta(milliseconds=100)) as watch:
            assert (await until(watch, "silent for 0.1 s")).health is Health.UNKNOWN
            async with asyncio.timeout(10):
                while asked < 3:
                    await asyncio.sleep(0.02)
