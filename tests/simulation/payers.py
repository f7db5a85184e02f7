"""The payments service at each site, and clients that offer payments whether or not anybody answers.

A client keeps its own record: what it was told is acknowledged, whoever told it, however late.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random

from controller.core.invariants import Acknowledged
from controller.core.model import Epoch, Role, Site
from controller.errors import Conflict, Stuck, Transient
from controller.providers.memory.world import Poll, Waiting, told_of
from tests.simulation.databases import FarWorld
from tests.simulation.network import Finish, Net, Silence
from tests.simulation.processes import Process

WHO_WRITES = timedelta(seconds=0.4)
COMMIT = timedelta(seconds=1)
LOOK = timedelta(seconds=2)
BARRIER = timedelta(seconds=2)
"""After this a payment is unknown, and its client asks again with the same key."""
GIVE_UP = timedelta(seconds=8)


@dataclass(slots=True, eq=False)
class Waiter:
    """One payment that waits at the barrier."""

    at: Site
    waiting: Waiting
    durable: "asyncio.Future[None]"


@dataclass(slots=True, kw_only=True)
class Till:
    """The payments service of one site: finds the writer, commits, and withholds the answer until another site has it."""

    process: Process
    world: FarWorld
    net: Net
    chance: Random
    stalls: float = 0.01
    """How often a look takes long between the row that it saw and the slots that it reads."""
    waiters: dict[Site, list[Waiter]] = field(default_factory=dict)
    writer: Site | None = None
    _polling: set[Site] = field(default_factory=set)
    _finding: "asyncio.Task[None] | None" = None

    async def pay(self, key: str, told: Callable[[Acknowledged], None]) -> None:
        """Until it is durable, or nobody waits any more."""
        clock = self.process.clock
        end = clock.monotonic() + GIVE_UP
        while clock.monotonic() < end:
            if self.writer is None and not await self._find():
                await clock.sleep(timedelta(seconds=0.2 + 0.2 * self.chance.random()))
                continue
            at = self.writer
            assert at is not None
            try:
                waiting = await self.net.ask_for(self.process, at, partial(self._enter, at, key), COMMIT)
            except (Conflict, Stuck, Transient):
                self.writer = None
                await clock.sleep(timedelta(seconds=0.05 + 0.2 * self.chance.random()))
                continue
            if await self._wait(at, waiting):
                told(told_of(waiting, at))
                return
            self.writer = None

    def _enter(self, at: Site, key: str, finish: Finish[Waiting]) -> None:
        """Past the guard; a moment later, sometimes a second, the transaction commits."""
        lasts = self.chance.expovariate(400) if self.chance.random() > 0.02 else self.chance.uniform(0.05, 1.5)
        self.world.rows[at].pass_guard(finish, lambda: self.world.enter_admitted(at, key), lasts)

    async def _find(self) -> bool:
        """One search for everybody who wants to know, as in the service."""
        if self._finding is None or self._finding.done():
            self._finding = self.process.start(self._search())
        await asyncio.wait([self._finding])
        return self.writer is not None

    async def _search(self) -> None:
        """Ask every node who writes; the highest epoch wins."""
        said = await asyncio.gather(*(self._ask_role(site) for site in self.world.servers))
        writers = sorted((epoch, site) for site, role, epoch in said if role is Role.WRITER)
        self.writer = writers[-1][1] if writers else None

    async def _ask_role(self, site: Site) -> tuple[Site, Role | None, Epoch]:
        def look() -> tuple[Site, Role, Epoch]:
            server = self.world.servers[site]
            if not server.up:
                raise Silence
            return site, server.role, server.epoch

        try:
            return await self.net.ask(self.process, site, look, WHO_WRITES)
        except Transient:
            return site, None, Epoch(0)

    async def _wait(self, at: Site, waiting: Waiting) -> bool:
        waiter = Waiter(at, waiting, asyncio.get_running_loop().create_future())
        self.waiters.setdefault(at, []).append(waiter)
        if at not in self._polling:
            self._polling.add(at)
            self.process.start(self._poll(at))
        late = asyncio.ensure_future(self.process.clock.sleep(BARRIER))
        try:
            await asyncio.wait([waiter.durable, late], return_when=asyncio.FIRST_COMPLETED)
            return waiter.durable.done()
        finally:
            late.cancel()
            self.waiters[at].remove(waiter)

    async def _poll(self, at: Site) -> None:
        """One poller for everybody who waits here; it releases those who waited when it asked."""
        try:
            while known := tuple(self.waiters.get(at, ())):
                for released in await self._look(at, known):
                    if not released.durable.done():
                        released.durable.set_result(None)
                await self.process.clock.sleep(timedelta(seconds=0.01))
        finally:
            self._polling.discard(at)

    async def _look(self, at: Site, known: tuple[Waiter, ...]) -> list[Waiter]:
        def answer(poll: Poll) -> tuple[Waiting, ...]:
            if not self.world.servers[at].up:
                raise Silence
            return self.world.answer(replace(poll, known=self.counted(at, known)))

        stalls = self.chance.random() < self.stalls
        runs_for = self.chance.uniform(0.05, 1.5) if stalls else self.chance.expovariate(500)

        def run(finish: Finish[tuple[Waiting, ...]]) -> None:
            if self.world.servers[at].up:
                poll = self.world.ask(at, ())
                self.net.later(runs_for, lambda: finish(lambda: answer(poll)))

        try:
            durable = await self.net.ask_for(self.process, at, run, LOOK)
        except Transient:
            return []
        return [waiter for waiter in self.waiters[at] if waiter.waiting in durable]

    def counted(self, at: Site, known: tuple[Waiter, ...]) -> tuple[Waiting, ...]:
        """Whom this look may release: who waited when it was sent."""
        return tuple(waiter.waiting for waiter in known)


@dataclass(slots=True, kw_only=True)
class Clients:
    """Offer payments all the while, at every site, and come back with the same key to any site when nobody answered."""

    tills: dict[Site, Till]
    chance: Random
    told: Callable[[Acknowledged], None]
    every: float
    """Seconds between two payments at one site, on average."""
    unknown: list[str] = field(default_factory=list)
    offered: int = 0
    inside: int = 0
    """Payments that are tried at the moment."""
    acknowledged: set[str] = field(default_factory=set)
    paying: bool = True

    async def come(self, site: Site) -> None:
        """Clients of one site, for ever."""
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / self.every))
            till = self.tills[site]
            if till.process.alive and self.paying:
                self._offer(till)

    def _offer(self, till: Till) -> None:
        if self.unknown and self.chance.random() < 0.3:
            key = self.unknown.pop(self.chance.randrange(len(self.unknown)))
        else:
            self.offered += 1
            key = f"p{self.offered}"
        self.inside += 1
        task = till.process.start(till.pay(key, self._hear))
        task.add_done_callback(lambda _: self._leave(key))

    def _hear(self, told: Acknowledged) -> None:
        if self.chance.random() < 0.03:
            return  # the answer is lost between site and client
        self.acknowledged.add(told.key)
        self.told(told)

    def _leave(self, key: str) -> None:
        self.inside -= 1
        if key not in self.acknowledged and key not in self.unknown:
            self.unknown.append(key)
