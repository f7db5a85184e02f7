"""Who goes first where an authority takes groups one after the other and turns requests away: against the emulated Azure."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from controller.clock import SystemClock
from controller.core.model import Group
from controller.providers.records import GroupRecords, WeightedName
from controller.steering import Helm
from lab.clouds.faults import FaultKind, Rule
from tests.contract.azure_worlds import ZONE, AzureWorld, Emulated, azure_world, emulated_azure
from tests.contract.dns_worlds import ADDRESSES, ALL, DRAINED, LONG

GROUPS = 40
RATE = 10
"""Requests a second: what Azure Resource Manager's tokens refill at."""
TIME = timedelta(seconds=20)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    """The emulated Azure."""
    with emulated_azure(tmp_path_factory.mktemp("azure")) as found:
        yield found


@pytest.fixture
async def world(emulated: Emulated) -> AsyncIterator[AzureWorld]:
    """Forty groups of one name each, all drawn evenly; from then on requests are turned away above the rate."""
    async with azure_world(emulated, "order") as made:
        made.groups = {
            Group(f"o{number}"): GroupRecords(names=(WeightedName(name=f"o{number}.g.{ZONE}", ttl=2),), addresses=ADDRESSES)
            for number in range(GROUPS)
        }
        await made.found()
        made.dns = made.another()
        assert (await made.dns.steer(dict.fromkeys(made.groups, ALL), LONG)).in_sync
        await made.control.inject([Rule(kind=FaultKind.THROTTLE_ABOVE, rate=RATE)])
        yield made


async def drained(world: AzureWorld) -> set[Group]:
    """Groups whose profile sends nobody to the drained site."""
    await world.weather.heal()
    held = await world.dns.read()
    await world.control.inject([Rule(kind=FaultKind.THROTTLE_ABOVE, rate=RATE)])
    return {group for group, ratios in held.items() if ratios == pytest.approx({"aws": 0.5, "azure": 0.0, "gcp": 0.5})}


async def test_groups_of_services_whose_database_is_lost_are_moved_before_what_is_only_looked_after(world: AzureWorld) -> None:
    """Twenty groups are being reconciled, one put each, when the leads of four fail over: theirs stand, and are told so, while most of
    the others still wait; then those come too."""
    helm, groups = Helm(world.dns, SystemClock()), list(world.groups)
    calm = [asyncio.create_task(helm.rudder(group, urgent=False).steer(DRAINED, TIME)) for group in groups[:20]]
    await asyncio.sleep(0.4)
    failing = await asyncio.gather(*(helm.rudder(group, urgent=True).steer(DRAINED, TIME) for group in groups[-4:]))
    assert all(report.changed and report.in_sync for report in failing)
    first = await drained(world)
    assert set(groups[-4:]) <= first
    assert len(first) <= RATE + len(failing), "those that were put before the failover, and no more"
    assert all(report.in_sync for report in await asyncio.gather(*calm))
    assert await drained(world) == {*groups[:20], *groups[-4:]}


async def test_many_groups_turned_away_are_not_asked_for_again_and_again(world: AzureWorld) -> None:
    """Said to one put that there are too many, the others behind it wait for the next round: no call for each that is turned away."""
    asked = world.dns.calls
    assert (await world.dns.steer(dict.fromkeys(world.groups, DRAINED), TIME)).in_sync
    assert world.dns.calls - asked <= 2.5 * GROUPS, "a list and a few puts in vain for every ten that stand"
