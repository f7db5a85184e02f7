"""The databases of the simulation: followers that apply in small portions over real links, and controllers' ways to nodes."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TypeVar

from controller.core.model import Lsn, Site
from controller.errors import TrimaranError
from controller.providers.memory.database import MemoryDatabase
from controller.providers.memory.path import DEADLINE, MemoryPath, Work
from controller.providers.memory.server import LogicalSlot, MemoryServer
from controller.providers.memory.world import MemoryWorld
from tests.simulation.network import Finish, Net, Silence
from tests.simulation.processes import Process

T = TypeVar("T")

_CALL: ContextVar[tuple[str, timedelta]] = ContextVar("call", default=("", DEADLINE))
"""The call under way, and its patience for each of its statements."""

Told = Callable[[Site], None]
"""Told that something may have changed on a node."""

READS = frozenset({"facts", "digest", "lacks", "await_confirmed"})


class Row:
    """The lock on one node's row: payments share it from the guard to their commit, every step of ours has it alone, and whoever comes
    behind a step that waits, waits behind it. Killed, the server forgets all of it."""

    def __init__(self, server: MemoryServer, net: Net) -> None:
        self._server, self._net = server, net
        self._open = self._lives = 0
        self._queue: deque[tuple[bool, Callable[[], None]]] = deque()

    def pass_guard(self, finish: Finish[T], enter: Callable[[], T], lasts: float) -> None:
        """A payment: the guard's word now, or when the lock is free; the commit a while later."""
        if self._server.up:
            self._queue.append((True, lambda: self._begin(finish, enter, lasts)))
            self._go_on()

    def change(self, finish: Finish[T], work: Callable[[], T]) -> None:
        """A step of ours."""
        if self._server.up:
            self._queue.append((False, lambda: finish(work)))
            self._go_on()

    def forget(self) -> None:
        """The server died: what was open is undone, and who waited is told nothing."""
        self._lives += 1
        self._open = 0
        self._queue.clear()

    def _begin(self, finish: Finish[T], enter: Callable[[], T], lasts: float) -> None:
        def admit() -> T:
            self._server.admit()
            raise AssertionError("admitted after all")

        try:
            self._server.admit()
        except TrimaranError:
            finish(admit)
            return
        self._open += 1
        life = self._lives

        def commit() -> None:
            if life == self._lives:
                self._open -= 1
                finish(enter)
                self._go_on()

        self._net.later(lasts, commit)

    def _go_on(self) -> None:
        while self._queue and (self._queue[0][0] or self._open == 0):
            self._queue.popleft()[1]()


@dataclass(kw_only=True)
class FarWorld(MemoryWorld):
    """Three nodes with a network between them, on which confirmations travel too."""

    net: Net
    chance: Random
    changed: Told
    effect: Callable[[Process], None]
    """Told whose statement has just changed something, before its answer goes back."""
    live: bool = False
    rows: dict[Site, Row] = field(default_factory=dict)
    shut: set[Site] = field(default_factory=set)
    """Nodes that have no session left for controllers, and do everything else as ever."""
    lags: dict[Site, float] = field(default_factory=dict)
    """Seconds between two portions, for followers that are slower than others."""

    def __post_init__(self) -> None:
        self.rows = {site: Row(server, self.net) for site, server in self.servers.items()}

    def crash(self, site: Site) -> None:
        """See `MemoryWorld`."""
        super().crash(site)
        self.rows[site].forget()

    def fail_over_in_cloud(self, site: Site, *, lose_last: bool = False) -> None:
        """See `MemoryWorld`: sessions end, and so do workers."""
        super().fail_over_in_cloud(site, lose_last=lose_last)
        self.rows[site].forget()
        for stream in self.servers[site].streams.values():
            stream.running = False

    def linked(self, site: Site, other: Site) -> bool:
        """See `MemoryWorld`: a stream needs both directions to begin, and to be active."""
        return self.servers[site].up and self.servers[other].up and self.net.linked(site, other)

    async def keep_applying(self, site: Site) -> None:
        """Let this follower apply a little, again and again."""
        while True:
            await asyncio.sleep(self.lags.get(site, 0.02) * (0.5 + self.chance.random()))
            if self.apply_some(site):
                self.changed(site)

    def apply_some(self, site: Site) -> int:
        """What its workers get to now. Data needs the way from the publisher only; that a slow or lost confirmation comes too late is
        part of the game."""
        server, applied = self.servers[site], 0
        if not server.up or site in self.held:
            return 0
        for stream in list(server.streams.values()):
            begins = stream.enabled and self.linked(site, stream.publisher)
            stream.running = stream.running or begins
            if stream.running and self.servers[stream.publisher].up and self.net.open(stream.publisher, site):
                applied += self._apply(server, stream, self.chance.randint(1, 4))
        return applied

    def _confirm(self, follower: Site, publisher: MemoryServer, slot: LogicalSlot, lsn: Lsn) -> None:
        """The connection that carries it ends with the publisher's timeline, and its slot is the one of now."""
        timeline = publisher.timeline

        def arrive() -> None:
            if publisher.up and publisher.timeline == timeline and publisher.slots.get(slot.name) is slot:
                slot.confirmed = max(slot.confirmed, lsn)

        if lsn > slot.confirmed:
            self.net.send(follower, publisher.site, arrive)


class FarPath(MemoryPath):
    """One process's way to one node: every statement crosses the network by itself."""

    def __init__(self, *, world: FarWorld, at: Site, process: Process, net: Net) -> None:
        super().__init__(world=world, at=at, clock=process.clock)
        self.process, self.net, self.far = process, net, world

    async def call(self, method: str, work: Work[T], deadline: timedelta = DEADLINE) -> T:
        """Each statement of the call has this deadline."""
        before = _CALL.set((method, deadline))
        try:
            return await work()
        finally:
            _CALL.reset(before)

    async def run(self, transaction: Callable[[MemoryServer], T]) -> T:
        """One transaction over there."""
        method, patience = _CALL.get()

        def arrive() -> T:
            server = self.world.servers[self.at]
            if not server.up or self.at in self.far.shut:
                raise Silence
            answer = transaction(server)
            if method not in READS:
                self.far.changed(self.at)
                self.far.effect(self.process)
            return answer

        if method in READS:
            return await self.net.ask(self.process, self.at, arrive, patience)
        return await self.net.ask_for(
            self.process, self.at, lambda finish: self.far.rows[self.at].change(finish, arrive), patience
        )


class FarDatabase(MemoryDatabase):
    """One process's view of one node."""

    def __init__(self, world: FarWorld, site: Site, process: Process, net: Net) -> None:
        super().__init__(world, site, process.clock)
        self.path = FarPath(world=world, at=site, process=process, net=net)
