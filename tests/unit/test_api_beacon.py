"""The beacon: by its posture and by its own eyes a site says whether it serves, whatever has become of etcd."""

from datetime import timedelta

import pytest

from controller.core.model import Site
from controller.providers.memory.probe import Behaviour
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio


async def beacons(given: Room) -> dict[Site, int]:
    """What every site's own beacon answers."""
    return {site: (await given.get(f"/beacon/payments/{site}", site))[0] for site in SITES}


async def pass_time(given: Room, seconds: int) -> None:
    """Without a tick of anybody."""
    for _ in range(10 * seconds):
        await given.clock.advance(timedelta(milliseconds=100))


async def test_a_site_that_was_drained_turns_health_checks_away() -> None:
    """The posture has moved on; its edge may even be well again."""
    async with room() as given:
        assert await beacons(given) == dict.fromkeys(SITES, 200)
        given.kill(GCP)
        await given.tick(40)
        assert (await given.posture()).weights[GCP] == 0
        assert await beacons(given) == {AWS: 200, AZURE: 200, GCP: 503}


async def test_without_etcd_every_site_that_is_well_goes_on_serving() -> None:
    """Payments go on as they are; an hour later still, and nobody is drained because nobody can say anything new."""
    async with room() as given:
        given.etcd.majority = False
        await pass_time(given, 60)
        assert (await given.get("/v1/services/payments/status"))[1]["stale"]
        assert await beacons(given) == dict.fromkeys(SITES, 200)


async def test_without_etcd_a_site_that_is_not_well_is_left() -> None:
    """gcp's controller has lost etcd and gcp's edge is dead: the last posture it knows still says that gcp serves."""
    async with room() as given:
        given.links[GCP].reachable = False
        given.edges[GCP].behaviour = Behaviour.HANGS
        await given.tick(60)
        code, told = await given.get("/beacon/payments/gcp", GCP)
        assert code == 503 and told["type"] == "/problems/unready" and "edge is failing" in told["detail"]
        given.edges[GCP].behaviour = Behaviour.ANSWERS
        await given.tick(60)
        assert (await given.get("/beacon/payments/gcp", GCP))[0] == 200


async def test_a_controller_speaks_for_its_own_site_only() -> None:
    """From afar one vantage cannot tell a dead site from a broken way to it."""
    async with room() as given:
        code, told = await given.get("/beacon/payments/gcp", AWS)
        assert code == 404 and "its own controller" in told["detail"]
