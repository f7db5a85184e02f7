"""What a stack is told: typed, checked before anything is asked of a cloud, every problem at once.

Values come from `Pulumi.yaml` (the same for all stacks) and `stacks/Pulumi.<env>-<role>.yaml`. A stack that cannot keep the promises is
refused at preview, with the key and the rule: an undersized survivor is found when the other two sites are gone, otherwise.
"""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from ipaddress import IPv4Network
from math import ceil
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from infra import shapes
from infra.address_plan import AddressPlan, SiteNetwork
from infra.address_plan import refusals as address_refusals
from infra.table import LeftOut, Table
from infra.topology import Cloud, Jurisdiction, Refusal, Topology
from infra.topology import refusals as topology_refusals
from infra.trusted import TrustedTable

NAMESPACE = "trimaran"
UNBUILT = "@sha256:" + 64 * "0"
"""Stands in a stack's file until there are images."""


class Role(StrEnum):
    """What a stack is for. Three sites; the mesh between them; the zone; who controls it all."""

    AWS = "aws"
    AZURE = "azure"
    GCP = "gcp"
    INTERCONNECT = "interconnect"
    EDGE = "edge"
    CONTROL = "control"


SITES = (Role.AWS, Role.AZURE, Role.GCP)


class SettingsError(Exception):
    """The stack's settings cannot be used. Raised at preview, before anything is asked of a cloud."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(("this stack's settings cannot be used:", *problems)))
        self.problems = problems


REGISTRIES: Mapping[Cloud, str] = {
    Cloud.AWS: r"\d{12}\.dkr\.ecr\.{region}\.amazonaws\.com/",
    Cloud.AZURE: r"[a-z0-9]+\.azurecr\.io/",
    Cloud.GCP: r"{region}-docker\.pkg\.dev/",
}
"""Each site starts its instances from its own cloud: with an image from elsewhere, nothing could be started while that cloud is down."""

Text = Annotated[str, Field(min_length=1, max_length=200)]


class TopologyTable(Table):
    """`topology`: the three regions, and what they have to be to each other."""

    aws: Text
    azure: Text
    gcp: Text
    jurisdiction: Jurisdiction
    least_km: Annotated[float, Field(ge=300)] = 1000
    """Kilometres between any two."""

    def topology(self) -> Topology:
        """As the rules know it."""
        regions = {Cloud.AWS: self.aws, Cloud.AZURE: self.azure, Cloud.GCP: self.gcp}
        return Topology(regions=regions, jurisdiction=self.jurisdiction, least_km=self.least_km)


class SiteNetworkTable(Table):
    """`network.<cloud>`"""

    block: IPv4Network
    asn: int


class NetworkTable(Table):
    """`network`: who has which addresses."""

    aws: SiteNetworkTable
    azure: SiteNetworkTable
    gcp: SiteNetworkTable

    def plan(self) -> AddressPlan:
        """As the rules know it."""
        tables = {Cloud.AWS: self.aws, Cloud.AZURE: self.azure, Cloud.GCP: self.gcp}
        return AddressPlan(sites={cloud: SiteNetwork(block=table.block, asn=table.asn) for cloud, table in tables.items()})


class AwsAccount(Table):
    """`accounts.aws`: a stack touches this account and no other."""

    account: Annotated[str, Field(pattern=r"^\d{12}$")]


class AzureAccount(Table):
    """`accounts.azure`"""

    subscription: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    tenant: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


class GcpAccount(Table):
    """`accounts.gcp`"""

    project: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    number: Annotated[str, Field(pattern=r"^\d{6,14}$")]


class AccountsTable(Table):
    """`accounts`: whose clouds these are."""

    aws: AwsAccount
    azure: AzureAccount
    gcp: GcpAccount


class CapacityTable(Table):
    """`capacity.<service>`, in instances."""

    peak: Annotated[int, Field(ge=1, le=1000)]
    """As many as carry all payments of the busiest hour together, wherever they run."""
    floor: Annotated[int, Field(ge=2, le=1000)]
    """As many as run at every site always. Two at least: one may be restarting."""
    ceiling: Annotated[int, Field(ge=2, le=1000)]
    """No site ever runs more."""

    def refusals(self, key: str) -> Iterator[Refusal]:
        """Why the sites that are left could not carry the load."""
        sites = len(Cloud)
        if (needed := ceil(self.peak / (sites - 1))) > self.floor:
            yield Refusal(
                key=f"{key}.floor",
                value=f"{self.floor} at each site: when one is lost, {(sites - 1) * self.floor} are left for a peak of {self.peak}",
                limit=f"the sites that are left carry the peak with what runs already (N-1): {needed} at each",
                way_out=f"set it to {needed} or more; instances that must start first come when the outage is over",
            )
        if self.ceiling < max(self.peak, self.floor):
            yield Refusal(
                key=f"{key}.ceiling",
                value=f"{self.ceiling}",
                limit=f"one site alone may grow to the peak of {self.peak}, and starts with {self.floor}",
                way_out=f"set it to {max(self.peak, self.floor)} or more, and see that quotas allow it",
            )


class CapacitiesTable(Table):
    """`capacity`: of everything that runs at a site."""

    payments: CapacityTable
    vault: CapacityTable
    screening: CapacityTable
    webhooks: CapacityTable
    edge: CapacityTable

    def peaks(self) -> dict[str, int]:
        """By service: as many as carry all payments together."""
        return {name: table.peak for name, table in self}


class ImagesTable(Table):
    """`images`: what runs, by digest."""

    payments: shapes.Image
    vault: shapes.Image
    screening: shapes.Image
    webhooks: shapes.Image
    edge: shapes.Image


class DatabasesTable(Table):
    """`databases`: the size of the server that every site has for each service with a database."""

    size: Literal["small", "large"]
    """`small` is 2 processors and 8 GiB, for trials; `large` is 8 and 64."""
    storage_gib: Annotated[int, Field(ge=100, le=16_000)]


class NodeImagesTable(Table):
    """`control.images.<cloud>`: what the control node there runs, by digest."""

    etcd: shapes.Image
    controller: shapes.Image


class ControlImagesTable(Table):
    """`control.images`: the same three times, each from its own cloud."""

    aws: NodeImagesTable
    azure: NodeImagesTable
    gcp: NodeImagesTable

    def of(self, cloud: Cloud) -> NodeImagesTable:
        """That cloud's."""
        tables = {Cloud.AWS: self.aws, Cloud.AZURE: self.azure, Cloud.GCP: self.gcp}
        return tables[cloud]


