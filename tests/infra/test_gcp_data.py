"""Google's databases, keys and secrets: what keeps them, who opens them, and that nobody deletes them."""

import json

import pytest

from infra.services import CONTROL, CONTROL_SECRETS, DATABASES, PROGRAMS, Service
from infra.settings import read_settings
from tests.infra.recording import Recording, Resource, record, recorded
from tests.infra.stacks import settings_of

STACKS = ("dev-gcp", "prod-gcp")
SERVER = "gcp:sql/databaseInstance:DatabaseInstance"
KEY = "gcp:kms/cryptoKey:CryptoKey"
GRANT = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
SECRET = "gcp:secretmanager/secret:Secret"
DAY = 86_400

both = pytest.mark.parametrize("stack", STACKS)


def servers(stack: str) -> tuple[Resource, ...]:
    """Database servers."""
    return recorded(stack).of_type(SERVER)


def key_of(told: Recording, id: str) -> Resource:
    """The key with that id."""
    (found,) = (one for one in told.of_type(KEY) if id.endswith(f"/{one.name}"))
    return found


def who_may(told: Recording, key: Resource) -> set[str]:
    """Who closes and opens with it."""
    return {one.inputs["member"] for one in told.of_type(GRANT) if one.inputs["cryptoKeyId"].endswith(f"/{key.name}")}


@both
def test_every_database_service_has_a_server_and_a_key_of_its_own(stack: str) -> None:
    """Who holds one opens nothing of the other."""
    found = {one.name.split("-")[2]: one.inputs["encryptionKeyName"] for one in servers(stack)}
    assert set(found) == set(DATABASES)
    assert len(set(found.values())) == len(DATABASES)
    names = [
        (one.inputs["name"], one.inputs["instance"].split("-")[2]) for one in recorded(stack).of_type("gcp:sql/database:Database")
    ]
    assert sorted(names) == [(one, one) for one in sorted(DATABASES)]


@both
def test_a_server_waits_for_the_leave_to_use_its_key_and_for_the_range_it_is_put_into(stack: str) -> None:
    """No input says so, and Google refuses to make it otherwise."""
    told = recorded(stack)
    for server in servers(stack):
        service = server.name.split("-")[2]
        assert any(f"{GRANT}::" in urn and f"{service}-database-sql" in urn for urn in server.dependencies), server.name
        assert any("gcp:servicenetworking/connection:Connection::" in urn for urn in server.dependencies)
        key = key_of(told, server.inputs["encryptionKeyName"])
        assert who_may(told, key) == {"serviceAccount:service-1@sqladmin.iam.gserviceaccount.com"}


@both
def test_servers_are_private_encrypted_and_doubled(stack: str) -> None:
    """PostgreSQL 17 in two zones, without a public address, without a connection in the clear."""
    for server in servers(stack):
        given = server.inputs["settings"]
        assert server.inputs["databaseVersion"] == "POSTGRES_17"
        assert given["availabilityType"] == "REGIONAL"
        network = given["ipConfiguration"]
        assert network["ipv4Enabled"] is False and network["sslMode"] == "ENCRYPTED_ONLY"
        assert network["allocatedIpRange"].endswith("-network-databases") and network["privateNetwork"]
        assert "authorizedNetworks" not in network


@both
def test_backups_are_kept_for_35_days_under_the_same_law(stack: str) -> None:
    """To any second of the last week."""
    for server in servers(stack):
        given = server.inputs["settings"]
        backups = given["backupConfiguration"]
        assert backups["enabled"] is True and backups["pointInTimeRecoveryEnabled"] is True
        assert backups["backupRetentionSettings"] == {"retainedBackups": 35, "retentionUnit": "COUNT"}
        assert backups["transactionLogRetentionDays"] == 7 and backups["location"] == "eu"
        assert given["retainBackupsOnDelete"] is True and given["finalBackupConfig"] == {"enabled": True, "retentionDays": 35}


def test_backups_stay_under_the_law_that_the_sites_are_under() -> None:
    """Another law, other backups, and everything else where it is told to be as well."""
    regions = {"aws": "us-east-1", "azure": "southcentralus", "gcp": "us-west1", "jurisdiction": "US", "least_km": 1000}
    images = {
        name: one.replace("europe-southwest1", "us-west1") for name, one in json.loads(settings_of("prod-gcp")["images"]).items()
    }
    told = record("prod-gcp", topology=regions, images=images)
    assert told.refused is None
    assert {one.inputs["settings"]["backupConfiguration"]["location"] for one in told.of_type(SERVER)} == {"us"}
    assert "europe" not in json.dumps([dict(one.inputs) for one in told.resources])


@both
def test_a_server_has_every_guard_against_deletion(stack: str) -> None:
    """Google's, the provider's two, and the engine's: each stops somebody else."""
    for server in servers(stack):
        assert server.protect and server.inputs["deletionProtection"] is True and server.inputs["deletionPolicy"] == "PREVENT"
        assert server.inputs["settings"]["deletionProtectionEnabled"] is True


@both
def test_the_project_is_not_deleted_with_everything_that_is_in_it(stack: str) -> None:
    """Guards of servers and keys say nothing to whoever deletes the project."""
    (lien,) = recorded(stack).of_type("gcp:resourcemanager/lien:Lien")
    assert lien.inputs["parent"] == f"projects/{read_settings(settings_of(stack)).accounts.gcp.number}"
    assert lien.inputs["restrictions"] == ["resourcemanager.projects.delete"]
    assert lien.protect and lien.inputs["deletionPolicy"] == "PREVENT" and len(lien.inputs["reason"]) <= 200


