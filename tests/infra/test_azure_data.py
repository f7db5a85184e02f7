"""Databases, keys, secrets and records on Azure."""

from itertools import pairwise
from typing import Any

import pytest

from infra.components.azure.database import TRIES, is_busy, storage_gib
from infra.components.control import azure_permissions
from infra.postgres import PARAMETERS
from infra.services import CONTROL, CONTROL_IMAGES, DATABASES, PROGRAMS
from infra.topology import Cloud
from tests.infra.recording import Recording, Resource, previewed, record, recorded, recorded_live

STACKS = pytest.mark.parametrize("stack", ["dev-azure", "prod-azure"])
SERVER = "azure-native:dbforpostgresql:Server"
CONFIGURATION = "azure-native:dbforpostgresql:Configuration"
LOCK = "azure-native:authorization:ManagementLockByScope"
GRANT = "azure-native:authorization:RoleAssignment"
IDENTITY = "azure-native:managedidentity:UserAssignedIdentity"
KEY = "azure-native:keyvault:Key"
DEFINITION = "azure-native:authorization:RoleDefinition"
WRAPS, READS = "e147488a-f6f5-4113-8e2d-b22465e65bf6", "4633458b-17de-408a-b874-0445c86b69e6"


def grants(stack: Recording, role: str) -> dict[str, set[str]]:
    """Who may do that: principals by what they may do it to."""
    found: dict[str, set[str]] = {}
    for one in stack.of_type(GRANT):
        if one.inputs["roleDefinitionId"].endswith(role):
            found.setdefault(one.inputs["scope"], set()).add(one.inputs["principalId"])
    return found


def role(stack: Recording, name: str) -> Resource:
    """One of our own, by the last word of its name."""
    (found,) = (one for one in stack.of_type(DEFINITION) if one.inputs["roleName"].rpartition("-")[2] == name)
    return found


def servers(stack: Recording) -> dict[str, Resource]:
    """By service."""
    return {one.inputs["serverName"].split("-")[-1]: one for one in stack.of_type(SERVER)}


@STACKS
def test_every_service_with_a_database_has_a_server_of_its_own(stack: str) -> None:
    """Version 17, in two zones, in its own subnet, named in the private zone."""
    found = servers(recorded(stack))
    assert set(found) == set(DATABASES)
    for service, server in found.items():
        given = server.inputs
        assert (given["version"], given["highAvailability"]["mode"]) == ("17", "ZoneRedundant")
        assert given["network"]["delegatedSubnetResourceId"].endswith(f"/subnets/{service}-database")
        assert given["network"]["privateDnsZoneArmResourceId"].endswith(".private.postgres.database.azure.com")
        (link,) = (one for one in recorded(stack).resources if one.name == "network-servers-link")
        assert link.urn in server.dependencies


@STACKS
def test_backups_reach_back_35_days_and_stay_in_the_region(stack: str) -> None:
    """Azure's paired region is nobody's choice, and no place of the topology."""
    for server in recorded(stack).of_type(SERVER):
        assert server.inputs["backup"] == {"backupRetentionDays": 35, "geoRedundantBackup": "Disabled"}


def test_sizes_are_what_the_settings_say() -> None:
    """Small for trials, large for the real one; disks only grow."""
    small, large = (servers(recorded(stack))["payments"] for stack in ("dev-azure", "prod-azure"))
    assert small.inputs["sku"] == {"name": "Standard_D2ds_v5", "tier": "GeneralPurpose"}
    assert large.inputs["sku"] == {"name": "Standard_E8ds_v5", "tier": "MemoryOptimized"}
    assert (small.inputs["storage"]["storageSizeGB"], large.inputs["storage"]["storageSizeGB"]) == (128, 256)
    assert large.inputs["storage"]["autoGrow"] == "Enabled" and "storage.storageSizeGB" in large.ignore_changes


