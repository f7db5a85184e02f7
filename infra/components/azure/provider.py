"""Whose subscription it is, and what every part of the site says of itself there.

Azure has no tags of a provider's own: whatever takes tags is given `Ground.tags`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import Provider

from infra.names import name_of
from infra.settings import Settings
from infra.tags import tags

VAULT_NAME = 24
"""Characters that a Key Vault's name may have."""

ROLES: Mapping[str, str] = {
    "wraps": "e147488a-f6f5-4113-8e2d-b22465e65bf6",
    "reads secrets": "4633458b-17de-408a-b874-0445c86b69e6",
    "pulls images": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "writes blobs": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
}
"""Azure's built-in roles: Key Vault Crypto Service Encryption User (read a key, wrap, unwrap; nothing else), Key Vault Secrets User,
AcrPull, Storage Blob Data Contributor. Source: Azure, "Azure built-in roles"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the site stands on."""

    settings: Settings
    group: pulumi.Input[str]
    """The resource group."""

    @property
    def region(self) -> str:
        """Where everything is that is anywhere."""
        return self.settings.region

    @property
    def subscription(self) -> str:
        """Resource id."""
        return f"/subscriptions/{self.settings.accounts.azure.subscription}"

    def called(self, *parts: str, longest: int = 63) -> str:
        """The vendor's name of a part."""
        return name_of(self.settings.environment, *parts, longest=longest)

    def joined(self, *parts: str) -> str:
        """The same where the vendor allows letters and digits alone: 24 of them."""
        return self.called(*parts, longest=VAULT_NAME + len(parts) + 1).replace("-", "")

    def tags(self, data: str = "pci") -> Mapping[str, str]:
        """See `infra.tags`."""
        return tags(self.settings, data)

    def role(self, does: str) -> str:
        """Resource id of what may do that."""
        return f"{self.subscription}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[does]}"


def make_provider(settings: Settings) -> Provider:
    """Everything goes to this subscription and, where nothing else is said, to this region.

    How the caller proves itself is left to its surroundings (`az login`, or a workload's token): no credential stands in the state.
    """
    account = settings.accounts.azure
    return Provider(
        "azure",
        subscription_id=account.subscription,
        tenant_id=account.tenant,
        location=settings.region,
        disable_pulumi_partner_id=True,
    )
