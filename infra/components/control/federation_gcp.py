"""Whom Google believes, and who its own are."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.components.control import gcp_permissions as asked
from infra.components.control.federation import AllKnown, Known, Purpose, elsewhere, entra, made_out_by_entra
from infra.components.control.gcp_permissions import Asked, On, permissions
from infra.components.gcp.identities import LONGEST
from infra.contracts import EdgeContract, SiteContract
from infra.names import name_of
from infra.services import PROGRAMS, callers_of
from infra.settings import Settings
from infra.topology import Cloud

APIS = ("iamcredentials", "sts")
"""Beside the site's: by these a foreign token becomes one of Google's."""
LONGEST_POOL = 32
RAISED = tuple(one for one, program in PROGRAMS.items() if program.is_public or callers_of(one))
"""Those with a floor that controllers raise. What nobody asks for anything is a pool, which is none of Cloud Run's services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpFederationArgs:
    """What it is made from."""

    settings: Settings
    known: AllKnown
    site: SiteContract
    edge: EdgeContract


class GcpFederation(pulumi.ComponentResource):
    """Promise: a service account for controllers and one for vaults of the other two sites, each believed for one role of AWS's and one
    identity of Azure's, and with the permissions of `gcp_permissions` alone. None of them has a key.

    The pool takes in nobody else of those clouds: the providers' conditions name who may come, and then each account who may be it.
    """

    def __init__(self, name: str, args: GcpFederationArgs, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:control:GcpFederation", name, None, opts)
        self._name, self._args = name, args
        switches = [self._switch(api) for api in APIS]
        self._pool = gcp.iam.WorkloadIdentityPool(
            f"{name}-pool",
            workload_identity_pool_id=self._called("clouds", LONGEST_POOL),
            display_name=self._called("clouds", LONGEST_POOL),
            description="Controllers and vaults of the other two clouds",
            # A deleted pool keeps its name for a month, and whoever came through it stays outside.
            opts=pulumi.ResourceOptions(parent=self, protect=True, depends_on=switches),
        )
        self.providers = {Cloud.AWS: self._believe_aws(), Cloud.AZURE: self._believe_azure()}
        self.accounts = {purpose: self._account(purpose, one) for purpose, one in args.known.items()}
        self._let_control({"controller": self.accounts[Purpose.CONTROLLER].member, "node": self._node()})
        self._let_wrap()
        self.register_outputs({})

    def _called(self, what: str, longest: int = 63) -> str:
        return name_of(self._args.settings.environment, what, longest=longest)

    def _switch(self, api: str) -> gcp.projects.Service:
        return gcp.projects.Service(
            f"{self._name}-{api}",
            project=self._args.settings.accounts.gcp.project,
            service=f"{api}.googleapis.com",
            disable_on_destroy=False,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _believe_aws(self) -> gcp.iam.WorkloadIdentityPoolProvider:
        """By its role, whoever bears it just now."""
        roles = [one.aws_role for one in self._args.known.values()]
        return gcp.iam.WorkloadIdentityPoolProvider(
            f"{self._name}-from-aws",
            workload_identity_pool_id=self._pool.workload_identity_pool_id,
            workload_identity_pool_provider_id="aws",
            aws=gcp.iam.WorkloadIdentityPoolProviderAwsArgs(account_id=self._args.settings.accounts.aws.account),
            attribute_mapping={
                "google.subject": "assertion.arn",
                "attribute.aws_role": "assertion.arn.extract('assumed-role/{role}/')",
            },
            attribute_condition=f"attribute.aws_role in {_listed(roles)}",
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _believe_azure(self) -> gcp.iam.WorkloadIdentityPoolProvider:
        principals = pulumi.Output.all(*(one.azure_principal for one in self._args.known.values()))
        settings = self._args.settings
        return gcp.iam.WorkloadIdentityPoolProvider(
            f"{self._name}-from-azure",
            workload_identity_pool_id=self._pool.workload_identity_pool_id,
            workload_identity_pool_provider_id="azure",
            oidc=gcp.iam.WorkloadIdentityPoolProviderOidcArgs(
                issuer_uri=f"https://{entra(settings)}", allowed_audiences=[made_out_by_entra(settings)]
            ),
            attribute_mapping={"google.subject": "assertion.sub"},
            attribute_condition=principals.apply(lambda found: f"assertion.sub in {_listed(found)}"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _account(self, purpose: Purpose, known: Known) -> gcp.serviceaccount.Account:
        account = gcp.serviceaccount.Account(
            f"{self._name}-{purpose}",
            account_id=elsewhere(self._args.settings, purpose, LONGEST),
            display_name=elsewhere(self._args.settings, purpose),
            description=f"Is a {purpose} of another cloud",
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
        pool = self._pool.name
        members: Mapping[str, pulumi.Output[str]] = {
            "aws": pulumi.Output.concat("principalSet://iam.googleapis.com/", pool, f"/attribute.aws_role/{known.aws_role}"),
            "azure": pulumi.Output.concat("principal://iam.googleapis.com/", pool, "/subject/", known.azure_principal),
        }
        for cloud, member in members.items():
            gcp.serviceaccount.IAMMember(
                f"{self._name}-{purpose}-from-{cloud}",
                service_account_id=account.name,
                role="roles/iam.workloadIdentityUser",
                member=member,
                opts=pulumi.ResourceOptions(parent=self),
            )
        return account

    def _node(self) -> pulumi.Output[str]:
        """This cloud's own: it may do what controllers from elsewhere may."""
        return pulumi.Output.concat("serviceAccount:", self._args.site.control_guard)

    def _let_control(self, whom: Mapping[str, pulumi.Output[str]]) -> None:
        zone = self._role("zone", asked.CONTROLLER, On.ZONE)
        site = self._role("site", asked.CONTROLLER, On.PROJECT)
        runners = self._role("runners", asked.CONTROLLER, On.RUNNERS)
        for who, member in whom.items():
            gcp.dns.DnsManagedZoneIamMember(
                f"{self._name}-{who}-zone",
                managed_zone=self._args.edge.clouddns_zone,
                role=zone,
                member=member,
                opts=pulumi.ResourceOptions(parent=self),
            )
            gcp.projects.IAMMember(
                f"{self._name}-{who}-site",
                project=self._args.settings.accounts.gcp.project,
                role=site,
                member=member,
                opts=pulumi.ResourceOptions(parent=self),
            )
            self._let_raise(who, member, runners)

    def _let_raise(self, who: str, member: pulumi.Output[str], role: pulumi.Output[str]) -> None:
        """Of these services, and of no others that may stand in the project."""
        project = self._args.settings.accounts.gcp.project
        for service in RAISED:
            account = f"{self._called(service)}@{project}.iam.gserviceaccount.com"
            gcp.serviceaccount.IAMMember(
                f"{self._name}-{who}-{service}",
                service_account_id=f"projects/{project}/serviceAccounts/{account}",
                role=role,
                member=member,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _let_wrap(self) -> None:
        gcp.kms.CryptoKeyIAMMember(
            f"{self._name}-vault-wraps",
            crypto_key_id=self._args.site.wrapping_key,
            role=self._role("wraps", asked.VAULT, On.WRAPPING_KEY),
            member=self.accounts[Purpose.VAULT].member,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _role(self, what: str, calls: Asked, on: On) -> pulumi.Output[str]:
        """What grants name it by. No role of Google's own is as small.

        Put together from what was asked for: 1. what Google answers is not known in a preview. 2. Nobody can see there which role is
        granted, and whoever reads it takes all of them on trust. 3. One of them is `roles/owner`.
        """
        name = self._called(f"control-{what}")
        role = gcp.projects.IAMCustomRole(
            f"{self._name}-{what}",
            project=self._args.settings.accounts.gcp.project,
            role_id=name.replace("-", "_"),
            title=name,
            permissions=permissions(calls, on),
            stage="GA",
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.concat("projects/", role.project, "/roles/", role.role_id)


def _listed(texts: list[str]) -> str:
    """As Google's language of conditions writes it."""
    return "[" + ", ".join(f"'{one}'" for one in texts) + "]"
