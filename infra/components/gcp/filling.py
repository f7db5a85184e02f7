"""Who may fill the places for secrets on Google Cloud."""

import pulumi
import pulumi_gcp as gcp

from infra.components.control.gcp_permissions import FILLING, TAKING
from infra.components.gcp.identities import LONGEST
from infra.components.gcp.secrets import Secrets
from infra.names import name_of
from infra.settings import Settings


class Filling(pulumi.ComponentResource):
    """Promise: a service account that sees which places are filled, and fills them; it is acted as by whom the settings name, and by
    nobody else. It is shown no secret and destroys none, and has no key.

    Roles of our own, place by place: the smallest of Google's that adds a version has more, and one that is given on the project holds for
    every secret that anybody puts there.
    """

    def __init__(
        self, name: str, settings: Settings, *, secrets: Secrets, who: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """`who`: a member in Google's words."""
        super().__init__("trimaran:gcp:Filling", name, None, opts)
        self._name, self._settings = name, settings
        self.account = gcp.serviceaccount.Account(
            f"{name}-account",
            account_id=name_of(settings.environment, "filling", longest=LONGEST),
            display_name=name_of(settings.environment, "filling"),
            description="Fills the places for secrets",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._let_fill(secrets)
        gcp.serviceaccount.IAMMember(
            f"{name}-taken",
            service_account_id=self.account.name,
            role=self._role("taken", (TAKING,)),
            member=who,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})

    def _let_fill(self, secrets: Secrets) -> None:
        fills = self._role("fills", tuple(sorted(FILLING.values())))
        for place, id in secrets.ids().items():
            gcp.secretmanager.SecretIamMember(
                f"{self._name}-{place.replace('/', '-')}",
                secret_id=id,
                role=fills,
                member=self.account.member,
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _role(self, what: str, permissions: tuple[str, ...]) -> pulumi.Output[str]:
        """What grants name it by, put together from what was asked for: what Google answers is not known in a preview, and whoever reads
        one has to see which role is granted."""
        name = name_of(self._settings.environment, "filling", what)
        role = gcp.projects.IAMCustomRole(
            f"{self._name}-{what}",
            project=self._settings.accounts.gcp.project,
            role_id=name.replace("-", "_"),
            title=name,
            permissions=permissions,
            stage="GA",
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.concat("projects/", role.project, "/roles/", role.role_id)
