"""The mesh: what each site's network, and nothing else, reaches the other two by.

One stack and not three, because no side can be made alone: each gateway's addresses are what the other two are told.
"""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_random as random

from infra.components.accounts import accounts
from infra.components.interconnect.aws import AwsConnections, AwsConnectionsArgs, AwsGateway
from infra.components.interconnect.azure import AzureConnections, AzureConnectionsArgs, AzureGateway
from infra.components.interconnect.encryption import SharedKey
from infra.components.interconnect.gcp import GoogleConnections, GoogleConnectionsArgs, GoogleGateways
from infra.contracts import InterconnectContract, SiteContract, publish, read
from infra.settings import Role, Settings
from infra.topology import Cloud
from infra.tunnel_plan import Pair, Tunnel, between, tunnels

NAME = "mesh"


def build(settings: Settings) -> None:
    """Gateways first, then what joins them, pair by pair."""
    sites = {cloud: read(SiteContract, settings, Role(cloud)) for cloud in Cloud}
    planned = tunnels(settings.network.plan())
    on = accounts(settings)
    keys = _keys(planned)
    aws = AwsGateway(f"{NAME}-aws", asn=settings.network.aws.asn, site=sites[Cloud.AWS], opts=on[Cloud.AWS])
    ending = tuple(tunnel for tunnel in planned if tunnel.pair is not Pair.AWS_GCP)
    azure = AzureGateway(f"{NAME}-azure", settings=settings, site=sites[Cloud.AZURE], tunnels=ending, opts=on[Cloud.AZURE])
    google = GoogleGateways(f"{NAME}-gcp", settings=settings, site=sites[Cloud.GCP], opts=on[Cloud.GCP])

    def from_aws(pair: Pair, there: Sequence[pulumi.Input[str | None]]) -> AwsConnections:
        args = AwsConnectionsArgs(
            gateway=aws.id, there=there, tunnels=between(planned, pair), keys=keys[pair], log=sites[Cloud.AWS].log
        )
        return AwsConnections(f"{NAME}-{pair}-at-aws", args, opts=on[Cloud.AWS])

    def from_azure(pair: Pair, there: Sequence[pulumi.Input[str | None]]) -> AzureConnections:
        args = AzureConnectionsArgs(
            settings=settings,
            group=sites[Cloud.AZURE].group,
            gateway=azure,
            there=there,
            tunnels=between(planned, pair),
            keys=keys[pair],
        )
        return AzureConnections(f"{NAME}-{pair}-at-azure", args, opts=on[Cloud.AZURE])

    def from_google(pair: Pair, there: Sequence[pulumi.Input[str | None]]) -> GoogleConnections:
        args = GoogleConnectionsArgs(
            settings=settings, gateways=google, there=there, tunnels=between(planned, pair), keys=keys[pair]
        )
        return GoogleConnections(f"{NAME}-{pair}-at-gcp", args, opts=on[Cloud.GCP])

    aws_azure = from_azure(Pair.AWS_AZURE, from_aws(Pair.AWS_AZURE, azure.addresses).addresses)
    met = [google.address(tunnel) for tunnel in between(planned, Pair.AWS_GCP) if tunnel.lane == 0]
    aws_gcp = from_google(Pair.AWS_GCP, from_aws(Pair.AWS_GCP, met).addresses)
    from_azure(Pair.AZURE_GCP, [google.address(tunnel) for tunnel in between(planned, Pair.AZURE_GCP)])
    azure_gcp = from_google(Pair.AZURE_GCP, azure.addresses)

    counted = {
        Pair.AWS_AZURE: pulumi.Output.all(*aws_azure.ids).apply(len),
        Pair.AWS_GCP: pulumi.Output.all(*aws_gcp.sessions).apply(len),
        Pair.AZURE_GCP: pulumi.Output.all(*azure_gcp.sessions).apply(len),
    }
    publish(InterconnectContract(tunnels=pulumi.Output.all(**counted)))


def _keys(planned: Sequence[Tunnel]) -> Mapping[Pair, Sequence[SharedKey]]:
    """One for each tunnel: who learns one opens no other."""
    chance = pulumi.ResourceOptions(providers=[random.Provider("chance")])
    return {pair: tuple(SharedKey(f"{NAME}-{one.name}-key", opts=chance) for one in planned if one.pair is pair) for pair in Pair}
