"""The site's private network."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi import CustomTimeouts, Output, ResourceOptions
from pulumi_azure_native import dnsresolver, network, privatedns

from infra.components.azure.provider import Ground
from infra.components.azure.ways import Way, Ways, rules
from infra.services import DATABASES
from infra.topology import Cloud

ENVIRONMENT, SERVERS, RESOLVERS = (
    "Microsoft.App/environments",
    "Microsoft.DBforPostgreSQL/flexibleServers",
    "Microsoft.Network/dnsResolvers",
)
"""To whom a subnet is lent."""

FIREWALL_SUBNET, GATEWAY_SUBNET = "AzureFirewallSubnet", "GatewaySubnet"
"""Names that Azure looks for. It allows no security group at either."""

ZONES: Mapping[str, str] = {
    "servers": "{name}.private.postgres.database.azure.com",
    "vaults": "privatelink.vaultcore.azure.net",
    "registry": "privatelink.azurecr.io",
    "blobs": "privatelink.blob.core.windows.net",
}
"""Private zones: what a public name of the vendor leads to inside this network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkArgs:
    """What it is made from."""

    ground: Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One subnet."""

    name: str
    prefix: str
    ways: tuple[Way, ...] | None
    lent_to: str | None = None
    goes_out: bool = False
    """Through the site's own address, and not at all otherwise."""
    called: str | None = None


def static_address(name: str, ground: Ground, what: str, parent: pulumi.Resource) -> network.PublicIPAddress:
    """One that stands in three zones and stays as it is, because others have written it down."""
    return network.PublicIPAddress(
        name,
        resource_group_name=ground.group,
        public_ip_address_name=ground.called(what),
        public_ip_allocation_method="Static",
        public_ip_address_version="IPv4",
        sku=network.PublicIPAddressSkuArgs(name="Standard"),
        zones=["1", "2", "3"],
        tags=ground.tags("none"),
        opts=ResourceOptions(parent=parent, protect=True),
    )


