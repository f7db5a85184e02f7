"""Where the site's images come from: its own cloud, so that instances start while every other one is down."""

from dataclasses import dataclass

import pulumi
from pulumi import Output, ResourceOptions
from pulumi_azure_native import authorization, containerregistry, security

from infra.components.azure.keys import Sealer
from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.vault import endpoint, grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryArgs:
    """What it is made from."""

    ground: Ground
    network: Network
    sealer: Sealer


class Registry(pulumi.ComponentResource):
    """Promise: images stay what they are, come in through Azure's own interface alone, and are looked through for known holes.

    Azure fixes no tag of a registry as a whole, so what runs is named by digest and `settings.Image` takes nothing else. Images are brought
    in with `az acr import`, which asks Azure's control plane and needs no way into the network.
    """

    def __init__(self, name: str, args: RegistryArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Registry", name, None, opts)
        self._name, self._args = name, args
        self.registry = self._registry()
        endpoint(f"{name}-endpoint", args.ground, args.network, self.registry.id, ("registry", "registry"), self)
        security.Pricing(
            f"{name}-scanning",
            pricing_name="Containers",
            pricing_tier="Standard",
            scope_id=args.ground.subscription.lstrip("/"),
            # Of the whole subscription: it does not end with this stack.
            opts=ResourceOptions(parent=self, retain_on_delete=True),
        )
        self.register_outputs({"server": self.registry.login_server})

    def lets_pull(self, program: str, who: Output[str]) -> authorization.RoleAssignment:
        """Let that program's identity read images: all that are here, because Azure's role is about a registry as a whole."""
        return grant(f"{self._name}-{program}", self._args.ground, "pulls images", who, self.registry.id, self)

    def repository(self, program: str) -> Output[str]:
        """Where that program's images lie. It comes to be with the first of them."""
        return Output.concat(self.registry.login_server, "/", program)

    def _registry(self) -> containerregistry.Registry:
        ground, sealer = self._args.ground, self._args.sealer
        return containerregistry.Registry(
            f"{self._name}-registry",
            resource_group_name=ground.group,
            registry_name=ground.joined(),
            location=ground.region,
            sku=containerregistry.SkuArgs(name="Premium"),
            admin_user_enabled=False,
            anonymous_pull_enabled=False,
            public_network_access="Disabled",
            network_rule_bypass_options="AzureServices",
            zone_redundancy="Enabled",
            identity=containerregistry.IdentityPropertiesArgs(
                type=containerregistry.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities=sealer.identity.id.apply(
                    lambda id: {id: containerregistry.UserIdentityPropertiesArgs()}
                ),
            ),
            encryption=containerregistry.EncryptionPropertyArgs(
                status="enabled",
                key_vault_properties=containerregistry.KeyVaultPropertiesArgs(
                    identity=sealer.identity.client_id, key_identifier=sealer.key.key_uri
                ),
            ),
            policies=containerregistry.PoliciesArgs(
                export_policy=containerregistry.ExportPolicyArgs(status="disabled"),
                azure_ad_authentication_as_arm_policy=containerregistry.AzureADAuthenticationAsArmPolicyArgs(status="enabled"),
            ),
            tags=ground.tags("internal"),
            opts=ResourceOptions(parent=self, protect=True, depends_on=[sealer.allowed]),
        )
