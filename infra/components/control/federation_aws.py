"""Whom AWS believes, and by what the other two believe AWS."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.aws.documents import Conditions, Statement, Values, allow, document
from infra.components.control import aws_permissions as asked
from infra.components.control.aws_permissions import On
from infra.components.control.federation import (
    EXCHANGE,
    GOOGLE,
    AllKnown,
    Known,
    Purpose,
    elsewhere,
    entra,
    made_out_by_entra,
    made_out_by_google,
)
from infra.contracts import EdgeContract, SiteContract
from infra.services import DATABASES
from infra.settings import Settings

SESSION = 3600
"""Seconds that a role is had for."""
ASKED: Mapping[Purpose, Mapping[str, On]] = {Purpose.CONTROLLER: asked.CONTROLLER, Purpose.VAULT: asked.VAULT}


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsPlaces:
    """What there is to be allowed."""

    settings: Settings
    site: SiteContract
    edge: EdgeContract

    def of(self, on: On) -> Values:
        """ARNs."""
        return self._all()[on]

    def statements(self, purpose: Purpose) -> tuple[Statement, ...]:
        """What that one may do, and nothing else."""
        actions = ASKED[purpose]
        return tuple(allow(*asked.actions(actions, on), on=self.of(on)) for on in On if on in actions.values())

    def _all(self) -> Mapping[On, Values]:
        account, region = self.settings.accounts.aws.account, self.settings.topology.aws
        servers = pulumi.Output.from_input(self.site.database_servers)
        return {
            On.ZONE: pulumi.Output.concat("arn:aws:route53:::hostedzone/", self.edge.route53_zone),
            On.CHANGES: "arn:aws:route53:::change/*",
            On.SERVICES: pulumi.Output.concat(f"arn:aws:ecs:{region}:{account}:service/", self.site.cluster, "/*"),
            On.DATABASES: [
                pulumi.Output.concat(f"arn:aws:rds:{region}:{account}:db:", servers[service.value]) for service in DATABASES
            ],
            On.NUMBERS: "*",
            On.WRAPPING_KEY: self.site.wrapping_key,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsFederationArgs:
    """What it is made from."""

    settings: Settings
    known: AllKnown
    places: AwsPlaces


class AwsFederation(pulumi.ComponentResource):
    """Promise: a role for controllers and one for vaults of the other two sites, each for one identity of Azure's and one of Google's, for
    an hour, and with the calls of `aws_permissions` alone.

    The issuer of AWS's own tokens and what is known of Entra are the account's: two environments in one account cannot both have them.
    """

    def __init__(self, name: str, args: AwsFederationArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:control:AwsFederation", name, None, opts)
        self._name, self._args = name, args
        # Switched off and on again it might be another one, and Azure would believe nobody here any more.
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        self.issuer = aws.iam.OutboundWebIdentityFederation(f"{name}-issuer", opts=kept).issuer_identifier
        self._entra = aws.iam.OpenIdConnectProvider(
            f"{name}-entra",
            url=f"https://{entra(args.settings)}",
            client_id_lists=[made_out_by_entra(args.settings)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.roles = {purpose: self._role(purpose, one) for purpose, one in args.known.items()}
        self.register_outputs({})

    def _role(self, purpose: Purpose, known: Known) -> aws.iam.Role:
        role = aws.iam.Role(
            f"{self._name}-{purpose}",
            name=elsewhere(self._args.settings, purpose),
            description=f"Is a {purpose} of another cloud",
            max_session_duration=SESSION,
            assume_role_policy=document(*self._trust(known)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.iam.RolePolicy(
            f"{self._name}-{purpose}",
            role=role.name,
            policy=document(*self._args.places.statements(purpose)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role

    def _trust(self, known: Known) -> Iterator[Statement]:
        """For tokens of accounts.google.com AWS reads `aud` from `azp`, which is the account's number again, and `oaud` from `aud` (IAM
        User Guide, "Available keys for AWS web identity federation")."""
        settings = self._args.settings
        azure, google = entra(settings), GOOGLE
        yield _believes(self._entra.arn, {f"{azure}:aud": made_out_by_entra(settings), f"{azure}:sub": known.azure_principal})
        yield _believes(google, {f"{google}:oaud": made_out_by_google(settings), f"{google}:sub": known.google_number})


def _believes(whom: pulumi.Input[str], conditions: Mapping[str, Values]) -> Statement:
    return {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Principal": {"Federated": whom},
        "Condition": {"StringEquals": conditions},
    }


def proves_itself() -> Statement:
    """AWS makes out a token for Azure and for nobody else. Google is shown a signed question about who asks: that takes no leave."""
    audience = "sts:IdentityTokenAudience"
    when: Conditions = {"ForAllValues:StringEquals": {audience: [EXCHANGE]}, "Null": {audience: "false"}}
    return allow("sts:GetWebIdentityToken", on="*", when=when)
