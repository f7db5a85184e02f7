"""What a controller process is made of, before it runs."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.core.model import Health, Site, Token
from controller.metrics import Metrics
from controller.probing.zone_probe import ZoneProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, coordination
from controller.providers.memory.database import MemoryDatabase
from controller.providers.memory.world import found_world
from controller.settings import Settings, read_settings
from controller.wiring import Assembly, assembled, first_posture
from controller.zone_watch import ZoneWatch
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES
from tests.unit.test_settings import ENVIRON, document, spelled

pytestmark = pytest.mark.asyncio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that are right."""
    path = tmp_path / "aws.toml"
    path.write_text("\n".join(f'"{key}" = {spelled(value)}' for key, value in document().items()))
    return read_settings(path, ENVIRON)


async def test_the_first_posture_is_what_provisioning_made(settings: Settings) -> None:
    """Epoch 1, the settings' writer, everybody else in the ack set and therefore to be cut, normal shares."""
    posture = first_posture(settings.services["payments"], settings)
    assert (posture.epoch, posture.reign, posture.writer, posture.must_cut) == (1, 1, AZURE, {AWS, GCP})
    assert posture.weights == {AWS: 2.0, AZURE: 1.0, GCP: 1.0} and posture.settled


async def test_founding_waits_for_etcd_and_keeps_what_is_there(settings: Settings) -> None:
    """A controller may start before etcd does; a restarted one whose settings name another writer changes nothing."""
    clock = SteppedClock()
    store, link = coordination(MemoryEtcd(clock=clock), "aws")
    zone = ZoneWatch(probe=ZoneProbe(authorities=(), clock=clock), leads={}, clock=clock)
    world = found_world("payments", SITES, AZURE)
    nodes = {"payments": {site: MemoryDatabase(world, site, clock) for site in SITES}}
    assembly = Assembly(
        settings=settings, store=store, metrics=Metrics(clock), loops={}, caretakers=(), zone=zone, clock=clock, nodes=nodes
    )
    link.reachable = False
    founding = asyncio.create_task(assembly.found(settings.services["payments"]))
    await clock.advance(timedelta(seconds=1))
    assert not founding.done()
    link.reachable = True
    await clock.advance(timedelta(seconds=1))
    assert founding.done()
    await assembly.found(replace(settings.services["payments"], writer=GCP))
    control = await store.read("payments")
    assert control is not None and control.posture.writer == AZURE


async def test_nothing_is_founded_beside_databases_that_were_led_already(settings: Settings) -> None:
    """etcd came back empty and a controller is started anew: founding would hand out tokens and a set that are of the past. It waits
    until somebody rebuilds, and while nobody says whether the service has begun."""
    clock = SteppedClock()
    world = found_world("payments", SITES, AZURE)
    store, _ = coordination(MemoryEtcd(clock=clock), "aws")
    zone = ZoneWatch(probe=ZoneProbe(authorities=(), clock=clock), leads={}, clock=clock)
    nodes = {"payments": {site: MemoryDatabase(world, site, clock) for site in SITES}}
    assembly = Assembly(
        settings=settings, store=store, metrics=Metrics(clock), loops={}, caretakers=(), zone=zone, clock=clock, nodes=nodes
    )
    world.servers[GCP].promise(Token(7))
    with capture_logs() as logs:
        founding = asyncio.create_task(assembly.found(settings.services["payments"]))
        await clock.advance(timedelta(seconds=10))
    assert not founding.done() and await store.read("payments") is None
    assert [one["error"] for one in logs] == [
        "gcp is follower of epoch 1 and has promised token 7: etcd has lost it; see trimaran rebuild"
    ]
    world.crash(AWS)
    world.crash(GCP)
    await clock.advance(timedelta(seconds=10))
    assert not founding.done()
    world.start(AWS)
    await clock.advance(timedelta(seconds=10))
    assert founding.done() and await store.read("payments") is not None, "gcp alone is silent"


async def test_who_founds_asks_the_databases_that_are_acted_on(settings: Settings) -> None:
    """A controller put together without them asked nobody, and founded beside databases that were led already: epoch 1 began again."""
    async with assembled(settings, SteppedClock()) as assembly:
        assert set(assembly.nodes) == set(assembly.loops) and set(assembly.nodes["payments"]) == set(SITES)
        for name, loop in assembly.loops.items():
            assert assembly.nodes[name] == loop.executor.actions.databases


async def test_probing_and_acting_share_their_database_sessions(settings: Settings) -> None:
    """What is measured with is warm: a cut with sessions of its own, used for nothing else, owed six round trips for connecting. A
    probe stuck in a black hole holds one session of several, and nobody waits for it."""
    async with assembled(settings, SteppedClock()) as assembly:
        loop = assembly.loops["payments"]
        for site in SITES:
            probed = loop.observer._databases[site]._database._node.sessions  # type: ignore[attr-defined]
            acted = loop.executor.actions.databases[site]._node.sessions  # type: ignore[attr-defined]
            assert probed is acted
            assert acted.address.user == "payments_control"
        node = loop.executor.actions.databases[AWS]._node  # type: ignore[attr-defined]
        assert {site: address.user for site, address in node.publishers.items()} == dict.fromkeys((AZURE, GCP), "payments_stream")
        assert {caretaker.database.site for caretaker in assembly.caretakers} == {Site("aws")}


async def test_what_a_failover_asks_of_a_provider_has_been_asked_before(settings: Settings) -> None:
    """Floors are raised, and replicas promoted, by the very adapters that are asked in calm: their clients have been made by then."""
    async with assembled(settings, SteppedClock()) as assembly:
        actions, watch = assembly.loops["payments"].executor.actions, assembly.providers["payments"]
        assert watch.capacities[AWS] is actions.capacities[AWS] and watch.floors == actions.floors == {AWS: 4}
        assert watch.replicas[GCP] is actions.managed[GCP]
        assert set(watch.servers) == set(SITES)
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody is asked before work begins"


async def test_the_own_sites_agent_is_asked_and_no_others(settings: Settings) -> None:
    """One file may name every site's agent; what another site's says is told by that site's controller."""
    async with assembled(settings, SteppedClock()) as assembly:
        assert assembly.traffic is None
        assert assembly.loops["payments"].observer.observe().traffic is None, "nobody counts, and nobody says that it is unknown"
    agents = {site: replace(seen, agent=f"http://{site}.test:8010") for site, seen in settings.sites.items()}
    async with assembled(replace(settings, sites=agents), SteppedClock()) as assembly:
        assert assembly.traffic is not None and assembly.traffic.probe.url == "http://aws.test:8010/status"
        heard = assembly.loops["payments"].observer.observe().traffic
        assert heard is not None and heard.health is Health.UNKNOWN