UNMADE: Mapping[str, str] = {"aws": "ami-" + 17 * "0", "azure": "/versions/0.0.0", "gcp": "/images/unmade"}
"""How a name ends that stands in a stack's file until there are machine images; so does a key in which nothing stands."""
UNMADE_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + 43 * "A"


def _alone(given: object) -> object:
    if given not in (None, *Cloud):
        raise ValueError(f"one of {', '.join(Cloud)}: whose member joins needs the other two, which are there already and agree")
    return given


class ControlTable(Table):
    """`control`: what control nodes are started from, one image for each cloud, each by a name that is never given twice; and what runs on
    them."""

    aws: shapes.Ami
    azure: shapes.GalleryImage
    gcp: shapes.MachineImage
    azure_public_key: shapes.PublicKey
    """Azure makes no machine with neither a password nor a key. This one opens nothing: no port for it is open, and its private half is
    thrown away where it was made."""
    images: ControlImagesTable
    joins: Annotated[Cloud | None, BeforeValidator(_alone)] = None
    """Whose node, when it is made anew, brings a member with an empty disk to a cluster that goes on (docs/nodes.md). One at most: without
    two others there is no cluster that anybody could join, and a member that waits for one never starts."""

    def unmade(self) -> Iterator[str]:
        """What is still a placeholder."""
        yield from (cloud for cloud, end in UNMADE.items() if getattr(self, cloud).endswith(end))
        if self.azure_public_key == UNMADE_KEY:
            yield "azure_public_key"


class FillingTable(Table):
    """`filling`: who may act as whoever fills a site's places for secrets, one principal by its full name. Where nobody is named nobody
    may, and there is nothing to act as. At Azure a machine does, and Azure's own roles say who lets it."""

    aws: shapes.Role = ""
    gcp: shapes.Member = ""