@pytest.mark.parametrize(("asked", "given"), [(100, 128), (128, 128), (129, 256), (16_000, 16_384)])
def test_a_disk_is_the_smallest_that_azure_has(asked: int, given: int) -> None:
    """Its sizes are powers of two."""
    assert storage_gib(asked) == given


@STACKS
def test_each_server_is_encrypted_with_a_key_that_nobody_else_uses(stack: str) -> None:
    """Who holds one key opens nothing of the other service."""
    identities = {one.outputs["name"]: one for one in recorded(stack).of_type(IDENTITY)}
    allowed = grants(recorded(stack), WRAPS)
    used: list[tuple[str, str]] = []
    for service, server in servers(recorded(stack)).items():
        sealed = server.inputs["dataEncryption"]
        assert sealed["type"] == "AzureKeyVault" and f"/keys/{service}-database/" in sealed["primaryKeyURI"]
        (identity,) = server.inputs["identity"]["userAssignedIdentities"]
        assert identity == sealed["primaryUserAssignedIdentityId"]
        principal = identities[identity.rpartition("/")[2]].outputs["principalId"]
        assert [scope.rpartition("/")[2] for scope, who in allowed.items() if principal in who] == [f"{service}-database"]
        used.append((sealed["primaryKeyURI"], identity))
    assert len({key for key, _ in used}) == len({identity for _, identity in used}) == len(used)


@STACKS
def test_a_server_is_made_after_its_identity_may_use_its_key(stack: str) -> None:
    """Azure tries the key at once."""
    for service, server in servers(recorded(stack)).items():
        (allowed,) = (one for one in recorded(stack).resources if one.name == f"keys-sealing-{service}-database-wraps")
        assert allowed.urn in server.dependencies


@STACKS
def test_no_two_things_are_encrypted_with_one_key(stack: str) -> None:
    """And each key may be used by one identity, but the vaults' own, which the vault uses."""
    allowed = grants(recorded(stack), WRAPS)
    keys = {one.outputs["name"] for one in recorded(stack).of_type(KEY)}
    assert {scope.rpartition("/")[2] for scope in allowed} == keys
    assert all(len(who) == 1 for who in allowed.values())
    (wraps,) = (who for scope, who in allowed.items() if scope.endswith("/cards"))
    assert wraps == {f"principal-of-trimaran-{stack.split('-')[0]}-vault"}


@STACKS
def test_keys_stand_in_hardware_turn_within_a_year_and_never_end(stack: str) -> None:
    """One that ends takes the server with it."""
    for key in recorded(stack).of_type(KEY):
        given = key.inputs["properties"]
        (action,) = given["rotationPolicy"]["lifetimeActions"]
        assert given["kty"] == "RSA-HSM" and given["keySize"] >= 3072 and set(given["keyOps"]) == {"wrapKey", "unwrapKey"}
        assert action["action"] == {"type": "rotate"}
        days = int(action["trigger"]["timeAfterCreate"].removeprefix("P").removesuffix("D"))
        assert 0 < days <= 365
        assert "attributes" not in given["rotationPolicy"] and "attributes" not in given


