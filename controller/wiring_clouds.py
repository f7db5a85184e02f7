"""Puts together whatever asks a cloud's API: authorities for the zone, instances, managed servers. Part of `wiring`.

A cloud's SDK is imported only when the settings name that cloud.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from controller.core.model import Group, Site
from controller.counted import CountedCapacity, CountedServer, Tally
from controller.errors import Unsupported
from controller.ports import Capacity, Clock, Dns, ManagedDatabase
from controller.providers.proof import token_file
from controller.providers.records import GroupRecords, WeightedName
from controller.settings import ServiceSettings, Settings
from controller.settings_clouds import (
    AuthoritiesTable,
    AwsCloud,
    AzureCloud,
    CloudsTable,
    GcpCloud,
    GroupTable,
    InstancesTable,
)

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from google.auth.credentials import Credentials

    from controller.providers.aws.session import Session as AwsSession
    from controller.providers.azure.session import Arm
    from controller.providers.gcp.session import Client as GoogleClient

LAB_TOKEN = "lab"  # noqa: S105  means nothing to anybody but an emulated cloud, and is sent to no other machine


def authorities(clouds: CloudsTable, named: AuthoritiesTable, groups: Mapping[Group, GroupTable]) -> tuple[Dns, ...]:
    """Everybody who serves the zone, each with every steering group: Route 53, Azure, Cloud DNS, those that are named."""
    records = {group: _records(table) for group, table in groups.items()}
    found: list[Dns] = []
    if named.route53 and clouds.aws:
        found.append(_route53(clouds.aws, named.route53.zone, records))
    if named.azure and clouds.azure:
        found.append(_azure(clouds.azure, named.azure.zone, records))
    if named.clouddns and clouds.gcp:
        found.append(_clouddns(clouds.gcp, named.clouddns.zone, records))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """Whatever the providers of a service's sites are asked for, by site. One adapter for all who ask: the first use of one is dear."""

    capacities: Mapping[Site, Capacity]
    """Where instances run."""
    replicas: Mapping[Site, ManagedDatabase]
    """Read replicas that providers manage."""
    servers: Mapping[Site, ManagedDatabase]
    """The sites' own database servers."""

    def counted(self, tally: Tally, clock: Clock) -> "Providers":
        """The same, each counted when it is asked."""
        return Providers(
            capacities={site: CountedCapacity(one, tally, clock) for site, one in self.capacities.items()},
            replicas={site: CountedServer(one, tally, clock) for site, one in self.replicas.items()},
            servers={site: CountedServer(one, tally, clock) for site, one in self.servers.items()},
        )

    @property
    def questions(self) -> int:
        """How many can be asked of them."""
        return len(self.capacities) + len(self.replicas) + len(self.servers)


def providers(service: ServiceSettings, settings: Settings) -> Providers:
    """The adapters for every site that the settings name one of."""
    return Providers(
        capacities={site: _capacity(site, service.name, one, settings) for site, one in service.capacity.items()},
        replicas={site: _server(site, one.server, settings) for site, one in service.replicas.items()},
        servers={site: _server(site, one.server, settings) for site, one in service.servers.items()},
    )


def _records(table: GroupTable) -> GroupRecords:
    names = tuple(WeightedName(name=one.name, ttl=one.ttl) for one in table.names)
    return GroupRecords(names=names, addresses={Site(site): address for site, address in table.addresses.items()})


def _route53(cloud: AwsCloud, zone: str, groups: Mapping[Group, GroupRecords]) -> Dns:
    from controller.providers.aws.dns import Route53
    from controller.providers.aws.session import route53_client

    client = partial(route53_client, endpoint_url=cloud.endpoint, session=aws_session(cloud))
    return Route53(client=client, zone_id=zone, groups=groups)


def _azure(cloud: AzureCloud, zone: str, groups: Mapping[Group, GroupRecords]) -> Dns:
    from controller.providers.azure.dns import AzureDns
    from controller.providers.azure.session import dns_client, traffic_manager_client

    arm, credential = azure_access(cloud)
    return AzureDns(
        profiles=partial(traffic_manager_client, arm, credential),
        records=partial(dns_client, arm, credential),
        resource_group=cloud.resource_group,
        zone=zone,
        groups=groups,
    )


def _clouddns(cloud: GcpCloud, zone: str, groups: Mapping[Group, GroupRecords]) -> Dns:
    from controller.providers.gcp.dns import CloudDns

    return CloudDns(client=google_client("dns", "v1", cloud), project=cloud.project, zone=zone, groups=groups)


