"""One etcd group with a member at each site: it answers while two of them hear each other, and only to who reaches one of those."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from controller.coordination.endpoints import Endpoints
from controller.coordination.transaction import Answer, Txn
from controller.core.model import Site
from controller.errors import Transient
from controller.providers.memory.coordination import MemoryEtcd
from tests.simulation.network import Finish, Net, Silence
from tests.simulation.processes import OUTSIDE, Process

T = TypeVar("T")

CALL = timedelta(seconds=0.2)
OPERATION = timedelta(seconds=1)
"""Deadlines of the client, as in `coordination.etcd`."""


class LeaderTime:
    """Time as leases count it: it stands still while there is no leader."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._passed, self._since = 0.0, self._loop.time()
        self.stands = False

    def stop(self) -> None:
        """The leader is lost."""
        self._passed, self.stands = self._passed + self._loop.time() - self._since, True

    def go_on(self) -> None:
        """There is one again."""
        self._since, self.stands = self._loop.time(), False

    def monotonic(self) -> timedelta:
        """Time under leaders."""
        return timedelta(seconds=self._passed + (0.0 if self.stands else self._loop.time() - self._since))

    def now(self) -> datetime:
        """Nobody asks."""
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, duration: timedelta) -> None:
        """Nobody does."""
        raise NotImplementedError


class Members:
    """Who of the group is up, and who leads it."""

    def __init__(self, sites: tuple[Site, ...], net: Net, chance: Random, applied: Callable[[Txn], None]) -> None:
        self._sites, self._net, self._chance, self._applied = sites, net, chance, applied
        self._loop, self.time = asyncio.get_running_loop(), LeaderTime()
        self.state = MemoryEtcd(clock=self.time)
        self.up = dict.fromkeys(sites, True)
        self.leader: Site | None = sites[0]
        self.elections = 0
        self._called = False

    def look(self) -> None:
        """Somebody died or a link broke: is there still a leader whom a majority hears?"""
        if self.leader is not None and not self._leads(self.leader):
            self.leader = None
            self.time.stop()
        if self.leader is None and not self._called:
            self._called = True
            self._loop.call_later(self._chance.uniform(0.3, 1.0), self._elect, context=OUTSIDE)

    def _elect(self) -> None:
        self._called = False
        able = [site for site in self._sites if self._leads(site)]
        if not able:
            self.look()
            return
        self.leader = self._chance.choice(able)
        self.elections += 1
        self.time.go_on()
        for lease in self.state._leases.values():  # a new leader gives every lease its full term again
            lease.ends = self.time.monotonic() + lease.term

    def _leads(self, site: Site) -> bool:
        return sum(self._hear(site, other) for other in self._sites) >= 2

    def _hear(self, one: Site, other: Site) -> bool:
        return self.up[one] and self.up[other] and (one == other or self._net.linked(one, other))

    def carry_out(self, member: Site, work: Callable[[MemoryEtcd], T]) -> T:
        """As asked of this member. Raises Silence unless it is in touch with the leader."""
        if self.leader is None or not self._hear(member, self.leader):
            raise Silence
        return work(self.state)

    def transact(self, member: Site, txn: Txn) -> Answer:
        """One transaction, told to who watches."""
        answer = self.carry_out(member, lambda state: state.transact(txn))
        if txn.writes and answer.succeeded:
            self._applied(txn)
        return answer


class Link:
    """One process's client: the own site's member first, each for a fifth of a second. Implements `transaction.KeyValue`."""

    def __init__(
        self,
        process: Process,
        sites: tuple[Site, ...],
        members: Members,
        net: Net,
        chance: Random,
        effect: Callable[[Process], None],
    ) -> None:
        """`effect` is told of every write of this process that was applied, before its answer goes back."""
        self._process, self._members, self._net, self._chance, self._effect = process, members, net, chance, effect
        self._endpoints = Endpoints([process.site, *(site for site in sites if site != process.site)])
        self._round = len(sites)

    async def transact(self, txn: Txn) -> Answer:
        """Reads go one range at a time, each for itself, as they do over the wire."""
        if txn.writes:
            return await self._ask(lambda member: self._write(member, txn), repeat=txn.repeatable)
        parts = await asyncio.gather(*(self._ask(self._reader(Txn(reads=(one,)))) for one in txn.reads))
        return Answer(
            succeeded=True,
            revision=min(part.revision for part in parts),
            found=tuple(found for part in parts for found in part.found),
        )

    def _write(self, member: Site, txn: Txn) -> Answer:
        answer = self._members.transact(member, txn)
        if answer.succeeded:
            self._effect(self._process)
        return answer

    def _reader(self, txn: Txn) -> Callable[[Site], Answer]:
        return lambda member: self._members.transact(member, txn)

    async def grant(self, ttl: timedelta) -> int:
        """A new lease."""
        return await self._ask(lambda member: self._members.carry_out(member, lambda state: state.grant(ttl)))

    async def renew(self, lease: int) -> bool:
        """Keep it; False when it has lapsed."""
        return await self._ask(lambda member: self._members.carry_out(member, lambda state: state.renew(lease)))

    async def revoke(self, lease: int) -> None:
        """End it."""
        await self._ask(lambda member: self._members.carry_out(member, lambda state: state.revoke(lease)))

    async def _ask(self, work: Callable[[Site], T], *, repeat: bool = True) -> T:
        clock = self._process.clock
        give_up, failures = clock.monotonic() + OPERATION, 0
        while (left := give_up - clock.monotonic()) > timedelta(0):
            member = Site(self._endpoints.current)
            written = self._chance.uniform(0.0, 0.004) if self._chance.random() > 0.01 else self._chance.uniform(0.0, 0.5)
            try:
                return await self._net.ask_for(self._process, member, self._taking(member, written, work), min(CALL, left))
            except Transient:
                failures += 1
                self._endpoints.failed(member)
                if not repeat:
                    break
            if failures % self._round == 0:
                await clock.sleep(timedelta(milliseconds=20))
        raise Transient("etcd gave no answer")

    def _taking(self, member: Site, seconds: float, work: Callable[[Site], T]) -> Callable[[Finish[T]], None]:
        """A member takes its time until the others have it on disk."""
        return lambda finish: self._net.later(seconds, lambda: finish(lambda: work(member)))
