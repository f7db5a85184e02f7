"""What every database server must have: TLS, a log to follow, a second machine, 35 days of the past, and guards."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.data import CLOUD_SQL, DATABASES, FLEXIBLE, RDS
from policies.rules.expect import Absent, AtLeast, Given, Is, Matches, Table, joined, unmet
from policies.rules.seen import Facts, Finding, Resource, said

_PRIVATE: Table = {
    RDS: (Is(path="publiclyAccessible", allowed=(False,)),),
    FLEXIBLE: (
        Is(path="network.publicNetworkAccess", allowed=("Disabled",)),
        Given(path="network.delegatedSubnetResourceId", limit="it must be in a subnet of ours"),
    ),
    CLOUD_SQL: (
        Is(path="settings.ipConfiguration.ipv4Enabled", allowed=(False,)),
        Given(path="settings.ipConfiguration.privateNetwork", limit="it must be in a network of ours"),
        Absent(path="settings.ipConfiguration.authorizedNetworks", limit="nobody outside is let in"),
    ),
    "azure-native:dbforpostgresql:FirewallRule": (Absent(path="startIpAddress", limit="nobody outside is let in"),),
}


def pg_private(one: Resource, facts: Facts) -> Iterator[Finding]:
    """No database has a public address."""
    yield from unmet(one, _PRIVATE)


def pg_tls_required(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Every server turns away connections without TLS, by its own parameters."""
    yield from parameters_are(
        resources,
        aws={"rds.force_ssl": ("1",)},
        azure={"require_secure_transport": ("on",), "ssl_min_protocol_version": ("tlsv1.2", "tlsv1.3")},
        gcp={},
    )
    table: Table = {
        CLOUD_SQL: (
            Is(path="settings.ipConfiguration.sslMode", allowed=("ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")),
        )
    }
    for one in resources:
        yield from unmet(one, table)


GROUP, CONFIGURATION = "aws:rds/parameterGroup:ParameterGroup", "azure-native:dbforpostgresql:Configuration"
Wanted = Mapping[str, tuple[str, ...]]


def parameters_are(resources: tuple[Resource, ...], *, aws: Wanted, azure: Wanted, gcp: Wanted) -> Iterator[Finding]:
    """Every database server has these parameters, wherever its vendor keeps them. Values in small letters."""
    for one in resources:
        match one.type:
            case "aws:rds/instance:Instance":
                groups = [
                    group for group in resources if group.type == GROUP and joined(one, "parameterGroupName", group, "name")
                ]
                given = {found.get("name"): found.get("value") for group in groups for found in _maps(group, "parameters[]")}
                yield from _compared(one, given, aws)
            case "azure-native:dbforpostgresql:Server":
                own = [part for part in resources if part.type == CONFIGURATION and joined(part, "serverName", one, "name")]
                # An output has the name under `name`; what was asked for has it under `configurationName`.
                given = {str(part.at("configurationName") or part.at("name")): part.at("value") for part in own}
                yield from _compared(one, given, azure)
            case "gcp:sql/databaseInstance:DatabaseInstance":
                flags = {flag.get("name"): flag.get("value") for flag in _maps(one, "settings.databaseFlags[]")}
                yield from _compared(one, flags, gcp)


def _maps(one: Resource, path: str) -> Iterator[Mapping[str, Any]]:
    for _, found in one.every(path):
        if isinstance(found, Mapping):
            yield found


def _compared(one: Resource, given: Mapping[Any, Any], wanted: Wanted) -> Iterator[Finding]:
    for name, allowed in wanted.items():
        value = given.get(name)
        if not isinstance(value, str) or value.lower() not in allowed:
            yield one.finding(f"its parameter {name} {said(value)}; it must be {' or '.join(allowed)}")


