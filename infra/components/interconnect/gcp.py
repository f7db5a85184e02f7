"""Google's side of the mesh: one router that speaks for the network, and a gateway of two interfaces for AWS and two for Azure.

Two towards Azure, because Azure takes no two far ends with the same public address: one gateway has two addresses, and there are four
tunnels. Towards AWS one is enough: each of its interfaces meets both tunnels of one of AWS's connections.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_gcp import compute

from infra.components.interconnect.encryption import GOOGLE_VERSION, SharedKey, google_suite
from infra.contracts import SiteContract
from infra.names import name_of
from infra.private_names import GOOGLE_ASKS_FROM
from infra.settings import Settings
from infra.topology import Cloud
from infra.tunnel_plan import INSIDE, Pair, Tunnel

INTERFACES = 2

LANES = {Pair.AWS_GCP: 1, Pair.AZURE_GCP: 2}
"""Gateways towards each site."""

REDUNDANCY = {2: "TWO_IPS_REDUNDANCY", 4: "FOUR_IPS_REDUNDANCY"}
"""Google's word, by public addresses of the other side's gateway."""


class GoogleGateways(pulumi.ComponentResource):
    """Promises that the others learn every range of this network, that of Cloud SQL among them, which lies behind a peering: a router tells
    of subnets alone unless it is told to, and the followers elsewhere would never find the writer here. And the range that Google's
    resolver asks from: Azure's answers would leave by its internet door otherwise, and no name there would ever be known here."""

    router: pulumi.Output[str]
    gateways: dict[Pair, Sequence[compute.HaVpnGateway]]

    def __init__(self, name: str, *, settings: Settings, site: SiteContract, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:gcp:MeshGateways", name, None, opts)
        region = settings.topology.topology().regions[Cloud.GCP]
        plan = settings.network.plan().sites[Cloud.GCP]
        self.router = compute.Router(
            f"{name}-router",
            name=name_of(settings.environment, "mesh"),
            region=region,
            network=site.network,
            bgp=compute.RouterBgpArgs(
                asn=plan.asn,
                advertise_mode="CUSTOM",
                advertised_groups=["ALL_SUBNETS"],
                advertised_ip_ranges=[
                    compute.RouterBgpAdvertisedIpRangeArgs(
                        range=str(plan.databases), description="Cloud SQL, behind its peering"
                    ),
                    compute.RouterBgpAdvertisedIpRangeArgs(
                        range=str(GOOGLE_ASKS_FROM), description="Cloud DNS, where it hands on"
                    ),
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        ).name
        self.gateways = {
            pair: tuple(
                compute.HaVpnGateway(
                    f"{name}-{pair}-{lane}",
                    name=name_of(settings.environment, "mesh", pair, str(lane)),
                    region=region,
                    network=site.network,
                    gateway_ip_version="IPV4",
                    stack_type="IPV4_ONLY",
                    opts=pulumi.ResourceOptions(parent=self, protect=True),
                )
                for lane in range(lanes)
            )
            for pair, lanes in LANES.items()
        }
        self.register_outputs({})

    def gateway(self, tunnel: Tunnel) -> compute.HaVpnGateway:
        """The one that a tunnel stands on."""
        gateways = self.gateways[tunnel.pair]
        return gateways[tunnel.lane % len(gateways)]

    def address(self, tunnel: Tunnel) -> pulumi.Output[str | None]:
        """Public address of Google's end of a tunnel."""

        def take(interfaces: Sequence[compute.outputs.HaVpnGatewayVpnInterface]) -> str | None:
            return interfaces[tunnel.side].ip_address

        return self.gateway(tunnel).vpn_interfaces.apply(take)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleConnectionsArgs:
    """What the tunnels of one pair need to know."""

    settings: Settings
    gateways: GoogleGateways
    there: Sequence[pulumi.Input[str | None]]
    """Public addresses of the other site's gateway: four, one for each tunnel (AWS), or two, one for each side (Azure)."""
    tunnels: Sequence[Tunnel]
    """The pair's four."""
    keys: Sequence[SharedKey]
    """By number of the tunnel."""


class GoogleConnections(pulumi.ComponentResource):
    """A tunnel and a BGP session for each of a pair's four. Promises IKEv2 with one proposal, and both interfaces in use."""

    sessions: Sequence[pulumi.Output[str]]
    """Ids of the BGP sessions."""

    def __init__(self, name: str, args: GoogleConnectionsArgs, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:gcp:MeshConnections", name, None, opts)
        pair = args.tunnels[0].pair
        there = compute.ExternalVpnGateway(
            f"{name}-there",
            name=name_of(args.settings.environment, "mesh", pair, "there"),
            redundancy_type=REDUNDANCY[len(args.there)],
            interfaces=[
                compute.ExternalVpnGatewayInterfaceArgs(id=number, ip_address=address)
                for number, address in enumerate(args.there)
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.sessions = tuple(self._connect(name, args, tunnel, there).id for tunnel in args.tunnels)
        self.register_outputs({})

    def _connect(
        self, name: str, args: GoogleConnectionsArgs, tunnel: Tunnel, there: compute.ExternalVpnGateway
    ) -> compute.RouterPeer:
        """`shared_secret`, and not the field that is written and forgotten: a key made anew would change AWS's and Azure's ends and not
        this one, and the tunnel would go down at its next rekeying."""
        settings = args.settings
        region, called = settings.topology.topology().regions[Cloud.GCP], name_of(settings.environment, "mesh", tunnel.name)
        made = compute.VPNTunnel(
            f"{name}-{tunnel.number}",
            name=called,
            region=region,
            router=args.gateways.router,
            vpn_gateway=args.gateways.gateway(tunnel).id,
            vpn_gateway_interface=tunnel.side,
            peer_external_gateway=there.id,
            peer_external_gateway_interface=tunnel.number if len(args.there) == len(args.tunnels) else tunnel.side,
            ike_version=GOOGLE_VERSION,
            cipher_suite=google_suite(),
            shared_secret=args.keys[tunnel.number].value,
            opts=pulumi.ResourceOptions(parent=self),
        )
        interface = compute.RouterInterface(
            f"{name}-inside-{tunnel.number}",
            name=called,
            region=region,
            router=args.gateways.router,
            vpn_tunnel=made.name,
            ip_range=f"{tunnel.end(Cloud.GCP).address}/{INSIDE}",
            opts=pulumi.ResourceOptions(parent=self),
        )
        beyond = tunnel.beyond(Cloud.GCP)
        return compute.RouterPeer(
            f"{name}-session-{tunnel.number}",
            name=called,
            region=region,
            router=args.gateways.router,
            interface=interface.name,
            peer_asn=beyond.asn,
            peer_ip_address=str(beyond.address),
            opts=pulumi.ResourceOptions(parent=self),
        )
