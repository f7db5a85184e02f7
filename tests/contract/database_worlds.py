"""Three databases of one service, in memory or on real PostgreSQL 18, with the same handles for what a test does to them.

azure writes epoch 1; aws and gcp follow it and acknowledge. Tokens start at 0.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.core import naming
from controller.core.model import Epoch, NodeFacts, Position, Site, Token
from controller.ports import Database
from controller.providers.memory.database import MemoryDatabase
from controller.providers.memory.world import found_world
from tests.protocol.test_pins import fail_over_in_cloud
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio

SOON = timedelta(seconds=2)


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Everything about a node that a refused step must leave alone."""

    row: tuple[object, ...]
    streams: frozenset[tuple[str, bool]]
    slots: frozenset[str]
    keys: frozenset[str]


class DatabaseWorld(ABC):
    """What the contract's tests need besides the port itself."""

    service: str
    databases: Mapping[Site, Database]

    @abstractmethod
    async def pay(self, at: Site, key: str, patience: float = 2.0) -> bool:
        """Pay with this key; True when it was acknowledged. Raises when the node admits nothing."""

    @abstractmethod
    async def hold(self, site: Site) -> None:
        """Its worker lives on and applies nothing."""

    @abstractmethod
    async def release(self, site: Site) -> None:
        """It applies again."""

    @abstractmethod
    async def part(self, site: Site) -> None:
        """It receives nothing more, and has no worker."""

    @abstractmethod
    async def kill(self, site: Site) -> None:
        """Its server dies."""

    @abstractmethod
    async def drop_slot(self, site: Site, name: str) -> None:
        """Somebody drops a slot."""

    @abstractmethod
    async def fail_over_in_cloud(self, site: Site) -> None:
        """It comes back on a new timeline."""

    @abstractmethod
    async def keys(self, site: Site) -> frozenset[str]:
        """Idempotency keys in its ledger."""

    @abstractmethod
    async def quarantine(self, site: Site) -> Mapping[str, bool]:
        """Keys kept there, and whether the present writer had them."""

    # ---------------------------------------------------------------------------------------- the same for both

    async def facts(self, site: Site) -> NodeFacts:
        """Who it says it is."""
        return await self.databases[site].facts(SOON)

    async def traces(self, site: Site) -> Traces:
        """Its state, to compare."""
        facts = await self.facts(site)
        return Traces(
            row=(facts.role, facts.epoch, facts.token, facts.ack_slots, facts.seeded, facts.pinned),
            streams=frozenset((one.name, one.enabled) for one in facts.subscriptions),
            slots=frozenset(one.name for one in facts.slots),
            keys=await self.keys(site),
        )

    async def level(self, writer: Site, *followers: Site, reign: int = 1) -> None:
        """Until these followers have confirmed all that the writer has now."""
        lsn = (await self.facts(writer)).flushed
        reached = await self.databases[writer].await_confirmed(
            reign=Epoch(reign), followers=frozenset(followers), lsn=lsn, need=len(followers), deadline=timedelta(seconds=20)
        )
        assert reached == frozenset(followers), f"{set(followers) - reached} did not come level"

    async def until(self, site: Site, key: str) -> None:
        """Until a follower's ledger has this key."""
        async with asyncio.timeout(20):
            while key not in await self.keys(site):
                await asyncio.sleep(0.02)

    async def cut(self, *sites: Site, token: int = 10, epoch: int = 2, writer: Site = AZURE, reign: int = 1) -> list[Position]:
        """Cut these nodes."""
        return [
            await self.databases[site].cut(token=Token(token), epoch=Epoch(epoch), writer=writer, reign=Epoch(reign))
            for site in sites
        ]

    async def fail_over(self, token: int = 10) -> None:
        """aws writes epoch 2 and gcp follows it, step by step as a plan would."""
        _, gcp = await self.cut(AWS, GCP, token=token)
        refusal = await self.databases[AWS].place_slot(token=Token(token), epoch=Epoch(2), sibling=GCP, position=gcp, level=False)
        assert refusal is None, refusal
        await self.databases[GCP].follow(token=Token(token), epoch=Epoch(2), publisher=AWS)
        await self.databases[AWS].open(token=Token(token), epoch=Epoch(2), ack_set=frozenset({GCP}))

    def slot(self, epoch: int, publisher: Site, follower: Site) -> str:
        """Name of a stream's slot and subscription."""
        return naming.stream(self.service, Epoch(epoch), publisher, follower)

    def spare(self, holder: Site, sibling: Site) -> str:
        """Name of a spare slot of epoch 1."""
        return naming.spare_stream(self.service, Epoch(1), holder, sibling)