class Network(pulumi.ComponentResource):
    """Promise: nothing comes in or goes out but what `ways.Ways` names, and no part of it has an address in common with another site."""

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions) -> None:
        super().__init__("trimaran:azure:Network", name, None, opts)
        self._name, self._ground = name, args.ground
        self._ways = Ways(plan=args.ground.settings.network.plan(), cloud=Cloud.AZURE)
        self.vnet = self._network()
        self.outside, self.nat = self._way_out()
        self.guards: dict[str, network.NetworkSecurityGroup] = {}
        self.subnets = self._subnets()
        self.zones = {purpose: self._zone(purpose, zone) for purpose, zone in ZONES.items()}
        self.resolver = self._resolver()
        self.register_outputs({"network": self.vnet.id})

    def subnet(self, name: str) -> Output[str]:
        """Resource id of a part."""
        return self.subnets[name].id

    def zone(self, purpose: str) -> privatedns.PrivateZone:
        """Where private names of that kind stand."""
        return self.zones[purpose][0]

    def zone_ready(self, purpose: str) -> pulumi.Resource:
        """A server that comes before its zone is linked is one that nobody finds."""
        return self.zones[purpose][1]

    def _network(self) -> network.VirtualNetwork:
        site = self._ground.settings.site
        return network.VirtualNetwork(
            f"{self._name}-vnet",
            resource_group_name=self._ground.group,
            virtual_network_name=self._ground.called("network"),
            address_space=network.AddressSpaceArgs(address_prefixes=[str(site.block)]),
            tags=self._ground.tags("none"),
            # Subnets are resources of their own: a network that is told an empty list of them takes away what it has.
            opts=ResourceOptions(parent=self, protect=True, ignore_changes=["subnets"]),
        )

    def _way_out(self) -> tuple[network.PublicIPAddress, network.NatGateway]:
        """One zone carries it, chosen by Azure, and takes it along when it is lost (docs/deploy.md, "What one zone takes"). The other kind,
        `StandardV2`, stands in all zones and is not let into a subnet that is lent to Container Apps (Azure, "What is Azure NAT Gateway?",
        key limitations); and a subnet has one gateway."""
        # Merchants let this address in: another one would end webhooks.
        outside = static_address(f"{self._name}-outside", self._ground, "outside", parent=self)
        nat = network.NatGateway(
            f"{self._name}-nat",
            resource_group_name=self._ground.group,
            nat_gateway_name=self._ground.called("nat"),
            sku=network.NatGatewaySkuArgs(name=network.NatGatewaySkuName.STANDARD),
            public_ip_addresses=[network.SubResourceArgs(id=outside.id)],
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self),
        )
        return outside, nat

    def _parts(self) -> tuple[_Part, ...]:
        site, ways = self._ground.settings.site, self._ways
        databases = tuple(
            _Part(
                name=f"{service}-database",
                prefix=str(ways.database_subnet(service)),
                ways=ways.database(service),
                lent_to=SERVERS,
            )
            for service in DATABASES
        )
        return (
            _Part(name="firewall", prefix=str(ways.firewall), ways=None, called=FIREWALL_SUBNET),
            _Part(name="gateway", prefix=str(site.gateway), ways=None, called=GATEWAY_SUBNET),
            _Part(
                name="environment",
                prefix=str(site.environment),
                ways=ways.environment(),
                lent_to=ENVIRONMENT,
                goes_out=True,
            ),
            *databases,
            _Part(name="endpoints", prefix=str(site.endpoints), ways=ways.endpoints()),
            _Part(name="control", prefix=str(site.control), ways=ways.control(), goes_out=True),
            _Part(name="resolver", prefix=str(site.resolver), ways=ways.resolver(), lent_to=RESOLVERS),
        )

    def _subnets(self) -> dict[str, network.Subnet]:
        """One after the other: Azure refuses a second write to a network while one goes on."""
        made: dict[str, network.Subnet] = {}
        for part in self._parts():
            guard = None if part.ways is None else self._guard(part.name, part.ways)
            made[part.name] = self._subnet(part, guard, after=list(made.values())[-1:])
        return made

    def _guard(self, name: str, ways: tuple[Way, ...]) -> network.NetworkSecurityGroup:
        self.guards[name] = network.NetworkSecurityGroup(
            f"{self._name}-{name}-guard",
            resource_group_name=self._ground.group,
            network_security_group_name=self._ground.called(name),
            security_rules=rules(ways),
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self),
        )
        return self.guards[name]

    def _subnet(self, part: _Part, guard: network.NetworkSecurityGroup | None, after: list[network.Subnet]) -> network.Subnet:
        return network.Subnet(
            f"{self._name}-{part.name}",
            resource_group_name=self._ground.group,
            virtual_network_name=self.vnet.name,
            subnet_name=part.called or part.name,
            address_prefix=part.prefix,
            default_outbound_access=False,
            delegations=[network.DelegationArgs(name=part.name, service_name=part.lent_to)] if part.lent_to else None,
            network_security_group=network.NetworkSecurityGroupArgs(id=guard.id) if guard else None,
            nat_gateway=network.SubResourceArgs(id=self.nat.id) if part.goes_out else None,
            # Without this a security group does not hold for private endpoints.
            private_endpoint_network_policies="Enabled",
            opts=ResourceOptions(parent=self, protect=True, depends_on=after),
        )

    def _zone(self, purpose: str, zone: str) -> tuple[privatedns.PrivateZone, privatedns.VirtualNetworkLink]:
        made = privatedns.PrivateZone(
            f"{self._name}-{purpose}-zone",
            resource_group_name=self._ground.group,
            private_zone_name=zone.format(name=self._ground.called()),
            location="global",
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self, protect=True),
        )
        link = privatedns.VirtualNetworkLink(
            f"{self._name}-{purpose}-link",
            resource_group_name=self._ground.group,
            private_zone_name=made.name,
            virtual_network_link_name=self._ground.called(purpose),
            virtual_network=privatedns.SubResourceArgs(id=self.vnet.id),
            registration_enabled=False,
            location="global",
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self),
        )
        return made, link

    def _resolver(self) -> dnsresolver.InboundEndpoint:
        """A private zone is answered inside this network alone. The other sites' resolvers hand on to here what they are asked about
        `private_names.ANSWERED_AT_AZURE`: databases, and the wrapping key. This is half of it: theirs is in `aws/forwarding.py` and
        `gcp/network.py`."""
        resolver = dnsresolver.DnsResolver(
            f"{self._name}-resolver",
            resource_group_name=self._ground.group,
            dns_resolver_name=self._ground.called("resolver"),
            location=self._ground.region,
            virtual_network=dnsresolver.SubResourceArgs(id=self.vnet.id),
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self),
        )
        return dnsresolver.InboundEndpoint(
            f"{self._name}-resolver-door",
            resource_group_name=self._ground.group,
            dns_resolver_name=resolver.name,
            inbound_endpoint_name="others",
            location=self._ground.region,
            # A fixed one: the other clouds' forwarding rules name it.
            ip_configurations=[
                dnsresolver.IpConfigurationArgs(
                    subnet=dnsresolver.SubResourceArgs(id=self.subnet("resolver")),
                    private_ip_allocation_method="Static",
                    private_ip_address=str(self._ground.settings.site.resolver_address),
                )
            ],
            tags=self._ground.tags("none"),
            opts=ResourceOptions(parent=self, protect=True, custom_timeouts=CustomTimeouts(create="30m")),
        )
