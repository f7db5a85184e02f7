"""Which connections the network lets through, as rules of network security groups. Pure.

Whatever is not named is refused, inwards and outwards: the last rule of each group says so, before Azure's own that let a network speak
with itself. A group guards a subnet, and all apps of an environment share one: it cannot tell payments from webhooks. What keeps a way
closed between two apps that `services.PROGRAMS` does not name is the callee: it asks for a certificate and takes those of its callers.

Source for the environment's own needs: Azure Container Apps, "Securing a custom VNET with Network Security Groups"; for the servers':
Azure Database for PostgreSQL, "Networking with private access".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, assert_never

from pulumi_azure_native.network import SecurityRuleArgs

from infra import services
from infra.address_plan import AddressPlan, SiteNetwork
from infra.private_names import GOOGLE_ASKS_FROM
from infra.services import PROGRAMS, Program, Service
from infra.topology import Cloud

Direction = Literal["Inbound", "Outbound"]
Protocol = Literal["Tcp", "Udp", "*"]

BALANCER = "AzureLoadBalancer"
NODE_PORTS = "30000-32767"
"""Where the environment's balancer finds an app: two ports, which Azure chooses when the environment is made. Narrow them afterwards."""
POOLED = 6432
"""PgBouncer's, and what Azure's standby is watched by."""
DNS, NTP = 53, 123
RESOLVER = "168.63.129.16/32"
"""Azure's own, in every network. Refused, an environment does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Connections that may be opened."""

    name: str
    direction: Direction
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    ports: tuple[str, ...]
    protocol: Protocol = "Tcp"


def _in(name: str, sources: tuple[str, ...], target: IPv4Network, *ports: int | str, protocol: Protocol = "Tcp") -> Way:
    told = tuple(str(port) for port in ports)
    return Way(name=name, direction="Inbound", sources=sources, targets=(str(target),), ports=told, protocol=protocol)


def _out(name: str, source: IPv4Network, targets: tuple[str, ...], *ports: int | str, protocol: Protocol = "Tcp") -> Way:
    told = tuple(str(port) for port in ports)
    return Way(name=name, direction="Outbound", sources=(str(source),), targets=targets, ports=told, protocol=protocol)


