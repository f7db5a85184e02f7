"""One controller as production puts it together, over the simulation's network, clock, etcd and databases."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from controller.actions import Actions
from controller.caretaker import Caretaker
from controller.coordination.store import Store
from controller.core.decide import Decision
from controller.core.model import Group, Posture, Site
from controller.core.policy import Policy
from controller.errors import Transient, TrimaranError
from controller.execute import Executor
from controller.loop import Loop
from controller.observe import Observer
from controller.ports import Capacity, Clock, ProbeResult
from controller.probing.sql_probe import SqlProbe
from controller.providers.memory.dns import MemoryDns
from controller.providers.memory.managed import MemoryManagedDatabase, MemoryServerOffice
from controller.steering import Helm
from tests.simulation.databases import FarDatabase, FarWorld
from tests.simulation.etcd import Link, Members
from tests.simulation.network import Net, Silence
from tests.simulation.processes import Process

FOUND_AGAIN = timedelta(seconds=0.2)


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """Everything a controller meets."""

    service: str
    sites: tuple[Site, ...]
    policy: Policy
    chance: Random
    net: Net
    world: FarWorld
    members: Members
    edges: dict[Site, bool]
    """Whose edge answers."""
    authorities: tuple[MemoryDns, ...]
    replica: MemoryServerOffice
    replica_at: Site
    capacities: Callable[[Clock], Mapping[Site, Capacity]]
    serves: Callable[[Site], bool]
    """Would a canary payment through this site be taken?"""
    decided: Callable[[Site, Decision], None]


@dataclass(slots=True, kw_only=True)
class FarProbe:
    """Asks something at a site over the network; implements `ports.Probe`."""

    process: Process
    net: Net
    at: Site
    well: Callable[[], bool]

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Silence lasts until the deadline."""
        clock = self.process.clock
        began = clock.monotonic()

        def look() -> bool:
            if not self.well():
                raise Silence
            return True

        try:
            await self.net.ask(self.process, self.at, look, deadline)
        except Transient as error:
            return ProbeResult(ok=False, latency=clock.monotonic() - began, detail=str(error))
        return ProbeResult(ok=True, latency=clock.monotonic() - began, detail="answered")


@dataclass(kw_only=True)
class ToldLoop(Loop):
    """A loop that tells what it decided at every tick."""

    told: Callable[[Decision], None]

    async def tick(self) -> None:
        """See `Loop.tick`."""
        before = self.view
        await Loop.tick(self)
        if self.view is not None and self.view is not before:
            self.told(self.view.decision)


class Controller:
    """One life of one site's controller."""

    def __init__(self, site: Site, around: Surroundings, process: Process, first: Posture) -> None:
        self.site, self.process, self._first, clock = site, process, first, process.clock
        self.link = Link(process, around.sites, around.members, around.net, around.chance, around.world.effect)
        self.store = Store(self.link, controller=site, clock=clock)
        self.databases = {other: FarDatabase(around.world, other, process, around.net) for other in around.sites}
        helms = [Helm(authority.another(clock), clock) for authority in around.authorities]
        group = Group(around.service)
        self.executor = Executor(
            coordination=self.store,
            actions=Actions(
                service=around.service,
                databases=self.databases,
                authorities=tuple(helm.rudder(group, urgent=True) for helm in helms),
                canaries={other: self._probe(around, other, around.serves) for other in around.sites},
                clock=clock,
                managed={around.replica_at: MemoryManagedDatabase(site=around.replica_at, clock=clock, server=around.replica)},
                capacities=around.capacities(clock),
                floors=dict.fromkeys(around.sites, 3),
            ),
            clock=clock,
        )
        observer = Observer(
            vantage=site,
            edges={other: self._probe(around, other, lambda at: around.edges[at]) for other in around.sites},
            databases={other: SqlProbe(database, clock) for other, database in self.databases.items()},
            policy=around.policy,
            clock=clock,
        )
        self.loop = ToldLoop(
            service=around.service,
            controller=site,
            coordination=self.store,
            observer=observer,
            executor=self.executor,
            policy=around.policy,
            clock=clock,
            told=lambda decision: around.decided(site, decision),
        )
        rudders = tuple(helm.rudder(group, urgent=False) for helm in helms)
        self.caretaker = Caretaker(site=site, loop=self.loop, database=self.databases[site], authorities=rudders, clock=clock)
        process.main(self._work())

    def _probe(self, around: Surroundings, at: Site, well: Callable[[Site], bool]) -> FarProbe:
        return FarProbe(process=self.process, net=around.net, at=at, well=lambda: well(at))

    async def _work(self) -> None:
        self.store.session.start()
        while True:
            try:
                await self.store.found(self._first)
                break
            except TrimaranError:
                await self.process.clock.sleep(FOUND_AGAIN)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.loop.run())
            tasks.create_task(self.caretaker.run())