def pg_logical_replication(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Every server writes down what the other two sites follow."""
    yield from parameters_are(
        resources,
        aws={"rds.logical_replication": ("1",)},
        azure={"wal_level": ("logical",)},
        gcp={"cloudsql.logical_decoding": ("on",)},
    )


_DOUBLE: Table = {
    RDS: (Is(path="multiAz", allowed=(True,)),),
    FLEXIBLE: (Is(path="highAvailability.mode", allowed=("ZoneRedundant",)),),
    CLOUD_SQL: (Is(path="settings.availabilityType", allowed=("REGIONAL",)),),
}


def pg_ha(one: Resource, facts: Facts) -> Iterator[Finding]:
    """A machine that breaks is no outage of a site: there is a second one in another zone."""
    yield from unmet(one, _DOUBLE)


LOG_DAYS = 7
"""The most that Cloud SQL's edition of these stacks keeps of its log (`infra/components/gcp/database.py`)."""


def pg_backup(one: Resource, facts: Facts, *, least_days: float) -> Iterator[Finding]:
    """Backups reach back `least_days`, to any moment while the log does (Google: 7 days). AWS and Google keep them when a server goes."""
    backups = "settings.backupConfiguration"
    table: Table = {
        RDS: (
            AtLeast(path="backupRetentionPeriod", least=least_days),
            Is(path="deleteAutomatedBackups", allowed=(False,)),
            Is(path="skipFinalSnapshot", allowed=(False,)),
            Matches(
                path="finalSnapshotIdentifier", shape=r"\S+", limit="a final snapshot needs a name, or deleting fails half way"
            ),
        ),
        FLEXIBLE: (AtLeast(path="backup.backupRetentionDays", least=least_days),),
        CLOUD_SQL: (
            Is(path=f"{backups}.enabled", allowed=(True,)),
            Is(path=f"{backups}.pointInTimeRecoveryEnabled", allowed=(True,)),
            AtLeast(path=f"{backups}.transactionLogRetentionDays", least=LOG_DAYS),
            AtLeast(path=f"{backups}.backupRetentionSettings.retainedBackups", least=least_days),
            Is(path=f"{backups}.backupRetentionSettings.retentionUnit", allowed=("COUNT",), absent=True),
            Is(path="settings.retainBackupsOnDelete", allowed=(True,)),
        ),
    }
    yield from unmet(one, table)


def pg_version_floor(one: Resource, facts: Facts, *, least_major: float) -> Iterator[Finding]:
    """No server is older than the community still repairs, or newer than all three clouds have."""
    names = {RDS: "engineVersion", FLEXIBLE: "version", CLOUD_SQL: "databaseVersion"}
    if (name := names.get(one.type)) is None:
        return
    value = one.at(name)
    found = re.match(r"(?:POSTGRES_)?(\d+)", value) if isinstance(value, str) else None
    if found is None or not least_major <= int(found[1]) <= NEWEST:
        yield one.finding(f"{name} {said(value)}; PostgreSQL {least_major:g} to {NEWEST}")


NEWEST = 18

_GUARDED: Table = {
    RDS: (Is(path="deletionProtection", allowed=(True,)),),
    CLOUD_SQL: (
        Is(path="deletionProtection", allowed=(True,)),
        Is(path="settings.deletionProtectionEnabled", allowed=(True,)),
    ),
}


def pg_delete_guard(one: Resource, facts: Facts) -> Iterator[Finding]:
    """The cloud itself refuses to delete a database, and so does Pulumi: `protect` alone can be overridden on the command line."""
    yield from unmet(one, _GUARDED)
    if one.type in DATABASES and not one.protect:
        yield one.finding("it is not protected (protect=True)")


LOCK = "azure-native:authorization:ManagementLockByScope"


def pg_delete_lock(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Azure has no such setting of a server, so each has a lock."""
    locks = [one for one in resources if one.type == LOCK and one.at("level") == "CanNotDelete"]
    for one in resources:
        if one.type == FLEXIBLE and not any(joined(lock, "scope", one, "id") for lock in locks):
            yield one.finding("no ManagementLockByScope of the level CanNotDelete is about it")


LOOKS_AT = frozenset(DATABASES) | frozenset(_PRIVATE) | {GROUP, CONFIGURATION, LOCK}
