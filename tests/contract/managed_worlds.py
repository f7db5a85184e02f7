"""The providers that the contract of managed databases is asked of: the shipped fake, and RDS's adapter against the emulated API."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import aiohttp

from controller.core.model import Site
from controller.ports import ManagedDatabase
from controller.providers.aws.database import Rds
from controller.providers.memory.managed import MemoryManagedDatabase, MemoryServerOffice
from lab.clouds.control import CloudControl
from tests.contract.dns_worlds import JumpingClock, Storms, vendors_client
from tests.contract.emulated_aws import PROMOTION, emulated_aws
from tests.contract.implementation import Implementation
from tests.contract.weather import Weather


class World(Protocol):
    """A read replica of another server, healthy, and available."""

    primary: str
    """As `ProviderFacts.replica_of` names it."""

    @property
    def database(self) -> ManagedDatabase: ...

    @property
    def weather(self) -> Storms: ...

    def another(self) -> ManagedDatabase:
        """A second controller's adapter on the same server, knowing nothing of the first one's."""

    def elsewhere(self) -> ManagedDatabase:
        """An adapter for a server that does not exist."""

    def now(self) -> timedelta: ...

    async def pause(self, duration: timedelta) -> None: ...

    async def promotions(self) -> int:
        """Requests to promote that reached the provider."""


@dataclass
class MemoryWeather:
    """The switches of the fake."""

    server: MemoryServerOffice

    async def throttle(self, requests: int) -> None:
        self.server.throttled = requests

    async def lose_answer(self) -> None:
        self.server.lost_answers = 1

    async def ignore_change(self) -> None:
        self.server.idle_promotions = 1

    async def delay_change(self, seconds: float) -> None:
        self.server.delay = timedelta(seconds=seconds)

    async def hang(self) -> None:
        self.server.hanging = True

    async def lie(self) -> None:
        self.server.lying = True

    async def deny(self) -> None:
        self.server.denied = True

    async def deny_changes(self) -> None:
        self.server.denied_changes = True

    async def heal(self) -> None:
        server = self.server
        server.hanging = server.lying = server.denied = server.denied_changes = False
        server.throttled = server.idle_promotions = 0
        server.delay = timedelta()


@dataclass
class MemoryWorld:
    """The shipped fake."""

    clock: JumpingClock = field(default_factory=JumpingClock)
    primary: str = "primary"

    def __post_init__(self) -> None:
        self.database = MemoryManagedDatabase(site=Site("aws"), clock=self.clock)
        self.weather = MemoryWeather(self.database.server)

    def another(self) -> ManagedDatabase:
        return MemoryManagedDatabase(site=Site("aws"), clock=self.clock, server=self.database.server)

    def elsewhere(self) -> ManagedDatabase:
        return MemoryManagedDatabase(site=Site("aws"), clock=self.clock, server=MemoryServerOffice(told=None))

    def now(self) -> timedelta:
        return self.clock.at

    async def pause(self, duration: timedelta) -> None:
        await self.clock.sleep(duration)

    async def promotions(self) -> int:
        return self.database.server.promotions


@dataclass
class RdsWorld:
    """boto3 against the emulated API; an instance of its own and its primary."""

    api: Any
    metrics: Any
    control: CloudControl
    test: str

    def __post_init__(self) -> None:
        self.primary, self.replica = f"{self.test}-primary", f"{self.test}-replica"
        self.weather = Weather(self.control, "PromoteReadReplica")
        self.database = self.another()

    def another(self) -> Rds:
        return Rds(client=lambda: self.api, site=Site("aws"), instance=self.replica, metrics=lambda: self.metrics)

    def elsewhere(self) -> ManagedDatabase:
        return Rds(client=lambda: self.api, site=Site("aws"), instance="nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def pause(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    async def promotions(self) -> int:
        return (await self.control.requests()).get("PromoteReadReplica", 0)

    async def found(self) -> None:
        """Primary and replica as the infrastructure program makes them."""

        def make() -> None:
            self.api.create_db_instance(
                DBInstanceIdentifier=self.primary,
                DBInstanceClass="db.m7g.large",
                Engine="postgres",
                AllocatedStorage=100,
                MultiAZ=True,
                MasterUsername="owner",
                MasterUserPassword="a-password-for-tests",
            )
            self.api.create_db_instance_read_replica(DBInstanceIdentifier=self.replica, SourceDBInstanceIdentifier=self.primary)

        await asyncio.to_thread(make)


@asynccontextmanager
async def memory_world(shared: object, test: str) -> AsyncIterator[World]:
    """A server of its own."""
    yield MemoryWorld()


@asynccontextmanager
async def rds_world(url: str, test: str) -> AsyncIterator[RdsWorld]:
    """RDS's adapter on instances that only this test uses; healthy before and after."""
    async with aiohttp.ClientSession() as http:
        control = CloudControl(http, url)
        await control.inject([])
        world = RdsWorld(vendors_client("rds", url), vendors_client("cloudwatch", url), control, test)
        await world.found()
        yield world
        await control.inject([])


MEMORY_MANAGED: Implementation[World] = Implementation(name="memory", open=memory_world)
RDS: Implementation[World] = Implementation(name="rds", open=rds_world, start=emulated_aws)
LONGEST_PROMOTION = timedelta(seconds=PROMOTION + 10)
"""Until a test gives up on a promotion."""
