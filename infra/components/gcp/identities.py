"""Who instances are. Nobody is anybody else, and nobody has a key that could be carried away."""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.names import name_of
from infra.services import Service
from infra.settings import Settings

LONGEST = 30
"""Letters of an account's name (the SDK's own words on `account_id`: 6 to 30)."""


class Identities(pulumi.ComponentResource):
    """One service account for each service and one for the control node: without a single permission of the project's, and without keys.

    A new account with an old name is somebody else to everything that knew the old one, so none is deleted.
    """

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("trimaran:gcp:Identities", name, None, opts)
        self._name, self._settings = name, settings
        self.services: Mapping[Service, gcp.serviceaccount.Account] = {
            one: self._account(one, f"Instances of {one}") for one in Service
        }
        self.control = self._account("control", "The control node; whatever lets it in lets in this account")
        self.register_outputs({})

    def _account(self, who: str, description: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            f"{self._name}-{who}",
            account_id=name_of(self._settings.environment, who, longest=LONGEST),
            display_name=name_of(self._settings.environment, who),
            description=description,
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )
