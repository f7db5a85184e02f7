"""Azure's adapters against the emulated Azure, over https, with the vendor's own SDK and its own authentication policy."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.core.model import Group, Site
from controller.ports import Capacity, Dns, ManagedDatabase
from controller.providers.azure.capacity import ContainerApps
from controller.providers.azure.database import FlexibleServer
from controller.providers.azure.dns import AzureDns
from controller.providers.azure.identity import StaticCredential
from controller.providers.azure.records import profile_name
from controller.providers.azure.session import Arm, apps_client, dns_client, servers_client, traffic_manager_client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.certificates import mint
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from tests.contract.capacity_worlds import FLOOR
from tests.contract.capacity_worlds import World as CapacityWorld
from tests.contract.dns_worlds import ADDRESSES
from tests.contract.dns_worlds import World as DnsWorld
from tests.contract.implementation import Implementation
from tests.contract.managed_worlds import World as ManagedWorld
from tests.contract.weather import Weather, fair

if TYPE_CHECKING:
    from azure.mgmt.appcontainers import ContainerAppsAPIClient
    from azure.mgmt.dns import DnsManagementClient
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = "trimaran"
ZONE = "trimaran.test"
PROMOTION = timedelta(seconds=0.5)
EQUAL = 280
"""Weight of each of three endpoints that weigh the same, as the adapter would have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulated:
    """An emulated Azure in a process of its own."""

    url: str
    control_url: str
    authority_file: str

    @property
    def arm(self) -> Arm:
        """As an adapter reaches it."""
        return Arm(subscription_id=SUBSCRIPTION, endpoint_url=self.url, authority_file=self.authority_file)

    @property
    def credential(self) -> StaticCredential:
        """The lab's."""
        return StaticCredential("lab", endpoint_url=self.url)


