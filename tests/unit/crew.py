"""Three controllers that run on a stage: probes, loops and chores over databases in memory. Time is the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count

from structlog.testing import capture_logs

from controller.caretaker import Caretaker
from controller.core.model import JournalEntry, Site
from controller.core.policy import Policy
from controller.journal_copy import Copyist
from controller.loop import Loop
from controller.observe import Observer
from controller.ports import Clock, Request
from controller.probing.sql_probe import SqlProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.dns import MemoryDns
from controller.providers.memory.probe import Behaviour, MemoryProbe
from controller.steering import Helm
from tests.unit.stage import GROUP, SERVICE, SITES, STEP, Stage, staged


@dataclass
class StoppableClock:
    """A controller's clock: whoever is woken while its process is stopped goes on when the process does."""

    clock: SteppedClock
    _held: "list[asyncio.Future[None]] | None" = None

    def now(self) -> datetime:
        """Wall clock."""
        return self.clock.now()

    def monotonic(self) -> timedelta:
        """It goes on while the process is stopped."""
        return self.clock.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Return after `duration`, or when the process goes on."""
        await self.clock.sleep(duration)
        if self._held is not None:
            self._held.append(asyncio.get_running_loop().create_future())
            await self._held[-1]

    def stop(self) -> None:
        """SIGSTOP."""
        self._held = []

    def go_on(self) -> None:
        """SIGCONT: everybody wakes in the order in which they would have."""
        held, self._held = self._held or [], None
        for woken in held:
            if not woken.done():
                woken.set_result(None)


@dataclass
class Member:
    """One running controller."""

    loop: Loop
    caretaker: Caretaker
    clock: StoppableClock
    work: "asyncio.Task[None]"


@dataclass
class Crew:
    """Everything a test reaches for."""

    stage: Stage
    policy: Policy
    edges: dict[Site, MemoryProbe]
    authorities: Sequence[MemoryDns]
    members: dict[Site, Member] = field(default_factory=dict)
    logs: list[object] = field(default_factory=list)
    _wishes: "count[int]" = field(default_factory=lambda: count(1))

    def begin(self, site: Site) -> Member:
        """Start this site's controller, under its site's name as in production; it knows nothing of an earlier life."""
        self.stage.controllers.pop(site, None)
        given = self.stage.controller(site)
        clock = StoppableClock(self.stage.clock)
        helms = [Helm(authority.another(clock), clock) for authority in self.authorities]
        urgent = tuple(helm.rudder(GROUP, urgent=True) for helm in helms)
        given.executor.actions = replace(given.executor.actions, authorities=urgent)
        observer = Observer(
            vantage=site,
            edges=self.edges,
            databases={other: SqlProbe(database, clock) for other, database in given.databases.items()},
            policy=self.policy,
            clock=clock,
        )
        loop = Loop(
            service=SERVICE,
            controller=site,
            coordination=given.store,
            observer=observer,
            executor=given.executor,
            policy=self.policy,
            clock=clock,
        )
        rudders = tuple(helm.rudder(GROUP, urgent=False) for helm in helms)
        copyist = Copyist(service=SERVICE, coordination=given.store, copy=given.databases[site])
        own = given.databases[site]
        caretaker = Caretaker(site=site, loop=loop, database=own, authorities=rudders, clock=clock, copyist=copyist)
        work = asyncio.create_task(_both(loop, caretaker))
        self.members[site] = Member(loop, caretaker, clock, work)
        return self.members[site]

    async def stop(self, site: Site) -> Member:
        """Its process ends at once; its session lapses by itself."""
        member = self.members.pop(site)
        member.work.cancel()
        await asyncio.wait([member.work])
        assert member.work.cancelled()
        if member.loop._work is not None:
            member.loop._work.cancel()
        for database in self.stage.controllers[site].databases.values():
            database.path.reachable = False
        self.stage.controllers[site].link.reachable = False
        return member

    def hold(self, method: str, site: Site, *, calls: int = 1_000_000) -> None:
        """So many of these calls on a site do not arrive, whoever sends them."""
        for controller in self.stage.controllers.values():
            controller.databases[site].path.hold_calls[method] = calls

    async def crash(self, site: Site) -> None:
        """The whole cloud: database, edge, controller."""
        self.stage.world.crash(site)
        self.edges[site].behaviour = Behaviour.HANGS
        await self.stop(site)

    def heal(self, site: Site) -> None:
        """Everything of it starts again."""
        self.stage.world.start(site)
        self.stage.world.flow()
        self.edges[site].behaviour = Behaviour.ANSWERS
        self.begin(site)

    async def live(self, seconds: float) -> None:
        """Let time pass, with a payment offered at every site in every step."""
        end = self.stage.clock.monotonic() + timedelta(seconds=seconds)
        while self.stage.clock.monotonic() < end:
            self.stage.pay_everywhere()
            await self.stage.clock.advance(STEP)

    async def ask(self, verb: str, **arguments: str) -> None:
        """An operator's wish."""
        wish = Request(
            id=f"wish-{next(self._wishes)}", verb=verb, by="kim", reason="test", at=self.stage.clock.now(), arguments=arguments
        )
        await self.stage.reader.request(SERVICE, wish)

    async def journal(self, *kinds: str) -> list[JournalEntry]:
        """Entries of these kinds."""
        return [entry for entry in await self.stage.reader.journal(SERVICE) if not kinds or entry.kind in kinds]


async def _both(loop: Loop, caretaker: Caretaker) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(loop.run())
        tasks.create_task(caretaker.run())


@asynccontextmanager
async def crew(policy: Policy | None = None, *beside: Callable[[Clock], MemoryDns]) -> AsyncIterator[Crew]:
    """Three controllers that have known each other for two seconds, and the stage's authority with these beside it."""
    with capture_logs() as logs:
        async with staged() as stage:
            edges = {site: MemoryProbe(clock=stage.clock) for site in SITES}
            made = Crew(stage, policy or Policy(), edges, (stage.dns, *(make(stage.clock) for make in beside)), logs=logs)
            for site in SITES:
                made.begin(site)
            await made.live(2)
            yield made
