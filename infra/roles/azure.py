"""The site on Azure."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, managedidentity, resources

from infra.components.azure.audit import Audit, AuditArgs
from infra.components.azure.database import Database, DatabaseArgs, retry_when_busy
from infra.components.azure.filling import Filling
from infra.components.azure.ingress import Ingress, IngressArgs
from infra.components.azure.keys import Keys, KeysArgs
from infra.components.azure.network import Network, NetworkArgs
from infra.components.azure.provider import Ground, make_provider
from infra.components.azure.registry import Registry, RegistryArgs
from infra.components.azure.runtime import App, AppArgs, Environment, EnvironmentArgs, called
from infra.components.azure.secrets import Secrets, SecretsArgs, names_of
from infra.contracts import SiteContract, doors_at, publish
from infra.services import CONTROL, CONTROL_IMAGES, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from infra.settings import Settings

FOUNDS = (
    "Microsoft.DBforPostgreSQL/flexibleServers/read",
    "Microsoft.DBforPostgreSQL/flexibleServers/write",
    "Microsoft.DBforPostgreSQL/flexibleServers/restart/action",
)
"""What whoever founds asks Azure for: to turn logins by password on, and to restart for parameters that wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """The parts, as they are told to others."""

    ground: Ground
    network: Network
    keys: Keys
    audit: Audit
    secrets: Mapping[Service, Secrets]
    databases: Mapping[Service, Database]
    environment: Environment
    ingress: Ingress
    node: Secrets
    """Of the control node, and who it is."""


def build(settings: Settings) -> None:
    """Everything the site has, in an order in which each part finds what it is made from."""
    own = ResourceOptions(provider=make_provider(settings))
    ground = _ground(settings, own)
    network = Network("network", NetworkArgs(ground=ground), own)
    keys = Keys("keys", KeysArgs(ground=ground, network=network), own)
    audit = Audit("audit", AuditArgs(ground=ground, network=network, sealer=keys.sealers["audit"]), own)
    founder, filling = _founder(ground, own), Filling("filling", ground, own)
    secrets = _secrets(ground, network, filling, own)
    node = _secret_places(CONTROL, CONTROL_SECRETS, ground, network, filling, own)
    databases = _databases(ground, network, keys, founder, own)
    registry = Registry("images", RegistryArgs(ground=ground, network=network, sealer=keys.sealers["registry"]), own)
    registry.lets_pull(CONTROL, node.identity.principal_id)
    environment = Environment("runtime", EnvironmentArgs(ground=ground, network=network), own)
    ingress = Ingress("ingress", IngressArgs(ground=ground, network=network, environment=environment), own)
    site = _Site(
        ground=ground,
        network=network,
        keys=keys,
        audit=audit,
        secrets=secrets,
        databases=databases,
        environment=environment,
        ingress=ingress,
        node=node,
    )
    _let_wrap(site)
    if settings.live:
        _apps(site, registry, own)
    _keep_records(site, registry)
    publish(_contract(site, registry))


def _ground(settings: Settings, own: ResourceOptions) -> Ground:
    named = Ground(settings=settings, group="")
    group = resources.ResourceGroup(
        "group",
        resource_group_name=named.called(),
        location=settings.region,
        tags=named.tags("none"),
        # Deleting a group deletes what is in it.
        opts=ResourceOptions.merge(own, ResourceOptions(protect=True)),
    )
    return Ground(settings=settings, group=group.name)


def _founder(ground: Ground, own: ResourceOptions) -> managedidentity.UserAssignedIdentity:
    """Who logs in to the servers first. Given to the control node while `trimaran bootstrap` founds databases, and to nothing else."""
    return managedidentity.UserAssignedIdentity(
        "founder",
        resource_group_name=ground.group,
        resource_name_=ground.called("bootstrap"),
        tags=ground.tags("none"),
        # Servers know it by its id as their administrator.
        opts=ResourceOptions.merge(own, ResourceOptions(protect=True)),
    )


def _secrets(ground: Ground, network: Network, filling: Filling, own: ResourceOptions) -> dict[Service, Secrets]:
    return {
        service: _secret_places(service, names_of(program.secrets), ground, network, filling, own)
        for service, program in PROGRAMS.items()
    }


def _secret_places(
    reader: str,
    places: tuple[str, ...],
    ground: Ground,
    network: Network,
    filling: Filling,
    own: ResourceOptions,
) -> Secrets:
    args = SecretsArgs(ground=ground, network=network, reader=reader, places=places, filling=filling)
    return Secrets(f"{reader}-secrets", args, own)