def _texts(*parts: IPv4Network | IPv4Address) -> tuple[str, ...]:
    return tuple(str(part) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways of the site in this cloud."""

    plan: AddressPlan
    cloud: Cloud = Cloud.AZURE
    programs: Mapping[Service, Program] = field(default_factory=lambda: PROGRAMS)

    @property
    def site(self) -> SiteNetwork:
        """Its addresses."""
        return self.plan.sites[self.cloud]

    @property
    def others(self) -> tuple[SiteNetwork, ...]:
        """The other two sites'."""
        return tuple(self.plan.others(self.cloud).values())

    @property
    def firewall(self) -> IPv4Network:
        """The part of the doors that Azure's firewall stands in: it asks for a /26."""
        return next(self.site.doors[0].subnets(new_prefix=26))

    @property
    def _controllers(self) -> tuple[str, ...]:
        return _texts(*(site.control_node for site in self.plan.sites.values()))

    @property
    def _other_services(self) -> tuple[str, ...]:
        return _texts(*(part for site in self.others for part in site.services))

    @property
    def _other_databases(self) -> tuple[str, ...]:
        return _texts(*(site.databases for site in self.others))

    def environment(self) -> tuple[Way, ...]:
        """What runs at the site. Azure's own part of it asks Azure's public addresses, whatever the programs do."""
        here, asked = self.site.environment, tuple(self.programs.values())
        ways = [
            _in("balancer", (BALANCER,), here, NODE_PORTS),
            _in("own", _texts(here), here, "*", protocol="*"),
            _out("own-out", here, _texts(here), "*", protocol="*"),
            _out("endpoints", here, _texts(self.site.endpoints), services.HTTPS),
            _out("names", here, (RESOLVER,), DNS, protocol="*"),
            _out("clock", here, ("*",), NTP, protocol="Udp"),
            _out("outside", here, ("Internet" if any(one.asks_outside for one in asked) else "AzureCloud",), services.HTTPS),
        ]
        if any(program.is_public for program in asked):
            ways += self._edge()
        if any(program.databases for program in asked):
            everywhere = _texts(*(site.databases for site in self.plan.sites.values()))
            ways.append(_out("databases", here, everywhere, services.STREAMED))
        if any(program.asks_etcd for program in asked):
            ways.append(_out("posture", here, self._controllers, services.ETCD_CLIENT))
        return tuple(ways)

    @property
    def _door(self) -> tuple[int, ...]:
        """Where clients come in at the environment."""
        return tuple(one.port for one in self.programs.values() if one.is_public and one.port is not None)

    def _edge(self) -> tuple[Way, ...]:
        """Clients, through the firewall; other sites' edges, in both directions; controllers."""
        here = self.site.environment
        return (
            _in("clients", _texts(self.firewall), here, *self._door, NODE_PORTS),
            _in("handed-over", self._other_services, here, services.EDGE_DOOR, NODE_PORTS),
            _in("agents", self._controllers, here, services.AGENT, NODE_PORTS),
            _out("hands-over", here, self._other_services, services.EDGE_DOOR),
        )

    def database(self, service: Service) -> tuple[Way, ...]:
        """One service's servers. Streams go between databases, in both directions: whoever follows today writes tomorrow."""
        here = self.database_subnet(service)
        dialled = any(service in program.databases for program in self.programs.values())
        programs = _in("programs", (*_texts(self.site.environment), *self._other_services), here, services.STREAMED)
        return (
            *((programs,) if dialled else ()),
            _in("streams", self._other_databases, here, services.STREAMED),
            _in("controllers", self._controllers, here, services.STREAMED),
            _in("standby", _texts(here), here, services.STREAMED, POOLED),
            _in("balancer", (BALANCER,), here, "*", protocol="*"),
            _out("follows", here, self._other_databases, services.STREAMED),
            _out("standby-out", here, _texts(here), services.STREAMED, POOLED),
            _out("log", here, ("Storage",), services.HTTPS),
            _out("identity", here, ("AzureActiveDirectory",), services.HTTPS),
            _out("key", here, ("AzureKeyVault",), services.HTTPS),
        )

    def database_subnet(self, service: Service) -> IPv4Network:
        """One for each service, so that one's group says nothing about the other's."""
        return self.site.database_zones[services.DATABASES.index(service)]

    def endpoints(self) -> tuple[Way, ...]:
        """The vendor's services: secrets, images; and the wrapping key, which the other sites' vaults ask too."""
        here = self.site.endpoints
        near = _in("site", _texts(self.site.environment, self.site.control), here, services.HTTPS)
        wrap = any(program.asks_keys for program in self.programs.values())
        return (near, _in("vaults", self._other_services, here, services.HTTPS)) if wrap else (near,)

    def control(self) -> tuple[Way, ...]:
        """The control node: an etcd member and a controller. Nobody logs in over the network."""
        here = self.site.control
        others = _texts(*(site.control_node for site in self.others))
        databases = _texts(*(site.databases for site in self.plan.sites.values()))
        everywhere = (*_texts(self.site.environment), *self._other_services)
        asked = any(program.asks_etcd for program in self.programs.values())
        return (
            _in("members", others, here, services.ETCD_PEER, services.ETCD_CLIENT),
            *((_in("posture", everywhere, here, services.ETCD_CLIENT),) if asked else ()),
            _out("members-out", here, others, services.ETCD_PEER, services.ETCD_CLIENT),
            _out("databases", here, databases, services.STREAMED),
            _out("agents", here, everywhere, services.AGENT),
            _out("endpoints", here, _texts(self.site.endpoints), services.HTTPS),
            _out("outside", here, ("Internet",), services.HTTPS),
            _out("names", here, (RESOLVER,), DNS, protocol="*"),
            _out("authorities", here, ("Internet",), DNS, protocol="*"),
            _out("clock", here, ("*",), NTP, protocol="Udp"),
        )

    def resolver(self) -> tuple[Way, ...]:
        """Private names of this site, for the other two: nothing of theirs asks here itself, but their vendors' resolvers do."""
        askers = (part for cloud, site in self.plan.others(self.cloud).items() for part in _asking(cloud, site))
        return (_in("names", _texts(*askers), self.site.resolver, DNS, protocol="*"),)


def _asking(cloud: Cloud, site: SiteNetwork) -> tuple[IPv4Network, ...]:
    """Where another site's resolver hands questions on from."""
    match cloud:
        case Cloud.AWS:
            return site.services
        case Cloud.GCP:
            return (GOOGLE_ASKS_FROM,)
        case Cloud.AZURE:
            return (site.block,)
        case _:
            assert_never(cloud)


def rules(ways: Iterable[Way]) -> list[SecurityRuleArgs]:
    """As Azure wants them: the named ways by priority, then nothing."""
    allowed = [_rule(way, 100 + 10 * place) for place, way in enumerate(ways)]
    return [*allowed, _refusal("Inbound"), _refusal("Outbound")]


def _rule(way: Way, priority: int) -> SecurityRuleArgs:
    """One prefix stands in a field of its own, and several in another; Azure takes tags and stars in the former alone."""
    return SecurityRuleArgs(
        name=way.name,
        priority=priority,
        direction=way.direction,
        access="Allow",
        protocol=way.protocol,
        source_port_range="*",
        source_address_prefix=way.sources[0] if len(way.sources) == 1 else None,
        source_address_prefixes=way.sources if len(way.sources) > 1 else None,
        destination_address_prefix=way.targets[0] if len(way.targets) == 1 else None,
        destination_address_prefixes=way.targets if len(way.targets) > 1 else None,
        destination_port_range=way.ports[0] if len(way.ports) == 1 else None,
        destination_port_ranges=way.ports if len(way.ports) > 1 else None,
    )


def _refusal(direction: Direction) -> SecurityRuleArgs:
    return SecurityRuleArgs(
        name=f"nothing-else-{direction.lower()}",
        priority=4096,
        direction=direction,
        access="Deny",
        protocol="*",
        source_port_range="*",
        source_address_prefix="*",
        destination_address_prefix="*",
        destination_port_range="*",
    )
