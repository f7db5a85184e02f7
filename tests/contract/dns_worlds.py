"""The authorities that the DNS contract is asked of: the shipped fake, and Route 53's adapter against the emulated API."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from controller.core.model import Group, Site
from controller.ports import Dns
from controller.providers.aws.dns import Route53
from controller.providers.memory.dns import MemoryDns, MemoryZone
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from tests.contract.emulated_aws import PROPAGATION, emulated_aws
from tests.contract.implementation import Implementation
from tests.contract.weather import Weather, fair

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

AWS, AZURE, GCP, ELSEWHERE = Site("aws"), Site("azure"), Site("gcp"), Site("elsewhere")
ALL = {AWS: 1.0, AZURE: 1.0, GCP: 1.0}
DRAINED = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
SPENT = timedelta(seconds=2)
"""A deadline that a call waits out after it has done its work: the work must fit in, on a slow machine too."""
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}


class CountingDns(Dns, Protocol):
    """Every adapter also counts what it asks of the API."""

    @property
    def calls(self) -> int: ...


class Storms(Protocol):
    """The switches of `weather.Weather`."""

    async def throttle(self, requests: int) -> None: ...

    async def lose_answer(self) -> None: ...

    async def ignore_change(self) -> None: ...

    async def delay_change(self, seconds: float) -> None: ...

    async def hang(self) -> None: ...

    async def lie(self) -> None: ...

    async def deny(self) -> None: ...

    async def deny_changes(self) -> None: ...

    async def heal(self) -> None: ...


class World(Protocol):
    """One authority with two groups, as the infrastructure program leaves them: a record per site, all weighing the same."""

    first: Group
    second: Group
    propagation: timedelta
    """From a change to the moment the authority calls it in sync."""

    @property
    def dns(self) -> CountingDns: ...

    @property
    def weather(self) -> Storms: ...

    def another(self) -> CountingDns:
        """A second controller's adapter on the same records."""

    def elsewhere(self) -> Dns:
        """An adapter for a zone (a resource group, a project) that does not exist."""

    def now(self) -> timedelta: ...

    async def changes(self) -> int:
        """Requests to change something that reached the authority."""

    async def change_under_way(self, sent: int) -> None:
        """Return once more than `sent` changes have reached the authority or are on their way to it."""

    async def fail_midway(self) -> None:
        """The next change is carried out, and from then on nothing is."""

    async def take(self, group: Group) -> None:
        """In the place of one of the group's records stands one that somebody else made."""

    async def set_by_hand(self, group: Group, site: Site, ratio: float) -> None:
        """Somebody gives this site's records another weight, relative to what the others have, 0 to 1."""


@dataclass
class JumpingClock:
    """Sleeping takes no time and moves the clock, in the order in which sleepers are due."""

    at: timedelta = timedelta()
    _due: list[timedelta] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.at

    def monotonic(self) -> timedelta:
        return self.at

    async def sleep(self, duration: timedelta) -> None:
        due = self.at + duration
        self._due.append(due)
        try:
            for _ in range(5):  # whoever looks at what goes on has his turn before time moves
                await asyncio.sleep(0)
            while min(self._due) < due:
                await asyncio.sleep(0)
            self.at = max(self.at, due)
        finally:
            self._due.remove(due)


@dataclass
class MemoryWeather:
    """The switches of the zone."""

    zone: MemoryZone

    async def throttle(self, requests: int) -> None:
        self.zone.throttled = requests

    async def lose_answer(self) -> None:
        self.zone.lost_answers = 1

    async def ignore_change(self) -> None:
        self.zone.idle_changes = 1

    async def delay_change(self, seconds: float) -> None:
        self.zone.delay = timedelta(seconds=seconds)

    async def hang(self) -> None:
        self.zone.hanging = True

    async def lie(self) -> None:
        self.zone.lying = True

    async def deny(self) -> None:
        self.zone.denied = True

    async def deny_changes(self) -> None:
        self.zone.denied_changes = True

    async def heal(self) -> None:
        zone = self.zone
        zone.hanging = zone.lying = zone.denied = zone.denied_changes = zone.missing = False
        zone.throttled = zone.idle_changes = zone.failing_after = 0
        zone.delay = timedelta()


@dataclass
class MemoryWorld:
    """The shipped fake."""

    clock: JumpingClock = field(default_factory=JumpingClock)
    first: Group = field(default=Group("first"))
    second: Group = field(default=Group("second"))
    propagation: timedelta = timedelta(seconds=PROPAGATION)

    def __post_init__(self) -> None:
        records = GroupRecords(names=(), addresses=ADDRESSES)
        zone = MemoryZone(propagation=self.propagation)
        self.dns = MemoryDns(clock=self.clock, zone=zone, groups={self.first: records, self.second: records})
        self.weather = MemoryWeather(zone)
        for group in (self.first, self.second):
            self.dns.set_by_hand(group, ALL)

    def another(self) -> MemoryDns:
        return self.dns.another(self.clock)

    def elsewhere(self) -> Dns:
        return MemoryDns(clock=self.clock, name="nowhere", zone=MemoryZone(missing=True))

    def now(self) -> timedelta:
        return self.clock.at

    async def changes(self) -> int:
        return self.dns.zone.changes_sent

    async def change_under_way(self, sent: int) -> None:
        async with asyncio.timeout(5):
            while not self.dns.zone.changing:
                await asyncio.sleep(0)

    async def fail_midway(self) -> None:
        self.dns.zone.failing_after = 1

    async def take(self, group: Group) -> None:
        self.dns.zone.taken.add(group)

    async def set_by_hand(self, group: Group, site: Site, ratio: float) -> None:
        self.dns.set_by_hand(group, {site: ratio})


