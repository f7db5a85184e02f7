"""`[clouds]`, `[authorities]` and `[groups]`: how each cloud's API is reached, who serves the zone, what is steered together.

Rules for changing this file: one table, one class, each used as the value itself; what tables say about each other stands in
`settings_rules`. No secret stands in a file: an identity names where a token is found.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from controller.settings_tables import NameTable, Port, ServiceName, SiteName, Table, Text, Url, one_word


def ipv4(given: str) -> str:
    """What an A record holds. Raises ValueError."""
    try:
        return str(IPv4Address(given))
    except ValueError as error:
        raise ValueError("an IPv4 address") from error


Address = Annotated[str, AfterValidator(ipv4)]


Account = Annotated[str, one_word(r"[0-9]{12}", "an account's number, 12 digits")]


class AwsIdentity(Table):
    """`clouds.aws.identity`: AWS's own chain (instance, task or pod role), or a role taken with another cloud's token; static is for an
    emulated AWS on this machine."""

    kind: Literal["ambient", "federated", "static"] = "ambient"
    role: Text | None = None
    """ARN of the role that trusts the other cloud's tokens."""
    token_file: Text | None = None
    """Where the platform keeps this process's identity token fresh."""


class AzureIdentity(Table):
    """`clouds.azure.identity`: an identity that trusts another cloud's token; ambient is what a machine of Azure's own is; static is for an
    emulated Azure on this machine."""

    kind: Literal["ambient", "federated", "static"] = "federated"
    tenant: Text | None = None
    client: Text | None = None
    """Client id. Of a machine with several identities: which of them it is here."""
    token_file: Text | None = None


class GcpIdentity(Table):
    """`clouds.gcp.identity`: a workload identity pool that trusts another cloud's token; ambient is the service account of a machine of
    Google's own; static is for an emulated one."""

    kind: Literal["ambient", "federated", "static"] = "federated"
    project_number: Text | None = None
    pool: Text | None = None
    provider: Text | None = None
    """Of the pool: who it believes."""
    service_account: Text | None = None
    """E-mail address of the account to act as."""
    token_file: Text | None = None
    """Where the platform keeps this process's identity token fresh; None: an AWS machine, which proves itself by its role."""


class AwsCloud(Table):
    """`[clouds.aws]`"""

    endpoint: Url | None = None
    """None: AWS's own."""
    region: Text = "us-east-1"
    """Of the site's regional services; Route 53 is global."""
    account: Account | None = None
    """Whose it is. Asked for where secrets are sent (`trimaran bootstrap`): to no other account."""
    identity: AwsIdentity = AwsIdentity()


class AzureCloud(Table):
    """`[clouds.azure]`"""

    endpoint: Url | None = None
    authority_file: Text | None = None
    """Certificates of who may vouch for the endpoint; None: those the machine trusts."""
    subscription: Text
    resource_group: Text
    identity: AzureIdentity = AzureIdentity()


class GcpCloud(Table):
    """`[clouds.gcp]`"""

    endpoint: Url | None = None
    project: Text
    region: Text = "us-central1"
    identity: GcpIdentity = GcpIdentity()


class CloudsTable(Table):
    """`[clouds]`"""

    aws: AwsCloud | None = None
    azure: AzureCloud | None = None
    gcp: GcpCloud | None = None


class NameserverTable(Table):
    """`authorities.AUTHORITY.nameserver`"""

    host: Text
    port: Port = 53


class ZoneTable(Table):
    """`[authorities.route53]`: a hosted zone by its id. `[authorities.azure]`: its name; profiles are in the same resource group.
    `[authorities.clouddns]`: a managed zone by its name in the project."""

    zone: Text
    nameserver: NameserverTable | None = None
    """One of the authority's, to be asked what clients are told; None: its API is believed."""


class AuthoritiesTable(Table):
    """`[authorities]`: everybody who serves the zone. What is not named here keeps its answers when traffic moves."""

    route53: ZoneTable | None = None
    azure: ZoneTable | None = None
    clouddns: ZoneTable | None = None

    def nameservers(self) -> Mapping[str, NameserverTable]:
        """By authority, of those that name one."""
        named = {"route53": self.route53, "azure": self.azure, "clouddns": self.clouddns}
        return {name: table.nameserver for name, table in named.items() if table is not None and table.nameserver is not None}


class GroupTable(Table):
    """`[groups.GROUP]`: services placed alike, whose names alias the group's weighted names."""

    lead: ServiceName
    """Service of this file whose posture the group's traffic follows."""
    members: tuple[Text, ...] = ()
    """Further services that go with it. Those that this file also looks after are shown beside the lead when they write elsewhere."""
    names: Annotated[tuple[NameTable, ...], Field(min_length=1)]
    addresses: dict[SiteName, Address]
    """Of every site's edge."""


class InstancesTable(Table):
    """`[services.SERVICE.capacity.SITE]`: where the service's instances run, and how many there must be when traffic moves there."""

    floor: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    name: Text
    """ECS service, Container App, Cloud Run service."""
    cluster: Text | None = None
    """ECS only."""


class ReplicaTable(Table):
    """`[services.SERVICE.replicas.SITE]`: a read replica that the site's provider manages."""

    server: Text
    """RDS instance, Flexible Server, Cloud SQL instance."""


class ServerTable(Table):
    """`[services.SERVICE.servers.SITE]`: the site's own database server as its provider names it, to be asked now and then how it is.
    Nothing waits for the answer: what the provider says is told as readiness, and decides nothing."""

    server: Text
    """RDS instance, Flexible Server, Cloud SQL instance."""