class HastyClock:
    """Every wait passes at once; for callers that wait one after the other."""

    def __init__(self) -> None:
        self.elapsed = timedelta()

    def now(self) -> datetime:
        """A fixed start plus what has passed."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self.elapsed

    def monotonic(self) -> timedelta:
        """What has passed."""
        return self.elapsed

    async def sleep(self, duration: timedelta) -> None:
        """Let it pass."""
        self.elapsed += duration


class Memory(DatabaseWorld):
    """Over a world in memory."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.world = found_world(service, SITES, AZURE)
        self.databases = {site: MemoryDatabase(self.world, site, HastyClock()) for site in SITES}

    async def pay(self, at: Site, key: str, patience: float = 2.0) -> bool:
        return self.world.pay(at, key)

    async def hold(self, site: Site) -> None:
        self.world.held.add(site)

    async def release(self, site: Site) -> None:
        self.world.held.discard(site)
        self.world.flow()

    async def part(self, site: Site) -> None:
        for stream in self.world.servers[site].streams.values():
            stream.enabled = stream.running = False

    async def kill(self, site: Site) -> None:
        self.world.crash(site)

    async def drop_slot(self, site: Site, name: str) -> None:
        del self.world.servers[site].slots[name]

    async def fail_over_in_cloud(self, site: Site) -> None:
        self.world.fail_over_in_cloud(site)

    async def keys(self, site: Site) -> frozenset[str]:
        return frozenset(self.world.servers[site].ledger)

    async def quarantine(self, site: Site) -> Mapping[str, bool]:
        return self.world.servers[site].quarantine


class Postgres(DatabaseWorld):
    """Over three real servers, provisioned as for the protocol tests."""

    def __init__(self, trio: Trio) -> None:
        self.trio, self.service, self.databases = trio, trio.service, trio.databases

    async def pay(self, at: Site, key: str, patience: float = 2.0) -> bool:
        return await self.trio.pay(at, key, patience) is not None

    async def hold(self, site: Site) -> None:
        await self.trio.hold_apply(site)

    async def release(self, site: Site) -> None:
        await self.trio.release_apply(site)

    async def part(self, site: Site) -> None:
        await self.trio.part(site)

    async def kill(self, site: Site) -> None:
        self.trio.lose(site)

    async def drop_slot(self, site: Site, name: str) -> None:
        async with asyncio.timeout(20):
            while (await self.trio.sql(site, "SELECT active FROM pg_replication_slots WHERE slot_name = %s", name))[0][0]:
                await asyncio.sleep(0.02)
        await self.trio.sql(site, "SELECT pg_drop_replication_slot(%s)", name)

    async def fail_over_in_cloud(self, site: Site) -> None:
        await fail_over_in_cloud(self.trio, site)

    async def keys(self, site: Site) -> frozenset[str]:
        rows = await self.trio.sql(site, "SELECT idempotency_key FROM ledger.payment")
        return frozenset(key for (key,) in rows)

    async def quarantine(self, site: Site) -> Mapping[str, bool]:
        return dict(await self.trio.sql(site, "SELECT idempotency_key, superseded FROM trimaran.quarantine"))
