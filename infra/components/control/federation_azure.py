"""Whom Azure believes, and who its own are."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, managedidentity

from infra.components.azure.provider import ROLES
from infra.components.control.azure_permissions import On, actions
from infra.components.control.federation import EXCHANGE, GOOGLE, AllKnown, Known, Purpose, elsewhere
from infra.components.edge.zone import Plan
from infra.contracts import EdgeContract, SiteContract
from infra.names import name_of
from infra.services import DATABASES
from infra.settings import Settings
from infra.tags import tags


@dataclass(frozen=True, slots=True, kw_only=True)
class AzurePlaces:
    """What there is to be allowed."""

    settings: Settings
    site: SiteContract
    edge: EdgeContract

    @property
    def subscription(self) -> str:
        """Resource id."""
        return f"/subscriptions/{self.settings.accounts.azure.subscription}"

    @property
    def group(self) -> Output[str]:
        """Resource id."""
        return Output.concat(f"{self.subscription}/resourceGroups/", self.site.group)

    def of(self, on: On) -> Mapping[str, pulumi.Input[str]]:
        """Scopes, by what they are called here."""
        return self._all()[on]

    def _all(self) -> Mapping[On, Mapping[str, pulumi.Input[str]]]:
        profile = Plan(domain=self.settings.domain).profile
        zones = Output.concat(f"{self.subscription}/resourceGroups/", self.edge.azure_group)
        servers = Output.from_input(self.site.database_servers)
        return {
            On.GROUP: {"group": self.group},
            On.SERVER: {one.value: servers[one.value] for one in DATABASES},
            On.PROFILE: {
                "profile": Output.concat(zones, f"/providers/Microsoft.Network/trafficManagerProfiles/{profile}"),
            },
            On.ZONE: {"zone": self.edge.azure_zone_id},
        }

    @property
    def wrapping_key(self) -> Output[str]:
        """Resource id of the key that is told by its address."""

        def found(told: list[str]) -> str:
            group, address = told
            parts = urlsplit(address)
            vault, key = (parts.hostname or "").partition(".")[0], parts.path.removeprefix("/keys/").partition("/")[0]
            return f"{group}/providers/Microsoft.KeyVault/vaults/{vault}/keys/{key}"

        return Output.all(self.group, self.site.wrapping_key).apply(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureFederationArgs:
    """What it is made from."""

    settings: Settings
    known: AllKnown
    places: AzurePlaces
    node: Output[str]
    """Principal of this cloud's own node: it may do what controllers from elsewhere may."""
    aws_issuer: Output[str]


class AzureFederation(pulumi.ComponentResource):
    """Promise: an identity for controllers and one for vaults of the other two sites, each believed for one role of AWS's and one service
    account of Google's, and with the calls of `azure_permissions` alone. None of them has a password or a certificate.
    """

    def __init__(self, name: str, args: AzureFederationArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:control:AzureFederation", name, None, opts)
        self._name, self._args = name, args
        self.identities = {purpose: self._identity(purpose, one) for purpose, one in args.known.items()}
        self._let_control({"controller": self.identities[Purpose.CONTROLLER].principal_id, "node": args.node})
        self._let_wrap(self.identities[Purpose.VAULT].principal_id)
        self.register_outputs({})

    def _identity(self, purpose: Purpose, known: Known) -> managedidentity.UserAssignedIdentity:
        settings, group = self._args.settings, self._args.places.site.group
        identity = managedidentity.UserAssignedIdentity(
            f"{self._name}-{purpose}",
            resource_group_name=group,
            resource_name_=elsewhere(settings, purpose),
            location=settings.topology.azure,
            tags=tags(settings, "none"),
            opts=ResourceOptions(parent=self, protect=True),
        )
        role = f"arn:aws:iam::{settings.accounts.aws.account}:role/{known.aws_role}"
        subjects: Mapping[str, tuple[pulumi.Input[str], pulumi.Input[str]]] = {
            "aws": (self._args.aws_issuer, role),
            "gcp": (f"https://{GOOGLE}", known.google_number),
        }
        after: list[pulumi.Resource] = []
        for cloud, (issuer, subject) in subjects.items():
            # One after the other: Azure refuses a second write to an identity while one goes on.
            made = managedidentity.FederatedIdentityCredential(
                f"{self._name}-{purpose}-from-{cloud}",
                resource_group_name=group,
                resource_name_=identity.name,
                federated_identity_credential_resource_name=f"from-{cloud}",
                issuer=issuer,
                subject=subject,
                audiences=[EXCHANGE],
                opts=ResourceOptions(parent=self, depends_on=after),
            )
            after = [made]
        return identity

    def _let_control(self, whom: Mapping[str, Output[str]]) -> None:
        for on in On:
            role = self._role(on)
            for place, scope in self._args.places.of(on).items():
                for who, principal in whom.items():
                    self._assign(f"{who}-{place}", principal, role.id, scope)

    def _let_wrap(self, vault: Output[str]) -> None:
        places = self._args.places
        may = f"{places.subscription}/providers/Microsoft.Authorization/roleDefinitions/{ROLES['wraps']}"
        self._assign("vault-wraps", vault, may, places.wrapping_key)

    def _role(self, on: On) -> authorization.RoleDefinition:
        places = self._args.places
        name = name_of(self._args.settings.environment, "controller", on)
        return authorization.RoleDefinition(
            f"{self._name}-{on}",
            role_definition_id=str(uuid5(NAMESPACE_URL, f"{places.subscription}/{name}")),
            role_name=name,
            role_type="CustomRole",
            description=f"What controllers ask about the {on}",
            scope=places.group,
            assignable_scopes=[places.group],
            permissions=[authorization.PermissionArgs(actions=actions(on))],
            opts=ResourceOptions(parent=self),
        )

    def _assign(self, name: str, who: Output[str], role: pulumi.Input[str], scope: pulumi.Input[str]) -> None:
        authorization.RoleAssignment(
            f"{self._name}-{name}",
            principal_id=who,
            principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
            role_definition_id=role,
            scope=scope,
            opts=ResourceOptions(parent=self),
        )
