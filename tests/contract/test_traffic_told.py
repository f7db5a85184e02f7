"""Three controllers, each beside an edge's agent on a real socket: what one agent counts is told by every controller and obeyed by none."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.core.model import Site
from controller.core.traffic import Limits, Track, opinion
from controller.probing.traffic_probe import TrafficProbe
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio

SECOND, SOON = timedelta(seconds=1), timedelta(seconds=5)
LIMITS = Limits()


@dataclass(slots=True)
class Agent:
    """One edge's agent, whose counters a test moves on by the second."""

    pace: int = 50
    failing: int = 0
    """Of each second's requests."""
    slow: int = 30
    """Milliseconds."""
    answered: int = 0
    failed: int = 0

    def pass_a_second(self) -> None:
        """Count what came."""
        self.answered += self.pace
        self.failed += self.failing

    async def answer(self, _: web.Request) -> web.Response:
        """`/status`, as far as a controller reads it."""
        counted = {"answered": self.answered, "failed": self.failed, "mean_ms": self.slow, "age_s": 0.0}
        return web.json_response({"service": "payments", "traffic": {"trouble": "", "counted": counted}})


@dataclass(slots=True)
class Place:
    """Three controllers, and what their agents count."""

    room: Room
    agents: dict[Site, Agent] = field(default_factory=lambda: {site: Agent() for site in SITES})
    probes: dict[Site, TrafficProbe] = field(default_factory=dict)

    async def live(self, seconds: int, ticks: int = 10) -> None:
        """So many seconds: each controller looks at its own agent once in each, and ticks."""
        for _ in range(seconds):
            for site, agent in self.agents.items():
                agent.pass_a_second()
                self.room.traffic[site] = opinion(await self.probes[site].look(SOON))
            await self.room.tick(ticks)
            await self.room.clock.advance(SECOND - ticks * timedelta(milliseconds=100))

    async def told(self, at: Site = GCP) -> dict[str, Any]:
        """What this site's controller says."""
        code, status = await self.room.get("/v1/services/payments/status", at)
        assert code == 200 and isinstance(status, dict)
        return status

    async def traffic(self, at: Site = GCP) -> dict[str, str]:
        """What it says of every site's traffic."""
        return {name: one["traffic"]["health"] for name, one in (await self.told(at))["sites"].items()}


@asynccontextmanager
async def placed() -> AsyncIterator[Place]:
    """Everybody well, and every site's usual traffic known."""
    async with AsyncExitStack() as stack:
        given = Place(room=await stack.enter_async_context(room()))
        for site, agent in given.agents.items():
            app = web.Application()
            app.router.add_get("/status", agent.answer)
            server = await stack.enter_async_context(TestServer(app))
            url = str(server.make_url("/status"))
            given.probes[site] = TrafficProbe(
                session=given.room.http, url=url, clock=given.room.clock, limits=LIMITS, track=Track()
            )
        await given.live(int(LIMITS.known) + LIMITS.forgive + 1, ticks=1)
        await given.live(1)
        yield given


@pytest.mark.parametrize("trouble", [{"failing": 20}, {"slow": 300}], ids=["errors", "slowness"])
async def test_a_site_that_fails_its_clients_is_told_by_every_controller_and_drained_by_none(trouble: dict[str, int]) -> None:
    """Probes of aws are answered all the while. Six bad seconds later the others' controllers tell of it and warn; posture, plans and
    claims stay as they were for another twenty. Twelve good seconds, and it is well."""
    async with placed() as given:
        assert await given.traffic() == dict.fromkeys(SITES, "healthy")
        before, journal = await given.room.posture(), await given.room.stores[AWS].journal("payments")
        for name, value in trouble.items():
            setattr(given.agents[AWS], name, value)
        await given.live(LIMITS.accuse - 1)
        assert AWS in await given.traffic() and (await given.traffic())[AWS] != "failing"
        await given.live(1)
        for site in SITES:
            assert await given.traffic(site) == {AWS: "failing", AZURE: "healthy", GCP: "healthy"}
        status = await given.told()
        assert [(one["site"], one["subject"]) for one in status["warnings"]] == [(AWS, "traffic")]
        await given.live(20)
        status = await given.told()
        assert {part["health"] for site in status["sites"].values() for part in site["health"].values()} == {"healthy"}
        assert await given.traffic() == {AWS: "failing", AZURE: "healthy", GCP: "healthy"}
        assert await given.room.posture() == before
        assert await given.room.stores[AWS].journal("payments") == journal and status["plan"] is None
        given.agents[AWS].failing, given.agents[AWS].slow = 0, 30
        await given.live(LIMITS.forgive)
        assert await given.traffic() == dict.fromkeys(SITES, "healthy") and (await given.told())["warnings"] == []


async def test_the_writers_failure_is_no_sites() -> None:
    """Every site's requests fail together: each edge accuses its own site, and no controller tells of any."""
    async with placed() as given:
        for agent in given.agents.values():
            agent.failing = 40
        await given.live(LIMITS.accuse + 2)
        assert {probe.track.health for probe in given.probes.values()} == {"failing"}
        assert await given.traffic() == dict.fromkeys(SITES, "unknown") and (await given.told())["warnings"] == []
