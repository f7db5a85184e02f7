"""Plans on a world in memory: three databases, an etcd, controllers that can die or stall after any effect, and clients that pay at
every moment. Time is the test's own.

Every effect (a call on a database, a write to etcd) is counted. After each one clients pay wherever a node admits them, and the
promises that hold at every moment are checked.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

from controller.actions import Actions
from controller.coordination.chain import verify
from controller.coordination.store import Store
from controller.coordination.transaction import Answer, Txn
from controller.core.claims import claim
from controller.core.invariants import (
    Breach,
    always_finishes,
    epochs_only_grow,
    must_cut_is_superset,
    no_loss,
    one_acknowledger,
)
from controller.core.model import Epoch, Group, Posture, Role, Site, Trigger
from controller.core.proposals import DrainOnly, Failover, Grow, Promote, Proposal, Return, SettleUp, Shrink, Switchover
from controller.errors import Conflict, Stuck, Transient
from controller.execute import Executor
from controller.ports import Control, Draft
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink
from controller.providers.memory.database import MemoryDatabase
from controller.providers.memory.dns import MemoryDns
from controller.providers.memory.managed import MemoryManagedDatabase, MemoryServerOffice
from controller.providers.memory.probe import MemoryProbe
from controller.providers.memory.world import MemoryWorld, found_world
from controller.steering import Helm

T = TypeVar("T")

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
SITES = (AWS, AZURE, GCP)
SERVICE = "payments"
GROUP = Group(SERVICE)
STEP = timedelta(milliseconds=50)
KEPT_ASIDE = frozenset({"keep_journal", "kept_journal", "keep_heads", "kept_heads"})
"""Calls on copies of the journal: nothing is decided by them."""

After = Callable[[str], Awaitable[None]]
"""Told what took effect, before its answer goes back."""


@dataclass(slots=True)
class WatchedLink(MemoryLink):
    """A path to etcd that tells of every write that was applied."""

    after: After | None = None

    async def transact(self, txn: Txn) -> Answer:
        """Apply, tell, answer."""
        answer = await super(WatchedLink, self).transact(txn)
        if txn.writes and answer.succeeded and self.after is not None:
            await self.after("etcd")
        return answer


class AllSeeing(MemoryLink):
    """The test's own view of etcd, whatever happens to its members."""

    async def transact(self, txn: Txn) -> Answer:
        """Apply."""
        return self.etcd.transact(txn)


@dataclass
class Controller:
    """One controller and its paths."""

    name: str
    link: WatchedLink
    store: Store
    databases: dict[Site, MemoryDatabase]
    executor: Executor


