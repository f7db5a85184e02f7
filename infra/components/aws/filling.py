"""Who may fill the places for secrets on AWS."""

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import allow, document
from infra.components.aws.keys import Keys
from infra.components.aws.secrets import Secrets
from infra.components.control.aws_permissions import CLOSING, FILLING
from infra.names import name_of
from infra.settings import Settings

SESSION = 3600
"""Seconds that the role is had for."""


class Filling(pulumi.ComponentResource):
    """Promise: a role that sees which places are filled, and fills them; for whom the settings name, for an hour, and for nobody else.

    It reads no secret back and deletes none. Their keys close for it what Secrets Manager is handed, and open nothing that somebody
    brings: the node's key closes etcd's disk too. No service and no node is this role, or may take it.
    """

    def __init__(
        self, name: str, settings: Settings, keys: Keys, secrets: Secrets, who: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`who`: ARN of the role that may take it."""
        super().__init__("trimaran:aws:Filling", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.role = aws.iam.Role(
            f"{name}-role",
            name=name_of(settings.environment, "filling"),
            description="Fills the places for secrets",
            max_session_duration=SESSION,
            assume_role_policy=document({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"AWS": who}}),
            opts=child,
        )
        through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{settings.region}.amazonaws.com"}}
        aws.iam.RolePolicy(
            f"{name}-role",
            role=self.role.name,
            policy=document(
                allow(*sorted(FILLING), on=list(secrets.ids().values())),
                allow(*sorted(CLOSING), on=[key.arn for key in (*keys.secrets.values(), keys.disk)], when=through),
            ),
            opts=child,
        )
        self.register_outputs({})
