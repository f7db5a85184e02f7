"""Azure's side of the mesh: one gateway of two instances that both work, and a connection for each tunnel.

Azure knows a far end by its public address, and takes no two with the same one (Azure, "Highly available cross-premises connectivity").
So every tunnel has a far end and a connection of its own. Both instances try each connection; the far end answers the one that it is for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor, network

from infra.address_plan import ZONES
from infra.components.interconnect.encryption import SharedKey, azure_policy
from infra.contracts import SiteContract
from infra.names import name_of
from infra.settings import Settings
from infra.tags import tags
from infra.topology import Cloud
from infra.tunnel_plan import Tunnel

INSTANCES = 2
SUBNET = "GatewaySubnet"
"""Azure's own name for it; the site makes it."""
PATIENCE = pulumi.CustomTimeouts(create="90m", update="90m", delete="90m")
"""Azure needs 45 minutes and more for a gateway, where Pulumi gives up earlier, and then has one that it does not know of."""


class AzureGateway(pulumi.ComponentResource):
    """Promises a gateway in all zones whose two instances each speak BGP inside every tunnel of theirs, on addresses that stay."""

    id: pulumi.Output[str]
    configurations: Sequence[pulumi.Output[str]]
    """Ids of the instances' public ends."""
    addresses: Sequence[pulumi.Output[str | None]]
    """Public, by instance."""

    def __init__(
        self, name: str, *, settings: Settings, site: SiteContract, tunnels: Sequence[Tunnel], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("trimaran:azure:MeshGateway", name, None, opts)
        marks, location = tags(settings, "internal"), settings.topology.topology().regions[Cloud.AZURE]
        called = name_of(settings.environment, "mesh")
        publics = tuple(
            network.PublicIPAddress(
                f"{name}-address-{instance}",
                resource_group_name=site.group,
                public_ip_address_name=name_of(settings.environment, "mesh", str(instance)),
                location=location,
                sku=network.PublicIPAddressSkuArgs(name=network.PublicIPAddressSkuName.STANDARD),
                public_ip_allocation_method=network.IPAllocationMethod.STATIC,
                zones=[str(zone + 1) for zone in range(ZONES)],
                tags=marks,
                opts=pulumi.ResourceOptions(parent=self, protect=True),
            )
            for instance in range(INSTANCES)
        )
        self.configurations = tuple(_configuration_id(settings, site, called, instance) for instance in range(INSTANCES))
        gateway = network.VirtualNetworkGateway(
            f"{name}-vpn",
            resource_group_name=site.group,
            virtual_network_gateway_name=called,
            location=location,
            gateway_type=network.VirtualNetworkGatewayType.VPN,
            vpn_type=network.VpnType.ROUTE_BASED,
            vpn_gateway_generation=network.VpnGatewayGeneration.GENERATION2,
            sku=network.VirtualNetworkGatewaySkuArgs(
                name=network.VirtualNetworkGatewaySkuName.VPN_GW2_AZ, tier=network.VirtualNetworkGatewaySkuTier.VPN_GW2_AZ
            ),
            active_active=True,
            enable_bgp=True,
            ip_configurations=[_configuration(site, instance, public) for instance, public in enumerate(publics)],
            bgp_settings=self._bgp(settings.network.azure.asn, tunnels),
            tags=marks,
            opts=pulumi.ResourceOptions(parent=self, protect=True, custom_timeouts=PATIENCE),
        )
        monitor.DiagnosticSetting(
            f"{name}-log",
            resource_uri=gateway.id,
            workspace_id=site.log,
            logs=[monitor.DiagnosticsLogSettingsArgs(enabled=True, category_group="allLogs")],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = gateway.id
        self.addresses = tuple(public.ip_address for public in publics)
        self.register_outputs({})

    def _bgp(self, asn: int, tunnels: Sequence[Tunnel]) -> network.BgpSettingsArgs:
        return network.BgpSettingsArgs(
            asn=asn,
            bgp_peering_addresses=[
                network.IPConfigurationBgpPeeringAddressArgs(
                    ipconfiguration_id=self.configurations[instance],
                    custom_bgp_ip_addresses=[str(one.end(Cloud.AZURE).address) for one in tunnels if one.side == instance],
                )
                for instance in range(INSTANCES)
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureConnectionsArgs:
    """What the connections of one pair need to know."""

    settings: Settings
    group: pulumi.Input[str]
    gateway: AzureGateway
    there: Sequence[pulumi.Input[str | None]]
    """Public addresses of the other site's ends, by number of the tunnel. No two are the same."""
    tunnels: Sequence[Tunnel]
    """The pair's four."""
    keys: Sequence[SharedKey]
    """By number of the tunnel."""


class AzureConnections(pulumi.ComponentResource):
    """A connection for each of a pair's tunnels. Promises IKEv2 with one proposal, and BGP on the two addresses of the plan."""

    ids: Sequence[pulumi.Output[str]]

    def __init__(self, name: str, args: AzureConnectionsArgs, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:azure:MeshConnections", name, None, opts)
        self.ids = tuple(self._connect(name, args, tunnel).id for tunnel in args.tunnels)
        self.register_outputs({})

    def _connect(self, name: str, args: AzureConnectionsArgs, tunnel: Tunnel) -> network.VirtualNetworkGatewayConnection:
        settings, called = args.settings, name_of(args.settings.environment, "mesh", tunnel.name)
        marks, location = tags(settings, "internal"), settings.topology.topology().regions[Cloud.AZURE]
        beyond = tunnel.beyond(Cloud.AZURE)
        there = network.LocalNetworkGateway(
            f"{name}-there-{tunnel.number}",
            resource_group_name=args.group,
            local_network_gateway_name=called,
            location=location,
            gateway_ip_address=args.there[tunnel.number],
            bgp_settings=network.BgpSettingsArgs(asn=beyond.asn, bgp_peering_address=str(beyond.address)),
            tags=marks,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return network.VirtualNetworkGatewayConnection(
            f"{name}-{tunnel.number}",
            resource_group_name=args.group,
            virtual_network_gateway_connection_name=called,
            location=location,
            connection_type=network.VirtualNetworkGatewayConnectionType.IPSEC,
            connection_protocol=network.VirtualNetworkGatewayConnectionProtocol.IK_EV2,
            virtual_network_gateway1=network.VirtualNetworkGatewayArgs(id=args.gateway.id),
            local_network_gateway2=network.LocalNetworkGatewayArgs(id=there.id),
            enable_bgp=True,
            gateway_custom_bgp_ip_addresses=_spoken_from(args, tunnel),
            ipsec_policies=[azure_policy()],
            use_policy_based_traffic_selectors=False,
            shared_key=args.keys[tunnel.number].value,
            tags=marks,
            opts=pulumi.ResourceOptions(parent=self, custom_timeouts=PATIENCE),
        )


def _configuration(
    site: SiteContract, instance: int, public: network.PublicIPAddress
) -> network.VirtualNetworkGatewayIPConfigurationArgs:
    return network.VirtualNetworkGatewayIPConfigurationArgs(
        name=f"instance-{instance}",
        private_ip_allocation_method=network.IPAllocationMethod.DYNAMIC,
        subnet=network.SubResourceArgs(id=pulumi.Output.concat(site.network, "/subnets/", SUBNET)),
        public_ip_address=network.SubResourceArgs(id=public.id),
    )


def _configuration_id(settings: Settings, site: SiteContract, gateway: str, instance: int) -> pulumi.Output[str]:
    """Of an instance's public end, before the gateway is there: its own settings name it."""
    return pulumi.Output.concat(
        f"/subscriptions/{settings.accounts.azure.subscription}/resourceGroups/",
        site.group,
        f"/providers/Microsoft.Network/virtualNetworkGateways/{gateway}/ipConfigurations/instance-{instance}",
    )


def _spoken_from(args: AzureConnectionsArgs, tunnel: Tunnel) -> list[network.GatewayCustomBgpIpAddressIpConfigurationArgs]:
    """An address for each instance, because Azure wants both: the tunnel's own for the instance that it ends at, and for the other one
    that of its tunnel in the same lane. The far end never hears from there."""
    return [
        network.GatewayCustomBgpIpAddressIpConfigurationArgs(
            ip_configuration_id=args.gateway.configurations[instance],
            custom_bgp_ip_address=next(
                str(one.end(Cloud.AZURE).address) for one in args.tunnels if one.side == instance and one.lane == tunnel.lane
            ),
        )
        for instance in range(INSTANCES)
    ]
