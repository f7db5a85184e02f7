"""The authorities that the DNS contract is asked of: the shipped fake, and Route 53's adapter against the emulated API."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import aiohttp
import pytest

from controller.core.model import Site
from controller.ports import Dns
from controller.providers.aws.dns import Route53
from controller.providers.records import WeightedName
from controller.providers.aws.session import route53_client
from controller.providers.memory.dns import MemoryDns, MemoryZone
from lab.clouds.control import AwsControl
from lab.clouds.faults import FaultKind, Rule

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ALL = {AWS: 1.0, AZURE: 1.0, GCP: 1.0}
DRAINED = {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
PROPAGATION = timedelta(milliseconds=300)
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}


class ForeignDns(Dns, Protocol):
    """Both implementations also name the records they leave alone."""

    async def foreign(self) -> tuple[str, ...]: ...


class World(Protocol):
    """One authority, with the switches for its faults."""

    @property
    def dns(self) -> ForeignDns: ...

    def another(self) -> Dns:
        """A second controller's adapter on the same records."""

    def now(self) -> timedelta: ...

    async def changes(self) -> int:
        """Change batches that reached the authority."""

    async def throttle(self, requests: int) -> None: ...

    async def lose_answer(self) -> None: ...

    async def hang(self) -> None: ...

    async def lie(self) -> None:
        """Everything is answered as if it had gone well, with a page that has nothing to do with the question."""

    async def heal(self) -> None: ...

    async def add_foreign(self, identifier: str, weight: int) -> None: ...

    async def foreign_weights(self) -> Mapping[str, float]: ...

    async def set_by_hand(self, site: Site, weight: int) -> None: ...


@dataclass
class JumpingClock:
    """Sleeping takes no time and moves the clock."""

    at: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.at

    def monotonic(self) -> timedelta:
        return self.at

    async def sleep(self, duration: timedelta) -> None:
        self.at += duration
        await asyncio.sleep(0)


@dataclass
class MemoryWorld:
    """The shipped fake."""

    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        self.dns = MemoryDns(clock=self.clock, zone=MemoryZone(propagation=PROPAGATION))

    def another(self) -> Dns:
        return self.dns.another(self.clock)

    def now(self) -> timedelta:
        return self.clock.at

    async def changes(self) -> int:
        return self.dns.zone.changes_sent

    async def throttle(self, requests: int) -> None:
        self.dns.zone.throttled = requests

    async def lose_answer(self) -> None:
        self.dns.zone.lost_answers = 1

    async def hang(self) -> None:
        self.dns.zone.hanging = True

    async def lie(self) -> None:
        self.dns.zone.lying = True

    async def heal(self) -> None:
        self.dns.zone.hanging, self.dns.zone.throttled, self.dns.zone.lying = False, 0, False

    async def add_foreign(self, identifier: str, weight: int) -> None:
        self.dns.zone.foreign_records[identifier] = weight

    async def foreign_weights(self) -> Mapping[str, float]:
        return self.dns.zone.foreign_records

    async def set_by_hand(self, site: Site, weight: int) -> None:
        self.dns.set_by_hand({site: float(weight)})


@dataclass
class Route53World:
    """boto3 against the emulated API, in its own process; records of its own, in a zone that all tests share."""

    api: "Route53Client"
    control: AwsControl
    zone_id: str
    service: str

    def __post_init__(self) -> None:
        self.names = (
            WeightedName(name=f"{self.service}.trimaran.test", ttl=2),
            WeightedName(name=f"{self.service}-slow.trimaran.test", ttl=30),
        )
        self.dns = self.another()

    def another(self) -> Route53:
        return Route53(
            client=lambda: self.api,
            zone_id=self.zone_id,
            service=self.service,
            names=self.names,
            addresses=ADDRESSES,
        )

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("ChangeResourceRecordSets", 0)

    async def throttle(self, requests: int) -> None:
        half = (requests + 1) // 2
        rules = [Rule(kind=FaultKind.THROTTLE, count=half)]
        if requests > half:
            rules.append(Rule(kind=FaultKind.UNAVAILABLE, count=requests - half))
        await self.control.inject(rules)

    async def lose_answer(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, operation="ChangeResourceRecordSets", count=1)])

    async def hang(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.HANG)])

    async def lie(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.LIE)])

    async def heal(self) -> None:
        await self.control.inject([])

    async def add_foreign(self, identifier: str, weight: int) -> None:
        await asyncio.to_thread(self.put, self.names[0], identifier, weight, "198.51.100.9")

    async def set_by_hand(self, site: Site, weight: int) -> None:
        for name in self.names:
            await asyncio.to_thread(self.put, name, f"{self.service}/{site}", weight, ADDRESSES[site])

    async def foreign_weights(self) -> Mapping[str, float]:
        return {i: float(str(r["Weight"])) for i, r in (await self.records()).items() if not i.startswith(f"{self.service}/")}

    async def records(self, name: WeightedName | None = None) -> dict[str, dict[str, object]]:
        """A records of one name by SetIdentifier, as the vendor's own client reads them."""
        wanted = name or self.names[0]
        page = await asyncio.to_thread(lambda: self.api.list_resource_record_sets(HostedZoneId=self.zone_id))
        return {r["SetIdentifier"]: r for r in page["ResourceRecordSets"] if r["Name"] == wanted.absolute}  # type: ignore[misc]

    def put(self, name: WeightedName, identifier: str, weight: int, address: str, **more: object) -> None:
        """UPSERT one record past the adapter."""
        record = {
            "Name": name.absolute,
            "Type": "A",
            "SetIdentifier": identifier,
            "Weight": weight,
            "TTL": 7,
            "ResourceRecords": [{"Value": address}],
            **more,
        }
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.api.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)  # type: ignore[arg-type]


@contextmanager
def emulated_aws(folder: Path) -> "Iterator[tuple[str, Route53Client]]":
    """An emulated AWS as a process of its own: its URL, and the vendor's client with credentials from the environment."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"propagation": PROPAGATION.total_seconds()}))
    command = [sys.executable, "-m", "lab.clouds.aws", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server, pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
            yield url, route53_client(endpoint_url=url)
        finally:
            server.terminate()


@asynccontextmanager
async def route53_world(url: str, api: "Route53Client", test: str) -> AsyncIterator[Route53World]:
    """Route 53's adapter on records that only this test uses; healthy before and after."""
    service = "".join(c if c.isalnum() else "-" for c in test)[:48].rstrip("-").lower()
    async with aiohttp.ClientSession() as http:
        control = AwsControl(http, url)
        await control.inject([])
        yield Route53World(api, control, await control.zone_id("trimaran.test"), service)
        await control.inject([])