@STACKS
def test_nothing_that_is_deleted_from_a_vault_is_gone(stack: str) -> None:
    """Not for 90 days, whoever asks; and who may do what is said by roles."""
    vaults = recorded(stack).of_type("azure-native:keyvault:Vault")
    assert len(vaults) == len(PROGRAMS) + 3
    for vault in vaults:
        given = vault.inputs["properties"]
        assert given["enablePurgeProtection"] and given["enableSoftDelete"] and given["softDeleteRetentionInDays"] >= 30
        assert given["enableRbacAuthorization"] and "accessPolicies" not in given
        assert given["networkAcls"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
        hardware = vault.inputs["vaultName"].endswith(("-keys", "-wrapping"))
        assert given["sku"]["name"] == ("premium" if hardware else "standard")


@STACKS
def test_a_vault_of_secrets_is_read_by_one_and_filled_by_one(stack: str) -> None:
    """What one program knows, another that is broken into does not tell."""
    environment = stack.split("-")[0]
    reads = grants(recorded(stack), READS)
    writes = grants(recorded(stack), role(recorded(stack), "filling").outputs["name"])
    vaults = {scope.rpartition("/")[2]: who for scope, who in reads.items()}
    readers = [*PROGRAMS, CONTROL]
    assert vaults == {f"trimaran-{environment}-{name}": {f"principal-of-trimaran-{environment}-{name}"} for name in readers}
    assert reads.keys() == writes.keys()
    assert all(who == {f"principal-of-trimaran-{environment}-filling"} for who in writes.values())


@STACKS
def test_who_fills_vaults_is_shown_nothing_that_is_in_them(stack: str) -> None:
    """It writes, and sees what there is; and whoever founds databases has nothing to do with vaults at all."""
    told, environment = recorded(stack), stack.split("-")[0]
    (permission,) = role(told, "filling").inputs["permissions"]
    assert permission == {"dataActions": sorted(azure_permissions.FILLING.values())}
    scopes = {
        who: {one.inputs["scope"] for one in told.of_type(GRANT) if one.inputs["principalId"].endswith(f"-{environment}-{who}")}
        for who in ("filling", "bootstrap")
    }
    assert len(scopes["filling"]) == len(PROGRAMS) + 1 and len(scopes["bootstrap"]) == len(DATABASES)
    assert all("/providers/Microsoft.KeyVault/vaults/" in scope for scope in scopes["filling"])
    assert not any("Microsoft.KeyVault" in scope for scope in scopes["bootstrap"])
    (who,) = (one for one in told.of_type(IDENTITY) if one.inputs["resourceName"].endswith("-filling"))
    assert who.protect


@STACKS
def test_no_secret_is_ever_in_pulumis_hands(stack: str) -> None:
    """No value in a vault, no password at a server, no key of a workspace or account; whoever reads the state learns nothing."""
    told = recorded_live(stack)
    assert not told.of_type("azure-native:keyvault:Secret")
    assert not any(one.type.startswith(("random:", "tls:")) for one in told.resources)
    forbidden = {"administratorLoginPassword", "administratorLogin", "sharedKey", "primarySharedKey", "passwordSecretRef"}
    for one in told.resources:
        assert not forbidden & _keys(one.inputs), one.name
    for app in told.of_type("azure-native:app:ContainerApp"):
        for secret in app.inputs["configuration"]["secrets"]:
            assert set(secret) == {"name", "identity", "keyVaultUrl"}


def _keys(value: Any) -> set[str]:
    """Every name in it, at any depth."""
    if isinstance(value, dict):
        return set(value) | {name for part in value.values() for name in _keys(part)}
    return {name for part in value for name in _keys(part)} if isinstance(value, list) else set()


@STACKS
def test_an_identity_logs_in_first_and_passwords_come_with_the_services(stack: str) -> None:
    """Before the site is live nobody can try a password; what bootstrap turned on meanwhile stays on."""
    before, after = servers(recorded(stack)), servers(recorded_live(stack))
    for service in DATABASES:
        assert before[service].inputs["authConfig"]["passwordAuth"] == "Disabled"
        assert "authConfig.passwordAuth" in before[service].ignore_changes
        assert after[service].inputs["authConfig"]["passwordAuth"] == "Enabled"
        assert "authConfig.passwordAuth" not in after[service].ignore_changes
        assert after[service].inputs["authConfig"]["activeDirectoryAuth"] == "Enabled"
    founders = recorded(stack).of_type("azure-native:dbforpostgresql:Administrator")
    assert {one.inputs["serverName"] for one in founders} == {one.outputs["name"] for one in before.values()}
    assert {one.inputs["principalName"] for one in founders} == {f"trimaran-{stack.split('-')[0]}-bootstrap"}


def test_passwords_stay_on_between_founding_and_going_live() -> None:
    """An unrelated change sends a server's whole document: it says what somebody turned on meanwhile."""
    for server in record("prod-azure", founded=True, databases={"size": "small", "storage_gib": 300}).of_type(SERVER):
        assert server.inputs["storage"]["storageSizeGB"] == 512
        assert server.inputs["authConfig"]["passwordAuth"] == "Enabled"
        assert "authConfig.passwordAuth" not in server.ignore_changes


def test_who_founds_databases_may_delete_none() -> None:
    """Read, change, restart; on the servers, and nowhere else."""
    founds = role(recorded("prod-azure"), "bootstrap")
    (permission,) = founds.inputs["permissions"]
    assert all(action.startswith("Microsoft.DBforPostgreSQL/flexibleServers/") for action in permission["actions"])
    assert not any("*" in action or "delete" in action for action in permission["actions"])
    scopes = {scope.rpartition("/")[2] for scope in grants(recorded("prod-azure"), founds.outputs["name"])}
    assert scopes == {"trimaran-prod-payments", "trimaran-prod-vault"}


@STACKS
def test_parameters_are_written_one_after_the_other_and_again_when_azure_is_busy(stack: str) -> None:
    """All of them, with their values; Azure takes one write at a time, the administrator's included."""
    for service, server in servers(recorded(stack)).items():
        written = [
            one for one in recorded(stack).of_type(CONFIGURATION) if one.inputs["serverName"] == server.inputs["serverName"]
        ]
        told = {one.inputs["configurationName"]: one.inputs["value"] for one in written}
        assert told == {parameter.name: parameter.value for parameter in PARAMETERS[Cloud.AZURE]}
        assert all(before.urn in one.dependencies for before, one in pairwise(written))
        (founder,) = (one for one in recorded(stack).resources if one.name == f"{service}-database-founder")
        assert founder.urn in written[0].dependencies and server.urn in founder.dependencies
        assert {one.inputs["source"] for one in written} == {"user-override"}


@pytest.mark.parametrize(
    ("errors", "again"),
    [
        ((), False),
        (("ServerIsBusy: try later",), True),
        (("InvalidParameterValue", "ServerIsBusy"), False),
        (("ServerIsBusy",) * TRIES, True),
        (("ServerIsBusy",) * (TRIES + 1), False),
    ],
)
def test_a_write_is_sent_again_only_when_azure_was_busy(errors: tuple[str, ...], again: bool) -> None:
    """The newest error stands first. For ever would hide a server that never comes back."""
    assert is_busy(errors) is again


@STACKS
def test_what_cannot_be_made_again_is_locked_in_azure_too(stack: str) -> None:
    """`protect` holds for whoever uses this program; a lock, for everybody."""
    locked = {one.inputs["scope"].rpartition("/")[2] for one in recorded(stack).of_type(LOCK)}
    assert {one.inputs["level"] for one in recorded(stack).of_type(LOCK)} == {"CanNotDelete"}
    named = ("keyvault:Vault", "dbforpostgresql:Server", "storage:StorageAccount", "operationalinsights:Workspace")
    for kind in named:
        for one in recorded(stack).of_type(f"azure-native:{kind}"):
            assert one.outputs["name"] in locked
    assert f"trimaran-{stack.split('-')[0]}-clients" in locked


@STACKS
def test_records_are_kept_for_more_than_a_year_where_nobody_changes_them(stack: str) -> None:
    """Under a key of our own, and in the workspace for as long."""
    (account,) = recorded(stack).of_type("azure-native:storage:StorageAccount")
    kept = account.inputs["immutableStorageWithVersioning"]["immutabilityPolicy"]
    assert account.inputs["immutableStorageWithVersioning"]["enabled"]
    assert kept["immutabilityPeriodSinceCreationInDays"] >= 365 and kept["state"] in {"Unlocked", "Locked"}
    assert account.inputs["encryption"]["keySource"] == "Microsoft.Keyvault"
    assert account.inputs["encryption"]["keyVaultProperties"] == {
        "keyName": "audit",
        "keyVaultUri": f"https://trimaran-{stack.split('-')[0]}-keys.vault.azure.net",
    }
    assert account.inputs["allowSharedKeyAccess"] is False and account.inputs["sku"]["name"] == "Standard_ZRS"
    (workspace,) = recorded(stack).of_type("azure-native:operationalinsights:Workspace")
    assert workspace.inputs["retentionInDays"] >= 365 and workspace.inputs["features"]["disableLocalAuth"] is True


@STACKS
def test_everything_that_keeps_something_or_lets_somebody_in_leaves_records(stack: str) -> None:
    """And so does the subscription, and every connection of the network."""
    watched = {
        one.inputs["resourceUri"].rpartition("/")[2] for one in recorded(stack).of_type("azure-native:monitor:DiagnosticSetting")
    }
    kinds = (
        "keyvault:Vault",
        "dbforpostgresql:Server",
        "containerregistry:Registry",
        "app:ManagedEnvironment",
        "network:AzureFirewall",
    )
    for kind in kinds:
        found = recorded(stack).of_type(f"azure-native:{kind}")
        assert found and all(one.outputs["name"] in watched for one in found), kind
    (subscription,) = (one for one in recorded(stack).resources if one.name == "audit-subscription")
    assert subscription.inputs["resourceUri"].startswith("/subscriptions/") and len(subscription.inputs["logs"]) == 8
    (flows,) = recorded(stack).of_type("azure-native:network:FlowLog")
    assert flows.inputs["enabled"] and flows.inputs["retentionPolicy"]["days"] >= 365
    assert flows.inputs["targetResourceId"].endswith(f"trimaran-{stack.split('-')[0]}-network")
    for one in recorded(stack).of_type("azure-native:monitor:DiagnosticSetting"):
        assert one.inputs["storageAccountId"] and one.inputs["workspaceId"]


@STACKS
def test_images_come_from_a_registry_without_a_password(stack: str) -> None:
    """Of the site's own, in three zones, encrypted with a key of ours, looked through for known holes."""
    (registry,) = recorded(stack).of_type("azure-native:containerregistry:Registry")
    assert registry.inputs["adminUserEnabled"] is False and registry.inputs["anonymousPullEnabled"] is False
    assert registry.inputs["sku"] == {"name": "Premium"} and registry.inputs["zoneRedundancy"] == "Enabled"
    assert registry.inputs["encryption"]["status"] == "enabled"
    assert registry.inputs["encryption"]["keyVaultProperties"]["keyIdentifier"].endswith("/keys/registry")
    (scanning,) = recorded(stack).of_type("azure-native:security:Pricing")
    assert (scanning.inputs["pricingName"], scanning.inputs["pricingTier"]) == ("Containers", "Standard")
    assert scanning.retain_on_delete


def test_an_unknown_value_of_a_preview_is_no_reason_to_fail() -> None:
    """The first preview knows no address, no id and no key yet."""
    stack = previewed("prod-azure")
    assert stack.refused is None and len(stack.resources) == len(recorded("prod-azure").resources)


@STACKS
def test_the_control_node_pulls_its_images_before_any_service_does(stack: str) -> None:
    """Azure's leave is about the registry as a whole; repositories come to be with their first image."""
    environment = stack.partition("-")[0]
    (registry,) = recorded(stack).of_type("azure-native:containerregistry:Registry")
    (pulls,) = (one for one in recorded(stack).of_type(GRANT) if registry.urn in one.property_dependencies["scope"])
    assert pulls.inputs["principalId"] == f"principal-of-trimaran-{environment}-control"
    assert pulls.inputs["roleDefinitionId"].endswith("/7f951dda-4ed3-4680-a7ca-43fe172d538d")
    assert recorded(stack).outputs["repositories"] == {one: f"trimaran{environment}.azurecr.io/{one}" for one in CONTROL_IMAGES}
