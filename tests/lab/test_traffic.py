"""A site fails its clients while every probe of it is answered: known everywhere within seconds, obeyed nowhere.

Controllers, etcd, databases, edges and probes are the lab's. What the edges counted is made up: a clients' failure that probes do not
notice cannot be had by pulling at processes or links, because what answers a probe of the write path answers payments, and an edge whose
service does not hands requests to other sites.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.core.traffic import Limits
from lab.cabling import SITES
from lab.fleet import LEAN
from lab.laboratory import Laboratory, laboratory
from lab.site import CONTROLLER
from lab.site_settings import SERVICE

pytestmark = pytest.mark.timeout(280)

BAD, OTHER = "aws", "gcp"
"""Whose clients are failed, and who tells of it. azure writes."""

PACE = 50
"""Requests a second that every edge tells of."""

HABITS, FOUND = timedelta(seconds=120), timedelta(seconds=20)
"""At most, until the usual traffic of all sites is known (a minute of it), and until one is called failing."""

WATCHED = timedelta(seconds=10)
"""For so long nothing is done about it: many dwells."""


@dataclass(slots=True)
class Agent:
    """What one edge's agent tells of traffic."""

    failing: float = 0.0
    """Part of the requests."""
    answered: float = 0.0
    failed: float = 0.0
    _counted: float = field(default_factory=time.monotonic)

    def fail(self, part: float) -> None:
        """From now on this part of the requests."""
        self._count()
        self.failing = part

    async def answer(self, _: web.Request) -> web.Response:
        """`/status`, as far as a controller reads it."""
        self._count()
        counted = {"answered": int(self.answered), "failed": int(self.failed), "mean_ms": 30, "age_s": 0.0}
        return web.json_response({"service": SERVICE, "traffic": {"trouble": "", "counted": counted}})

    def _count(self) -> None:
        passed = time.monotonic() - self._counted
        self._counted += passed
        self.answered += PACE * passed
        self.failed += PACE * passed * self.failing


@asynccontextmanager
async def made_up(lab: Laboratory) -> AsyncIterator[Mapping[str, Agent]]:
    """Every controller started anew, beside an agent whose numbers are made up."""
    agents = {site: Agent() for site in SITES}
    async with AsyncExitStack() as stack:
        for name, agent in agents.items():
            app = web.Application()
            app.router.add_get("/status", agent.answer)
            server = await stack.enter_async_context(TestServer(app))
            site = lab.sites[name]
            before = (site.settings / f"{CONTROLLER}.toml").read_text()
            after, times = re.subn(r'^agent = ".*"$', f'agent = "http://{server.host}:{server.port}"', before, flags=re.MULTILINE)
            assert times == 1, "the lab tells every controller of its own site's agent, and of no other"
            site.write(CONTROLLER, after)
            assert site.controller is not None
            site.controller.kill()
            site.start_controller()
        yield agents


async def status(lab: Laboratory) -> dict[str, Any]:
    """What the other site's controller knows; empty while it starts."""
    url = f"{lab.controllers()[OTHER]}/v1/services/{SERVICE}/status"
    try:
        async with aiohttp.ClientSession() as http, http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            told: dict[str, Any] = await answer.json()
            return told if answer.status == 200 else {}
    except aiohttp.ClientConnectionError:
        return {}


def traffic(told: Mapping[str, Any]) -> dict[str, str | None]:
    """Its health by site."""
    return {name: one["traffic"] and one["traffic"]["health"] for name, one in told.get("sites", {}).items()}


async def until(lab: Laboratory, wanted: Mapping[str, str], within: timedelta) -> dict[str, Any]:
    """The status once it says this of the sites' traffic."""
    began = time.monotonic()
    while traffic(told := await status(lab)) != wanted:
        assert time.monotonic() - began < within.total_seconds(), [one["traffic"] for one in told.get("sites", {}).values()]
        await asyncio.sleep(0.2)
    return told


@pytest.mark.long
async def test_a_site_whose_traffic_fails_is_told_by_another_and_drained_by_nobody() -> None:
    """Half of aws's requests fail. gcp's controller says so, warns, and names who does well; shares, writer, epoch and plan stay as they
    were, and nothing is claimed. When its requests are answered again it is well."""
    well = dict.fromkeys(SITES, "healthy")
    async with laboratory("test-traffic", services=LEAN) as lab, made_up(lab) as agents:
        before = await until(lab, well, HABITS)
        journal = await lab.witness.journal()
        agents[BAD].fail(0.5)
        began = time.monotonic()
        told = await until(lab, {**well, BAD: "failing"}, FOUND)
        assert time.monotonic() - began > Limits().accuse - 2, "not on one bad window"
        (warning,) = (one for one in told["warnings"] if one["subject"] == "traffic")
        assert warning["site"] == BAD and "requests failed" in warning["value"] and OTHER in warning["value"]
        watched = time.monotonic()
        while time.monotonic() - watched < WATCHED.total_seconds():
            told = await status(lab)
            assert told["posture"] == before["posture"] and told["plan"] is None, told
            assert "failing" not in {part["health"] for one in told["sites"].values() for part in one["health"].values()}
            await asyncio.sleep(0.5)
        assert [entry for entry in (await lab.witness.journal())[len(journal) :] if entry.kind == "claim"] == []
        agents[BAD].fail(0.0)
        told = await until(lab, well, 2 * FOUND)
        assert [one for one in told["warnings"] if one["subject"] == "traffic"] == []