@both
def test_a_disk_that_has_grown_by_itself_is_left_as_it_is(stack: str) -> None:
    """A disk cannot shrink: the provider would delete the server for it."""
    for server in servers(stack):
        assert server.inputs["settings"]["diskAutoresize"] is True
        assert "settings.diskSize" in server.ignore_changes


def test_tiers_and_edition_go_together() -> None:
    """PostgreSQL 17 is made in another edition unless told otherwise, and that one has no such tier."""
    tiers = {
        stack: {(one.inputs["settings"]["tier"], one.inputs["settings"]["edition"]) for one in servers(stack)} for stack in STACKS
    }
    assert tiers == {"dev-gcp": {("db-custom-2-8192", "ENTERPRISE")}, "prod-gcp": {("db-custom-8-65536", "ENTERPRISE")}}


@both
def test_servers_stream_logically_and_keep_rows_out_of_their_logs(stack: str) -> None:
    """Replication needs the first; whoever reads logs may not read rows."""
    for server in servers(stack):
        flags = {one["name"]: one["value"] for one in server.inputs["settings"]["databaseFlags"]}
        assert flags["cloudsql.logical_decoding"] == "on" and flags["track_commit_timestamp"] == "on"
        assert flags["log_min_error_statement"] == "panic" and flags["log_error_verbosity"] == "terse"
        assert server.inputs["settings"]["insightsConfig"] == {"queryInsightsEnabled": False}


@both
def test_keys_are_in_hardware_rotate_and_cannot_be_lost_in_a_hurry(stack: str) -> None:
    """A year at most between versions, a month at least before one is gone."""
    keys = recorded(stack).of_type(KEY)
    assert len(keys) == 11
    for key in keys:
        assert float(key.inputs["rotationPeriod"].removesuffix("s")) <= 365 * DAY
        assert float(key.inputs["destroyScheduledDuration"].removesuffix("s")) >= 30 * DAY
        assert key.inputs["versionTemplate"] == {"algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION", "protectionLevel": "HSM"}
        assert key.protect and key.retain_on_delete and key.inputs["deletionPolicy"] == "PREVENT"
    (ring,) = recorded(stack).of_type("gcp:kms/keyRing:KeyRing")
    assert ring.inputs["location"] == "europe-southwest1" and ring.protect and ring.retain_on_delete


@both
def test_the_vault_alone_uses_the_wrapping_key_here(stack: str) -> None:
    """The other sites' vaults are let in by the control plane's stack."""
    told = recorded(stack)
    (key,) = (one for one in told.of_type(KEY) if one.name.endswith("-wrapping"))
    (member,) = who_may(told, key)
    assert member.startswith(f"serviceAccount:trimaran-{stack.partition('-')[0]}-vault@")


@both
def test_nobody_may_do_more_with_a_key_than_use_it(stack: str) -> None:
    """Who may only close and open can neither destroy a key nor hand it on."""
    assert {one.inputs["role"] for one in recorded(stack).of_type(GRANT)} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}


@both
def test_every_secret_of_the_list_has_an_empty_place(stack: str) -> None:
    """Filled by nobody here: no version, no value, no password."""
    told, environment = recorded(stack), stack.partition("-")[0]
    wanted = {f"trimaran-{environment}-{service}-{one.name}" for service, program in PROGRAMS.items() for one in program.secrets}
    wanted |= {f"trimaran-{environment}-{CONTROL}-{name}" for name in CONTROL_SECRETS}
    assert {one.inputs["secretId"] for one in told.of_type(SECRET)} == wanted
    assert not [one for one in told.resources if "ecretVersion" in one.type or one.type == "gcp:sql/user:User"]
    assert not [one.name for one in servers(stack) if any("assword" in key for key in one.inputs)]


@both
def test_a_secret_is_read_by_its_service_alone_and_kept_here_with_its_key(stack: str) -> None:
    """Left to Google its copies would be anywhere. The control node's own are closed with the key of its disk."""
    told, environment = recorded(stack), stack.partition("-")[0]
    readers: dict[str, set[tuple[str, str]]] = {}
    for one in told.of_type("gcp:secretmanager/secretIamMember:SecretIamMember"):
        readers.setdefault(one.inputs["secretId"].rpartition("/")[2], set()).add((one.inputs["member"], one.inputs["role"]))
    for secret in told.of_type(SECRET):
        name = secret.inputs["secretId"]
        service = name.split("-")[2]
        account = f"serviceAccount:trimaran-{environment}-{service}@trimaran.iam.gserviceaccount.com"
        assert readers[name] == {(account, "roles/secretmanager.secretAccessor")}
        (replica,) = secret.inputs["replication"]["userManaged"]["replicas"]
        assert replica["location"] == "europe-southwest1"
        key = "disk" if service == CONTROL else service
        assert replica["customerManagedEncryption"]["kmsKeyName"].endswith(f"-keys-{key}")
        assert any(f"{key}-secrets" in urn for urn in secret.dependencies)


@both
def test_a_secret_is_not_deleted_and_a_version_not_at_once(stack: str) -> None:
    """Whoever destroys the wrong one has a month to notice."""
    for secret in recorded(stack).of_type(SECRET):
        assert secret.protect and secret.inputs["deletionProtection"] is True and secret.inputs["deletionPolicy"] == "PREVENT"
        assert float(secret.inputs["versionDestroyTtl"].removesuffix("s")) >= 30 * DAY


@both
def test_what_a_service_is_told_is_closed_with_its_key_and_no_other(stack: str) -> None:
    """Five services, five keys, each used by Secret Manager and Cloud Run."""
    told = recorded(stack)
    for service in Service:
        (key,) = (one for one in told.of_type(KEY) if one.name.endswith(f"-keys-{service}"))
        agents = {one.partition("@")[2].partition(".")[0] for one in who_may(told, key)}
        assert agents == {"secretmanager", "run"}
