"""Google behind the ports: the vendor's client library against the emulated APIs, in their own process."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from controller.core.model import Group, Site
from controller.ports import Capacity, Dns, ManagedDatabase
from controller.providers.gcp.capacity import CloudRun
from controller.providers.gcp.database import CloudSql
from controller.providers.gcp.dns import CloudDns
from controller.providers.gcp.identity import static
from controller.providers.gcp.session import Client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from tests.contract.capacity_worlds import FLOOR
from tests.contract.capacity_worlds import World as CapacityWorld
from tests.contract.dns_worlds import ADDRESSES
from tests.contract.dns_worlds import World as DnsWorld
from tests.contract.implementation import Implementation
from tests.contract.managed_worlds import World as ManagedWorld
from tests.contract.weather import Weather

PROPAGATION = 0.3
"""Seconds until a change of the zone is done."""
OPERATION = 0.5
"""Seconds until a promotion is done."""
PROJECT = "lab"
ZONE = "trimaran-test"
LOCATION = "europe-west1"
GCP = Site("gcp")
CHANGE = "dns.changes.create"
PROMOTE = "sql.instances.promoteReplica"
WORLDS = count(1)
"""A test of many parameters has one world for each, in one zone."""


@contextmanager
def emulated_google(folder: Path) -> Iterator[str]:
    """Its URL."""
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"propagation": PROPAGATION, "operation_seconds": OPERATION, "project": PROJECT}))
    command = [sys.executable, "-m", "lab.clouds.google", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}"
        finally:
            server.terminate()


def vendors_client(api: str, version: str, url: str) -> Client:
    """The vendor's client with the lab's token."""
    return Client(api, version, endpoint=url, credentials=static(token="lab", endpoint_url=url))


@dataclass
class GoogleApi:
    """The emulated APIs asked past every adapter, and its faults."""

    http: aiohttp.ClientSession
    url: str

    @property
    def control(self) -> CloudControl:
        return CloudControl(self.http, self.url)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request as somebody else's tool would send it."""
        headers = {"Authorization": "Bearer somebody"}
        async with self.http.request(method, f"{self.url}{path}", json=body, headers=headers) as answer:
            found: dict[str, Any] = await answer.json()
            assert answer.status == 200, found
            return found

    async def place(self, what: str, fields: Mapping[str, Any]) -> None:
        """Have an instance or a service of the vendor's, by a route of the lab."""
        async with self.http.put(f"{self.url}/_lab/{what}", json=fields) as answer:
            assert answer.status == 200, await answer.text()


@dataclass
class CloudDnsWorld:
    """Record sets of its own, in a zone that all tests share."""

    api: GoogleApi
    test: str
    propagation: timedelta = timedelta(seconds=PROPAGATION)

    def __post_init__(self) -> None:
        number = next(WORLDS)
        self.first, self.second = Group(f"{self.test}-{number}a"), Group(f"{self.test}-{number}b")
        self.groups = {group: GroupRecords(names=self.names(group), addresses=ADDRESSES) for group in (self.first, self.second)}
        self.weather = Weather(self.api.control, CHANGE)
        self.dns = self.another()

    @staticmethod
    def names(group: Group) -> tuple[WeightedName, ...]:
        return (
            WeightedName(name=f"{group}.g.trimaran.test", ttl=2),
            WeightedName(name=f"{group}-slow.g.trimaran.test", ttl=30),
        )

    def another(self, zone: str = ZONE) -> CloudDns:
        return CloudDns(client=self.client, project=PROJECT, zone=zone, groups=self.groups)

    def client(self) -> Client:
        """The vendor's."""
        return vendors_client("dns", "v1", self.api.url)

    def elsewhere(self) -> Dns:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.api.control.requests()).get(CHANGE, 0)

    async def change_under_way(self, sent: int) -> None:
        async with asyncio.timeout(5):
            while await self.changes() == sent:
                await asyncio.sleep(0.01)

    async def fail_midway(self) -> None:
        # One change is all or nothing: what fails is everything after it.
        lost = Rule(kind=FaultKind.LOSE_ANSWER, operation=CHANGE, count=1)
        await self.api.control.inject([lost, Rule(kind=FaultKind.UNAVAILABLE, operation=CHANGE)])

    async def take(self, group: Group) -> None:
        present = await self.record(self.groups[group].names[0])
        foreign = {"name": present["name"], "type": "A", "ttl": 5, "rrdatas": ["198.51.100.1"]}
        await self.change({"deletions": [present], "additions": [foreign]})

    async def set_by_hand(self, group: Group, site: Site, ratio: float) -> None:
        for name in self.groups[group].names:
            present = await self.record(name)
            items = present["routingPolicy"]["wrr"]["items"]
            most = max(item["weight"] for item in items)
            for item in items:
                if item["rrdatas"] == [ADDRESSES[site]]:
                    item["weight"] = ratio * most
            await self.replace(name, {"routingPolicy": present["routingPolicy"]})

    async def found(self) -> None:
        """The record sets as the infrastructure program makes them."""
        additions = [
            {
                "name": name.absolute,
                "type": "A",
                "ttl": name.ttl,
                "routingPolicy": {"wrr": {"items": [{"weight": 1, "rrdatas": [address]} for address in ADDRESSES.values()]}},
            }
            for records in self.groups.values()
            for name in records.names
        ]
        await self.change({"additions": additions})

    async def record(self, name: WeightedName) -> dict[str, Any]:
        """One A record set."""
        listed = await self.api.ask("GET", f"{self._zone}/rrsets?name={name.absolute}&type=A")
        (record,) = listed["rrsets"]
        assert isinstance(record, dict)
        return record

    async def replace(self, name: WeightedName, fields: Mapping[str, Any]) -> None:
        """Somebody changes fields of one A record set."""
        await self.api.ask("PATCH", f"{self._zone}/rrsets/{name.absolute}/A", fields)

    async def change(self, body: Mapping[str, Any]) -> None:
        """Somebody changes record sets."""
        await self.api.ask("POST", f"{self._zone}/changes", body)

    @property
    def _zone(self) -> str:
        return f"/dns/v1/projects/{PROJECT}/managedZones/{ZONE}"


