"""etcd is restored from a backup that is older than a failover: nobody may hand out an epoch for the second time."""

import asyncio
from copy import deepcopy
from random import Random

from controller.core.model import Posture, Role
from controller.rebuild import Rebuilder
from tests.simulation.ablations import OFTEN
from tests.simulation.databases import FarDatabase
from tests.simulation.faults import Fault
from tests.simulation.places import SERVICE, Places
from tests.simulation.processes import owned_task
from tests.simulation.trouble import Trouble
from tests.simulation.virtual_loop import run
from tests.simulation.watch import Watch


async def _restored() -> tuple[Places, Trouble]:
    """Backup, failover, restore."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(owned_task)
    places = Places(Random(5), Watch(SERVICE), OFTEN)
    trouble = Trouble(places)
    places.begin()
    await asyncio.sleep(3)
    state = places.members.state
    backup = deepcopy(state._items), state._revision
    trouble.begin(Fault(at=3.0, lasts=4.0, kind="site dies", victim="azure", other="azure", amount=0.0))
    await asyncio.sleep(20)
    assert places.watch.posture is not None and places.watch.posture.reign == 2
    leases = {key: item for key, item in state._items.items() if item.lease}
    state._items, state._revision = backup[0] | leases, backup[1]
    return places, trouble


async def _course() -> tuple[Places, int, int]:
    """And an operator asks for a failover: epoch in etcd, and the highest of any node."""
    places, _ = await _restored()
    places.request("after", "failover", {"from": "azure"}, places.sites[0])
    await asyncio.sleep(10)
    known = await places.seer.read(SERVICE)
    assert known is not None
    return places, known.posture.epoch, max(server.epoch for server in places.world.servers.values())


def test_no_epoch_is_claimed_by_an_etcd_from_the_past() -> None:
    """The guard says why, payments go on under the writer that there is, and nothing is fenced or cut."""
    places, claimed, highest = run(_course())
    assert (claimed, highest) == (1, 2)
    assert ("epoch-monotone", "refused") in places.watch.verdicts
    assert [server.role for server in places.world.servers.values()].count(Role.WRITER) == 1
    assert not [breach for breach in places.watch.breaches if breach.promise == "no-loss"]


async def _rebuilt() -> tuple[Places, Posture, Posture]:
    """And the control plane is rebuilt over the network from where the operator is; then the writer's site dies."""
    places, trouble = await _restored()
    databases = {site: FarDatabase(places.world, site, places.observer, places.net) for site in places.sites}
    work = Rebuilder(service=SERVICE, databases=databases, coordination=places.seer, first=places.first)
    written = await work.carry_out(await work.look(), by="operator", reason="a backup")
    await asyncio.sleep(5)
    trouble.begin(Fault(at=0.0, lasts=8.0, kind="site dies", victim=written.writer, other=written.writer, amount=0.0))
    await asyncio.sleep(40)
    known = await places.seer.read(SERVICE)
    assert known is not None
    return places, written, known.posture


def test_the_rebuilt_control_plane_fails_over_by_itself() -> None:
    """Controllers that ran all the while take it up; nothing is lost over both reigns, and every site counts in the end."""
    places, written, after = run(_rebuilt())
    assert (written.reign, written.epoch > 1000) == (2, True)
    assert after.reign > written.epoch and after.writer != written.writer
    assert after.must_cut == frozenset(places.sites) - {after.writer}
    assert [server.role for server in places.world.servers.values()].count(Role.WRITER) == 1
    assert not [breach for breach in places.watch.breaches if breach.promise == "no-loss"]
