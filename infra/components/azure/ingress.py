"""The site's public address.

A firewall passes its port 443 on to the edges, byte for byte; so does the environment's own TCP ingress, which may have any port but 443
and 80 ("Configure Ingress for your app in Azure Container Apps", `exposedPort`). Clients' TLS ends at the edges, with a certificate of
ours: Azure's free ones are of no use for names that three clouds answer for, since it gives them to a name that leads to one app by CNAME
and to nothing else ("Custom domain names and free managed certificates").
"""

from dataclasses import dataclass

import pulumi
from pulumi import CustomTimeouts, ResourceOptions
from pulumi_azure_native import authorization, network

from infra.components.azure.network import Network, static_address
from infra.components.azure.provider import Ground
from infra.components.azure.runtime import Environment
from infra.services import HTTPS, PROGRAMS, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressArgs:
    """What it is made from."""

    ground: Ground
    network: Network
    environment: Environment


class Ingress(pulumi.ComponentResource):
    """Promise: one public address that never changes, one open port, in three zones, and nobody before the edge reads what comes."""

    def __init__(self, name: str, args: IngressArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Ingress", name, None, opts)
        self._name, self._args, self._ground = name, args, args.ground
        self.address = self._address()
        self.policy = self._policy()
        self.firewall = self._firewall()
        self.register_outputs({"address": self.address.ip_address})

    def _address(self) -> network.PublicIPAddress:
        # Three zones name it, and clients keep it for as long as they like.
        address = static_address(f"{self._name}-address", self._ground, "clients", parent=self)
        authorization.ManagementLockByScope(
            f"{self._name}-address-lock",
            lock_name="clients-address-stays",
            scope=address.id,
            level="CanNotDelete",
            notes="All three zones name this address.",
            opts=ResourceOptions(parent=self, protect=True),
        )
        return address

    def _policy(self) -> network.FirewallPolicy:
        policy = network.FirewallPolicy(
            f"{self._name}-policy",
            resource_group_name=self._ground.group,
            firewall_policy_name=self._ground.called("clients"),
            location=self._ground.region,
            sku=network.FirewallPolicySkuArgs(tier="Standard"),
            # Reported, not refused: a vendor's list of bad addresses must not end payments of everybody behind one of them.
            threat_intel_mode="Alert",
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self),
        )
        network.FirewallPolicyRuleCollectionGroup(
            f"{self._name}-rules",
            resource_group_name=self._ground.group,
            firewall_policy_name=policy.name,
            rule_collection_group_name="clients",
            priority=100,
            rule_collections=[
                network.FirewallPolicyNatRuleCollectionArgs(
                    rule_collection_type="FirewallPolicyNatRuleCollection",
                    name="clients",
                    priority=100,
                    action=network.FirewallPolicyNatRuleCollectionActionArgs(type="DNAT"),
                    rules=[self._rule()],
                )
            ],
            opts=ResourceOptions(parent=self),
        )
        return policy

    def _rule(self) -> network.NatRuleArgs:
        return network.NatRuleArgs(
            rule_type="NatRule",
            name="clients",
            ip_protocols=["TCP"],
            source_addresses=["*"],
            destination_addresses=[self.address.ip_address.apply(str)],
            destination_ports=[str(HTTPS)],
            translated_address=self._args.environment.environment.static_ip,
            translated_port=str(PROGRAMS[Service.EDGE].port),
        )

    def _firewall(self) -> network.AzureFirewall:
        return network.AzureFirewall(
            f"{self._name}-firewall",
            resource_group_name=self._ground.group,
            azure_firewall_name=self._ground.called("clients"),
            location=self._ground.region,
            sku=network.AzureFirewallSkuArgs(name="AZFW_VNet", tier="Standard"),
            zones=["1", "2", "3"],
            firewall_policy=network.SubResourceArgs(id=self.policy.id),
            ip_configurations=[
                network.AzureFirewallIPConfigurationArgs(
                    name="clients",
                    public_ip_address=network.SubResourceArgs(id=self.address.id),
                    subnet=network.SubResourceArgs(id=self._args.network.subnet("firewall")),
                )
            ],
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self, protect=True, custom_timeouts=CustomTimeouts(create="60m", update="60m")),
        )
