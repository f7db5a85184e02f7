"""The agent hears the posture and tells HAProxy what differs; without etcd the last one stands, without HAProxy it says so."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Range, Txn
from controller.core.model import Epoch, Health, Site
from edge.decide import Doing
from tests.unit.core.worlds import posture
from tests.unit.edge.rooms import SERVERS, Room, room

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
DRAINED = {AWS: 0.0, AZURE: 1.0, GCP: 1.0}
pytestmark = pytest.mark.asyncio


def weights(given: Room) -> dict[str, int]:
    """What HAProxy was told, of the servers that take requests."""
    return {name: weight for name, weight in given.socket.weights.items() if name.split("/")[0] in ("payments", "handed")}


HOME = {
    "handed/local": 256,
    "payments/local": 256,
    "payments/peer-azure": 128,
    "payments/peer-gcp": 128,
    "payments/spare": 0,
}
ABROAD = {
    "handed/local": 0,
    "payments/local": 0,
    "payments/peer-azure": 128,
    "payments/peer-gcp": 128,
    "payments/spare": 0,
}


async def step(given: Room) -> None:
    """One question to etcd and one look at HAProxy."""
    await given.agent.listener.hear()
    await given.agent.apply()


async def test_what_the_posture_says_becomes_haproxys_weights(tmp_path: Path) -> None:
    """Serving, then drained; told once, not again while nothing differs; told again when HAProxy has forgotten it."""
    async with room(tmp_path) as given:
        given.want(posture())
        await step(given)
        assert weights(given) == HOME
        given.want(posture(weights=DRAINED))
        await step(given)
        assert weights(given) == ABROAD
        told = len(given.socket.orders)
        await step(given)
        assert len(given.socket.orders) == told == given.agent.changes
        given.socket.weights = dict(SERVERS)
        await step(given)
        assert weights(given) == ABROAD


async def test_weight_is_given_before_any_is_taken(tmp_path: Path) -> None:
    """A request that arrives between two orders finds somebody: first the peers gain, then the own server loses."""
    async with room(tmp_path) as given:
        given.want(posture(weights=DRAINED))
        await step(given)
        zero = [order.endswith("=0") for order in given.socket.orders]
        assert zero == sorted(zero) and True in zero and False in zero


async def test_without_a_posture_haproxy_is_left_as_it_is(tmp_path: Path) -> None:
    """Nothing is guessed: neither etcd nor the disk has said anything."""
    async with room(tmp_path) as given:
        given.link.reachable = False
        given.agent.listener.recall()
        await step(given)
        assert given.socket.orders == [] and given.socket.weights == SERVERS
        assert given.agent.listener.known is None and given.agent.listener.trouble


async def test_without_etcd_the_last_posture_stands_for_ever(tmp_path: Path) -> None:
    """A day later the site is still drained, also in a HAProxy that was restarted, and the age is told."""
    async with room(tmp_path) as given:
        given.want(posture(weights=DRAINED))
        await step(given)
        given.link.reachable = False
        await given.clock.advance(timedelta(days=1))
        given.socket.weights = dict(SERVERS)
        await step(given)
        assert weights(given) == ABROAD
        known = given.agent.listener.known
        assert known is not None and given.clock.monotonic() - known.at >= timedelta(days=1)


async def test_an_agent_that_starts_without_etcd_takes_up_the_posture_from_disk(tmp_path: Path) -> None:
    """The first agent kept it; the second one hears nobody, drains all the same, and says where it knows that from."""
    async with room(tmp_path) as first:
        first.want(posture(weights=DRAINED))
        running = asyncio.create_task(first.agent.run())
        await first.clock.advance(timedelta(milliseconds=1))
        file = first.agent.settings.posture_file
        while not file.exists():
            await asyncio.sleep(0.005)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    (tmp_path / "h.sock").unlink(missing_ok=True)
    async with room(tmp_path) as second:
        second.link.reachable = False
        second.agent.listener.recall()
        await step(second)
        known = second.agent.listener.known
        assert known is not None and not known.heard
        assert weights(second) == ABROAD


async def test_news_is_applied_at_once(tmp_path: Path) -> None:
    """A posture that is heard interrupts the pause between two looks at HAProxy."""
    async with room(tmp_path) as given:
        given.want(posture())
        running = asyncio.create_task(given.agent.run())
        await given.clock.advance(timedelta(seconds=1))
        while weights(given) != HOME:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        given.want(posture(weights=DRAINED))
        await given.agent.listener.hear()
        given.agent.announce()
        before = given.clock.monotonic()
        while weights(given) != ABROAD:
            await asyncio.sleep(0.005)
        assert given.clock.monotonic() == before
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def test_a_silent_haproxy_is_said_and_does_not_end_the_agent(tmp_path: Path) -> None:
    """Its health becomes unknown, the beacon goes dark, and all is told again once it answers."""
    async with room(tmp_path) as given:
        given.want(posture())
        await step(given)
        assert given.agent.health()[0] is Health.HEALTHY
        given.socket.silent = True
        await given.clock.advance(timedelta(seconds=2))
        await step(given)
        assert "silent" in given.agent.trouble and given.agent.health()[0] is Health.UNKNOWN
        given.socket.silent = False
        await step(given)
        assert given.agent.trouble == "" and given.agent.health()[0] is Health.HEALTHY


async def test_an_agent_that_restarts_in_the_middle_of_a_ramp_does_not_end_it(tmp_path: Path) -> None:
    """HAProxy remembers the share; taken for a site that always served, it would get everything at once."""
    async with room(tmp_path) as given:
        given.socket.weights["payments/local"] = 64
        given.want(posture())
        await step(given)
        assert given.agent.view is not None and given.agent.view.shares is not None
        assert given.agent.view.shares.doing is Doing.RETURNING
        await given.clock.advance(timedelta(seconds=10))
        await step(given)
        assert weights(given) == HOME


async def test_a_service_that_is_down_makes_the_site_unwell(tmp_path: Path) -> None:
    """HAProxy's check says so; a check that has not ended yet says nothing."""
    async with room(tmp_path) as given:
        given.want(posture())
        given.socket.states["payments/local"] = 0
        await step(given)
        assert given.agent.health()[0] is Health.FAILING
        given.socket.states["payments/local"] = 2
        given.socket.checks["payments/local"] = 1
        await step(given)
        assert given.agent.health()[0] is Health.UNKNOWN


async def test_readiness_as_haproxy_sees_it_moves_requests(tmp_path: Path) -> None:
    """The own write path fails, the others' work: after the patience everything goes there, and the own service stays the last resort."""
    async with room(tmp_path) as given:
        given.want(posture())
        given.socket.states["readiness/local"] = 0
        await step(given)
        assert weights(given) == HOME
        await given.clock.advance(timedelta(seconds=3))
        await step(given)
        assert weights(given) == {**ABROAD, "handed/local": 256, "payments/spare": 256}


async def test_a_posture_of_a_newer_version_is_said_and_the_last_one_stands(tmp_path: Path) -> None:
    """A field that this version does not know may be the one that matters."""
    async with room(tmp_path) as given:
        given.want(posture())
        await step(given)
        key = Keys("payments").posture
        ((present,),) = given.etcd.transact(Txn(reads=(Range(key=key),))).found
        text = present.value.replace('"epoch":4', '"epoch":5,"moon":1')
        given.etcd.transact(Txn(writes=(Put(key=key, value=text),)))
        await step(given)
        known = given.agent.listener.known
        assert known is not None and known.posture.epoch == Epoch(4) and "moon" in given.agent.listener.trouble
