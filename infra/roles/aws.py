"""The site on AWS."""

import pulumi

from infra.components.aws.audit import Audit
from infra.components.aws.database import Database
from infra.components.aws.endpoints import Endpoints, ImageGateway
from infra.components.aws.filling import Filling
from infra.components.aws.forwarding import Forwarding
from infra.components.aws.guards import Guards
from infra.components.aws.ingress import Ingress
from infra.components.aws.keys import Keys
from infra.components.aws.network import Network
from infra.components.aws.provider import make_provider
from infra.components.aws.runtime import Runtime
from infra.components.aws.secrets import Secrets
from infra.components.aws.side_door import SideDoor
from infra.components.aws.ways import CONTROL, ENDPOINTS, RESOLVER, database
from infra.contracts import SiteContract, doors_at, publish
from infra.services import DATABASES, Service
from infra.settings import Settings


def build(settings: Settings) -> None:
    """Everything the site has."""
    opts = pulumi.ResourceOptions(providers=[make_provider(settings)])
    keys = Keys("keys", settings, opts=opts)
    network = Network("network", settings, opts=opts)
    audit = Audit("audit", settings, keys, network, opts=opts)
    images = ImageGateway("image-gateway", settings, network, opts=opts)
    guards = Guards("guards", settings, network, images.prefixes, opts=opts)
    Endpoints("endpoints", settings, network, guards.of(ENDPOINTS), opts=opts)
    Forwarding("forwarding", settings, network, guards.of(RESOLVER), opts=opts)
    secrets = Secrets("secrets", settings, keys, opts=opts)
    _let_fill(settings, keys, secrets, opts)
    databases = {
        one: Database(
            f"{one}-database", settings, one, network, guards.of(database(one)), keys.databases[one], keys.logs.arn, opts=opts
        )
        for one in DATABASES
    }
    ingress = Ingress("ingress", settings, network, guards, opts=opts)
    side_door = SideDoor("side-door", settings, network, guards, opts=opts)
    doors = {Service.EDGE: (*ingress.doors, *side_door.doors)}
    open_doors = (*ingress.open, *side_door.open)
    runtime = Runtime("runtime", settings, network, guards, keys, secrets, doors, open_doors, opts=opts)
    publish(
        SiteContract(
            region=settings.region,
            address=ingress.address,
            certificate_records=[],
            doors=doors_at(side_door.host),
            network=network.vpc.id,
            group=settings.accounts.aws.account,
            account=settings.accounts.aws.model_dump(),
            routes=pulumi.Output.all(*(table.id for table in network.tables)).apply(list),
            control_subnet=network.control.id,
            control_guard=guards.of(CONTROL),
            database_hosts=pulumi.Output.all(**{one.value: found.host for one, found in databases.items()}).apply(dict),
            database_servers=pulumi.Output.all(**{one.value: found.native.identifier for one, found in databases.items()}).apply(
                dict
            ),
            instances=runtime.instances(),
            peaks=settings.capacity.peaks(),
            cluster=runtime.cluster.name,
            secrets=pulumi.Output.all(**secrets.ids()).apply(dict),
            wrapping_key=keys.wrapping.arn,
            disk_key=keys.disk.arn,
            repositories=pulumi.Output.all(**runtime.node_images()).apply(dict),
            principals={},
            log=audit.log.arn,
        )
    )


def _let_fill(settings: Settings, keys: Keys, secrets: Secrets, opts: pulumi.ResourceOptions) -> None:
    """Nobody, where the stack names nobody."""
    if settings.filling is not None and settings.filling.aws:
        Filling("filling", settings, keys, secrets, settings.filling.aws, opts=opts)
