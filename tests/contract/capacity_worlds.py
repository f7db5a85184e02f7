"""The providers that the capacity contract is asked of: the shipped fake, and ECS's adapter against the emulated API."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import aiohttp

from controller.core.model import Site
from controller.ports import Capacity
from controller.providers.aws.capacity import Ecs
from controller.providers.memory.capacity import MemoryCapacity
from lab.clouds.control import CloudControl
from tests.contract.dns_worlds import JumpingClock, Storms, vendors_client
from tests.contract.emulated_aws import emulated_aws
from tests.contract.implementation import Implementation
from tests.contract.weather import Weather

FLOOR = 2
"""What the service has in every world."""


class World(Protocol):
    """One site's instances; the service exists, with a floor of FLOOR."""

    service: str

    @property
    def capacity(self) -> Capacity: ...

    @property
    def weather(self) -> Storms: ...

    def another(self) -> Capacity:
        """A second controller's adapter."""

    def elsewhere(self) -> Capacity:
        """An adapter for a cluster (a resource group, a project) that does not exist."""

    def now(self) -> timedelta: ...

    async def changes(self) -> int:
        """Requests to change something that reached the provider."""


@dataclass
class MemoryWeather:
    """The switches of the fake."""

    capacity: MemoryCapacity

    async def throttle(self, requests: int) -> None:
        self.capacity.throttled = requests

    async def lose_answer(self) -> None:
        self.capacity.lost_answers = 1

    async def ignore_change(self) -> None:
        self.capacity.idle_changes = 1

    async def delay_change(self, seconds: float) -> None:
        self.capacity.delay = timedelta(seconds=seconds)

    async def hang(self) -> None:
        self.capacity.hanging = True

    async def lie(self) -> None:
        self.capacity.lying = True

    async def deny(self) -> None:
        self.capacity.denied = True

    async def deny_changes(self) -> None:
        self.capacity.denied_changes = True

    async def heal(self) -> None:
        capacity = self.capacity
        capacity.hanging = capacity.lying = capacity.denied = capacity.denied_changes = False
        capacity.throttled = capacity.idle_changes = 0
        capacity.delay = timedelta()


@dataclass
class MemoryWorld:
    """The shipped fake."""

    service: str = "payments"
    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        self.capacity = MemoryCapacity(site=Site("aws"), clock=self.clock, floors={self.service: FLOOR})
        self.weather = MemoryWeather(self.capacity)

    def another(self) -> Capacity:
        return self.capacity

    def elsewhere(self) -> Capacity:
        return MemoryCapacity(site=Site("aws"), clock=self.clock)

    def now(self) -> timedelta:
        return self.clock.at

    async def changes(self) -> int:
        return self.capacity.changes


@dataclass
class EcsWorld:
    """boto3 against the emulated API; a cluster of its own."""

    api: Any
    control: CloudControl
    cluster: str
    service: str = "payments"

    def __post_init__(self) -> None:
        self.weather = Weather(self.control, "UpdateService")
        self.capacity = self.another()

    def another(self) -> Ecs:
        return Ecs(client=lambda: self.api, site=Site("aws"), cluster=self.cluster)

    def elsewhere(self) -> Capacity:
        return Ecs(client=lambda: self.api, site=Site("aws"), cluster="nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("UpdateService", 0)

    async def found(self) -> None:
        """Cluster and service as the infrastructure program makes them."""

        def make() -> None:
            self.api.create_cluster(clusterName=self.cluster)
            self.api.register_task_definition(
                family=self.cluster, containerDefinitions=[{"name": "web", "image": "web", "memory": 64}]
            )
            self.api.create_service(
                cluster=self.cluster, serviceName=self.service, taskDefinition=self.cluster, desiredCount=FLOOR
            )

        await asyncio.to_thread(make)


@asynccontextmanager
async def memory_world(shared: object, test: str) -> AsyncIterator[World]:
    """Instances of its own."""
    yield MemoryWorld()


@asynccontextmanager
async def ecs_world(url: str, test: str) -> AsyncIterator[EcsWorld]:
    """ECS's adapter on a cluster that only this test uses; healthy before and after."""
    async with aiohttp.ClientSession() as http:
        control = CloudControl(http, url)
        await control.inject([])
        world = EcsWorld(vendors_client("ecs", url), control, test)
        await world.found()
        yield world
        await control.inject([])


MEMORY_CAPACITY: Implementation[World] = Implementation(name="memory", open=memory_world)
ECS: Implementation[World] = Implementation(name="ecs", open=ecs_world, start=emulated_aws)
