"""PostgreSQL on Cloud SQL: one server for each service that has a database."""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.components.gcp.keys import Lock
from infra.components.gcp.network import Network
from infra.postgres import PARAMETERS, RETENTION_DAYS, VERSION
from infra.services import Service
from infra.settings import Settings
from infra.tags import tags
from infra.topology import Cloud, Jurisdiction

TIERS: Mapping[str, str] = {"small": "db-custom-2-8192", "large": "db-custom-8-65536"}
"""Processors and MiB."""

EDITION = "ENTERPRISE"
"""Said aloud: since PostgreSQL 16 the default is another one, which has none of these tiers (SDK, `edition`)."""

LOG_DAYS = 7
"""Of write-ahead log for a restore to any second: the most of this edition (SDK, `transaction_log_retention_days`)."""

BACKUPS: Mapping[Jurisdiction, str] = {Jurisdiction.EU: "eu", Jurisdiction.US: "us"}
"""Where backups are kept: everywhere under the same law, so that they outlast the region, and nowhere else. Left to Google it is
whatever multi-region is nearest."""


class Database(pulumi.ComponentResource):
    """One service's server: private, with a standby in another zone, TLS only, its own key, and every guard against deletion there is.

    Its certificate is signed by an authority of its own, so who verifies the chain has verified the server, by whatever address it was
    dialled. There is no password here: `trimaran bootstrap` sets the administrator's when it makes the roles.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        service: Service,
        network: Network,
        lock: Lock,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:gcp:Database", name, None, opts)
        self.server = gcp.sql.DatabaseInstance(
            f"{name}-server",
            region=settings.region,
            database_version=f"POSTGRES_{VERSION}",
            encryption_key_name=lock.id,
            deletion_protection=True,
            deletion_policy="PREVENT",
            settings=_settings(settings, network),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=True,
                depends_on=[network.peering, *lock.grants],
                ignore_changes=["settings.diskSize", "maintenanceVersion"],
                custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m", delete="60m"),
            ),
        )
        gcp.sql.Database(
            f"{name}-database",
            name=service,
            instance=self.server.name,
            charset="UTF8",
            deletion_policy="PREVENT",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        self.address: pulumi.Output[str] = self.server.private_ip_address
        self.register_outputs({})


def _settings(settings: Settings, network: Network) -> gcp.sql.DatabaseInstanceSettingsArgs:
    return gcp.sql.DatabaseInstanceSettingsArgs(
        tier=TIERS[settings.databases.size],
        edition=EDITION,
        availability_type="REGIONAL",
        activation_policy="ALWAYS",
        deletion_protection_enabled=True,
        disk_type="PD_SSD",
        disk_size=settings.databases.storage_gib,
        disk_autoresize=True,
        database_flags=[
            gcp.sql.DatabaseInstanceSettingsDatabaseFlagArgs(name=one.name, value=one.value) for one in PARAMETERS[Cloud.GCP]
        ],
        ip_configuration=gcp.sql.DatabaseInstanceSettingsIpConfigurationArgs(
            ipv4_enabled=False,
            private_network=network.vpc.id,
            allocated_ip_range=network.lent.name,
            ssl_mode="ENCRYPTED_ONLY",
            server_ca_mode="GOOGLE_MANAGED_INTERNAL_CA",
        ),
        backup_configuration=_backups(settings),
        retain_backups_on_delete=True,
        final_backup_config=gcp.sql.DatabaseInstanceSettingsFinalBackupConfigArgs(enabled=True, retention_days=RETENTION_DAYS),
        insights_config=gcp.sql.DatabaseInstanceSettingsInsightsConfigArgs(query_insights_enabled=False),
        maintenance_window=gcp.sql.DatabaseInstanceSettingsMaintenanceWindowArgs(day=2, hour=3, update_track="stable"),
        user_labels=tags(settings),
    )


def _backups(settings: Settings) -> gcp.sql.DatabaseInstanceSettingsBackupConfigurationArgs:
    return gcp.sql.DatabaseInstanceSettingsBackupConfigurationArgs(
        enabled=True,
        start_time="02:00",
        location=BACKUPS[settings.topology.jurisdiction],
        point_in_time_recovery_enabled=True,
        transaction_log_retention_days=LOG_DAYS,
        backup_retention_settings=gcp.sql.DatabaseInstanceSettingsBackupConfigurationBackupRetentionSettingsArgs(
            retained_backups=RETENTION_DAYS, retention_unit="COUNT"
        ),
    )