def _capacity(site: Site, service: str, instances: InstancesTable, settings: Settings) -> Capacity:
    names, clouds = {service: instances.name}, settings.clouds
    match settings.sites[site].cloud:
        case "aws" if clouds.aws:
            from controller.providers.aws.capacity import Ecs

            return Ecs(client=aws_client("ecs", clouds.aws), site=site, cluster=instances.cluster or "default", names=names)
        case "azure" if clouds.azure:
            from controller.providers.azure.capacity import ContainerApps
            from controller.providers.azure.session import apps_client

            arm, credential = azure_access(clouds.azure)
            group = clouds.azure.resource_group
            return ContainerApps(site=site, client=partial(apps_client, arm, credential), resource_group=group, apps=names)
        case "gcp" if clouds.gcp:
            from controller.providers.gcp.capacity import CloudRun

            return CloudRun(
                client=google_client("run", "v2", clouds.gcp),
                site=site,
                project=clouds.gcp.project,
                location=clouds.gcp.region,
                names=names,
            )
        case cloud:
            raise Unsupported(f"{site}: no cloud {cloud or 'named'} whose API could be asked for instances")


def _server(site: Site, server: str, settings: Settings) -> ManagedDatabase:
    clouds = settings.clouds
    match settings.sites[site].cloud:
        case "aws" if clouds.aws:
            from controller.providers.aws.database import Rds

            rds, metrics = aws_client("rds", clouds.aws), aws_client("cloudwatch", clouds.aws)
            return Rds(client=rds, site=site, instance=server, metrics=metrics)
        case "azure" if clouds.azure:
            from controller.providers.azure.database import FlexibleServer
            from controller.providers.azure.session import servers_client

            arm, credential = azure_access(clouds.azure)
            group = clouds.azure.resource_group
            return FlexibleServer(site=site, client=partial(servers_client, arm, credential), resource_group=group, server=server)
        case "gcp" if clouds.gcp:
            from controller.providers.gcp.database import CloudSql

            return CloudSql(
                client=google_client("sqladmin", "v1", clouds.gcp), site=site, project=clouds.gcp.project, instance=server
            )
        case cloud:
            raise Unsupported(f"{site}: no cloud {cloud or 'named'} whose API could be asked for managed servers")


def aws_session(cloud: AwsCloud) -> "AwsSession":
    """Whose credentials are shown to AWS: AWS's own chain (its environment, task or instance role), or a role taken by federation."""
    import boto3

    from controller.providers.aws.identity import federated, static

    identity = cloud.identity
    if identity.kind == "static":
        return static(key=LAB_TOKEN, secret=LAB_TOKEN, endpoint_url=cloud.endpoint)
    if identity.kind == "ambient":
        return boto3.session.Session
    assert identity.role and identity.token_file, "checked in settings_rules"
    token = token_file(Path(identity.token_file))
    return federated(role_arn=identity.role, token=token, session_name="trimaran", region=cloud.region)


def aws_client(service: str, cloud: AwsCloud) -> Callable[[], Any]:
    """Makes a client of one regional AWS API, as the identity that the settings name."""
    from controller.providers.aws.session import client

    return partial(client, service, region=cloud.region, endpoint_url=cloud.endpoint, session=aws_session(cloud))


def azure_access(cloud: AzureCloud) -> "tuple[Arm, TokenCredential]":
    """How Azure Resource Manager is reached, and who this process is to it. Raises Refused for a lab's token beyond this machine."""
    from controller.providers.azure.identity import StaticCredential, ambient, federated
    from controller.providers.azure.session import Arm

    arm = Arm(subscription_id=cloud.subscription, endpoint_url=cloud.endpoint, authority_file=cloud.authority_file)
    identity = cloud.identity
    if identity.kind == "static":
        return arm, StaticCredential(LAB_TOKEN, endpoint_url=cloud.endpoint)
    if identity.kind == "ambient":
        return arm, ambient(client_id=identity.client)
    assert identity.tenant and identity.client and identity.token_file, "checked in settings_rules"
    assertion = token_file(Path(identity.token_file))
    return arm, federated(tenant_id=identity.tenant, client_id=identity.client, assertion=assertion)


def google_client(api: str, version: str, cloud: GcpCloud) -> "Callable[[], GoogleClient]":
    """Makes a client of one Google API, as the identity that the settings name."""

    def make() -> "GoogleClient":
        from controller.providers.gcp.session import Client

        return Client(api, version, endpoint=cloud.endpoint, credentials=_google_credentials(cloud))

    return make


def _google_credentials(cloud: GcpCloud) -> "Credentials":
    from controller.providers.gcp.identity import Federation, ambient, from_aws, from_oidc, static

    identity = cloud.identity
    if identity.kind == "static":
        return static(token=LAB_TOKEN, endpoint_url=cloud.endpoint)
    if identity.kind == "ambient":
        return ambient()
    assert identity.project_number and identity.pool and identity.provider and identity.service_account, (
        "checked in settings_rules"
    )
    federation = Federation(
        project_number=identity.project_number,
        pool=identity.pool,
        provider=identity.provider,
        service_account=identity.service_account,
    )
    return from_aws(federation) if identity.token_file is None else from_oidc(federation, token_file(Path(identity.token_file)))