@contextmanager
def emulated_azure(folder: Path) -> Iterator[Emulated]:
    """One that is ready; it ends with the block."""
    papers, settings = mint(folder), folder / "settings.json"
    wanted = {"certificate": str(papers.certificate), "key": str(papers.key), "promotion": PROMOTION.total_seconds()}
    settings.write_text(json.dumps(wanted))
    command = [sys.executable, "-m", "lab.clouds.azure", "--settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            ports = json.loads(server.stdout.readline())
            yield Emulated(
                url=f"https://127.0.0.1:{ports['port']}",
                control_url=f"http://127.0.0.1:{ports['control_port']}",
                authority_file=str(papers.authority),
            )
        finally:
            server.terminate()


@dataclass
class AzureWorld:
    """Profiles and records of its own, in a zone that all tests share."""

    profiles: "TrafficManagerManagementClient"
    records: "DnsManagementClient"
    control: CloudControl
    test: str
    propagation: timedelta = timedelta()
    """Azure answers a put when it is carried out; nobody can ask its name servers."""

    def __post_init__(self) -> None:
        self.test = self.test[-30:].strip("-")  # its end is its own, and a profile's name has 63 characters
        self.first, self.second = Group(f"{self.test}-1"), Group(f"{self.test}-2")
        self.groups = {group: GroupRecords(names=self.names(group), addresses=ADDRESSES) for group in (self.first, self.second)}
        self.weather = Weather(self.control, "Profiles_CreateOrUpdate")
        self.dns = self.another()

    @staticmethod
    def names(group: Group) -> tuple[WeightedName, ...]:
        return (
            WeightedName(name=f"{group}.{ZONE}", ttl=2),
            WeightedName(name=f"{group}-slow.{ZONE}", ttl=30),
        )

    def another(self, resource_group: str = GROUP) -> AzureDns:
        return AzureDns(
            profiles=lambda: self.profiles,
            records=lambda: self.records,
            resource_group=resource_group,
            zone=ZONE,
            groups=self.groups,
        )

    def elsewhere(self) -> Dns:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("Profiles_CreateOrUpdate", 0)

    async def change_under_way(self, sent: int) -> None:
        async with asyncio.timeout(5):
            while await self.changes() <= sent:
                await asyncio.sleep(0.01)

    async def fail_midway(self) -> None:
        lost = Rule(kind=FaultKind.LOSE_ANSWER, operation="Profiles_CreateOrUpdate", count=1)
        await self.control.inject([lost, Rule(kind=FaultKind.UNAVAILABLE, operation="Profiles_CreateOrUpdate")])

    async def take(self, group: Group) -> None:
        await self.patch(self.groups[group].names[0], {"tags": {"trimaran": "somebody-else"}})

    async def set_by_hand(self, group: Group, site: Site, ratio: float) -> None:
        changed = {"endpointStatus": "Enabled", "weight": round(ratio * EQUAL)} if ratio > 0 else {"endpointStatus": "Disabled"}
        for name in self.groups[group].names:
            await self.patch_endpoint(name, site, changed)

    async def found(self) -> None:
        """Profiles, endpoints and aliases as the infrastructure program makes them."""
        for group, given in self.groups.items():
            for name in given.names:
                await self.put(name, profile(group, name, ADDRESSES))

    async def put(self, name: WeightedName, body: Any, *, aliased: bool = True) -> None:
        """A whole profile past the adapter, and the zone's alias of it."""

        def call() -> None:
            made = self.profiles.profiles.create_or_update(GROUP, profile_name(name), body)
            if aliased:
                alias: Any = {"properties": {"targetResource": {"id": made.id}}}
                self.records.record_sets.create_or_update(GROUP, ZONE, name.name.removesuffix(f".{ZONE}"), "A", alias)

        await asyncio.to_thread(call)

    async def patch(self, name: WeightedName, changed: dict[str, Any]) -> None:
        """Part of a profile past the adapter."""
        await asyncio.to_thread(lambda: self.profiles.profiles.update(GROUP, profile_name(name), changed))  # type: ignore[call-overload]

    async def patch_endpoint(self, name: WeightedName, site: str, changed: dict[str, Any]) -> None:
        """Part of an endpoint past the adapter."""
        body: Any = {"properties": changed}
        await asyncio.to_thread(
            lambda: self.profiles.endpoints.update(GROUP, profile_name(name), "ExternalEndpoints", site, body)
        )

    async def profile(self, name: WeightedName) -> dict[str, Any]:
        """A profile as the vendor's own client reads it."""
        return await asyncio.to_thread(lambda: self.profiles.profiles.get(GROUP, profile_name(name)).as_dict())

    async def endpoints(self, name: WeightedName) -> dict[str, dict[str, Any]]:
        """Properties of a profile's endpoints by name."""
        return {one["name"]: one["properties"] for one in (await self.profile(name))["properties"]["endpoints"]}


def profile(group: Group, name: WeightedName, addresses: dict[Site, str]) -> dict[str, Any]:
    """A profile whose endpoints weigh the same."""
    return {
        "location": "global",
        "tags": {"trimaran": group},
        "properties": {
            "trafficRoutingMethod": "Weighted",
            "dnsConfig": {"relativeName": profile_name(name), "ttl": name.ttl},
            "monitorConfig": {"protocol": "HTTP", "port": 80, "path": "/beacon", "intervalInSeconds": 10, "timeoutInSeconds": 5},
            "endpoints": [
                {
                    "name": site,
                    "type": "Microsoft.Network/trafficManagerProfiles/externalEndpoints",
                    "properties": {"target": address, "weight": EQUAL},
                }
                for site, address in addresses.items()
            ],
        },
    }


@asynccontextmanager
async def azure_world(emulated: Emulated, test: str) -> AsyncIterator[AzureWorld]:
    """The adapter on profiles that only this test uses; healthy before and after."""
    arm, credential = emulated.arm, emulated.credential
    async with fair(emulated.control_url) as control:
        with traffic_manager_client(arm, credential) as profiles, dns_client(arm, credential) as records:
            world = AzureWorld(profiles, records, control, test)
            await world.found()
            yield world


@dataclass
class ContainerAppsWorld:
    """The vendor's SDK against the emulated API; an app of its own."""

    api: "ContainerAppsAPIClient"
    control: CloudControl
    service: str

    def __post_init__(self) -> None:
        self.weather = Weather(self.control, "ContainerApps_Update")
        self.capacity = self.another()

    def another(self, resource_group: str = GROUP) -> ContainerApps:
        return ContainerApps(site=Site("azure"), client=lambda: self.api, resource_group=resource_group, apps={})

    def elsewhere(self) -> Capacity:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def changes(self) -> int:
        return (await self.control.requests()).get("ContainerApps_Update", 0)

    async def found(self) -> None:
        """The app as the infrastructure program makes it."""
        template = {"containers": [{"name": "web", "image": "web"}], "scale": {"minReplicas": FLOOR, "maxReplicas": FLOOR + 2}}
        body: Any = {"location": "westeurope", "properties": {"template": template}}
        await asyncio.to_thread(lambda: self.api.container_apps.begin_create_or_update(GROUP, self.service, body, polling=False))

    async def patch(self, body: Any) -> None:
        """Somebody else's change of the app."""
        await asyncio.to_thread(lambda: self.api.container_apps.begin_update(GROUP, self.service, body, polling=False))

    async def template(self) -> dict[str, Any]:
        """As the vendor's own client reads it."""
        found = await asyncio.to_thread(lambda: self.api.container_apps.get(GROUP, self.service).as_dict())
        return dict(found["properties"]["template"])


@asynccontextmanager
async def container_apps_world(emulated: Emulated, test: str) -> AsyncIterator[ContainerAppsWorld]:
    """The adapter on an app that only this test uses; healthy before and after."""
    async with fair(emulated.control_url) as control:
        with apps_client(emulated.arm, emulated.credential) as api:
            world = ContainerAppsWorld(api, control, test)
            await world.found()
            yield world


@dataclass
class FlexibleServerWorld:
    """The vendor's SDK against the emulated API; a replica of its own and its primary."""

    api: "PostgreSQLManagementClient"
    control: CloudControl
    test: str

    def __post_init__(self) -> None:
        self.primary, self.replica = f"{self.test}-primary", f"{self.test}-replica"
        self.weather = Weather(self.control, "Servers_Update")
        self.database = self.another()

    def another(self, server: str | None = None) -> FlexibleServer:
        return FlexibleServer(site=Site("azure"), client=lambda: self.api, resource_group=GROUP, server=server or self.replica)

    def elsewhere(self) -> ManagedDatabase:
        return self.another("nowhere")

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def pause(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    async def promotions(self) -> int:
        return (await self.control.requests()).get("Servers_Update", 0)

    async def found(self) -> None:
        """Primary and replica as the infrastructure program makes them."""
        primary = await self.put(self.primary, {"highAvailability": {"mode": "ZoneRedundant", "state": "Healthy"}})
        await self.put(self.replica, {"createMode": "Replica", "sourceServerResourceId": primary})

    async def put(self, name: str, properties: dict[str, Any], **more: Any) -> str:
        """A server past the adapter; its id."""
        body: Any = {"location": "westeurope", "properties": properties, **more}

        def call() -> str:
            self.api.servers.begin_create_or_update(GROUP, name, body, polling=False)
            return str(self.api.servers.get(GROUP, name).id)

        return await asyncio.to_thread(call)


@asynccontextmanager
async def flexible_server_world(emulated: Emulated, test: str) -> AsyncIterator[FlexibleServerWorld]:
    """The adapter on servers that only this test uses; healthy before and after."""
    async with fair(emulated.control_url) as control:
        with servers_client(emulated.arm, emulated.credential) as api:
            world = FlexibleServerWorld(api, control, test)
            await world.found()
            yield world


AZURE_DNS: Implementation[DnsWorld] = Implementation(name="azure", open=azure_world, start=emulated_azure)
CONTAINER_APPS: Implementation[CapacityWorld] = Implementation(
    name="container-apps", open=container_apps_world, start=emulated_azure
)
FLEXIBLE_SERVER: Implementation[ManagedWorld] = Implementation(
    name="flexible-server", open=flexible_server_world, start=emulated_azure
)
