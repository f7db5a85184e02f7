"""What whoever comes later needs: records that are kept, names of owners, images that cannot change."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.topology import Cloud
from policies.rules.data import ENVIRONMENTS, TASK, containers
from policies.rules.expect import AtLeast, Expectation, Is, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, cloud_of, is_provider, said

DAY = 86_400


def audit_retention(one: Resource, facts: Facts, *, least_days: float) -> Iterator[Finding]:
    """Records of who did what are kept `least_days` or more; whoever did it cannot shorten that unseen, and their places are guarded."""
    table: Mapping[str, tuple[Expectation, ...]] = {
        LOG_GROUP: (
            AtLeast(path="retentionInDays", least=least_days),
            Is(path="deletionProtectionEnabled", allowed=(True,)),
        ),
        TRAIL: (Is(path="enableLogFileValidation", allowed=(True,)), Is(path="enableLogging", allowed=(True,), absent=True)),
        WORKSPACE: (AtLeast(path="retentionInDays", least=least_days),),
        AZURE_FLOWS: (AtLeast(path="retentionPolicy.days", least=least_days, absent=True),),
        ACCOUNT: (
            Is(path="immutableStorageWithVersioning.enabled", allowed=(True,)),
            AtLeast(path=f"{_UNCHANGED}.immutabilityPeriodSinceCreationInDays", least=least_days),
            Is(path=f"{_UNCHANGED}.state", allowed=("Unlocked", "Locked")),
        ),
        LOG_BUCKET: (AtLeast(path="retentionDays", least=least_days), Is(path="deletionPolicy", allowed=("PREVENT",))),
        S3_LOCK: (AtLeast(path="rule.defaultRetention.days", least=least_days),),
        S3_LIFE: (AtLeast(path="rules[].expiration.days", least=least_days, absent=True),),
        BUCKET: (AtLeast(path="retentionPolicy.retentionPeriod", least=least_days * DAY),),
    }
    yield from unmet(one, table)


LOG_GROUP, TRAIL = "aws:cloudwatch/logGroup:LogGroup", "aws:cloudtrail/trail:Trail"
ACCOUNT, _UNCHANGED = "azure-native:storage:StorageAccount", "immutableStorageWithVersioning.immutabilityPolicy"
"""All that these stacks have keep records, and nothing else."""
WORKSPACE, AZURE_FLOWS = "azure-native:operationalinsights:Workspace", "azure-native:network:FlowLog"
LOG_BUCKET, BUCKET = "gcp:logging/projectBucketConfig:ProjectBucketConfig", "gcp:storage/bucket:Bucket"
S3_LIFE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
S3_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"

REQUIRED = ("app", "environment", "owner", "data-class", "residency")
BY_PROVIDER: Mapping[Cloud, str] = {Cloud.AWS: "defaultTags.tags", Cloud.GCP: "defaultLabels"}
"""Where these providers are told what everything says of itself. Azure's has no such thing."""
TAGGED = frozenset(
    {
        "azure-native:app:Certificate",
        "azure-native:app:ContainerApp",
        "azure-native:app:ManagedEnvironment",
        "azure-native:compute:Disk",
        "azure-native:compute:DiskEncryptionSet",
        "azure-native:compute:VirtualMachine",
        "azure-native:containerregistry:Registry",
        "azure-native:dbforpostgresql:Server",
        "azure-native:dns:Zone",
        "azure-native:keyvault:Vault",
        "azure-native:managedidentity:UserAssignedIdentity",
        "azure-native:network:LocalNetworkGateway",
        "azure-native:network:NatGateway",
        "azure-native:network:NetworkInterface",
        "azure-native:network:NetworkSecurityGroup",
        "azure-native:network:PublicIPAddress",
        "azure-native:network:VirtualNetwork",
        "azure-native:network:VirtualNetworkGateway",
        "azure-native:network:VirtualNetworkGatewayConnection",
        "azure-native:operationalinsights:Workspace",
        "azure-native:privatedns:PrivateZone",
        "azure-native:resources:ResourceGroup",
        "azure-native:storage:StorageAccount",
        "azure-native:trafficmanager:Profile",
    }
)
"""Azure's that take tags, one by one."""


def tags_required(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Everything says what it belongs to, who is asked about it, what data it has, and under which law."""
    cloud = cloud_of(one.type)
    if cloud is None or (cloud is Cloud.AZURE and one.type not in TAGGED):
        return
    found = _tags(one, cloud)
    if found is UNKNOWN:
        yield one.finding(f"its tags {said(UNKNOWN)}; they are written down")
        return
    missing = [name for name in REQUIRED if not isinstance(found.get(name), str) or not found[name]]
    if missing:
        yield one.finding(f"it has no {', '.join(missing)} among its tags, nor has its provider")
    law = facts.jurisdiction
    if law is not None and "residency" not in missing and found["residency"].lower() != law.value.lower():
        yield one.finding(f"its tag residency {said(found['residency'])}; the topology's law is {law}")


def _tags(one: Resource, cloud: Cloud) -> Any:
    """Its own over its provider's."""
    path = BY_PROVIDER.get(cloud)
    if is_provider(one.type):
        layers = [one.at(path)] if path else []
    else:
        given = Resource(type="", name="", urn="", props=one.provider.props) if one.provider else None
        layers = [given.at(path) if given and path else None, one.at("tags"), one.at("labels")]
    if UNKNOWN in layers:
        return UNKNOWN
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= layer if isinstance(layer, Mapping) else {}
    return merged


PINNED = re.compile(r".+@sha256:[0-9a-f]{64}")


def image_digest(one: Resource, facts: Facts) -> Iterator[Finding]:
    """What runs is named by its digest: a tag can be moved after it was looked at."""
    images: list[tuple[str, Any]] = []
    if one.type in ENVIRONMENTS:
        images = list(one.every("template.containers[].image"))
    elif one.type == TASK:
        if (known := containers(one)) is None:
            images = [("containerDefinitions", one.at("containerDefinitions") and UNKNOWN)]
        else:
            images = [(f"containerDefinitions.{found.get('name')}.image", found.get("image")) for found in known]
    for place, image in images:
        if not isinstance(image, str) or not PINNED.fullmatch(image):
            yield one.finding(f"{place} {said(image)}; it must end in @sha256: and a digest")


LOOKS_AT = TAGGED | {LOG_GROUP, TRAIL, WORKSPACE, AZURE_FLOWS, LOG_BUCKET, BUCKET, S3_LIFE, S3_LOCK, TASK}
