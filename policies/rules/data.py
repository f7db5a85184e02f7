"""What is kept: encrypted with keys of ours that turn over, guarded against deletion, and never a secret in plain text."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from policies.rules.expect import Absent, AtLeast, AtMost, Given, Is, Matches, Table, unmet
from policies.rules.seen import UNKNOWN, Facts, Finding, Resource, said

VENDORS_OWN = r"alias/aws/"
"""Keys of AWS's own, which nobody here can turn over or revoke."""
_OURS = "it must be a key of ours"


def _key(path: str) -> Given:
    return Given(path=path, limit=_OURS, never=VENDORS_OWN)


RDS, FLEXIBLE, CLOUD_SQL = (
    "aws:rds/instance:Instance",
    "azure-native:dbforpostgresql:Server",
    "gcp:sql/databaseInstance:DatabaseInstance",
)
DATABASES = (RDS, FLEXIBLE, CLOUD_SQL)

ENCRYPTED: Table = {
    RDS: (Is(path="storageEncrypted", allowed=(True,)), _key("kmsKeyId")),
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": (_key("kmsKeyId"),),
    "aws:cloudwatch/logGroup:LogGroup": (_key("kmsKeyId"),),
    "aws:cloudtrail/trail:Trail": (_key("kmsKeyId"),),
    "aws:secretsmanager/secret:Secret": (_key("kmsKeyId"),),
    "aws:ecr/repository:Repository": (
        Is(path="encryptionConfigurations[].encryptionType", allowed=("KMS",)),
        _key("encryptionConfigurations[].kmsKey"),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        Is(path="rules[].applyServerSideEncryptionByDefault.sseAlgorithm", allowed=("aws:kms", "aws:kms:dsse")),
        _key("rules[].applyServerSideEncryptionByDefault.kmsMasterKeyId"),
    ),
    "aws:ec2/instance:Instance": (Is(path="rootBlockDevice.encrypted", allowed=(True,)), _key("rootBlockDevice.kmsKeyId")),
    "aws:ebs/volume:Volume": (Is(path="encrypted", allowed=(True,)), _key("kmsKeyId")),
    "aws:sns/topic:Topic": (_key("kmsMasterKeyId"),),
    FLEXIBLE: (
        Is(path="dataEncryption.type", allowed=("AzureKeyVault",)),
        _key("dataEncryption.primaryKeyURI"),
        Given(path="dataEncryption.primaryUserAssignedIdentityId"),
    ),
    "azure-native:containerregistry:Registry": (
        Is(path="encryption.status", allowed=("enabled",)),
        _key("encryption.keyVaultProperties.keyIdentifier"),
    ),
    "azure-native:storage:StorageAccount": (
        Is(path="encryption.keySource", allowed=("Microsoft.Keyvault",)),
        _key("encryption.keyVaultProperties.keyName"),
    ),
    "azure-native:compute:DiskEncryptionSet": (_key("activeKey.keyUrl"),),
    "azure-native:compute:VirtualMachine": (_key("storageProfile.osDisk.managedDisk.diskEncryptionSet.id"),),
    "azure-native:compute:Disk": (_key("encryption.diskEncryptionSetId"),),
    CLOUD_SQL: (_key("encryptionKeyName"),),
    "gcp:secretmanager/regionalSecret:RegionalSecret": (_key("customerManagedEncryption.kmsKeyName"),),
    "gcp:secretmanager/secret:Secret": (_key("replication.userManaged.replicas[].customerManagedEncryption.kmsKeyName"),),
    "gcp:cloudrunv2/service:Service": (_key("template.encryptionKey"),),
    "gcp:cloudrunv2/workerPool:WorkerPool": (_key("template.encryptionKey"),),
    "gcp:artifactregistry/repository:Repository": (_key("kmsKeyName"),),
    "gcp:logging/projectBucketConfig:ProjectBucketConfig": (_key("cmekSettings.kmsKeyName"),),
    "gcp:storage/bucket:Bucket": (_key("encryption.defaultKmsKeyName"),),
    "gcp:compute/instance:Instance": (_key("bootDisk.kmsKeySelfLink"),),
    "gcp:compute/disk:Disk": (_key("diskEncryptionKey.kmsKeySelfLink"),),
}


