"""The Database port over a world in memory: the same steps in the same order as on PostgreSQL, one transaction after the other.

Between two transactions of a step others may act, as they may between two statements on a real server.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256

from controller.core import naming
from controller.core.model import Epoch, Lsn, NodeFacts, Position, Site, Token
from controller.errors import Transient
from controller.ports import Clock, Database, JournalCopy, KeyLookup, TailReport
from controller.ports_audit import HeadCopy, HeadName
from controller.providers.memory import positions
from controller.providers.memory.path import MemoryPath
from controller.providers.memory.server import MemoryServer
from controller.providers.memory.world import MemoryWorld

LOOK = timedelta(milliseconds=10)
"""Between two looks while waiting for a confirmation."""


class MemoryDatabase:
    """One controller's view of one node. Every controller has its own, so that paths fail apart."""

    def __init__(self, world: MemoryWorld, site: Site, clock: Clock) -> None:
        self.world, self._site, self._clock = world, site, clock
        self.path = MemoryPath(world=world, at=site, clock=clock)

    @property
    def site(self) -> Site:
        """Which site's node this is."""
        return self._site

    def _slot_for(self, epoch: Epoch, follower: Site) -> str:
        return naming.stream(self.world.service, epoch, self.site, follower)

    # ------------------------------------------------------------------------------------------------ reading

    async def facts(self, deadline: timedelta) -> NodeFacts:
        """Who the node says it is."""
        work = self.path.alone(lambda server: positions.facts_of(self.world, server))
        return await self.path.call("facts", work, deadline)

    async def digest(self, *, up_to: Epoch) -> str:
        """Order-free digest of the payments of epochs up to `up_to`."""

        def read(server: MemoryServer) -> str:
            rows = sorted(str(paid) for paid in server.ledger.values() if paid.epoch <= up_to)
            return f"{len(rows)} payments {sha256(repr(rows).encode()).hexdigest()}"

        return await self.path.call("digest", self.path.alone(read))

    async def lacks(self, payments: Mapping[str, str]) -> Mapping[str, bool]:
        """What this node's ledger lacks; True: it has another payment of the key."""

        def compare(server: MemoryServer) -> Mapping[str, bool]:
            mine = {key: server.ledger[key].payment for key in payments.keys() & server.ledger.keys()}
            return {key: key in mine for key, payment in payments.items() if mine.get(key) != payment}

        return await self.path.call("lacks", self.path.alone(compare))

    async def await_confirmed(
        self, *, reign: Epoch, followers: frozenset[Site], lsn: Lsn, need: int, deadline: timedelta
    ) -> frozenset[Site]:
        """Followers whose slot here has confirmed `lsn` when `need` of them had, or when the deadline was reached."""

        def confirmed(server: MemoryServer) -> frozenset[Site]:
            server.stay_pinned("await_confirmed")
            slots = {site: server.slots.get(self._slot_for(reign, site)) for site in followers}
            return frozenset(site for site, slot in slots.items() if slot is not None and slot.confirmed >= lsn)

        async def wait() -> frozenset[Site]:
            give_up = self._clock.monotonic() + deadline
            while len(found := await self.path.run(confirmed)) < need and self._clock.monotonic() < give_up:
                await self._clock.sleep(LOOK)
            return found

        return await self.path.call("await_confirmed", wait)

    # ------------------------------------------------------------------------------------------------ cut and fence

    async def cut(self, *, token: Token, epoch: Epoch, writer: Site, reign: Epoch) -> Position:
        """Stop every older stream, end its worker, read the position."""

        async def work() -> Position:
            await self.path.run(lambda server: server.stop_streams(token, epoch))
            await self.path.run(MemoryServer.end_workers)
            return await self.path.run(lambda server: positions.position_of(server, writer, reign))

        return await self.path.call("cut", work)

    async def fence(self, *, token: Token, reign: Epoch) -> int:
        """Close a writer of an earlier reign."""
        return await self.path.call("fence", self.path.alone(lambda server: server.fence(token, reign)))

    # ------------------------------------------------------------------------------------------------ attach and open

    async def place_slot(self, *, token: Token, epoch: Epoch, sibling: Site, position: Position, level: bool) -> str | None:
        """Put the sibling's slot exactly where the sibling stands, or say why that cannot be proven."""
        name = self._slot_for(epoch, sibling)

        def place(server: MemoryServer) -> str | None:
            return positions.placed(self.world, server, sibling, position, level=level, name=name)

        async def work() -> str | None:
            await self.path.run(lambda server: server.promise(token))
            if (refusal := await self.path.run(place)) is not None:
                return refusal
            await self.path.run(lambda server: server.promise(token))
            return None

        return await self.path.call("place_slot", work)

    async def follow(self, *, token: Token, epoch: Epoch, publisher: Site) -> None:
        """Drop older subscriptions and follow `publisher`, without a copy."""
        await self.path.call("follow", self.path.alone(lambda server: self._follow(server, token, epoch, publisher, seed=False)))

    async def seed(self, *, token: Token, reign: Epoch, publisher: Site) -> None:
        """Follow `publisher` with an initial copy; `facts` tells when it is done."""
        await self.path.call("seed", self.path.alone(lambda server: self._follow(server, token, reign, publisher, seed=True)))

    def _follow(self, server: MemoryServer, token: Token, epoch: Epoch, publisher: Site, *, seed: bool) -> None:
        server.check(token)
        stream = naming.stream(server.service, epoch, publisher, self.site)
        dials = stream not in server.streams and (seed or publisher not in server.spares.values())
        if dials and not self.world.linked(self.site, publisher):
            raise Transient(f"{self.site} cannot reach {publisher}")
        server.follow(token, epoch, publisher, seed=seed)

    async def open(self, *, token: Token, epoch: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """Become the writer of `epoch`; answers a position at or behind the marker."""
        slots = tuple(self._slot_for(epoch, follower) for follower in sorted(ack_set))
        return await self._reached("open", lambda server: server.open(token, epoch, slots))

    async def mark_join(self, *, token: Token, reign: Epoch, newcomer: Site) -> Lsn:
        """Commit a join marker; answers a position at or behind it."""
        return await self._reached("mark_join", lambda server: server.mark_join(token, reign, newcomer))

    async def set_ack_set(self, *, token: Token, reign: Epoch, ack_set: frozenset[Site]) -> Lsn:
        """Replace the ack set; answers the flush position read after that commit."""
        slots = tuple(self._slot_for(reign, follower) for follower in sorted(ack_set))
        return await self._reached("set_ack_set", lambda server: server.set_ack_slots(token, reign, slots))

    async def _reached(self, method: str, transaction: Callable[[MemoryServer], None]) -> Lsn:
        async def work() -> Lsn:
            await self.path.run(transaction)
            return await self.path.run(lambda server: server.flushed)

        return await self.path.call(method, work)

    # ------------------------------------------------------------------------------------------------ return

    async def export_tail(self, *, token: Token, known: KeyLookup) -> TailReport:
        """Put what `known` lacks into quarantine."""

        async def work() -> TailReport:
            await self.path.run(lambda server: server.promise(token, pinned=False))
            lacking = await known.lacks(
                await self.path.run(lambda server: {key: paid.payment for key, paid in server.ledger.items()})
            )

            def keep(server: MemoryServer) -> None:
                server.promise(token, pinned=False)
                server.quarantine |= lacking

            if lacking:
                await self.path.run(keep)
            superseded = sum(lacking.values())
            return TailReport(transactions=len(lacking), superseded=superseded, never_happened=len(lacking) - superseded)

        return await self.path.call("export_tail", work)

    async def clear(self, *, token: Token, reign: Epoch) -> None:
        """Forget every payment, every stream, and the slots of older lives."""

        def drop(server: MemoryServer) -> None:
            for name in server.old_slots(reign, spares_too=True):
                del server.slots[name]

        async def work() -> None:
            await self.path.run(lambda server: server.clear(token, reign))
            await self.path.run(drop)

        await self.path.call("clear", work)

    async def offer_seed(self, *, token: Token, reign: Epoch, follower: Site) -> None:
        """Have the slot that `seed` on the follower will use; one that is there is kept unless its log is gone."""
        name = self._slot_for(reign, follower)

        def offer(server: MemoryServer) -> None:
            if name in server.slots and server.slots[name].lost:
                del server.slots[name]
            server.have_slot(name)

        async def work() -> None:
            await self.path.run(lambda server: server.promise_writer(token, reign))
            await self.path.run(offer)
            await self.path.run(lambda server: server.promise_writer(token, reign))

        await self.path.call("offer_seed", work)

    # ------------------------------------------------------------------------------------------------ copy of the journal

    async def keep_journal(self, branch: int, entries: Mapping[int, str]) -> None:
        """Add entries to this node's copy."""

        def keep(server: MemoryServer) -> None:
            server.journal[branch] = dict(sorted({**entries, **server.journal.get(branch, {})}.items()))

        await self.path.call("keep_journal", self.path.alone(keep))

    async def kept_journal(self, branch: int, after: int = 0, limit: int = 1000) -> Mapping[int, str]:
        """Entries of a branch above a number."""

        def read(server: MemoryServer) -> Mapping[int, str]:
            return dict([(number, text) for number, text in server.journal.get(branch, {}).items() if number > after][:limit])

        return await self.path.call("kept_journal", self.path.alone(read))

    async def branches(self) -> Mapping[int, int]:
        """The last number of every branch."""

        def read(server: MemoryServer) -> Mapping[int, int]:
            return {branch: max(kept) for branch, kept in sorted(server.journal.items())}

        return await self.path.call("kept_journal", self.path.alone(read))

    async def keep_heads(self, heads: Mapping[HeadName, str]) -> None:
        """Add heads to those that this node has."""

        def keep(server: MemoryServer) -> None:
            server.heads = dict(sorted({**heads, **server.heads}.items()))

        await self.path.call("keep_heads", self.path.alone(keep))

    async def kept_heads(self, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """Heads above a name."""

        def read(server: MemoryServer) -> Mapping[HeadName, str]:
            return dict([(name, text) for name, text in server.heads.items() if after is None or name > after][:limit])

        return await self.path.call("kept_heads", self.path.alone(read))

    # ------------------------------------------------------------------------------------------------ caretaker

    async def tend(
        self, *, reign: Epoch, writer: Site, siblings: Mapping[Site, Lsn], outside: frozenset[Site], limit: int
    ) -> tuple[str, ...]:
        """Keep a short spare slot per sibling, drop slots of closed epochs and those that hold back too much for nobody."""

        async def work() -> tuple[str, ...]:
            dropped = await self.path.run(lambda server: positions.dropped(self.world, server, reign, outside, limit))
            return (*dropped, *await self.path.run(lambda server: positions.tended(self.world, server, reign, writer, siblings)))

        return await self.path.call("tend", work)


_: tuple[type[Database], type[JournalCopy], type[HeadCopy]] = (MemoryDatabase, MemoryDatabase, MemoryDatabase)
