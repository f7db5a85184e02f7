"""The site on Google Cloud."""

from collections.abc import Mapping
from functools import partial

import pulumi
import pulumi_random as random

from infra.components.gcp.audit import Audit
from infra.components.gcp.database import Database
from infra.components.gcp.filling import Filling
from infra.components.gcp.identities import Identities
from infra.components.gcp.images import Images
from infra.components.gcp.ingress import Balancer, Ingress
from infra.components.gcp.keys import Keys
from infra.components.gcp.network import Network
from infra.components.gcp.project import Project
from infra.components.gcp.provider import make_provider
from infra.components.gcp.runtime import Runtime
from infra.components.gcp.secrets import Secrets
from infra.components.gcp.trust import Terms, Trust, Word
from infra.components.gcp.ways import Ways
from infra.contracts import SiteContract, doors_at, publish
from infra.names import name_of
from infra.services import CONTROL, DATABASES, DOORS, PROGRAMS, Service, callers_of
from infra.settings import Settings


def build(settings: Settings) -> None:
    """Everything the site has."""
    named = partial(name_of, settings.environment)
    here = pulumi.ResourceOptions(provider=make_provider(settings))
    Project(named("project"), settings, here)
    keys = Keys(named("keys"), settings, here)
    audit = Audit(named("logs"), settings, keys.logs, here)
    identities = Identities(named("identities"), settings, here)
    keys.grant("wrapping-vault", keys.wrapping.key, identities.services[Service.VAULT].member)
    network = Network(named("network"), settings, here)
    secrets = Secrets(named("secrets"), settings, keys=keys, identities=identities, opts=here)
    _let_fill(settings, secrets, here)
    images = Images(named("images"), settings, keys.images, node=identities.control, opts=here)
    databases = _databases(settings, network, keys, here)
    runtime = Runtime(named("runtime"), settings, network=network, keys=keys, identities=identities, secrets=secrets, opts=here)
    terms = Trust(named("trust"), settings, here).terms
    word = Word(named("word"), pulumi.ResourceOptions(providers=[random.Provider("chance")])).value
    ingress = Ingress(
        named("ingress"), settings, network=network, terms=terms, word=word, instances=runtime.names[Service.EDGE], opts=here
    )
    balancers = _balancers(settings, network, runtime, terms, word, here)
    doors = {one: balancer.place.address for one, balancer in balancers.items()}
    hosts = {one: database.address for one, database in databases.items()}
    Ways(named("ways"), settings, network=network, identities=identities, balancers=doors, databases=hosts, opts=here)
    publish(
        SiteContract(
            region=settings.region,
            address=ingress.place.address,
            certificate_records=_records(ingress, *balancers.values()),
            doors=doors_at(doors[Service.EDGE]),
            network=network.vpc.self_link,
            group=settings.accounts.gcp.project,
            account=settings.accounts.gcp.model_dump(),
            routes=[],
            control_subnet=network.control.self_link,
            control_guard=identities.control.email,
            database_hosts=pulumi.Output.all(**hosts),
            database_servers=pulumi.Output.all(**{one: database.server.name for one, database in databases.items()}),
            instances={str(one): name for one, name in runtime.names.items()},
            peaks=settings.capacity.peaks(),
            cluster="",
            secrets=pulumi.Output.all(**secrets.ids()),
            wrapping_key=keys.wrapping.id,
            disk_key=keys.disk.id,
            repositories=pulumi.Output.all(**images.of_node()),
            principals=_principals(identities),
            log=audit.records.id,
        )
    )


def _databases(settings: Settings, network: Network, keys: Keys, here: pulumi.ResourceOptions) -> dict[Service, Database]:
    called = {one: name_of(settings.environment, f"{one}-database") for one in DATABASES}
    return {
        one: Database(called[one], settings, service=one, network=network, lock=keys.databases[one], opts=here)
        for one in DATABASES
    }


def _let_fill(settings: Settings, secrets: Secrets, here: pulumi.ResourceOptions) -> None:
    """Whom the settings name, if anybody."""
    if settings.filling is not None and settings.filling.gcp:
        Filling(name_of(settings.environment, "filling"), settings, secrets=secrets, who=settings.filling.gcp, opts=here)


def _balancers(
    settings: Settings,
    network: Network,
    runtime: Runtime,
    terms: Terms,
    word: pulumi.Input[str],
    here: pulumi.ResourceOptions,
) -> Mapping[Service, Balancer]:
    """What stands before each program that is asked from within."""
    return {
        one: Balancer(
            name_of(settings.environment, f"{one}-balancer"),
            settings,
            service=one,
            network=network,
            terms=terms,
            instances=runtime.names[one],
            doors=doors,
            word=word if one is Service.EDGE else None,
            opts=here,
        )
        for one, doors in private_doors().items()
    }


def _principals(identities: Identities) -> pulumi.Output[dict[str, dict[str, str]]]:
    """By their own numbers, which stand in their tokens: a new account with the old name has another one."""
    accounts = {CONTROL: identities.control, Service.VAULT.value: identities.services[Service.VAULT]}
    numbers = pulumi.Output.all(**{who: account.unique_id for who, account in accounts.items()})
    return numbers.apply(lambda found: {who: {"subject": number} for who, number in found.items()})


def _records(*parts: Ingress | Balancer) -> pulumi.Output[list[dict[str, str]]]:
    return pulumi.Output.all(*(one for each in parts for one in each.records))


def private_doors() -> Mapping[Service, Mapping[str, int]]:
    """Where each program is asked from within: services by their callers, the edge by other sites' edges and by controllers."""
    services = {
        one: {"services": program.port} for one, program in PROGRAMS.items() if callers_of(one) and program.port is not None
    }
    return {**services, Service.EDGE: DOORS}