def encryption_at_rest(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Whatever keeps data is encrypted with a key of ours."""
    yield from unmet(one, ENCRYPTED)


def _days(text: Any) -> float | None:
    """ISO 8601 in whole years, months, weeks or days: what key vaults take. Years and months as long as they can be."""
    if not isinstance(text, str) or (found := re.fullmatch(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", text)) is None:
        return None
    years, months, weeks, days = (int(one or 0) for one in found.groups())
    return years * 365 + months * 31 + weeks * 7 + days


def _seconds(text: Any) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s", text) if isinstance(text, str) else None
    return float(found[1]) if found else None


KEYS = ("aws:kms/key:Key", "azure-native:keyvault:Key", "azure-native:keyvault:Vault", "gcp:kms/cryptoKey:CryptoKey")


def kms_rotation(one: Resource, facts: Facts, *, most_days: float, least_window_days: float) -> Iterator[Finding]:
    """A key turns over within `most_days`, and whoever deletes it has `least_window_days` to change their mind."""
    match one.type:
        case "aws:kms/key:Key":
            yield from _aws_key(one, most_days, least_window_days)
        case "azure-native:keyvault:Vault":
            wanted = (
                Is(path="properties.enablePurgeProtection", allowed=(True,)),
                AtLeast(path="properties.softDeleteRetentionInDays", least=least_window_days, absent=True),
            )
            yield from unmet(one, {one.type: wanted})
        case "azure-native:keyvault:Key":
            actions = list(one.every("properties.rotationPolicy.lifetimeActions[]"))
            if not any(_turns_over(action, most_days) for _, action in actions):
                yield one.finding(f"no action of its rotationPolicy rotates it within {most_days:g} days")
        case "gcp:kms/cryptoKey:CryptoKey":
            if one.at("purpose") in (None, "ENCRYPT_DECRYPT", UNKNOWN):
                period = _seconds(one.at("rotationPeriod"))
                if period is None or period > most_days * 86_400:
                    yield one.finding(
                        f"rotationPeriod {said(one.at('rotationPeriod'))}; it must be {most_days * 86_400:.0f}s or less"
                    )
            window = _seconds(one.at("destroyScheduledDuration"))
            if window is None or window < least_window_days * 86_400:
                value = said(one.at("destroyScheduledDuration"))
                yield one.finding(f"destroyScheduledDuration {value}; it must be {least_window_days * 86_400:.0f}s or more")


def _aws_key(one: Resource, most_days: float, least_window_days: float) -> Iterator[Finding]:
    wanted = [AtLeast(path="deletionWindowInDays", least=least_window_days)]
    if one.at("customerMasterKeySpec") in (None, "SYMMETRIC_DEFAULT", UNKNOWN):
        yield from unmet(one, {one.type: (Is(path="enableKeyRotation", allowed=(True,)),)})
        yield from unmet(one, {one.type: (AtMost(path="rotationPeriodInDays", most=most_days, absent=True),)})
    yield from unmet(one, {one.type: tuple(wanted)})


def _turns_over(action: Any, most_days: float) -> bool:
    if not isinstance(action, Mapping) or not isinstance(does := action.get("action"), Mapping):
        return False
    trigger = action.get("trigger")
    after = _days(trigger.get("timeAfterCreate")) if isinstance(trigger, Mapping) else None
    return str(does.get("type")).lower() == "rotate" and after is not None and after <= most_days


_FORCED: Table = {
    RDS: (Is(path="skipFinalSnapshot", allowed=(False,)),),
    "aws:secretsmanager/secret:Secret": (AtLeast(path="recoveryWindowInDays", least=7, absent=True),),
    "aws:ecs/service:Service": (Is(path="forceDelete", allowed=(False,), absent=True),),
    **{
        token: (Is(path=name, allowed=(False,), absent=True),)
        for token, name in {
            "aws:s3/bucket:Bucket": "forceDestroy",
            "aws:route53/zone:Zone": "forceDestroy",
            "aws:ecr/repository:Repository": "forceDelete",
            "gcp:storage/bucket:Bucket": "forceDestroy",
            "gcp:dns/managedZone:ManagedZone": "forceDestroy",
        }.items()
    },
}


def no_force_destroy(one: Resource, facts: Facts) -> Iterator[Finding]:
    """Nothing is emptied so that it can be deleted."""
    yield from unmet(one, _FORCED)


GZIP, LONGEST_SCRIPT = b"\x1f\x8b", 1 << 20
"""How a compressed text begins; and bytes, more than any vendor takes for a machine."""
NAMES_A_SECRET = re.compile(r"(?i)(^|_)(password|passwd|secret|token|credentials?|apikey|api_key|private_key|pem)$")
LOOKS_SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(?i:(?<![a-z])(?<!initial-cluster-)(password|passwd|secret|token)[\"']?\s*=\s*(?![a-z_][\w.]*\()[\"']?[^\s\"'${<]{8,})"
    r"|(?i:(?<![a-z])password[\"']?\s*:\s+[\"']?[^\s\"'${<]{8,})"
)
"""Keys as they look, and values that are given to what is called a secret. An address of a place (`secret:name`) is none, and neither is a
word that is called (`token=asked(...)`): machines are handed programs. What etcd calls `--initial-cluster-token` is a name."""
_BY_BOOTSTRAP = "a value here is in Pulumi's state for ever; `trimaran bootstrap` fills secrets"
FILLED: Table = {
    RDS: (Absent(path="password", limit="use manageMasterUserPassword"),),
    CLOUD_SQL: (Absent(path="rootPassword", limit=_BY_BOOTSTRAP),),
    "gcp:sql/user:User": (Absent(path="password", limit=_BY_BOOTSTRAP),),
    "aws:secretsmanager/secretVersion:SecretVersion": (
        Absent(path="secretString", limit=_BY_BOOTSTRAP),
        Absent(path="secretStringWo", limit=_BY_BOOTSTRAP),
        Absent(path="secretBinary", limit=_BY_BOOTSTRAP),
    ),
    "azure-native:keyvault:Secret": (Absent(path="properties.value", limit=_BY_BOOTSTRAP),),
    "gcp:secretmanager/secretVersion:SecretVersion": (
        Absent(path="secretData", limit=_BY_BOOTSTRAP),
        Absent(path="secretDataWo", limit=_BY_BOOTSTRAP),
    ),
    "gcp:secretmanager/regionalSecretVersion:RegionalSecretVersion": (
        Absent(path="secretData", limit=_BY_BOOTSTRAP),
        Absent(path="secretDataWo", limit=_BY_BOOTSTRAP),
    ),
    "azure-native:app:ContainerApp": (
        Absent(path="configuration.secrets[].value", limit="name the place in the key vault (keyVaultUrl)"),
    ),
    "azure-native:app:Certificate": (
        Absent(path="properties.value", limit="name the place in the key vault (certificateKeyVaultProperties)"),
        Absent(path="properties.password", limit="name the place in the key vault (certificateKeyVaultProperties)"),
    ),
}
ENVIRONMENTS: Mapping[str, str] = {
    "azure-native:app:ContainerApp": "template.containers[].env[]",
    "gcp:cloudrunv2/service:Service": "template.containers[].envs[]",
    "gcp:cloudrunv2/workerPool:WorkerPool": "template.containers[].envs[]",
}
TASK = "aws:ecs/taskDefinition:TaskDefinition"
SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/instance:Instance": ("userData", "userDataBase64"),
    "azure-native:compute:VirtualMachine": ("osProfile.customData",),
    "gcp:compute/instance:Instance": ("metadataStartupScript", "metadata.user-data"),
}
"""What a machine is told when it starts, as each vendor takes it."""


def secrets_not_plaintext(one: Resource, facts: Facts) -> Iterator[Finding]:
    """No secret is in a program, in state, or in what a machine is told when it starts. Places of secrets are named instead."""
    yield from unmet(one, FILLED)
    for place, text in _texts(one.props, ""):
        if any(LOOKS_SECRET.search(reading) for reading in _readings(text)):
            yield one.finding(f"{place} holds what looks like a key or a password; name the place of a secret instead")
    if one.type in ENVIRONMENTS:
        yield from _variables(one, one.every(ENVIRONMENTS[one.type]))
    if one.type == TASK:
        yield from _variables(one, _of_task(one, "environment"))


def _variables(one: Resource, found: Iterator[tuple[str, Any]]) -> Iterator[Finding]:
    for place, variable in found:
        name = variable.get("name") if isinstance(variable, Mapping) else variable
        if name is UNKNOWN:
            yield one.finding(f"{place} {said(name)}; variables are written down, and values of theirs may be references")
        elif isinstance(variable, Mapping) and NAMES_A_SECRET.search(str(name)) and variable.get("value") is not None:
            yield one.finding(f"{place}: {name} has a value; name the place of a secret instead")


def containers(one: Resource) -> list[Any] | None:
    """What a task of ECS runs. None while the document is not known, or is none."""
    document = one.at("containerDefinitions")
    try:
        read = json.loads(document) if isinstance(document, str) else None
    except json.JSONDecodeError:
        return None
    return read if isinstance(read, list) else None


def _of_task(one: Resource, key: str) -> Iterator[tuple[str, Any]]:
    for container in containers(one) or ():
        if isinstance(container, Mapping):
            for number, variable in enumerate(container.get(key) or ()):
                yield f"containerDefinitions.{container.get('name')}.{key}[{number}]", variable


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place.removeprefix("."), value
    elif isinstance(value, Mapping):
        yield from chain.from_iterable(_texts(inner, f"{place}.{key}") for key, inner in value.items())
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(_texts(inner, f"{place}[{number}]") for number, inner in enumerate(value))


def _readings(text: str) -> Iterator[str]:
    """The text, and what it is the base64 of, compressed or not: scripts for machines are sent so. Each also without JSON's strokes: a
    document of cloud-init has files in it, line breaks, quotes and all."""
    for reading in (text, _unpacked(text)):
        yield reading
        if "\\" in reading:
            yield reading.replace("\\n", "\n").replace('\\"', '"')


def _unpacked(text: str) -> str:
    """Nothing when there is nothing to unpack."""
    if len(text) < 16 or not re.fullmatch(r"[A-Za-z0-9+/\s]+=*\s*", text):
        return ""
    try:
        content = base64.b64decode(text)
        if content.startswith(GZIP):
            content = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, LONGEST_SCRIPT)
        return content.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        return ""


PINNED_DIGEST = Matches(path="image", shape=r".+@sha256:[0-9a-f]{64}", limit="it must name its digest")
LOOKS_AT = frozenset(ENCRYPTED) | frozenset(KEYS) | frozenset(_FORCED) | frozenset(FILLED) | frozenset(ENVIRONMENTS) | {TASK}
