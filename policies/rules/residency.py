"""Where things are, and whose they are. What leaves the site's region leaves the law it is under, often by a default."""

from collections.abc import Iterator, Mapping

from infra.topology import PLACES, Cloud, Jurisdiction
from policies.rules.expect import Absent, Is, Table, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, cloud_of, is_provider, said

REGION_PROPERTIES: Mapping[Cloud, tuple[str, ...]] = {
    Cloud.AWS: ("region",),
    Cloud.AZURE: ("location",),
    Cloud.GCP: ("region", "location", "zone"),
}
"""AWS takes `region` on nearly every resource since 7.0: it sidesteps the provider's."""

GLOBAL: frozenset[str] = frozenset(
    {
        "azure-native:dns:Zone",
        "azure-native:monitor:ActionGroup",
        "azure-native:network:PrivateDnsZoneGroup",
        "azure-native:privatedns:PrivateZone",
        "azure-native:privatedns:PrivateRecordSet",
        "azure-native:privatedns:VirtualNetworkLink",
        "azure-native:trafficmanager:Profile",
        "gcp:iam/workloadIdentityPool:WorkloadIdentityPool",
    }
)
"""Types that the vendor has only everywhere: names and configuration, nobody's data."""

BACKUPS: frozenset[str] = frozenset({"aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication"})
"""Types whose purpose is another region. It is under the same law, or `no-extra-jurisdiction-replica` says so."""

PAIRS: Mapping[str, str] = {
    "francecentral": "francesouth",
    "germanywestcentral": "germanynorth",
    "northeurope": "westeurope",
    "swedencentral": "swedensouth",
    "eastus2": "centralus",
    "southcentralus": "northcentralus",
}
"""Where Azure's geo-redundant backups of a region go. Regions without a pair are missing, and those backups are refused there."""

MULTI: Mapping[Jurisdiction, frozenset[str]] = {Jurisdiction.EU: frozenset({"eu"}), Jurisdiction.US: frozenset({"us"})}
"""Google's multi-regions that stay within one law."""

ACCOUNTS: Mapping[Cloud, str] = {
    Cloud.AWS: "allowedAccountIds",
    Cloud.AZURE: "subscriptionId",
    Cloud.GCP: "project",
}


def region_pinned(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Everything is in the region that the topology has for its cloud."""
    if (cloud := cloud_of(one.type)) is None or one.type in BACKUPS:
        return
    if (region := facts.region(cloud)) is None:
        yield one.finding(f"nobody can tell whether it is in the right region: {facts.problem}")
        return
    for name in REGION_PROPERTIES[cloud]:
        value = one.at(name)
        required = is_provider(one.type) and name == REGION_PROPERTIES[cloud][0]
        if (value is not None or required) and not _is_within(one, name, value, region):
            yield one.finding(f"{name} {said(value)}; this stack's region at {cloud} is {region}")
    if cloud is not Cloud.AZURE and one.provider is not None:
        value = one.provider.props.get("region")
        if value != region:
            yield one.finding(f"the region of its provider {said(value)}; this stack's region at {cloud} is {region}")


def _is_within(one: Resource, name: str, value: object, region: str) -> bool:
    if not isinstance(value, str):
        return False
    if value.lower() == "global":
        return one.type in GLOBAL
    plain = value.lower().replace(" ", "") if cloud_of(one.type) is Cloud.AZURE else value
    return plain.rpartition("-")[0] == region if name == "zone" else plain == region


STAYS = ("Standard_LRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS")
"""Of a storage account's kinds of copies at Azure, those that stay in its region."""

_HOME: Table = {
    "aws:kms/key:Key": (Is(path="multiRegion", allowed=(False,), absent=True),),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": (
        Absent(path="replicationConfiguration", limit="each site's images are in its own cloud"),
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": (
        Absent(path="rules", limit="copies of a bucket go where nobody looks; every site keeps its own"),
    ),
    "azure-native:storage:StorageAccount": (Is(path="sku.name", allowed=STAYS),),
    "gcp:secretmanager/secret:Secret": (
        Absent(path="replication.auto", limit="automatic replication is everywhere; use a RegionalSecret"),
    ),
}
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "aws:kms/replicaKey:ReplicaKey": ("region",),
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": ("region",),
    "aws:secretsmanager/secret:Secret": ("replicas[].region",),
    "azure-native:containerregistry:Replication": ("location",),
    "gcp:secretmanager/secret:Secret": ("replication.userManaged.replicas[].location",),
    "gcp:sql/databaseInstance:DatabaseInstance": ("settings.backupConfiguration.location",),
}
"""Where copies go. Each must be written down."""


def no_extra_jurisdiction_replica(one: Resource, facts: Facts) -> Iterator[Finding]:
    """No copy of anything leaves the jurisdiction: backups, replicas, keys, secrets."""
    yield from unmet(one, _HOME)
    for path in _ELSEWHERE.get(one.type, ()):
        for place, value in one.every(path):
            if not _under(facts.jurisdiction, cloud_of(one.type), value):
                yield one.finding(
                    f"{place} {said(value)}; copies stay under {facts.jurisdiction} law, in a place that is written down"
                )
    if one.type == "azure-native:dbforpostgresql:Server":
        value = one.at("backup.geoRedundantBackup")
        region = facts.region(Cloud.AZURE)
        if value != "Disabled" and not (value == "Enabled" and region in PAIRS):
            yield one.finding(
                f"backup.geoRedundantBackup {said(value)}; it must be Disabled, or Enabled where the pair of {region} is under the same law"
            )


def _under(law: Jurisdiction | None, cloud: Cloud | None, value: object) -> bool:
    if law is None or cloud is None or not isinstance(value, str):
        return False
    places = [place for region, place in PLACES[cloud].items() if value in (region, PAIRS.get(region))]
    return value in MULTI[law] or any(place.jurisdiction is law for place in places)


def explicit_provider(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Every resource says whose account it is made in, and it is the one of the configuration."""
    if (cloud := cloud_of(one.type)) is None:
        return
    if not is_provider(one.type):
        if one.provider is None or one.provider.name.startswith("default"):
            yield one.finding("it has no provider of its own; the default one is whatever account the shell is logged in to")
        return
    value, account = one.at(ACCOUNTS[cloud]), facts.accounts.get(cloud)
    given = value[0] if isinstance(value, list) and len(value) == 1 else value
    if account is None or given is UNKNOWN or given != account:
        yield one.finding(f"{ACCOUNTS[cloud]} {said(value)}; the account of the configuration is {account or 'missing'}")


LOOKS_AT = frozenset(_HOME) | frozenset(_ELSEWHERE) | GLOBAL | {"azure-native:dbforpostgresql:Server"}
