"""Three sites with everything that runs there, put together from one seed."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from random import Random

from controller.coordination.store import Store
from controller.coordination.transaction import Answer, Txn
from controller.core.invariants import Breach, quorum_or_hold
from controller.core.model import Epoch, Group, Health, Part, Posture, Site
from controller.core.plans import Plan
from controller.core.policy import Freeze, Policy
from controller.core.proposals import Failover
from controller.errors import Transient
from controller.ports import Capacity, Clock, Raised, Request
from controller.providers.memory.coordination import MemoryLink
from controller.providers.memory.dns import MemoryDns
from controller.providers.memory.managed import MemoryServerOffice
from controller.providers.memory.world import found_world
from tests.simulation.controllers import Controller, Surroundings
from tests.simulation.databases import FarWorld
from tests.simulation.etcd import Members
from tests.simulation.network import Net
from tests.simulation.payers import Clients, Till
from tests.simulation.processes import EPOCH, OUTSIDE, Process
from tests.simulation.watch import Watch

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
SITES = (AWS, AZURE, GCP)
SERVICE = "payments"


class AllSeeing(MemoryLink):
    """etcd as the world itself sees it, whatever becomes of its members."""

    def __init__(self, members: Members, written: Callable[[Txn], None]) -> None:
        super().__init__(members.state)
        self._written = written

    async def transact(self, txn: Txn) -> Answer:
        """Apply."""
        answer = self.etcd.transact(txn)
        if txn.writes and answer.succeeded:
            self._written(txn)
        return answer


class FarCapacity:
    """A site's instances; its provider can be mute. Implements `ports.Capacity`."""

    def __init__(self, site: Site, clock: Clock, places: "Places") -> None:
        self._site, self._clock, self._places = site, clock, places

    @property
    def site(self) -> Site:
        """Whose instances these are."""
        return self._site

    async def floor(self, service: str) -> int | None:
        """The present floor."""
        return self._places.floors[self._site]

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """At least so many."""
        if self._site in self._places.mute:
            await self._clock.sleep(deadline)
            raise Transient(f"{self._site}: no answer before the deadline")
        await self._clock.sleep(timedelta(seconds=0.05))
        before = self._places.floors[self._site]
        self._places.floors[self._site] = max(before, instances)
        return Raised(before=before, after=max(before, instances))


def drawn_policy(chance: Random) -> Policy:
    """Mostly the defaults; some services are set up otherwise."""
    freezes = (Freeze(start=EPOCH, end=EPOCH + timedelta(seconds=chance.uniform(5, 40)), reason="quarter end"),)
    small = chance.random() < 0.3
    return Policy(
        automatic_failovers=chance.choice((1, 1, 9)),
        freezes=freezes if chance.random() < 0.15 else (),
        capacities=dict.fromkeys(SITES, 0.4) if small else {},
        minimum_serving=chance.choice((1, 1, 1, 2)),
        replicas=frozenset({GCP}),
    )


