"""What every site's traffic says about it, as any controller tells it: with its age, against the others, and to no effect."""

import io
from typing import Any

import pytest
from rich.console import Console

from controller.cli.screen import show
from controller.core.model import Health, Site
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, said
from tests.unit.room import Room, room

pytestmark = pytest.mark.asyncio

STATUS = "/v1/services/payments/status"
WELL, FAILING = said(Health.HEALTHY), said(Health.FAILING)


async def told(given: Room, at: Site = GCP) -> dict[str, Any]:
    """What this site's controller says."""
    code, status = await given.get(STATUS, at)
    assert code == 200 and isinstance(status, dict)
    return status


async def series(given: Room, at: Site = GCP) -> dict[str, float]:
    """The metric, by site."""
    async with given.http.get(given.servers[at].make_url("/metrics")) as response:
        lines = [line for line in (await response.text()).splitlines() if line.startswith("trimaran_site_traffic{")]
    assert all('service="payments"' in line for line in lines)
    return {site: float(line.rsplit(" ", 1)[1]) for line in lines for site in SITES if f'site="{site}"' in line}


def shown(status: dict[str, Any], width: int, height: int) -> list[str]:
    """Its lines on a terminal of this size."""
    console = Console(file=(out := io.StringIO()), width=width, height=height, force_terminal=True, color_system=None)
    show(status, console)
    return out.getvalue().splitlines()


async def test_every_controller_knows_of_a_site_whose_traffic_fails_and_moves_nothing() -> None:
    """aws's own vantage alone sees it; gcp's controller tells it with its age, warns, and shares, writer and journal stay."""
    async with room() as given:
        before, journal = await given.posture(), await given.stores[AWS].journal("payments")
        given.traffic = {AWS: FAILING, AZURE: WELL, GCP: WELL}
        await given.tick(150)
        status = await told(given)
        traffic = {site: status["sites"][site]["traffic"] for site in SITES}
        assert {site: one["health"] for site, one in traffic.items()} == {AWS: "failing", AZURE: "healthy", GCP: "healthy"}
        assert all(one["age_s"] < 1 for one in traffic.values()) and "azure, gcp does well" in traffic[AWS]["detail"]
        (warning,) = status["warnings"]
        assert (warning["site"], warning["subject"]) == (AWS, "traffic")
        assert all(warning[part] in warning["said"] for part in ("value", "limit", "way_out"))
        assert await given.posture() == before
        assert await given.stores[AWS].journal("payments") == journal
        assert await series(given) == {AWS: 0, AZURE: 1, GCP: 1}
        assert "Aws/traffic is failing" in status["decision"]


async def test_what_fails_at_every_site_is_unknown_of_each() -> None:
    """Nobody is warned of; the metric is absent rather than wrong."""
    async with room() as given:
        given.traffic = dict.fromkeys(SITES, FAILING)
        await given.tick(12)
        status = await told(given)
        assert {status["sites"][site]["traffic"]["health"] for site in SITES} == {"unknown"}
        assert status["warnings"] == [] and await series(given) == {}


async def test_where_nobody_counts_nothing_is_told() -> None:
    """No agent in any settings: null, no warning, no number, and the screen as before."""
    async with room() as given:
        status = await told(given)
        assert [site["traffic"] for site in status["sites"].values()] == [None] * 3
        assert not any("traffic failing" in line for line in shown(status, 160, 100))
        assert status["warnings"] == [] and await series(given) == {}


async def test_a_word_that_is_too_old_accuses_nobody() -> None:
    """Without etcd what was said ages visibly, and is unknown; so is it for Prometheus."""
    async with room() as given:
        given.traffic = {AWS: FAILING, AZURE: WELL, GCP: WELL}
        await given.tick(12)
        assert (await series(given))[AWS] == 0
        given.etcd.majority = False
        for _ in range(40):
            await given.clock.advance(given.loops[GCP].interval)
        status = await told(given)
        assert status["sites"][AWS]["traffic"]["health"] == "unknown" and status["sites"][AWS]["traffic"]["age_s"] >= 4
        assert await series(given) == {}


async def test_a_decision_that_was_made_meanwhile_says_so_in_the_journal() -> None:
    """azure's database dies while aws's traffic fails: the failover is explained with both, long afterwards."""
    async with room() as given:
        given.traffic = {AWS: FAILING, AZURE: WELL, GCP: WELL}
        await given.tick(12)
        given.kill(AZURE)
        await given.tick(30)
        _, explained = await given.get("/v1/services/payments/explain?limit=1000")
        (decision,) = (entry["said"] for entry in explained["entries"] if "ecided to fail over from azure" in entry["said"])
        assert "Aws/traffic is failing" in decision and "no vote" in decision


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 100)])
async def test_the_screen_has_a_line_for_it_and_the_way_out(width: int, height: int) -> None:
    """Also where there is little room: one line that it fails, one with what to do about it."""
    async with room() as given:
        given.traffic = {AWS: FAILING, AZURE: WELL, GCP: WELL}
        await given.tick(12)
        status = await told(given)
        lines = shown(status, width, height)
        assert len([line for line in lines if line.startswith("aws/traffic failing: by its own edge's count")]) == 1
        assert any("warning: aws's traffic: " in line for line in lines)
        assert len(lines) < height
        del status["sites"]["aws"]["traffic"]
        assert not any("traffic failing" in line for line in shown(status, width, height)), (
            "an older controller's status is shown"
        )
