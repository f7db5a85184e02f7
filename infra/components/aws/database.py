"""PostgreSQL on RDS."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra.components.aws.logs import log_group
from infra.components.aws.network import Network
from infra.names import name_of
from infra.postgres import PARAMETERS, PORT, RETENTION_DAYS, VERSION, Parameter
from infra.services import Service
from infra.settings import Settings
from infra.topology import Cloud

CLASSES: Mapping[str, str] = {"small": "db.m7g.large", "large": "db.r7g.2xlarge"}
"""2 processors with 8 GiB, 8 with 64."""
GROWTH = 4
"""A disk may grow to so many times its first size. One that is full stops every payment: slots of a follower that is away keep WAL."""
EXPORTED = ("postgresql", "upgrade")
AUTHORITY = "rds-ca-rsa2048-g1"
"""Who issues the server's certificate: services and the other sites verify it."""


class Database(pulumi.ComponentResource):
    """One service's server: a synchronous standby in another zone (from one that lags, a payment that was confirmed here could be gone), 35
    days of backups in this region with recovery to any second of them, no public address, TLS or nothing, and a key of its own.

    Its administrator's password is made by RDS, kept in Secrets Manager, and never seen by Pulumi. Parameters that a server takes up only
    at its start wait for the next one, which is the operator's (`trimaran doctor` tells): in the middle of a day it would be an outage.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        service: Service,
        network: Network,
        guard: pulumi.Input[str],
        key: aws.kms.Key,
        logs_key: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:aws:Database", name, None, opts)
        identifier = name_of(settings.environment, service)
        # The server would make these itself, without a key of ours and for ever.
        logs = [log_group(f"{name}-{one}", f"/aws/rds/instance/{identifier}/{one}", logs_key, parent=self) for one in EXPORTED]
        self._settings, self._network, self._guard, self._key = settings, network, guard, key
        self.native = self._server(name, identifier, logs)
        self.host: pulumi.Output[str] = self.native.address
        """A public name of a private address: the other sites resolve it as it is, and reach it through the mesh. It follows the server
        to its standby."""
        self.register_outputs({})

    def _server(self, name: str, identifier: str, logs: Sequence[pulumi.Resource]) -> aws.rds.Instance:
        size = self._settings.databases
        return aws.rds.Instance(
            name,
            identifier=identifier,
            engine="postgres",
            engine_version=VERSION,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            instance_class=CLASSES[size.size],
            multi_az=True,
            allocated_storage=size.storage_gib,
            max_allocated_storage=GROWTH * size.storage_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=self._key.arn,
            db_subnet_group_name=self._subnets(name, identifier).name,
            parameter_group_name=self._parameters(name, identifier).name,
            vpc_security_group_ids=[self._guard],
            publicly_accessible=False,
            port=PORT,
            username="trimaran",
            manage_master_user_password=True,
            master_user_secret_kms_key_id=self._key.arn,
            ca_cert_identifier=AUTHORITY,
            enabled_cloudwatch_logs_exports=list(EXPORTED),
            backup_retention_period=RETENTION_DAYS,
            backup_window="01:00-01:45",
            maintenance_window="sun:02:00-sun:03:00",
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=False,
            apply_immediately=False,
            copy_tags_to_snapshot=True,
            deletion_protection=True,
            delete_automated_backups=False,
            skip_final_snapshot=False,
            final_snapshot_identifier=f"{identifier}-last",
            opts=self._kept(logs),
        )

    def _kept(self, logs: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            protect=True,
            depends_on=logs,
            # RDS goes from minor version to minor version by itself, and lets the disk grow.
            ignore_changes=["engineVersion", "allocatedStorage"],
            custom_timeouts=pulumi.CustomTimeouts(create="90m", update="120m", delete="90m"),
        )

    def _subnets(self, name: str, identifier: str) -> aws.rds.SubnetGroup:
        ids = [subnet.id for subnet in self._network.databases]
        return aws.rds.SubnetGroup(name, name_prefix=f"{identifier}-", subnet_ids=ids, opts=pulumi.ResourceOptions(parent=self))

    def _parameters(self, name: str, identifier: str) -> aws.rds.ParameterGroup:
        return aws.rds.ParameterGroup(
            name,
            name_prefix=f"{identifier}-",
            family=f"postgres{VERSION}",
            parameters=[_parameter(one) for one in PARAMETERS[Cloud.AWS]],
            opts=pulumi.ResourceOptions(parent=self),
        )


def _parameter(one: Parameter) -> aws.rds.ParameterGroupParameterArgs:
    method = "pending-reboot" if one.restarts else "immediate"
    return aws.rds.ParameterGroupParameterArgs(name=one.name, value=one.value, apply_method=method)
