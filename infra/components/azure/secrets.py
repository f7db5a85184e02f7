"""Who a program is in Azure, and the places of the secrets that it alone reads."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import managedidentity

from infra.components.azure.filling import Filling
from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.vault import Vault, VaultArgs
from infra.services import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsArgs:
    """What they are made from."""

    ground: Ground
    network: Network
    reader: str
    """What the identity is for: a service, or a part of the site."""
    places: tuple[str, ...]
    """Names of secrets."""
    filling: Filling


class Secrets(pulumi.ComponentResource):
    """Promise: one identity reads this vault, one fills it, and nothing that is in it was ever in Pulumi's hands.

    A place is a name and nothing else: Key Vault keeps no secret without a value, and one with a value that does not count would be taken
    for the real one by an instance that starts too early. So there is no resource for it; `trimaran bootstrap` writes the first version.
    """

    def __init__(self, name: str, args: SecretsArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Secrets", name, None, opts)
        ground, self._places = args.ground, args.places
        self.identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_group_name=ground.group,
            resource_name_=ground.called(args.reader),
            tags=ground.tags("none"),
            opts=ResourceOptions(parent=self, protect=True),
        )
        settings = VaultArgs(ground=ground, called=args.reader, hardware=False, asked_from=args.network)
        self.vault = Vault(name, settings, ResourceOptions(parent=self))
        self.readable = self.vault.grant("reads", "reads secrets", self.identity.principal_id)
        args.filling.fills(name, self.vault)
        self.register_outputs({"vault": self.vault.url})

    def place(self, secret: str) -> Output[str]:
        """Its URL, without a version: a process that starts takes the newest. Raises ValueError for one that there is no place for."""
        if secret not in self._places:
            raise ValueError(f"{secret}: expected one of {', '.join(self._places)}")
        return self.vault.url.apply(lambda url: f"{url}/secrets/{secret}")

    def places(self) -> dict[str, Output[str]]:
        """All of them, by name."""
        return {name: self.place(name) for name in self._places}


def names_of(secrets: tuple[Secret, ...]) -> tuple[str, ...]:
    """What a program's secrets are called in its vault."""
    return tuple(secret.name for secret in secrets)
