"""The site's public address, and the certificates for the names that clients ask for there.

TLS ends at the environment's own balancer, in the region, behind an address that is ours: a firewall passes port 443 of it on, byte for
byte. Azure's free certificates are of no use for names that three clouds answer for: it gives them to a name that leads to one app by
CNAME and to nothing else ("Custom domain names and free managed certificates"). So the certificate is kept in a vault, filled like any
other secret, and Azure fetches each new one from there.
"""

from dataclasses import dataclass

import pulumi
from pulumi import CustomTimeouts, Output, ResourceOptions
from pulumi_azure_native import app, authorization, network

from infra.components.azure.network import Network
from infra.components.azure.provider import Ground
from infra.components.azure.runtime import Environment
from infra.components.azure.secrets import Secrets
from infra.services import HTTPS

CERTIFICATE = "certificate"
"""The place of it: with its chain and its key (PKCS #12), for both names."""


def public_names(domain: str) -> tuple[str, ...]:
    """What clients ask for."""
    return tuple(f"{label}.{domain}" for label in ("api", "vault"))


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressArgs:
    """What it is made from."""

    ground: Ground
    network: Network
    environment: Environment
    door: Secrets
    """Where the certificate is kept."""


class Ingress(pulumi.ComponentResource):
    """Promise: one public address that never changes, one open port, in three zones, and client certificates reach the edge."""

    def __init__(self, name: str, args: IngressArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Ingress", name, None, opts)
        self._name, self._args, self._ground = name, args, args.ground
        self.address = self._address()
        self.policy = self._policy()
        self.firewall = self._firewall()
        self.certificates = self._certificates() if args.ground.settings.live else {}
        self.register_outputs({"address": self.address.ip_address})

    @property
    def records(self) -> Output[list[dict[str, str]]]:
        """What Azure wants to find before it serves the names: a proof below each, for as long as it serves them."""
        names = public_names(self._ground.settings.domain)

        def told(proof: str) -> list[dict[str, str]]:
            return [{"name": f"asuid.{name}", "type": "TXT", "value": proof} for name in names]

        return self._args.environment.proof.apply(told)

    def _address(self) -> network.PublicIPAddress:
        address = network.PublicIPAddress(
            f"{self._name}-address",
            resource_group_name=self._ground.group,
            public_ip_address_name=self._ground.called("clients"),
            public_ip_allocation_method="Static",
            public_ip_address_version="IPv4",
            sku=network.PublicIPAddressSkuArgs(name="Standard"),
            zones=["1", "2", "3"],
            tags=self._ground.tags("none"),
            # Three zones name it, and clients keep it for as long as they like.
            opts=ResourceOptions(parent=self, protect=True),
        )
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
            translated_port=str(HTTPS),
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

    def _certificates(self) -> dict[str, Output[str]]:
        """Fetched when there is one: not before the site is live."""
        door = self._args.door
        made = app.Certificate(
            f"{self._name}-certificate",
            resource_group_name=self._ground.group,
            environment_name=self._args.environment.environment.name,
            certificate_name=CERTIFICATE,
            location=self._ground.region,
            properties=app.CertificatePropertiesArgs(
                certificate_key_vault_properties=app.CertificateKeyVaultPropertiesArgs(
                    identity=door.identity.id, key_vault_url=door.place(CERTIFICATE)
                )
            ),
            tags=self._ground.tags(),
            opts=ResourceOptions(parent=self, depends_on=[door.readable]),
        )
        return dict.fromkeys(public_names(self._ground.settings.domain), made.id)
