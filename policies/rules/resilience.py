"""What must still be there tomorrow, and enough of it when a site is gone."""

from collections.abc import Iterator, Mapping

from policies.rules.data import CLOUD_SQL, FLEXIBLE, RDS
from policies.rules.expect import as_number
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

STATEFUL: frozenset[str] = frozenset(
    {
        RDS,
        FLEXIBLE,
        CLOUD_SQL,
        "aws:kms/key:Key",
        "azure-native:keyvault:Key",
        "azure-native:keyvault:Vault",
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:kms/keyRing:KeyRing",
        "aws:secretsmanager/secret:Secret",
        "gcp:secretmanager/regionalSecret:RegionalSecret",
        "gcp:secretmanager/secret:Secret",
        "aws:route53/zone:Zone",
        "azure-native:dns:Zone",
        "gcp:dns/managedZone:ManagedZone",
        "aws:ec2/eip:Eip",
        "aws:globalaccelerator/accelerator:Accelerator",
        "azure-native:network:PublicIPAddress",
        "azure-native:app:ManagedEnvironment",
        "aws:ec2/vpnGateway:VpnGateway",
        "aws:ec2transitgateway/transitGateway:TransitGateway",
        "azure-native:network:VirtualNetworkGateway",
        "gcp:compute/haVpnGateway:HaVpnGateway",
        "aws:cloudwatch/logGroup:LogGroup",
        "azure-native:operationalinsights:Workspace",
        "gcp:logging/projectBucketConfig:ProjectBucketConfig",
        "aws:s3/bucket:Bucket",
        "azure-native:storage:StorageAccount",
        "aws:ebs/volume:Volume",
        "azure-native:compute:Disk",
        "gcp:compute/disk:Disk",
        "gcp:resourcemanager/lien:Lien",
    }
)
"""What cannot be made again as it was: data, keys, names, addresses that others wrote down, records. Azure's environment of containers
has the site's address."""
ADDRESS = "gcp:compute/address:Address"
SERVING: frozenset[str] = frozenset(
    {
        "aws:ecs/service:Service",
        "aws:lb/listener:Listener",
        "azure-native:app:ContainerApp",
        "gcp:cloudrunv2/service:Service",
        "gcp:cloudrunv2/workerPool:WorkerPool",
    }
)
"""What can be made again, and is made only once a site is live: one line less in a stack's file would take a serving site away, and no
other rule would say a word about what is no longer there."""


def stateful_protect(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Pulumi deletes nothing that cannot be made again, and nothing that serves, whatever becomes of a program."""
    kept = one.type in STATEFUL | SERVING or (one.type == ADDRESS and one.at("addressType") in (None, "EXTERNAL", UNKNOWN))
    if kept and not one.protect:
        yield one.finding("it is not protected (protect=True)")


FLOORS: Mapping[str, tuple[str, ...]] = {
    "aws:ecs/service:Service": ("desiredCount",),
    "aws:appautoscaling/target:Target": ("minCapacity",),
    "azure-native:app:ContainerApp": ("template.scale.minReplicas",),
    "gcp:cloudrunv2/service:Service": ("template.scaling.minInstanceCount", "scaling.minInstanceCount"),
    "gcp:cloudrunv2/workerPool:WorkerPool": ("scaling.manualInstanceCount", "scaling.minInstanceCount"),
}
"""Where a vendor is told how many there are at least. One of them is enough."""


def container_min_capacity(one: Resource, facts: Facts, *, least: float) -> Iterator[Finding]:
    """Every service runs `least` times or more at every site, so that the others carry what a lost one had; none does before it may run."""
    if (paths := FLOORS.get(one.type)) is None:
        return
    values = [one.at(path) for path in paths]
    numbers = [number for value in values if (number := as_number(value)) is not None]
    if numbers and (max(numbers) >= least or (max(numbers) == 0 and not facts.live)):
        return
    given = next((value for value in values if value is not None), None)
    yield one.finding(
        f"{' or '.join(paths)} {said(given)}; it must be {least:g} or more{'' if facts.live else ', or 0 until live is true'}"
    )


LOOKS_AT = STATEFUL | SERVING | frozenset(FLOORS) | {ADDRESS}