def _databases(
    ground: Ground, network: Network, keys: Keys, founder: managedidentity.UserAssignedIdentity, own: ResourceOptions
) -> dict[Service, Database]:
    busy = retry_when_busy()
    made: dict[Service, Database] = {}
    for service in DATABASES:
        args = DatabaseArgs(
            ground=ground,
            network=network,
            service=service,
            sealer=keys.sealers[f"{service}-database"],
            founder=founder,
            busy=busy,
        )
        made[service] = Database(f"{service}-database", args, own)
    _let_found(ground, made, founder, own)
    return made


def _let_found(
    ground: Ground,
    databases: Mapping[Service, Database],
    founder: managedidentity.UserAssignedIdentity,
    own: ResourceOptions,
) -> None:
    name, scope = ground.called("bootstrap"), f"{ground.subscription}/resourceGroups/{ground.called()}"
    role = authorization.RoleDefinition(
        "founder-role",
        role_definition_id=str(uuid5(NAMESPACE_URL, f"{scope}/{name}")),
        role_name=name,
        role_type="CustomRole",
        description="Founds databases: reads, changes and restarts servers, and deletes none.",
        scope=scope,
        assignable_scopes=[scope],
        permissions=[authorization.PermissionArgs(actions=FOUNDS)],
        opts=own,
    )
    for service, database in databases.items():
        authorization.RoleAssignment(
            f"founder-{service}",
            principal_id=founder.principal_id,
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=role.id,
            scope=database.server.id,
            opts=own,
        )


def _let_wrap(site: _Site) -> None:
    """Only who is said to ask key services."""
    for service, program in PROGRAMS.items():
        if program.asks_keys:
            site.keys.lets_wrap(service, site.secrets[service].identity.principal_id)


def _apps(site: _Site, registry: Registry, own: ResourceOptions) -> None:
    settings = site.ground.settings
    assert settings.images is not None  # `Settings` refuses a site without
    for service, program in PROGRAMS.items():
        args = AppArgs(
            ground=site.ground,
            environment=site.environment,
            registry=registry,
            secrets=site.secrets[service],
            program=program,
            image=getattr(settings.images, service),
            capacity=getattr(settings.capacity, service),
        )
        App(service, args, own)


def _keep_records(site: _Site, registry: Registry) -> None:
    """Of everything that keeps something, or lets somebody in."""
    readers = (site.node, *site.secrets.values())
    vaults = [site.keys.sealing, site.keys.wrapping, *(reader.vault for reader in readers)]
    told: list[tuple[pulumi.Resource, Output[str]]] = [
        *((vault, vault.vault.id) for vault in vaults),
        *((database, database.server.id) for database in site.databases.values()),
        (registry, registry.registry.id),
        (site.environment, site.environment.environment.id),
        (site.ingress, site.ingress.firewall.id),
    ]
    for parent, of in told:
        site.audit.keep(parent.pulumi_resource_name, of, parent)


def _contract(site: _Site, registry: Registry) -> SiteContract:
    readers: dict[str, Secrets] = {**{service.value: one for service, one in site.secrets.items()}, CONTROL: site.node}
    places = {f"{reader}/{name}": url for reader, one in readers.items() for name, url in one.places().items()}
    hosts = {service.value: database.server.fully_qualified_domain_name for service, database in site.databases.items()}
    servers = {service.value: database.server.id for service, database in site.databases.items()}
    return SiteContract(
        region=site.ground.region,
        address=site.ingress.address.ip_address.apply(str),
        certificate_records=[],
        doors=doors_at(site.environment.environment.static_ip),
        network=site.network.vnet.id,
        group=site.ground.group,
        account=site.ground.settings.accounts.azure.model_dump(),
        routes=[],
        control_subnet=site.network.subnet("control"),
        control_guard=site.network.guards["control"].id,
        database_hosts=Output.all(**hosts),
        database_servers=Output.all(**servers),
        instances={service.value: called(site.ground, service) for service in PROGRAMS},
        peaks=site.ground.settings.capacity.peaks(),
        cluster=site.environment.environment.name,
        secrets=Output.all(**places),
        wrapping_key=site.keys.wrapping_key.key_uri,
        disk_key=site.keys.disks.id,
        repositories=Output.all(**{one: registry.repository(one) for one in CONTROL_IMAGES}),
        principals=Output.all(**{CONTROL: _principal(site.node), Service.VAULT.value: _principal(site.secrets[Service.VAULT])}),
        log=site.audit.workspace.id,
    )


def _principal(of: Secrets) -> Output[dict[str, str]]:
    """As the contract has it."""
    known = of.identity
    return Output.all(id=known.id, client=known.client_id, subject=known.principal_id).apply(dict)
