"""The agent's beacon follows the rule that the controllers' does; what it knows is told with its age."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from controller.core.beacon import silence
from controller.core.model import Health, Site
from edge.beacon import build
from tests.unit.core.worlds import posture
from tests.unit.edge.rooms import Room, room

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
EVEN = {AWS: 1.0, AZURE: 1.0}


@asynccontextmanager
async def serving(place: Path) -> AsyncIterator[tuple[Room, "TestClient[Any, Any]"]]:
    """A room whose agent answers over HTTP."""
    async with room(place) as given, TestClient(TestServer(build(given.agent))) as http:
        yield given, http


@pytest.mark.parametrize(
    ("weights", "edge", "kind"),
    [
        (EVEN, Health.HEALTHY, None),
        (EVEN, Health.FAILING, "unready"),
        (EVEN, Health.UNKNOWN, "unready"),
        ({AWS: 0.0, AZURE: 1.0}, Health.HEALTHY, "drained"),
        ({AZURE: 1.0}, Health.HEALTHY, "drained"),
        (None, Health.HEALTHY, "not-ready"),
    ],
)
def test_the_rule(weights: dict[Site, float] | None, edge: Health, kind: str | None) -> None:
    """Lit only while the last posture gives the site traffic and the edge is seen to be well."""
    dark = silence(AWS, weights, edge, "asked")
    assert (dark.kind if dark else None) == kind


async def test_the_beacon_goes_by_posture_and_by_haproxys_eyes(tmp_path: Path) -> None:
    """Dark before anything is known, lit, dark while drained, dark while the service is down, lit without etcd."""
    async with serving(tmp_path) as (given, http):

        async def lit() -> int:
            async with http.get("/beacon") as answer:
                return answer.status

        async def step() -> int:
            await given.agent.listener.hear()
            await given.agent.apply()
            return await lit()

        assert await step() == 503
        given.want(posture())
        assert await step() == 200
        given.want(posture(weights={AWS: 0.0, AZURE: 1.0, GCP: 1.0}))
        assert await step() == 503
        given.want(posture())
        given.socket.states["payments/local"] = 0
        assert await step() == 503
        given.socket.states.clear()
        given.link.reachable = False
        await given.clock.advance(timedelta(hours=1))
        assert await step() == 200
        await given.clock.advance(timedelta(seconds=2))
        assert await lit() == 503


async def test_two_edges_of_a_site_can_be_told_apart(tmp_path: Path) -> None:
    """Behind one balancer they answer in turns, and what one has counted is no news about the other. Each says the same all its life."""
    (tmp_path / "other").mkdir()
    said: list[str] = []
    async with serving(tmp_path) as (_, one), serving(tmp_path / "other") as (_, other):
        for http in (one, one, other):
            async with http.get("/status") as answer:
                said.append((await answer.json())["instance"])
    assert said[0] == said[1] != said[2] and all(said)


async def test_what_the_agent_knows_is_told_with_its_age(tmp_path: Path) -> None:
    """Where the posture comes from and how old it is; every server with weight and health; what is out of reach, in words."""
    async with serving(tmp_path) as (given, http):
        async with http.get("/status") as answer:
            told = await answer.json()
        assert (told["posture"], told["doing"], told["haproxy"]["servers"]) == (None, None, {})
        given.want(posture())
        await given.agent.listener.hear()
        await given.agent.apply()
        given.link.reachable = False
        await given.clock.advance(timedelta(seconds=90))
        await given.agent.listener.hear()
        async with http.get("/status") as answer:
            told = await answer.json()
        assert (told["posture"]["from"], told["posture"]["age_s"], told["doing"]) == ("etcd", 90.0, "serving")
        assert told["control_plane"]["reached"] is False and "etcd" in told["control_plane"]["trouble"]
        assert told["haproxy"]["servers"]["payments/local"] == {"weight": 256, "health": "healthy"}
        async with http.get("/metrics") as answer:
            text = await answer.text()
        assert "trimaran_edge_posture_age_seconds 90.0" in text and "trimaran_edge_control_plane_reached 0.0" in text
        assert 'trimaran_edge_server_weight{backend="payments",server="local"} 256.0' in text
