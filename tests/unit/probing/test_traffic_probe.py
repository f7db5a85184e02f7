"""What an edge's agent tells of its traffic becomes windows; whatever cannot be read is unknown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.core.model import Health
from controller.core.traffic import Limits, Track
from controller.probing.traffic_probe import OLDEST, TrafficProbe
from controller.providers.memory.clock import SteppedClock

SOON = timedelta(seconds=5)
SECOND = timedelta(seconds=1)
pytestmark = pytest.mark.asyncio


@dataclass(slots=True)
class Agent:
    """An edge's agent whose words a test decides."""

    answered: int = 1000
    failed: int = 0
    age: float = 0.1
    status: int = 200
    instance: str = "one"
    document: Any = None
    """Said instead, when it is there."""
    asked: int = field(default=0)

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        counted = {"answered": self.answered, "failed": self.failed, "mean_ms": 30, "age_s": self.age}
        told = {"service": "payments", "instance": self.instance, "traffic": {"trouble": "", "counted": counted}}
        said = self.document if self.document is not None else told
        return web.json_response(said, status=self.status)


@asynccontextmanager
async def watching(agent: Agent) -> AsyncIterator[tuple[TrafficProbe, SteppedClock]]:
    """A probe of that agent."""
    app = web.Application()
    app.router.add_get("/status", agent.answer)
    clock = SteppedClock()
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/status"))
        yield TrafficProbe(session=session, url=url, clock=clock, limits=Limits(), track=Track()), clock


async def test_two_looks_make_a_window() -> None:
    """The first one alone says nothing; the counters' difference does."""
    agent = Agent()
    async with watching(agent) as (probe, clock):
        assert (await probe.look(SOON)).detail == Track().detail and probe.service == "payments"
        await clock.advance(SECOND)
        agent.answered, agent.failed = 1040, 2
        track = await probe.look(SOON)
        assert "40 requests a second, 2 of 40 failed" in track.detail and track.weight == 1


async def test_the_same_numbers_again_are_no_window() -> None:
    """The agent looks once a second; asked more often it tells the same, which is not a second without requests."""
    agent = Agent(age=0.0)
    async with watching(agent) as (probe, clock):
        await probe.look(SOON)
        await clock.advance(SECOND)
        agent.answered = 1040
        told = await probe.look(SOON)
        await clock.advance(timedelta(milliseconds=200))
        agent.age = 0.2
        assert await probe.look(SOON) == told


async def test_counters_of_two_edges_are_no_window() -> None:
    """A balancer leads to another instance, which has counted more since it began: nothing of that happened between the two looks."""
    agent = Agent()
    async with watching(agent) as (probe, clock):
        await probe.look(SOON)
        await clock.advance(SECOND)
        agent.instance, agent.answered, agent.failed = "another", 5000, 2000
        track = await probe.look(SOON)
        assert (track.health, track.weight) == (Health.UNKNOWN, 0) and "another edge" in track.detail
        await clock.advance(SECOND)
        agent.answered += 40
        assert "40 requests a second, 0 of 40 failed" in (await probe.look(SOON)).detail


@pytest.mark.parametrize(
    "change",
    [
        {"status": 503},
        {"age": OLDEST.total_seconds() + 0.1},
        {"document": {"service": "payments", "traffic": {"trouble": "HAProxy was silent for 0.3 s", "counted": None}}},
        {"document": {}},
        {"document": [1]},
        {"document": {"service": "payments", "traffic": {"trouble": "", "counted": {"answered": "many"}}}},
        {"document": {"traffic": {"trouble": "", "counted": {"answered": 1, "failed": 0, "mean_ms": 1, "age_s": 0}}}},
    ],
)
async def test_what_cannot_be_read_is_unknown_and_begins_anew(change: dict[str, Any]) -> None:
    """No accusation, no error; the next window does not reach over the gap."""
    agent = Agent()
    async with watching(agent) as (probe, clock):
        await probe.look(SOON)
        for name, value in change.items():
            setattr(agent, name, value)
        await clock.advance(SECOND)
        assert (await probe.look(SOON)).health is Health.UNKNOWN
        assert probe.last is None


async def test_an_agent_that_is_gone_is_unknown() -> None:
    """Nobody listens; the look returns."""
    async with aiohttp.ClientSession() as session:
        probe = TrafficProbe(
            session=session, url="http://127.0.0.1:1/status", clock=SteppedClock(), limits=Limits(), track=Track()
        )
        track = await probe.look(SOON)
    assert track.health is Health.UNKNOWN and "agent" in track.detail
