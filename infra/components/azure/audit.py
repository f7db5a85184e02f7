"""Who did what at the site, and which connections there were."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, monitor, network, operationalinsights, storage

from infra.components.azure.keys import Sealer
from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.vault import endpoint, grant

KEPT_DAYS = 400
"""A year, and time to notice that it is over."""

ACCOUNT_LOG = ("Administrative", "Security", "Policy", "ServiceHealth", "ResourceHealth", "Alert", "Autoscale", "Recommendation")
"""Everything that is written down about the subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditArgs:
    """What it is made from."""

    ground: Ground
    network: Network
    sealer: Sealer


class Audit(pulumi.ComponentResource):
    """Promise: every record is kept for `KEPT_DAYS` under a key of our own, where nobody can change it or take it away before.

    The same records stand in a workspace for as long, to be asked. A workspace takes a key of ours only in a cluster that is paid for 100
    GB a day, so it counts as the copy, and the storage account as the record.
    """

    def __init__(self, name: str, args: AuditArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Audit", name, None, opts)
        self._name, self._args, self._ground = name, args, args.ground
        self.workspace = self._workspace()
        self.account = self._account()
        self._guard_account()
        self.flows = self._flows()
        self._account_log()
        self.register_outputs({"workspace": self.workspace.id})

    def keep(self, name: str, of: Output[str], parent: pulumi.Resource) -> monitor.DiagnosticSetting:
        """Everything that this resource tells."""
        return monitor.DiagnosticSetting(
            f"{name}-records",
            name=self._ground.called("records"),
            resource_uri=of,
            workspace_id=self.workspace.id,
            storage_account_id=self.account.id,
            logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
            opts=ResourceOptions(parent=parent),
        )

    def _workspace(self) -> operationalinsights.Workspace:
        return operationalinsights.Workspace(
            f"{self._name}-workspace",
            resource_group_name=self._ground.group,
            workspace_name=self._ground.called("audit"),
            location=self._ground.region,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=KEPT_DAYS,
            # Whoever writes or asks is somebody: no key that opens it to everybody who has it.
            features=operationalinsights.WorkspaceFeaturesArgs(
                disable_local_auth=True,
                enable_log_access_using_only_resource_permissions=True,
                immediate_purge_data_on30_days=False,
            ),
            tags=self._ground.tags("internal"),
            opts=ResourceOptions(parent=self, protect=True),
        )

    def _account(self) -> storage.StorageAccount:
        sealer = self._args.sealer
        return storage.StorageAccount(
            f"{self._name}-account",
            resource_group_name=self._ground.group,
            account_name=self._ground.joined("audit"),
            location=self._ground.region,
            kind="StorageV2",
            # Three zones of this region, and no copy in another: where that would be is Azure's choice.
            sku=storage.SkuArgs(name="Standard_ZRS"),
            access_tier=storage.AccessTier.COOL,
            allow_blob_public_access=False,
            allow_shared_key_access=False,
            allow_cross_tenant_replication=False,
            default_to_o_auth_authentication=True,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            public_network_access="Disabled",
            network_rule_set=storage.NetworkRuleSetArgs(default_action=storage.DefaultAction.DENY, bypass="AzureServices"),
            identity=storage.IdentityArgs(type="UserAssigned", user_assigned_identities=[sealer.identity.id]),
            encryption=storage.EncryptionArgs(
                key_source="Microsoft.Keyvault",
                require_infrastructure_encryption=True,
                encryption_identity=storage.EncryptionIdentityArgs(encryption_user_assigned_identity=sealer.identity.id),
                key_vault_properties=storage.KeyVaultPropertiesArgs(
                    # Without a version: Azure takes each new one by itself.
                    key_name=sealer.key.name,
                    key_vault_uri=sealer.key.key_uri.apply(lambda uri: uri.partition("/keys/")[0]),
                ),
            ),
            immutable_storage_with_versioning=storage.ImmutableStorageAccountArgs(
                enabled=True,
                immutability_policy=storage.AccountImmutabilityPolicyPropertiesArgs(
                    # Unlocked, it may still be made longer or shorter; `docs/deploy.md` says when it is locked for good.
                    state="Unlocked",
                    immutability_period_since_creation_in_days=KEPT_DAYS,
                    allow_protected_append_writes=True,
                ),
            ),
            tags=self._ground.tags("internal"),
            opts=ResourceOptions(
                parent=self,
                protect=True,
                depends_on=[sealer.allowed],
                ignore_changes=["immutableStorageWithVersioning.immutabilityPolicy.state"],
            ),
        )

    def _guard_account(self) -> None:
        endpoint(f"{self._name}-endpoint", self._ground, self._args.network, self.account.id, ("blob", "blobs"), self)
        for what, of in (("account", self.account.id), ("workspace", self.workspace.id)):
            authorization.ManagementLockByScope(
                f"{self._name}-{what}-lock",
                lock_name=f"audit-{what}-stays",
                scope=of,
                level="CanNotDelete",
                notes="Records are kept for as long as somebody may ask for them.",
                opts=ResourceOptions(parent=self, protect=True),
            )

    def _flows(self) -> network.FlowLog:
        """Of the whole network. Azure makes a watcher for a region, of this name, when it makes the first network there."""
        writer = self._args.sealer.identity
        allowed = grant(f"{self._name}-writes", self._ground, "writes blobs", writer.principal_id, self.account.id, self)
        vnet = self._args.network.vnet
        return network.FlowLog(
            f"{self._name}-flows",
            resource_group_name="NetworkWatcherRG",
            network_watcher_name=f"NetworkWatcher_{self._ground.region}",
            flow_log_name=self._ground.called("flows"),
            location=self._ground.region,
            target_resource_id=vnet.id,
            storage_id=self.account.id,
            enabled=True,
            identity=network.ManagedServiceIdentityArgs(
                type=network.ResourceIdentityType.USER_ASSIGNED, user_assigned_identities=[writer.id]
            ),
            format=network.FlowLogFormatParametersArgs(type="JSON", version=2),
            retention_policy=network.RetentionPolicyParametersArgs(days=KEPT_DAYS, enabled=True),
            flow_analytics_configuration=network.TrafficAnalyticsPropertiesArgs(
                network_watcher_flow_analytics_configuration=network.TrafficAnalyticsConfigurationPropertiesArgs(
                    enabled=True,
                    traffic_analytics_interval=10,
                    workspace_id=self.workspace.customer_id,
                    workspace_region=self._ground.region,
                    workspace_resource_id=self.workspace.id,
                )
            ),
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self, depends_on=[allowed]),
        )

    def _account_log(self) -> monitor.DiagnosticSetting:
        return monitor.DiagnosticSetting(
            f"{self._name}-subscription",
            name=self._ground.called("records"),
            resource_uri=self._ground.subscription,
            workspace_id=self.workspace.id,
            storage_account_id=self.account.id,
            logs=[monitor.DiagnosticsLogSettingsArgs(category=category, enabled=True) for category in ACCOUNT_LOG],
            opts=ResourceOptions(parent=self),
        )