@dataclass
class Route53World:
    """boto3 against the emulated API, in its own process; records of its own, in a zone that all tests share."""

    api: "Route53Client"
    control: CloudControl
    zone_id: str
    test: str
    propagation: timedelta = timedelta(seconds=PROPAGATION)

    def __post_init__(self) -> None:
        self.first, self.second = Group(f"{self.test}-1"), Group(f"{self.test}-2")
        self.groups = {group: GroupRecords(names=self.names(group), addresses=ADDRESSES) for group in (self.first, self.second)}
        self.weather = Weather(self.control, "ChangeResourceRecordSets")
        self.dns = self.another()

    @staticmethod
    def names(group: Group) -> tuple[WeightedName, ...]:
        return (
            WeightedName(name=f"{group}.trimaran.test", ttl=2),
            WeightedName(name=f"{group}-slow.trimaran.test", ttl=30),
        )

    def another(self) -> Route53:
        return Route53(client=lambda: self.api, zone_id=self.zone_id, groups=self.groups)

    def elsewhere(self) -> Dns:
        return Route53(client=lambda: self.api, zone_id="Z0NOWHERE", groups=self.groups)

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("ChangeResourceRecordSets", 0)

    async def change_under_way(self, sent: int) -> None:
        async with asyncio.timeout(5):
            while await self.changes() == sent:
                await asyncio.sleep(0.01)

    async def fail_midway(self) -> None:
        # One batch is all or nothing: what fails is everything after it.
        lost = Rule(kind=FaultKind.LOSE_ANSWER, operation="ChangeResourceRecordSets", count=1)
        await self.control.inject([lost, Rule(kind=FaultKind.UNAVAILABLE, operation="ChangeResourceRecordSets")])

    async def take(self, group: Group) -> None:
        name = self.groups[group].names[0]
        for record in (await self.records(name)).values():
            await self.change("DELETE", record)
        await self.change(
            "CREATE", {"Name": name.absolute, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "198.51.100.1"}]}
        )

    async def set_by_hand(self, group: Group, site: Site, ratio: float) -> None:
        for name in self.groups[group].names:
            await self.put(name, f"{group}/{site}", round(ratio * 120), ADDRESSES[site])

    async def found(self) -> None:
        """The records as the infrastructure program makes them."""
        for group, given in self.groups.items():
            for name in given.names:
                for site, address in ADDRESSES.items():
                    await self.put(name, f"{group}/{site}", 80, address, TTL=name.ttl)

    async def records(self, name: WeightedName) -> dict[str, dict[str, Any]]:
        """A records of one name by SetIdentifier, as the vendor's own client reads them."""

        def pages() -> list[dict[str, Any]]:
            pager = self.api.get_paginator("list_resource_record_sets")
            return [dict(r) for page in pager.paginate(HostedZoneId=self.zone_id) for r in page["ResourceRecordSets"]]

        return {r.get("SetIdentifier", ""): r for r in await asyncio.to_thread(pages) if r["Name"] == name.absolute}

    async def put(self, name: WeightedName, identifier: str, weight: int, address: str, **more: object) -> None:
        """UPSERT one record past the adapter."""
        record = {"Name": name.absolute, "Type": "A", "SetIdentifier": identifier, "Weight": weight, "TTL": 7}
        await self.change("UPSERT", {**record, "ResourceRecords": [{"Value": address}], **more})

    async def health_check(self) -> str:
        """Id of a new one, of the first site's beacon."""
        config: Any = {"Type": "HTTP", "IPAddress": ADDRESSES[AWS], "Port": 80, "ResourcePath": "/beacon"}
        reference = f"{self.test}-{time.monotonic_ns()}"
        made = await asyncio.to_thread(lambda: self.api.create_health_check(CallerReference=reference, HealthCheckConfig=config))
        return made["HealthCheck"]["Id"]

    async def change(self, action: str, *records: Mapping[str, Any]) -> None:
        """One batch past the adapter."""
        batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": record} for record in records]}
        await asyncio.to_thread(lambda: self.api.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch))


def vendors_client(service: str, url: str) -> Any:
    """The vendor's own client, which makes one attempt, as the adapters' do."""
    return boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1").client(
        service,  # type: ignore[call-overload]
        endpoint_url=url,
        config=Config(
            connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=16
        ),
    )


@asynccontextmanager
async def memory_world(shared: object, test: str) -> AsyncIterator[World]:
    """A zone of its own."""
    yield MemoryWorld()


@asynccontextmanager
async def route53_world(url: str, test: str) -> AsyncIterator[Route53World]:
    """Route 53's adapter on records that only this test uses; healthy before and after."""
    async with fair(url) as control:
        world = Route53World(vendors_client("route53", url), control, await control.zone_id("trimaran.test"), test)
        await world.found()
        yield world


MEMORY_DNS: Implementation[World] = Implementation(name="memory", open=memory_world)
ROUTE53: Implementation[World] = Implementation(name="route53", open=route53_world, start=emulated_aws)
