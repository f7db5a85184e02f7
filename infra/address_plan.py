"""Which addresses belong to whom, so that three networks can be one mesh. Pure.

Every site has one /16, cut in the same way everywhere, so that a rule about "the databases of the others" reads the same in every cloud.
Two sites with one address in common cannot be joined afterwards: moving a database to another network means building it anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from infra.topology import Cloud, Refusal

ZONES = 3
SITE_PREFIX = 16

PRIVATE = tuple(IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918."""
TAKEN: Mapping[IPv4Network, str] = {
    IPv4Network("172.17.0.0/16"): "containers of a default Docker",
    IPv4Network("172.30.0.0/16"): "Azure Container Apps",
    IPv4Network("172.31.0.0/16"): "Azure Container Apps, and AWS's default networks",
}
"""Used inside the vendors' own machines (Azure: reserved by Container Apps environments)."""

LOWEST_ASN, HIGHEST_ASN = 64512, 65534
"""Private autonomous systems with 16 bits (RFC 6996)."""
AZURE_ASNS = frozenset({65515, 65517, 65518, 65519, 65520})
"""Azure keeps these for itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNetwork:
    """One site's addresses. Everything below is a part of `block`, and no part meets another."""

    block: IPv4Network
    asn: int

    def _part(self, prefix: int, offset: int) -> IPv4Network:
        return IPv4Network((int(self.block.network_address) + offset * 256, prefix))

    def _zones(self, offset: int) -> tuple[IPv4Network, ...]:
        return tuple(self._part(22, offset + 4 * zone) for zone in range(ZONES))

    @property
    def doors(self) -> tuple[IPv4Network, ...]:
        """Public: where balancers stand and connections to the outside leave, one for each zone."""
        return self._zones(0)

    @property
    def services(self) -> tuple[IPv4Network, ...]:
        """Where instances run, one for each zone."""
        return self._zones(16)

    @property
    def databases(self) -> IPv4Network:
        """All database servers; at Google the range that is lent to Cloud SQL."""
        return self._part(20, 32)

    @property
    def database_zones(self) -> tuple[IPv4Network, ...]:
        """The same, for each zone."""
        return self._zones(32)

    @property
    def control(self) -> IPv4Network:
        """The control node."""
        return self._part(24, 48)

    @property
    def control_node(self) -> IPv4Address:
        """Fixed: etcd's members name each other by address."""
        return self.control[10]

    @property
    def gateway(self) -> IPv4Network:
        """The way to the other sites."""
        return self._part(27, 49)

    @property
    def proxies(self) -> IPv4Network:
        """Google's balancers send from here."""
        return self._part(23, 50)

    @property
    def resolver(self) -> IPv4Network:
        """Where the other sites ask for private names."""
        return self._part(28, 52)

    @property
    def resolver_address(self) -> IPv4Address:
        """Fixed: the other clouds' forwarding names it. The first that Azure does not keep for itself."""
        return self.resolver[4]

    @property
    def endpoints(self) -> IPv4Network:
        """Azure's private endpoints: the vendor's own services, by an address of this network."""
        return self._part(24, 53)

    @property
    def environment(self) -> IPv4Network:
        """Azure's environment of containers: one subnet that spans the zones, in place of `services`."""
        return self._part(20, 16)

    def parts(self) -> Mapping[str, tuple[IPv4Network, ...]]:
        """All of them, by name; of `databases` and `environment`, which are their zones together, the zones."""
        return {
            "doors": self.doors,
            "services": self.services,
            "databases": self.database_zones,
            "control": (self.control,),
            "gateway": (self.gateway,),
            "proxies": (self.proxies,),
            "resolver": (self.resolver,),
            "endpoints": (self.endpoints,),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPlan:
    """The three sites' addresses."""

    sites: Mapping[Cloud, SiteNetwork]

    def others(self, cloud: Cloud) -> Mapping[Cloud, SiteNetwork]:
        """Everybody else."""
        return {one: network for one, network in self.sites.items() if one is not cloud}


def refusals(plan: AddressPlan) -> Iterator[Refusal]:
    """Every reason why these addresses cannot be joined."""
    for cloud, site in plan.sites.items():
        yield from _of_one(cloud, site)
    for (one, left), (other, right) in combinations(plan.sites.items(), 2):
        if left.block.overlaps(right.block):
            yield Refusal(
                key=f"network.{one}.block, network.{other}.block",
                value=f"{left.block} and {right.block} have addresses in common",
                limit="no address belongs to two sites: they are joined into one mesh",
                way_out="give one of them another /16",
            )
        if left.asn == right.asn:
            yield Refusal(
                key=f"network.{one}.asn, network.{other}.asn",
                value=f"both are {left.asn}",
                limit="every site is an autonomous system of its own: BGP drops routes that carry its own number",
                way_out="give one of them another",
            )


def _of_one(cloud: Cloud, site: SiteNetwork) -> Iterator[Refusal]:
    key, block = f"network.{cloud}.block", site.block
    if block.prefixlen != SITE_PREFIX:
        yield Refusal(
            key=key, value=f"{block}", limit="a site has a /16, cut in the same way everywhere", way_out="give it a /16"
        )
    if not any(block.subnet_of(private) for private in PRIVATE):
        yield Refusal(key=key, value=f"{block}", limit="private addresses (RFC 1918)", way_out="take one out of 10.0.0.0/8")
    for taken, owner in TAKEN.items():
        if block.overlaps(taken):
            yield Refusal(key=key, value=f"{block}", limit=f"{taken} belongs to {owner}", way_out="take one out of 10.0.0.0/8")
    if not LOWEST_ASN <= site.asn <= HIGHEST_ASN or site.asn in AZURE_ASNS:
        yield Refusal(
            key=f"network.{cloud}.asn",
            value=f"{site.asn}",
            limit=f"a private number from {LOWEST_ASN} to {HIGHEST_ASN} that Azure does not keep for itself",
            way_out=f"take {LOWEST_ASN} and the next ones",
        )