class Settings(Table):
    """One stack's settings."""

    environment: Literal["dev", "prod"]
    role: Role
    owner: Text
    """Who is asked about it, on every resource."""
    domain: shapes.Domain
    """The zone that all three clouds serve. Clients come to `api.` and `vault.` of it."""
    organization: Text = "organization"
    """Of the stacks' names; backends of one's own call it `organization`."""
    live: bool = False
    """Do services run? Not before `trimaran bootstrap` has filled their secrets and databases."""
    founded: bool = False
    """Azure's site: are logins by password on at its database servers? Then they are asked for, also before it is live."""
    topology: TopologyTable
    network: NetworkTable
    accounts: AccountsTable
    capacity: CapacitiesTable
    databases: DatabasesTable
    images: LeftOut[ImagesTable] = None
    """Of sites only."""
    control: LeftOut[ControlTable] = None
    """Of the control stack only."""
    trusted: LeftOut[TrustedTable] = None
    """Of Google's site only."""
    filling: LeftOut[FillingTable] = None

    @model_validator(mode="after")
    def _promises_can_be_kept(self) -> Self:
        if found := [str(refusal) for refusal in self._refusals()]:
            raise ValueError("\n".join(found))
        return self

    def _refusals(self) -> Iterator[Refusal]:
        yield from topology_refusals(self.topology.topology())
        yield from address_refusals(self.network.plan())
        for name in type(self.capacity).model_fields:
            given: CapacityTable = getattr(self.capacity, name)
            yield from given.refusals(f"capacity.{name}")
        if self.founded and self.role is not Role.AZURE:
            limit, way_out = "only Azure's site is made without passwords", "set it in that site's file"
            yield Refusal(key="founded", value="true", limit=limit, way_out=way_out)
        if self.role in SITES:
            yield from self._image_refusals()
        if self.role is Role.CONTROL:
            yield from self._control_refusals()
        if self.role is Role.GCP and self.live and self.trusted is None:
            # 1. The site runs, and its balancers believe nobody. 2. It is healthy by its own checks. 3. Traffic is moved to it, and no edge
            # there reaches a service.
            limit, way_out = "an empty list believes nobody, and no edge would reach a service", "name both (docs/deploy.md)"
            yield Refusal(key="trusted", value="missing", limit=limit, way_out=way_out)

    def _control_refusals(self) -> Iterator[Refusal]:
        if self.control is None:
            limit, way_out = "a control node is told what it is started from", "name a machine image for each cloud"
            yield Refusal(key="control", value="missing", limit=limit, way_out=way_out)
            return
        if self.control.joins is not None and not self.live:
            limit, way_out = "who joins comes to two members that run", "leave it out; first of all, all three begin together"
            yield Refusal(key="control.joins", value=f"{self.control.joins}, and no node runs", limit=limit, way_out=way_out)
        for name in self.control.unmade() if self.live else ():
            limit, way_out = "what has not been made cannot be started", "make it, and name it here"
            yield Refusal(key=f"control.{name}", value="a placeholder", limit=limit, way_out=way_out)
        for cloud, images in self.control.images:
            for name, image in images:
                yield from self._refusals_of(f"control.images.{cloud}.{name}", image, Cloud(cloud))

    def _image_refusals(self) -> Iterator[Refusal]:
        if self.images is None:
            limit, way_out = "a site is told what runs there", "name an image with its digest for each"
            yield Refusal(key="images", value="missing", limit=limit, way_out=way_out)
            return
        for name, image in self.images:
            yield from self._refusals_of(f"images.{name}", image, self.cloud)

    def _refusals_of(self, key: str, image: str, cloud: Cloud) -> Iterator[Refusal]:
        """Why it could not be started there."""
        registry = REGISTRIES[cloud].replace("{region}", self.topology.topology().regions[cloud])
        if self.live and image.endswith(UNBUILT):
            limit, way_out = "what has not been built cannot run", "build the images (docs/deploy.md) and set their digests"
            yield Refusal(key=key, value="the digest is a placeholder", limit=limit, way_out=way_out)
        if not re.match(registry, image):
            yield Refusal(
                key=key,
                value=f"from {image.partition('/')[0]}",
                limit=f"from a registry of this cloud, in this region where it has one ({registry})",
                way_out="push it there: an image from elsewhere cannot be started while that cloud is down",
            )

    @property
    def cloud(self) -> Cloud:
        """The cloud of a site's stack. Raises ValueError for a stack of another role."""
        return Cloud(self.role)

    @property
    def region(self) -> str:
        """Where this site's stack puts everything."""
        return self.topology.topology().regions[self.cloud]

    @property
    def site(self) -> SiteNetwork:
        """This site's addresses."""
        return self.network.plan().sites[self.cloud]


TABLES = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if any(isinstance(one, type) and issubclass(one, Table) for one in (field.annotation, *get_args(field.annotation)))
)
"""Keys whose values are tables."""


def read_settings(given: Mapping[str, Any]) -> Settings:
    """The settings in `given`: values by key, without the namespace; text of tables is JSON. Raises SettingsError with every problem."""
    document: dict[str, Any] = {}
    problems: list[str] = []
    for key, value in given.items():
        document[key] = value
        if key in TABLES and isinstance(value, str):
            try:
                document[key] = json.loads(value)
            except json.JSONDecodeError as error:
                problems.append(f"{NAMESPACE}:{key}: a table; this is no JSON ({error.msg} at character {error.pos})")
                del document[key]
    try:
        settings = Settings.model_validate(document)
    except ValidationError as error:
        known = {problem.split(":", 2)[1].strip() for problem in problems}
        problems += [line for line in _told(error) if line.split(":", 2)[1].strip() not in known]
    else:
        # A table that could be left out was not: 1. somebody writes one that cannot be read. 2. The rest is as it should be.
        # 3. The stack is applied as if nothing had been said.
        if not problems:
            return settings
    raise SettingsError(tuple(problems))


def _told(error: ValidationError) -> Iterator[str]:
    """One line for each thing that is wrong. Each begins with the key as it stands in the stack's file."""
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            yield from (f"{NAMESPACE}:{line}" for line in message.splitlines())
        else:
            yield f"{NAMESPACE}:{'.'.join(map(str, item['loc']))}: {'missing' if item['type'] == 'missing' else message}"
