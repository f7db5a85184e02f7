"""Who a service is to AWS, and who starts it."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import Conditions, Statement, allow, document, trust
from infra.components.aws.keys import Keys
from infra.components.aws.secrets import Secrets
from infra.names import name_of
from infra.services import PROGRAMS, Service
from infra.settings import Settings

LAYERS = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
"""What is asked of a repository whose image is fetched."""
AZURE = "api://AzureADTokenExchange"
"""The audience of tokens that Azure takes in."""


class Identities(pulumi.ComponentResource):
    """Two roles for each service: who starts it loads its image, reads its secrets and opens its log, of this service alone; the service
    itself may do nothing, except the vault, which wraps with its key and proves itself to the other two clouds' key services."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        keys: Keys,
        secrets: Secrets,
        images: Mapping[Service, aws.ecr.Repository],
        logs: Mapping[Service, aws.cloudwatch.LogGroup],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("trimaran:aws:Identities", name, None, opts)
        self._name, self._settings = name, settings
        self._keys, self._secrets, self._images, self._logs = keys, secrets, images, logs
        self.starters: Mapping[Service, aws.iam.Role] = {one: self._role(f"{one}-start", f"Starts {one}") for one in Service}
        self.services: Mapping[Service, aws.iam.Role] = {one: self._role(f"{one}", f"Is {one}") for one in Service}
        allowed = [self._allow(self.starters[one], f"{one}-start", *self._of_start(one)) for one in Service]
        asking = [one for one in Service if PROGRAMS[one].asks_keys]
        allowed += [self._allow(self.services[one], f"{one}", *self._of_keys()) for one in asking]
        self.allowed: tuple[aws.iam.RolePolicy, ...] = tuple(allowed)
        """What has to be there before anything starts."""
        self.register_outputs({})

    def _role(self, part: str, description: str) -> aws.iam.Role:
        return aws.iam.Role(
            f"{self._name}-{part}",
            name=name_of(self._settings.environment, part),
            description=description,
            assume_role_policy=trust("ecs-tasks", self._settings.accounts.aws.account),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _allow(self, role: aws.iam.Role, part: str, *statements: Statement) -> aws.iam.RolePolicy:
        return aws.iam.RolePolicy(
            f"{self._name}-{part}",
            role=role.name,
            policy=document(*statements),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _of_start(self, one: Service) -> tuple[Statement, ...]:
        """A token for the registry is not one of a repository's own: AWS takes no other resource than `*` there."""
        through = {"StringEquals": {"kms:ViaService": f"secretsmanager.{self._settings.region}.amazonaws.com"}}
        secrets = [place.arn for place in self._secrets.places[one].values()]
        return (
            allow("ecr:GetAuthorizationToken", on="*"),
            allow(*LAYERS, on=self._images[one].arn),
            allow("secretsmanager:GetSecretValue", on=secrets),
            allow("kms:Decrypt", on=self._keys.secrets[one].arn, when=through),
            allow("logs:CreateLogStream", "logs:PutLogEvents", on=pulumi.Output.concat(self._logs[one].arn, ":*")),
        )

    def _of_keys(self) -> tuple[Statement, ...]:
        """Azure believes a token of AWS's for that audience. Google is shown a signed question about who asks: that takes no leave.
        Source: IAM User Guide, "Controlling access with IAM policies" (the audience is a key of conditions, with many values)."""
        audience = "sts:IdentityTokenAudience"
        for_azure: Conditions = {"ForAllValues:StringEquals": {audience: [AZURE]}, "Null": {audience: "false"}}
        return (
            allow("kms:Encrypt", "kms:Decrypt", "kms:DescribeKey", on=self._keys.wrapping.arn),
            allow("sts:GetWebIdentityToken", on="*", when=for_azure),
        )
