"""What controllers and vaults ask of AWS, call by call, and on what. Pure: roles are made from it, and a test reads the adapters for it.

A call that is missing here is refused in the middle of a failover; one that is here and that nobody makes is what somebody with a stolen
token may do besides.
"""

from collections.abc import Mapping
from enum import StrEnum


class On(StrEnum):
    """What an action is allowed on."""

    ZONE = "zone"
    """The hosted zone."""
    CHANGES = "changes"
    """Changes of any zone: their ids are made up when they are sent, and tell a state and nothing else."""
    SERVICES = "services"
    """Services of the site's cluster."""
    DATABASES = "databases"
    """The site's database servers."""
    NUMBERS = "numbers"
    """CloudWatch, which knows no narrower thing to allow than all of its numbers."""
    WRAPPING_KEY = "wrapping-key"


CONTROLLER: Mapping[str, On] = {
    "cloudwatch:GetMetricStatistics": On.NUMBERS,
    "ecs:DescribeServices": On.SERVICES,
    "ecs:UpdateService": On.SERVICES,
    "rds:DescribeDBInstances": On.DATABASES,
    "rds:DescribePendingMaintenanceActions": On.DATABASES,
    "route53:ChangeResourceRecordSets": On.ZONE,
    "route53:GetChange": On.CHANGES,
    "route53:ListResourceRecordSets": On.ZONE,
}
"""What `controller/providers/aws` asks, but `WITHHELD`."""

WITHHELD = frozenset({"rds:PromoteReadReplica"})
"""Asked of read replicas that the vendor manages. These sites have none, so there is nothing that it could be asked of here."""

FILLING = frozenset({"secretsmanager:DescribeSecret", "secretsmanager:PutSecretValue"})
"""What `secrets.py` asks there: of whoever fills places, with rights of their own. A controller has none of it."""

CLOSING = frozenset({"kms:Decrypt", "kms:GenerateDataKey"})
"""What Secrets Manager asks of a place's key, as whoever puts something in. Source: Secrets Manager User Guide, "Secret encryption and
decryption in AWS Secrets Manager"."""

VAULT: Mapping[str, On] = {
    "kms:Decrypt": On.WRAPPING_KEY,
    "kms:DescribeKey": On.WRAPPING_KEY,
    "kms:Encrypt": On.WRAPPING_KEY,
}
"""What `workload/vault/kms/aws.py` asks."""

SESSION_MANAGER = (
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)
"""What a node itself asks, so that somebody can log in without a key and without a port. Source: AWS Systems Manager User Guide, "Verify or
create an IAM role with Session Manager permissions"."""


def actions(asked: Mapping[str, On], on: On) -> tuple[str, ...]:
    """Of those, the ones on that."""
    return tuple(sorted(action for action, found in asked.items() if found is on))
