"""Addresses: nothing in common, whatever blocks are given."""

from ipaddress import IPv4Network
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from infra.address_plan import PRIVATE, TAKEN, AddressPlan, SiteNetwork, refusals
from infra.topology import Cloud

blocks = st.one_of(
    st.integers(0, 255).map(lambda part: IPv4Network(f"10.{part}.0.0/16")),
    st.integers(16, 31).map(lambda part: IPv4Network(f"172.{part}.0.0/16")),
    st.just(IPv4Network("192.168.0.0/16")),
)
numbers = st.integers(64512, 65534)


def site(block: str, asn: int) -> SiteNetwork:
    """One site."""
    return SiteNetwork(block=IPv4Network(block), asn=asn)


def plan(**sites: SiteNetwork) -> AddressPlan:
    """The usual one, with some of it changed."""
    usual = {"aws": site("10.10.0.0/16", 64512), "azure": site("10.20.0.0/16", 65010), "gcp": site("10.30.0.0/16", 64514)}
    return AddressPlan(sites={Cloud(name): one for name, one in {**usual, **sites}.items()})


@given(blocks, numbers)
def test_the_parts_of_a_site_are_inside_it_and_apart(block: IPv4Network, asn: int) -> None:
    """Two subnets that meet cannot both be made."""
    network = SiteNetwork(block=block, asn=asn)
    parts = [part for found in network.parts().values() for part in found]
    assert all(part.subnet_of(block) for part in parts)
    assert not any(one.overlaps(other) for one, other in combinations(parts, 2))
    assert network.control_node in network.control
    assert network.resolver_address in network.resolver
    assert all(zone.subnet_of(network.databases) for zone in network.database_zones)
    assert all(zone.subnet_of(network.environment) for zone in network.services)


@given(st.tuples(blocks, blocks, blocks), st.tuples(numbers, numbers, numbers))
def test_a_plan_that_is_not_refused_has_no_address_twice(given_blocks: tuple[IPv4Network, ...], asns: tuple[int, ...]) -> None:
    """Whatever is given: either a reason is told, or the three can be one mesh."""
    sites = {cloud: SiteNetwork(block=block, asn=asn) for cloud, block, asn in zip(Cloud, given_blocks, asns, strict=True)}
    whole = AddressPlan(sites=sites)
    parts = [part for one in sites.values() for found in one.parts().values() for part in found]
    sound = (
        not any(one.overlaps(other) for one, other in combinations(parts, 2))
        and len(set(asns)) == len(asns)
        and not any(block.overlaps(taken) for block in given_blocks for taken in TAKEN)
        and not {65515, 65517, 65518, 65519, 65520} & set(asns)
    )
    assert sound is not any(refusals(whole))


def test_the_usual_plan_is_accepted() -> None:
    """Nothing to refuse."""
    assert list(refusals(plan())) == []


def test_two_sites_with_addresses_in_common_are_refused() -> None:
    """By both their keys."""
    (found,) = refusals(plan(gcp=site("10.10.0.0/16", 64514)))
    assert found.key == "network.aws.block, network.gcp.block" and "in common" in found.value


def test_blocks_that_cannot_be_a_site_are_refused() -> None:
    """Too small, public, or somebody else's already."""
    (small,) = refusals(plan(aws=site("10.10.0.0/20", 64512)))
    assert small.key == "network.aws.block" and "/16" in small.limit
    (public,) = refusals(plan(aws=site("52.10.0.0/16", 64512)))
    assert "RFC 1918" in public.limit
    (taken,) = refusals(plan(azure=site("172.30.0.0/16", 65010)))
    assert "Container Apps" in taken.limit


def test_numbers_that_bgp_cannot_tell_apart_are_refused() -> None:
    """The same twice, a public one, one of Azure's own."""
    (same,) = refusals(plan(gcp=site("10.30.0.0/16", 64512)))
    assert same.key == "network.aws.asn, network.gcp.asn"
    (public,) = refusals(plan(gcp=site("10.30.0.0/16", 3320)))
    (azures,) = refusals(plan(azure=site("10.20.0.0/16", 65515)))
    assert public.key == "network.gcp.asn" and azures.key == "network.azure.asn"


def test_everything_private_is_private() -> None:
    """The three blocks of RFC 1918."""
    assert all(block.is_private for block in PRIVATE)
