"""A Key Vault that nobody reaches from outside, and that nobody can empty for good. Keys and secrets are kept in such ones."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, keyvault, network

from infra.components.azure.network import Network
from infra.components.azure.provider import VAULT_NAME, Ground

KEPT_DAYS = 90
"""How long what was deleted can be brought back; nobody can shorten it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultArgs:
    """What it is made from."""

    ground: Ground
    called: str
    hardware: bool
    """Does it keep keys? Those stand in a security module (Azure: the premium kind)."""
    asked_from: Network | None
    """Whoever reads it over the network does so through an endpoint there; None: only Azure itself reads it, with a role."""
    data: str = "pci"


class Vault(pulumi.ComponentResource):
    """Promise: no public door, roles instead of lists of access, and everything deleted comes back for `KEPT_DAYS`."""

    def __init__(self, name: str, args: VaultArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Vault", name, None, opts)
        self._name, self._args = name, args
        self.vault = self._vault()
        self.lock = authorization.ManagementLockByScope(
            f"{name}-lock",
            lock_name=f"{args.called}-stays",
            scope=self.vault.id,
            level="CanNotDelete",
            notes="What was encrypted with a key that is gone cannot be read again.",
            opts=ResourceOptions(parent=self, protect=True),
        )
        if args.asked_from is not None:
            endpoint(f"{name}-endpoint", args.ground, args.asked_from, self.vault.id, ("vault", "vaults"), self)
        self.register_outputs({"vault": self.vault.id})

    @property
    def url(self) -> Output[str]:
        """Without a stroke at the end."""
        return self.vault.name.apply(lambda name: f"https://{name}.vault.azure.net")

    def grant(self, name: str, does: str, who: Output[str], *, on: Output[str] | None = None) -> authorization.RoleAssignment:
        """Let a managed identity, by its principal, do that here, or on one thing in it."""
        return grant(f"{self._name}-{name}", self._args.ground, does, who, on or self.vault.id, self)

    def _vault(self) -> keyvault.Vault:
        ground = self._args.ground
        return keyvault.Vault(
            self._name,
            resource_group_name=ground.group,
            vault_name=ground.called(self._args.called, longest=VAULT_NAME),
            location=ground.region,
            properties=keyvault.VaultPropertiesArgs(
                tenant_id=ground.settings.accounts.azure.tenant,
                sku=keyvault.SkuArgs(
                    family="A", name=keyvault.SkuName.PREMIUM if self._args.hardware else keyvault.SkuName.STANDARD
                ),
                enable_rbac_authorization=True,
                enable_soft_delete=True,
                enable_purge_protection=True,
                soft_delete_retention_in_days=KEPT_DAYS,
                public_network_access="Disabled",
                # Azure's own services that encrypt with a key of ours come past this by name; their identity still needs the role.
                network_acls=keyvault.NetworkRuleSetArgs(default_action="Deny", bypass="AzureServices"),
            ),
            tags=ground.tags(self._args.data),
            opts=ResourceOptions(parent=self, protect=True),
        )


def grant(
    name: str, ground: Ground, does: str, who: Output[str], on: pulumi.Input[str], parent: pulumi.Resource
) -> authorization.RoleAssignment:
    """Let a managed identity do that there."""
    return authorization.RoleAssignment(
        name,
        principal_id=who,
        principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
        role_definition_id=ground.role(does),
        scope=on,
        opts=ResourceOptions(parent=parent),
    )


def endpoint(
    name: str, ground: Ground, within: Network, of: Output[str], kind: tuple[str, str], parent: pulumi.Resource
) -> network.PrivateEndpoint:
    """An address of the site's own for a service of the vendor. `kind`: what Azure calls that part of it, and which zone names it."""
    part, zone = kind
    made = network.PrivateEndpoint(
        name,
        resource_group_name=ground.group,
        private_endpoint_name=ground.called(name),
        location=ground.region,
        subnet=network.SubnetArgs(id=within.subnet("endpoints")),
        private_link_service_connections=[
            network.PrivateLinkServiceConnectionArgs(name=part.lower(), private_link_service_id=of, group_ids=[part])
        ],
        tags=ground.tags("none"),
        opts=ResourceOptions(parent=parent),
    )
    network.PrivateDnsZoneGroup(
        f"{name}-name",
        resource_group_name=ground.group,
        private_endpoint_name=made.name,
        private_dns_zone_group_name="default",
        private_dns_zone_configs=[
            network.PrivateDnsZoneConfigArgs(name=zone, private_dns_zone_id=within.zone(zone).id),
        ],
        opts=ResourceOptions(parent=parent, depends_on=[within.zone_ready(zone)]),
    )
    return made