class Places:
    """Everything there is."""

    def __init__(self, chance: Random, watch: Watch, policy: Policy | None = None, stalls: float = 0.01) -> None:
        """`policy`: drawn when there is none. `stalls`: see `Till`."""
        self.chance, self.watch, self.sites, self._stalls = chance, watch, SITES, stalls
        self._loop = asyncio.get_running_loop()
        self.policy = policy or drawn_policy(chance)
        self.net = Net(SITES, chance)
        self.members = Members(SITES, self.net, chance, self._written)
        founded = found_world(SERVICE, SITES, AZURE)
        self.world = FarWorld(
            service=SERVICE, servers=founded.servers, net=self.net, chance=chance, changed=watch.changed, effect=self._effect
        )
        watch.world = self.world
        self.edges = dict.fromkeys(SITES, True)
        self.mute: set[Site] = set()
        """Sites whose provider's API hangs."""
        self.hurt: dict[Site, float] = {}
        """Until when more than noise was wrong about each site."""
        self.floors = dict.fromkeys(SITES, 2)
        self._wall = dict.fromkeys(SITES, 0.0)
        self._doomed: dict[Site, tuple[int, Callable[[Site], None]]] = {}
        self.observer = Process("operator", AWS)
        self.authorities = (
            MemoryDns(clock=self.observer.clock, name="route53"),
            MemoryDns(clock=self.observer.clock, name="clouddns"),
        )
        for authority in self.authorities:
            authority.set_by_hand(Group(SERVICE), dict.fromkeys(SITES, 1.0))
        self.seer = Store(AllSeeing(self.members, self._written), controller="operator", clock=self.members.time)
        self.around = Surroundings(
            service=SERVICE,
            sites=SITES,
            policy=self.policy,
            chance=chance,
            net=self.net,
            world=self.world,
            members=self.members,
            edges=self.edges,
            authorities=self.authorities,
            replica=MemoryServerOffice(),
            replica_at=GCP,
            capacities=self._capacities,
            serves=self._serves,
            decided=watch.decided,
        )
        self.first = Posture(
            service=SERVICE,
            epoch=Epoch(1),
            writer=AZURE,
            reign=Epoch(1),
            must_cut=frozenset({AWS, GCP}),
            weights=dict.fromkeys(SITES, 1.0),
        )
        self.tills: dict[Site, Till] = {}
        self.controllers: dict[Site, Controller] = {}
        self.lives: list[Controller] = []
        """Every controller that ever was."""
        watch.judge = lambda plan, actor: watch.breach(*judged(self, plan, actor))
        self.clients = Clients(tills=self.tills, chance=chance, told=watch.paid, every=chance.choice((0.15, 0.3, 0.6)))

    def begin(self) -> None:
        """Start everything."""
        for site in SITES:
            self.begin_till(site)
            self.begin_controller(site)
            self._loop.create_task(self.world.keep_applying(site), context=OUTSIDE)
            self._loop.create_task(self.clients.come(site), context=OUTSIDE)

    # ------------------------------------------------------------------------------------------------ processes

    def _process(self, name: str, site: Site) -> Process:
        rate, started = self.chance.uniform(0.99, 1.01), self.chance.uniform(0, 1e5)
        return Process(name, site, rate=rate, started=started, ahead=self._wall[site])

    def begin_controller(self, site: Site) -> None:
        """Start this site's controller; it knows nothing of an earlier life."""
        if site in self.controllers:
            self.kill_controller(site)
        self._doomed.pop(site, None)
        self.controllers[site] = Controller(site, self.around, self._process(f"controller {site}", site), self.first)
        self.lives.append(self.controllers[site])

    def kill_controller(self, site: Site) -> None:
        """Its process ends at once; its session lapses by itself."""
        self.controllers[site].process.kill()

    def freeze_controller(self, site: Site) -> None:
        """Its process is stopped."""
        self.controllers[site].process.freeze()

    def thaw_controller(self, site: Site) -> None:
        """It goes on, if it was stopped."""
        self._doomed.pop(site, None)
        self.controllers[site].process.thaw()

    def doom(self, site: Site, effects: int, fate: Callable[[Site], None]) -> None:
        """Something becomes of it right behind so many more of its effects."""
        self._doomed[site] = effects, fate

    def begin_till(self, site: Site) -> None:
        """Start this site's payments service."""
        if site in self.tills:
            self.tills[site].process.kill()
        process = self._process(f"service {site}", site)
        self.tills[site] = Till(process=process, world=self.world, net=self.net, chance=self.chance, stalls=self._stalls)

    def kill_till(self, site: Site) -> None:
        """It ends; what it would have answered nobody hears."""
        self.tills[site].process.kill()

    def jump(self, site: Site, seconds: float) -> None:
        """The wall clock of a site is set."""
        self._wall[site] += seconds
        for process in (self.controllers[site].process, self.tills[site].process):
            process.clock.ahead = self._wall[site]

    def owner(self) -> Site | None:
        """Who carries the plan under way, by the last claim."""
        entries = self.watch.journal
        return next((Site(entry.actor) for entry in reversed(entries) if entry.kind in {"claim", "takeover"}), None)

    def request(self, wish: str, verb: str, arguments: Mapping[str, str], site: Site) -> None:
        """An operator asks; the order is as old as the clock at the site where it is given says."""
        given = Request(
            id=wish,
            verb=verb,
            by="kim",
            reason="because",
            at=self.controllers[site].process.clock.now(),
            arguments=arguments,
        )
        self.watch.note("request", f"{verb} {dict(arguments)}")
        self._loop.create_task(self.seer.request(SERVICE, given), context=OUTSIDE)

    # ------------------------------------------------------------------------------------------------ what takes effect

    def _written(self, txn: Txn) -> None:
        self.watch.written(txn)

    def _effect(self, process: Process) -> None:
        """A controller's doing took effect: one that is doomed is nearer to its fate."""
        site = process.site
        if site not in self._doomed or process is not self.controllers[site].process:
            return
        left, fate = self._doomed[site]
        self._doomed[site] = left - 1, fate
        if left <= 1:
            del self._doomed[site]
            self.watch.note("fault", f"controller {site} meets its fate right behind an effect")
            fate(site)

    def _serves(self, site: Site) -> bool:
        return self.edges[site] and self.tills[site].process.alive and not self.tills[site].process.frozen

    def _capacities(self, clock: Clock) -> Mapping[Site, Capacity]:
        return {site: FarCapacity(site, clock, self) for site in SITES}