@dataclass
class CloudRunWorld:
    """A service of its own."""

    api: GoogleApi
    service: str

    def __post_init__(self) -> None:
        self.weather = Weather(self.api.control, "run.projects.locations.services.patch")
        self.capacity = self.another()

    def another(self, project: str = PROJECT) -> CloudRun:
        client = partial(vendors_client, "run", "v2", self.api.url)
        return CloudRun(client=client, site=GCP, project=project, location=LOCATION)

    def elsewhere(self) -> Capacity:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.api.control.requests()).get("run.projects.locations.services.patch", 0)


@dataclass
class CloudSqlWorld:
    """A read replica of its own and its primary."""

    api: GoogleApi
    test: str

    def __post_init__(self) -> None:
        number = next(WORLDS)
        self.main, self.replica = f"{self.test}-{number}-main", f"{self.test}-{number}-replica"
        self.primary = f"{PROJECT}:{self.main}"
        self.weather = Weather(self.api.control, PROMOTE)
        self.database = self.another()

    def another(self, instance: str = "") -> CloudSql:
        client = partial(vendors_client, "sqladmin", "v1", self.api.url)
        return CloudSql(client=client, site=GCP, project=PROJECT, instance=instance or self.replica)

    def elsewhere(self) -> ManagedDatabase:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def pause(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    async def promotions(self) -> int:
        return (await self.api.control.requests()).get(PROMOTE, 0)

    async def found(self, **how: Any) -> None:
        """Both, as the infrastructure program makes them; `how` the replica's promotion goes, and fields of its own."""
        fields = {"masterInstanceName": self.primary, **how.pop("instance", {})}
        await self.api.place(f"instances/{self.main}", {})
        await self.api.place(f"instances/{self.replica}", {"instance": fields, **how})


@asynccontextmanager
async def google_api(url: str) -> AsyncIterator[GoogleApi]:
    """Healthy before and after."""
    async with aiohttp.ClientSession() as http:
        api = GoogleApi(http, url)
        await api.control.inject([])
        yield api
        await api.control.inject([])


@asynccontextmanager
async def clouddns_world(url: str, test: str) -> AsyncIterator[CloudDnsWorld]:
    """Cloud DNS's adapter on record sets that only this test uses."""
    async with google_api(url) as api:
        world = CloudDnsWorld(api, test)
        await world.found()
        yield world


@asynccontextmanager
async def cloudrun_world(url: str, test: str) -> AsyncIterator[CloudRunWorld]:
    """Cloud Run's adapter on a service that only this test uses."""
    async with google_api(url) as api:
        service = f"{test}-{next(WORLDS)}"
        await api.place(
            f"services/projects/{PROJECT}/locations/{LOCATION}/services/{service}", {"scaling": {"minInstanceCount": FLOOR}}
        )
        yield CloudRunWorld(api, service)


@asynccontextmanager
async def cloudsql_world(url: str, test: str) -> AsyncIterator[CloudSqlWorld]:
    """Cloud SQL's adapter on instances that only this test uses."""
    async with google_api(url) as api:
        world = CloudSqlWorld(api, test)
        await world.found()
        yield world


CLOUDDNS: Implementation[DnsWorld] = Implementation(name="clouddns", open=clouddns_world, start=emulated_google)
CLOUDRUN: Implementation[CapacityWorld] = Implementation(name="cloudrun", open=cloudrun_world, start=emulated_google)
CLOUDSQL: Implementation[ManagedWorld] = Implementation(name="cloudsql", open=cloudsql_world, start=emulated_google)
