"""The tunnels of the mesh: which ends each joins, and the two addresses inside it that BGP speaks between. Pure.

Every pair of sites has four, two on each of the two public addresses that the farther gateway has. A gateway under maintenance takes two
away; the pair goes on with the others.

AWS takes the first address of a range and Azure wants the second (Azure, "Connect AWS and Azure using a BGP-enabled VPN gateway"), so
between Google and Azure Google has the first. Azure speaks BGP from 169.254.21.0 to 169.254.22.255 and nowhere else (same page).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from infra.address_plan import AddressPlan
from infra.topology import Cloud

EACH = 4
"""Tunnels of one pair."""
INSIDE = 30
"""Prefix of one tunnel's range: two addresses that can be used."""

LINK_LOCAL = IPv4Network("169.254.0.0/16")
AZURE_FIRST, AZURE_LAST = IPv4Address("169.254.21.0"), IPv4Address("169.254.22.255")
AWS_TAKEN = tuple(IPv4Network(f"169.254.{one}/30") for one in ("0.0", "1.0", "2.0", "3.0", "4.0", "5.0", "169.252"))
"""AWS keeps these for itself. The last one has the metadata servers of all three clouds in it."""


class Pair(StrEnum):
    """Two sites, in the order of the alphabet."""

    AWS_AZURE = "aws-azure"
    AWS_GCP = "aws-gcp"
    AZURE_GCP = "azure-gcp"


_ENDS: Mapping[Pair, tuple[Cloud, Cloud]] = {
    Pair.AWS_AZURE: (Cloud.AWS, Cloud.AZURE),
    Pair.AWS_GCP: (Cloud.AWS, Cloud.GCP),
    Pair.AZURE_GCP: (Cloud.GCP, Cloud.AZURE),
}
"""Who has the first address, and who the second."""

_POOLS: Mapping[Pair, IPv4Network] = {
    Pair.AWS_AZURE: IPv4Network("169.254.21.0/24"),
    Pair.AZURE_GCP: IPv4Network("169.254.22.0/24"),
    Pair.AWS_GCP: IPv4Network("169.254.23.0/24"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a tunnel."""

    cloud: Cloud
    address: IPv4Address
    """Inside the tunnel."""
    asn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One of a pair's four."""

    pair: Pair
    number: int
    inside: IPv4Network
    first: End
    second: End

    @property
    def name(self) -> str:
        """`aws-gcp-3`, say."""
        return f"{self.pair}-{self.number}"

    @property
    def side(self) -> int:
        """Which of two public addresses it stands on: 0 or 1. Azure's instance; Google's interface; AWS's connection to that one."""
        return self.number // 2

    @property
    def lane(self) -> int:
        """Which of the two on that side: 0 or 1. AWS's first or second tunnel of a connection; Google's gateway to Azure."""
        return self.number % 2

    def end(self, cloud: Cloud) -> End:
        """That cloud's end. Raises KeyError for one that it does not reach."""
        return {one.cloud: one for one in (self.first, self.second)}[cloud]

    def beyond(self, cloud: Cloud) -> End:
        """The other end, seen from that cloud. Raises KeyError for one that it does not reach."""
        return self.second if self.end(cloud) is self.first else self.first


def tunnels(plan: AddressPlan) -> tuple[Tunnel, ...]:
    """All of them, pair by pair."""
    return tuple(tunnel for pair in Pair for tunnel in _of_pair(pair, plan))


def between(all_of_them: tuple[Tunnel, ...], pair: Pair) -> tuple[Tunnel, ...]:
    """One pair's, by number."""
    return tuple(tunnel for tunnel in all_of_them if tunnel.pair is pair)


def _of_pair(pair: Pair, plan: AddressPlan) -> Iterator[Tunnel]:
    first, second = _ENDS[pair]
    ranges = _POOLS[pair].subnets(new_prefix=INSIDE)
    for number, inside in zip(range(EACH), ranges, strict=False):
        yield Tunnel(
            pair=pair,
            number=number,
            inside=inside,
            first=End(cloud=first, address=inside[1], asn=plan.sites[first].asn),
            second=End(cloud=second, address=inside[2], asn=plan.sites[second].asn),
        )