AFTERMATH = 5.0
"""Seconds for which what is over may still be told of a site."""
OLDEST = timedelta(seconds=4)
"""A word counts for a second; whoever acts on it later is stopped by its session, which lapses within two, or three under a new leader."""


def judged(places: Places, plan: Plan, actor: Site) -> tuple[Breach, ...]:
    """Did the claimer have the right to leave the writer? By what it knew, and by what was true of that."""
    life = next((one for one in reversed(places.lives) if one.site == actor and _claimed(one, plan)), None)
    if life is None or life.loop.view is None:
        return (Breach(promise="explained", evidence=f"nobody decided on {plan.id}"),)
    assert plan.subject is not None
    if "timeline" in plan.reason:
        pinned = places.world.servers[plan.subject].pinned
        return (Breach(promise="quorum-or-hold", evidence=f"{plan.id}: {plan.subject} is pinned"),) if pinned else ()
    now = asyncio.get_running_loop().time()
    if places.hurt.get(plan.subject, 0.0) < now - AFTERMATH:
        return (
            Breach(promise="quorum-or-hold", evidence=f"{plan.id} leaves {plan.subject}, about which nothing is wrong but noise"),
        )
    accusers = {}
    for vantage, heard in life.loop.view.snapshot.observations.items():
        said = heard.value.opinions.get(plan.subject, {}).get(Part.DATABASE)
        if said is None or said.health is not Health.FAILING or said.successes or heard.value.suspects_itself:
            continue  # who was answered again since accuses nobody
        if vantage == actor:
            clock = life.process.clock
            accusers[vantage] = (clock.monotonic() - life.loop.view.at) / clock.rate
        elif (at := places.watch.said_at(vantage, heard.value)) is not None:
            accusers[vantage] = timedelta(seconds=now - at)
    return quorum_or_hold(plan, accusers, vantages=2, oldest=OLDEST)


def _claimed(life: Controller, plan: Plan) -> bool:
    view = life.loop.view
    proposal = view.decision.proposal if view is not None else None
    return isinstance(proposal, Failover) and proposal.site == plan.subject and view.control.posture.epoch + 1 == plan.epoch
