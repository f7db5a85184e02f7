"""The plan of tunnels: whatever numbers the sites have, every address is used once and by who may have it."""

from collections import Counter
from ipaddress import IPv4Network
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from infra.address_plan import AddressPlan, SiteNetwork
from infra.topology import Cloud
from infra.tunnel_plan import AWS_TAKEN, AZURE_FIRST, AZURE_LAST, EACH, LINK_LOCAL, Pair, Tunnel, between, tunnels

NUMBERS = st.lists(st.integers(64512, 65534), min_size=3, max_size=3, unique=True)


def plan(asns: list[int]) -> AddressPlan:
    """Three sites with those numbers."""
    blocks = [IPv4Network(f"10.{part}.0.0/16") for part in (10, 20, 30)]
    sites = {cloud: SiteNetwork(block=block, asn=asn) for cloud, block, asn in zip(Cloud, blocks, asns, strict=True)}
    return AddressPlan(sites=sites)


def planned() -> tuple[Tunnel, ...]:
    """With the usual numbers."""
    return tunnels(plan([64512, 65010, 64514]))


@given(NUMBERS)
def test_no_two_tunnels_share_an_address(asns: list[int]) -> None:
    """BGP would speak with whichever answers."""
    found = tunnels(plan(asns))
    assert not any(one.inside.overlaps(other.inside) for one, other in combinations(found, 2))
    for tunnel in found:
        assert [tunnel.first.address, tunnel.second.address] == list(tunnel.inside.hosts())
        assert tunnel.inside.subnet_of(LINK_LOCAL) and not any(tunnel.inside.overlaps(taken) for taken in AWS_TAKEN)


@given(NUMBERS)
def test_azure_speaks_only_from_where_it_can(asns: list[int]) -> None:
    """Elsewhere it takes the address, and never opens a session."""
    for tunnel in tunnels(plan(asns)):
        if Cloud.AZURE in (tunnel.first.cloud, tunnel.second.cloud):
            assert tunnel.inside.network_address >= AZURE_FIRST and tunnel.inside.broadcast_address <= AZURE_LAST
            assert tunnel.second.cloud is Cloud.AZURE


@given(NUMBERS)
def test_aws_has_the_first_address_and_every_end_its_sites_number(asns: list[int]) -> None:
    """AWS takes the first one of a range and asks nobody."""
    whole = plan(asns)
    for tunnel in tunnels(whole):
        clouds = {tunnel.first.cloud, tunnel.second.cloud}
        assert Cloud.AWS not in clouds or tunnel.first.cloud is Cloud.AWS
        assert "-".join(sorted(clouds)) == tunnel.pair
        for cloud in clouds:
            assert tunnel.end(cloud).asn == whole.sites[cloud].asn
            assert tunnel.beyond(cloud).cloud in clouds - {cloud}


def test_every_pair_has_four_tunnels_two_on_each_side() -> None:
    """With both on one side, a gateway under maintenance would be an outage."""
    found = planned()
    assert len({tunnel.name for tunnel in found}) == len(found) == EACH * len(Pair)
    for pair in Pair:
        four = between(found, pair)
        assert [tunnel.number for tunnel in four] == list(range(EACH))
        assert Counter(tunnel.side for tunnel in four) == {0: 2, 1: 2}
        assert len({(tunnel.side, tunnel.lane) for tunnel in four}) == EACH