@dataclass
class Stage:
    """Everything a test reaches for."""

    clock: SteppedClock = field(default_factory=SteppedClock)
    world: MemoryWorld = field(default_factory=lambda: found_world(SERVICE, SITES, AZURE))
    effects: int = 0
    called: set[tuple[Site, str]] = field(default_factory=set)
    """Changing calls that took effect on databases."""
    at_effect: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What a test does to the controller right behind its n-th effect."""
    postures: list[Posture] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    controllers: dict[str, Controller] = field(default_factory=dict)
    paying: bool = True
    _paid: int = 0

    def __post_init__(self) -> None:
        self.etcd = MemoryEtcd(clock=self.clock)
        self.dns = MemoryDns(clock=self.clock)
        self.dns.set_by_hand(GROUP, dict.fromkeys(SITES, 1.0))
        self.replica = MemoryServerOffice()
        """A read replica that gcp's provider keeps."""
        self.reader = Store(AllSeeing(self.etcd), controller="reader", clock=self.clock)

    # ------------------------------------------------------------------------------------------------ controllers

    def controller(self, name: str) -> Controller:
        """A controller of this name, the same one each time."""
        if name not in self.controllers:
            link = WatchedLink(self.etcd, after=self._effect)
            store = Store(link, controller=name, clock=self.clock)
            databases = {site: MemoryDatabase(self.world, site, self.clock) for site in SITES}
            for database in databases.values():
                database.path.passed = partial(self._changed, database.site)
            actions = Actions(
                service=SERVICE,
                databases=databases,
                authorities=(Helm(self.dns, self.clock).rudder(GROUP, urgent=True),),
                canaries={site: MemoryProbe(clock=self.clock) for site in SITES},
                managed={GCP: MemoryManagedDatabase(site=GCP, clock=self.clock, server=self.replica)},
                clock=self.clock,
            )
            executor = Executor(coordination=store, actions=actions, clock=self.clock)
            self.controllers[name] = Controller(name, link, store, databases, executor)
        return self.controllers[name]

    async def found(self) -> None:
        """The first posture; azure writes epoch 1 and both others acknowledge."""
        await self.reader.found(
            Posture(
                service=SERVICE,
                epoch=Epoch(1),
                writer=AZURE,
                reign=Epoch(1),
                must_cut=frozenset({AWS, GCP}),
                weights=dict.fromkeys(SITES, 1.0),
            )
        )
        await self._watch()

    async def control(self) -> Control:
        """What etcd holds."""
        known = await self.reader.read(SERVICE)
        assert known is not None
        return known

    async def claim(self, proposal: Proposal, by: str = "ctl-1") -> Control:
        """Claim it, as the loop does after its decision."""
        store = self.controller(by).store
        await store.open_session()
        known = await self.control()
        claimed = claim(proposal, known.posture, by=by, at=self.clock.now())
        drafts = [Draft(kind="claim", body=claimed.entry)]
        return await store.commit(known, posture=claimed.posture, plan=claimed.plan, take=claimed.takes, journal=drafts)

    async def take_over(self, by: str = "ctl-2") -> Control | None:
        """Take over the plan under way, as the loop does when its owner's session is gone; None when nothing is left to do."""
        store = self.controller(by).store
        await store.open_session()
        known = await self.control()
        if known.plan is None:
            return None
        return await store.commit(known, plan=known.plan, take=True, journal=[Draft(kind="takeover", body={})])

    async def carry(self, proposal: Proposal, by: str = "ctl-1") -> Control:
        """Claim and carry out to the end."""
        return await self.drive(self.controller(by).executor.carry(await self.claim(proposal, by)))

    def keep(self, work: Awaitable[T]) -> "asyncio.Future[T]":
        """Begin it beside the test; it goes on whenever time passes."""
        return asyncio.ensure_future(work)

    async def drive(self, work: Awaitable[T], limit: timedelta = timedelta(seconds=120)) -> T:
        """Let time pass until it is done; fails when it is not after `limit`."""
        task = asyncio.ensure_future(work)
        give_up = self.clock.monotonic() + limit
        try:
            while not task.done():
                assert self.clock.monotonic() < give_up, f"not done after {limit}: {(await self.control()).plan}"
                await self.clock.advance(STEP)
        finally:
            task.cancel()
        return task.result()

    # ------------------------------------------------------------------------------------------------ after every effect

    async def _changed(self, site: Site, method: str) -> None:
        if method not in {"facts", "digest", "lacks", "await_confirmed", *KEPT_ASIDE}:
            self.called.add((site, method))
            await self._effect(method)

    async def _effect(self, what: str) -> None:
        self.effects += 1
        self.pay_everywhere()
        await self._watch()
        act = self.at_effect.pop(self.effects, None)
        if act is not None:
            await act()

    def pay_everywhere(self) -> None:
        """A client offers one payment at every site; the old writer of a partition admits it too. Waiting ones look again."""
        for site in SITES if self.paying else ():
            self.pay_at(site)
        for site in SITES:
            self.world.poll(site)

    def pay_at(self, site: Site) -> None:
        """A client offers a payment, and is refused or waits at the barrier."""
        self._paid += 1
        with suppress(Conflict, Stuck, Transient):
            self.world.commit(site, f"p{self._paid}")

    async def _watch(self) -> None:
        known = await self.reader.read(SERVICE)
        if known is None:
            return  # etcd was lost
        posture = known.posture
        self.postures.append(posture)
        writer = self.world.servers[posture.writer]
        if writer.role is Role.WRITER and writer.epoch == posture.reign:
            members = frozenset(site for site in SITES if any(name.endswith(f"_{site}") for name in writer.ack_slots))
            self.breaches += must_cut_is_superset(posture, members)

    async def promises(self) -> tuple[Breach, ...]:
        """Every promise broken by now; the plan has to be done."""
        journal = await self.reader.journal(SERVICE)
        assert verify(journal) is None
        begun = [str(entry.body["plan"]) for entry in journal if entry.kind == "claim" and "plan" in entry.body]
        ended = [str(entry.body["plan"]) for entry in journal if entry.kind == "plan.done"]
        replaced = [str(entry.body["replaces"]) for entry in journal if entry.body.get("replaces")]
        return (*self.broken((await self.control()).posture.writer), *always_finishes(begun, ended, replaced))

    def broken(self, *writers: Site) -> tuple[Breach, ...]:
        """Promises of the data broken by now, as far as these writers' ledgers tell."""
        acknowledged = self.world.acknowledged
        return (
            *self.breaches,
            *(no_loss(acknowledged, self.world.ledgers(*writers)) if writers else ()),
            *one_acknowledger(acknowledged),
            *epochs_only_grow(self.postures),
        )

    async def left_behind(self) -> list[str]:
        """Siblings that a plan had to leave for a reseed."""
        journal = await self.reader.journal(SERVICE)
        return [str(entry.body["step"]) for entry in journal if entry.body.get("left_behind")]


def failover(site: Site = AZURE, *, waived: Sequence[Site] = (), weights: bool = True) -> Failover:
    """Leave a site, and drain it."""
    given = {other: float(other != site) for other in SITES} if weights else None
    return Failover(site=site, weights=given, trigger=Trigger.OPERATOR, because="test", by="kim", waived=frozenset(waived))


def switchover(to: Site = AWS) -> Switchover:
    """Move the writer."""
    return Switchover(to=to, trigger=Trigger.OPERATOR, because="test", by="kim")


def grow(site: Site = GCP) -> Grow:
    """Count it."""
    return Grow(site=site, because="test")


def shrink(site: Site = GCP) -> Shrink:
    """No longer count it."""
    return Shrink(site=site, because="test")


def bring_back(site: Site = AZURE) -> Return:
    """Make it a follower again."""
    return Return(site=site, because="test")


def settle() -> SettleUp:
    """Wait for the marker."""
    return SettleUp(because="test")


def steer() -> DrainOnly:
    """Drain gcp."""
    return DrainOnly(weights={AWS: 1.0, AZURE: 1.0, GCP: 0.0}, trigger=Trigger.OPERATOR, because="test", by="kim")


def promote() -> Promote:
    """Make gcp's replica a server of its own."""
    return Promote(site=GCP, because="test", by="kim")


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """A founded stage, with payments made; whoever still waits for something at its end is dismissed."""
    stage, others = Stage(), asyncio.all_tasks()
    await stage.found()
    stage.pay_everywhere()
    try:
        yield stage
    finally:
        left = asyncio.all_tasks() - others
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
