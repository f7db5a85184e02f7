"""AWS's side of the mesh: one gateway for the network, and two connections to each other site.

A virtual private gateway, not a transit gateway. The network's own route tables learn from it by BGP what is reachable, and forget what
is not; those that point to a transit gateway say so for ever. It needs nothing in any zone, where a transit gateway is deaf to zones it has
no subnet in. What is given up: it sends over one tunnel at a time to each site (1.25 Gbit/s) and not over all four at once. What runs
between sites is a stream of payments, and now and then a copy of a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.interconnect.encryption import AWS_ENCRYPTION, AWS_GROUPS, AWS_INTEGRITY, AWS_VERSIONS, SharedKey
from infra.contracts import SiteContract
from infra.topology import Cloud
from infra.tunnel_plan import Tunnel

TYPE = "ipsec.1"
"""The only one there is."""


class AwsGateway(pulumi.ComponentResource):
    """Promises that the network learns the ways to the other sites, in every route table that the site names, and forgets dead ones."""

    id: pulumi.Output[str]

    def __init__(self, name: str, *, asn: int, site: SiteContract, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:aws:MeshGateway", name, None, opts)
        gateway = aws.ec2.VpnGateway(
            f"{name}-vpn",
            vpc_id=site.network,
            amazon_side_asn=str(asn),
            opts=pulumi.ResourceOptions(parent=self, protect=True),
        )

        def learn(tables: list[str]) -> None:
            for number, table in enumerate(sorted(tables)):
                aws.ec2.VpnGatewayRoutePropagation(
                    f"{name}-learns-{number}",
                    route_table_id=table,
                    vpn_gateway_id=gateway.id,
                    opts=pulumi.ResourceOptions(parent=self),
                )

        pulumi.Output.from_input(site.routes).apply(learn)
        self.id = gateway.id
        self.register_outputs({})


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsConnectionsArgs:
    """What two connections need to know."""

    gateway: pulumi.Input[str]
    there: Sequence[pulumi.Input[str | None]]
    """The two public addresses of the other site's gateway, by side."""
    tunnels: Sequence[Tunnel]
    """The pair's four."""
    keys: Sequence[SharedKey]
    """By number of the tunnel."""
    log: pulumi.Input[str]
    """ARN of the log group that hears of every negotiation and every session."""


class AwsConnections(pulumi.ComponentResource):
    """Two connections with two tunnels each to one other site. Promises IKEv2 with one proposal, and a log of every tunnel."""

    addresses: Sequence[pulumi.Output[str]]
    """Public addresses of AWS's ends, by number of the tunnel."""

    def __init__(self, name: str, args: AwsConnectionsArgs, *, opts: pulumi.ResourceOptions) -> None:
        super().__init__("trimaran:aws:MeshConnections", name, None, opts)
        addresses: list[pulumi.Output[str]] = []
        for side, there in enumerate(args.there):
            first, second = (tunnel for tunnel in args.tunnels if tunnel.side == side)
            customer = aws.ec2.CustomerGateway(
                f"{name}-there-{side}",
                type=TYPE,
                bgp_asn=str(first.beyond(Cloud.AWS).asn),
                ip_address=there,
                opts=pulumi.ResourceOptions(parent=self),
            )
            made = self._connect(f"{name}-{side}", args, customer, first, second)
            addresses += (made.tunnel1_address, made.tunnel2_address)
        self.addresses = tuple(addresses)
        self.register_outputs({})

    def _connect(
        self, name: str, args: AwsConnectionsArgs, customer: aws.ec2.CustomerGateway, first: Tunnel, second: Tunnel
    ) -> aws.ec2.VpnConnection:
        """Secrets Manager keeps AWS's copy of the keys: kept otherwise, whoever may list connections reads them."""
        return aws.ec2.VpnConnection(
            name,
            type=TYPE,
            customer_gateway_id=customer.id,
            vpn_gateway_id=args.gateway,
            static_routes_only=False,
            preshared_key_storage="SecretsManager",
            tunnel1_inside_cidr=str(first.inside),
            tunnel1_preshared_key=args.keys[first.number].value,
            tunnel1_ike_versions=AWS_VERSIONS,
            tunnel1_phase1_encryption_algorithms=AWS_ENCRYPTION,
            tunnel1_phase1_integrity_algorithms=AWS_INTEGRITY,
            tunnel1_phase1_dh_group_numbers=AWS_GROUPS,
            tunnel1_phase2_encryption_algorithms=AWS_ENCRYPTION,
            tunnel1_phase2_integrity_algorithms=AWS_INTEGRITY,
            tunnel1_phase2_dh_group_numbers=AWS_GROUPS,
            tunnel1_startup_action="start",
            tunnel1_dpd_timeout_action="restart",
            tunnel1_log_options=_logged_first(args.log),
            tunnel2_inside_cidr=str(second.inside),
            tunnel2_preshared_key=args.keys[second.number].value,
            tunnel2_ike_versions=AWS_VERSIONS,
            tunnel2_phase1_encryption_algorithms=AWS_ENCRYPTION,
            tunnel2_phase1_integrity_algorithms=AWS_INTEGRITY,
            tunnel2_phase1_dh_group_numbers=AWS_GROUPS,
            tunnel2_phase2_encryption_algorithms=AWS_ENCRYPTION,
            tunnel2_phase2_integrity_algorithms=AWS_INTEGRITY,
            tunnel2_phase2_dh_group_numbers=AWS_GROUPS,
            tunnel2_startup_action="start",
            tunnel2_dpd_timeout_action="restart",
            tunnel2_log_options=_logged_second(args.log),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _logged_first(log: pulumi.Input[str]) -> aws.ec2.VpnConnectionTunnel1LogOptionsArgs:
    """Negotiations, and what BGP says."""
    return aws.ec2.VpnConnectionTunnel1LogOptionsArgs(
        cloudwatch_log_options=aws.ec2.VpnConnectionTunnel1LogOptionsCloudwatchLogOptionsArgs(
            log_enabled=True,
            log_group_arn=log,
            log_output_format="json",
            bgp_log_enabled=True,
            bgp_log_group_arn=log,
            bgp_log_output_format="json",
        )
    )


def _logged_second(log: pulumi.Input[str]) -> aws.ec2.VpnConnectionTunnel2LogOptionsArgs:
    """The same: the SDK has two types for one thing."""
    return aws.ec2.VpnConnectionTunnel2LogOptionsArgs(
        cloudwatch_log_options=aws.ec2.VpnConnectionTunnel2LogOptionsCloudwatchLogOptionsArgs(
            log_enabled=True,
            log_group_arn=log,
            log_output_format="json",
            bgp_log_enabled=True,
            bgp_log_group_arn=log,
            bgp_log_output_format="json",
        )
    )
