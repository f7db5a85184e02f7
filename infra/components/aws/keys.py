"""Keys: one for each thing that somebody could lose without losing the rest."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import Principal, Statement, account_of, allow, deny, document, service
from infra.names import name_of
from infra.services import DATABASES, Service
from infra.settings import Settings

ROTATION_DAYS = 365
DELETION_DAYS = 30
"""The longest that KMS waits before a key is gone for good."""


class Keys(pulumi.ComponentResource):
    """Who holds one opens nothing that another one closes. Symmetric keys of KMS, in this region only, made new once a year."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:aws:Keys", name, None, opts)
        self._name, self._settings = name, settings
        self.databases: Mapping[Service, aws.kms.Key] = {
            one: self._key(f"{one}-database", f"What {one}'s database keeps on disk and in backups") for one in DATABASES
        }
        self.secrets: Mapping[Service, aws.kms.Key] = {
            one: self._key(f"{one}-secrets", f"What {one} alone is told at its start") for one in Service
        }
        self.images = self._key("images", "Images of the services")
        self.instances = self._key("instances", "Disks of running instances", *self._of_instances())
        self.disk = self._key("disk", "What the control node keeps and is told")
        self.logs = self._key("logs", "Logs", self._of_logs())
        self.trail = self._key("trail", "The record of who did what in this account", *self._of_trail())
        self.wrapping = self._wrapping()
        self.register_outputs({})

    def _key(self, what: str, description: str, *statements: Statement, forever: bool = False) -> aws.kms.Key:
        owner = allow("kms:*", on="*", to=account_of(self._settings.accounts.aws.account))
        key = aws.kms.Key(
            f"{self._name}-{what}",
            description=description,
            enable_key_rotation=True,
            rotation_period_in_days=ROTATION_DAYS,
            deletion_window_in_days=DELETION_DAYS,
            multi_region=False,
            policy=document(owner, *statements),
            opts=pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=forever),
        )
        aws.kms.Alias(
            f"{self._name}-{what}",
            name=f"alias/{name_of(self._settings.environment, what)}",
            target_key_id=key.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key

    def _wrapping(self) -> aws.kms.Key:
        """What is wrapped is opened by this key or by another cloud's, and by nothing else. Whoever has this one deleted while the other
        two are out of reach has deleted every card. So that takes two deeds: this document is changed first."""
        nobody = deny("kms:ScheduleKeyDeletion", "kms:DisableKey", on="*", to="*")
        return self._key("wrapping", "The vault's: data keys of cards are wrapped with it", nobody, forever=True)

    def _of_logs(self) -> Statement:
        """Source: CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS"."""
        settings = self._settings
        groups = f"arn:aws:logs:{settings.region}:{settings.accounts.aws.account}:log-group:*"
        return allow(
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:Describe*",
            on="*",
            to=service(f"logs.{settings.region}"),
            when={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )

    def _of_trail(self) -> tuple[Statement, ...]:
        """Source: AWS CloudTrail User Guide, "Configure AWS KMS key policies for CloudTrail"."""
        settings, to = self._settings, service("cloudtrail")
        arn = trail_arn(settings)
        anybody = f"arn:aws:cloudtrail:*:{settings.accounts.aws.account}:trail/*"
        writes = allow(
            "kms:GenerateDataKey*",
            on="*",
            to=to,
            when={
                "StringEquals": {"aws:SourceArn": arn},
                "StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": anybody},
            },
        )
        return writes, allow("kms:DescribeKey", on="*", to=to, when={"StringEquals": {"aws:SourceArn": arn}})

    def _of_instances(self) -> tuple[Statement, ...]:
        """Source: Amazon ECS Developer Guide, "Customer managed keys for AWS Fargate ephemeral storage"."""
        settings, to = self._settings, _FARGATE
        context = {
            "kms:EncryptionContext:aws:ecs:clusterAccount": settings.accounts.aws.account,
            "kms:EncryptionContext:aws:ecs:clusterName": name_of(settings.environment, "site"),
        }
        return (
            allow("kms:GenerateDataKeyWithoutPlaintext", on="*", to=to, when={"StringEquals": context}),
            allow(
                "kms:CreateGrant",
                on="*",
                to=to,
                when={"StringEquals": context, "ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}},
            ),
        )


_FARGATE: Principal = service("fargate")


def trail_arn(settings: Settings) -> str:
    """Known before there is a trail: its key and its bucket believe this one and no other."""
    return f"arn:aws:cloudtrail:{settings.region}:{settings.accounts.aws.account}:trail/{name_of(settings.environment, 'trail')}"
