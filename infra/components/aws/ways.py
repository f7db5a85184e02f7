"""Who may open connections to whom, as a list. Pure: security groups are made from it, and tests read it.

```
edge      -> payments   8443
payments  -> payments-database   5432
payments  -> 10.20.32.0/20       5432     another site's databases
```
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network

from infra.address_plan import AddressPlan, SiteNetwork
from infra.services import (
    AGENT,
    DATABASES,
    EDGE_DOOR,
    ETCD_CLIENT,
    ETCD_PEER,
    HTTPS,
    PROGRAMS,
    STREAMED,
    Program,
    Service,
    clients_of,
)
from infra.topology import Cloud


class Place(StrEnum):
    """Whatever has a guard and is no service. (A database is `<service>-database`.)"""

    DOOR = "door"
    """Where clients come in."""
    SIDE_DOOR = "side-door"
    """Where other sites' edges and controllers come in."""
    CONTROL = "control"
    ENDPOINTS = "endpoints"
    """AWS's own services, inside the network."""
    RESOLVER = "resolver"
    """Asks another site for its private names."""
    IMAGES = "images"
    """Where layers of images lie: S3, which has addresses and no guard."""


@dataclass(frozen=True, slots=True, order=True)
class Guarded:
    """One with a guard."""

    name: str


class Protocol(StrEnum):
    """As security groups name it."""

    TCP = "tcp"
    UDP = "udp"


Side = Guarded | IPv4Network

DOOR, SIDE_DOOR, CONTROL = Guarded(Place.DOOR), Guarded(Place.SIDE_DOOR), Guarded(Place.CONTROL)
ENDPOINTS, IMAGES, RESOLVER = Guarded(Place.ENDPOINTS), Guarded(Place.IMAGES), Guarded(Place.RESOLVER)
ANYBODY = IPv4Network("0.0.0.0/0")
DNS = 53

TOLD = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""What AWS takes as a rule's description: no apostrophe (EC2's own refusal, hashicorp/terraform-provider-aws#18874)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One may open connections to the other's port. A side that is a network is somebody else's to guard."""

    source: Side
    target: Side
    port: int
    why: str
    """Is the rule's description. Raises ValueError for one that AWS refuses."""
    protocol: Protocol = Protocol.TCP

    def __post_init__(self) -> None:
        """A text that only AWS refuses is found when half of the rules are made."""
        if not TOLD.fullmatch(self.why):
            raise ValueError(f"AWS takes no rule that is described so: {self.why!r}; it takes {TOLD.pattern}")


def service(one: Service) -> Guarded:
    """Its instances."""
    return Guarded(one)


def database(one: Service) -> Guarded:
    """Its database server at this site."""
    return Guarded(f"{one}-database")


GUARDED: tuple[Guarded, ...] = (
    *(service(one) for one in Service),
    *(database(one) for one in DATABASES),
    DOOR,
    SIDE_DOOR,
    CONTROL,
    ENDPOINTS,
    RESOLVER,
)


def ways(plan: AddressPlan) -> tuple[Way, ...]:
    """All of them, each once."""
    others = tuple(plan.others(Cloud.AWS).values())
    azure = plan.sites[Cloud.AZURE]
    nodes = tuple(IPv4Network(f"{one.control_node}/32") for one in others)
    return (
        *(way for program in PROGRAMS.values() for way in _of_program(program, others, nodes)),
        *(way for program in PROGRAMS.values() for way in _of_keys(program, azure)),
        *_of_doors(others, nodes),
        *(way for one in DATABASES for way in _of_database(one, others, nodes)),
        *_of_control(others, nodes),
        *_of_resolver(azure),
    )


def _nodes(others: tuple[IPv4Network, ...]) -> tuple[Side, ...]:
    """All control nodes: this site's has a guard."""
    return (CONTROL, *others)


def _of_program(program: Program, others: tuple[SiteNetwork, ...], nodes: tuple[IPv4Network, ...]) -> Iterator[Way]:
    me, name = service(program.service), program.service.value
    yield Way(source=me, target=ENDPOINTS, port=HTTPS, why=f"{name} starts, tells its log, and asks for keys")
    yield Way(source=me, target=IMAGES, port=HTTPS, why=f"{name} starts")
    for callee in program.calls:
        if (port := PROGRAMS[callee].port) is not None:
            yield Way(source=me, target=service(callee), port=port, why=f"{name} asks {callee}")
    for one in program.databases:
        yield Way(source=me, target=database(one), port=STREAMED, why=f"{name} dials the database of {one}")
        for other in others:
            yield Way(source=me, target=other.databases, port=STREAMED, why=f"{name} dials the writer of {one}")
    if program.asks_etcd:
        for node in _nodes(nodes):
            yield Way(source=me, target=node, port=ETCD_CLIENT, why=f"{name} reads the posture")
    if program.asks_outside:
        yield Way(source=me, target=ANYBODY, port=HTTPS, why=f"{name} asks outside")


def _of_keys(program: Program, azure: SiteNetwork) -> Iterator[Way]:
    """Key services of AWS and Google have public doors; Azure's is a private address of that site, and opens to no other."""
    if program.asks_keys:
        yield Way(
            source=service(program.service),
            target=azure.endpoints,
            port=HTTPS,
            why=f"{program.service} wraps with the key at Azure",
        )


def _of_resolver(azure: SiteNetwork) -> Iterator[Way]:
    for protocol in Protocol:
        there = IPv4Network(f"{azure.resolver_address}/32")
        yield Way(source=RESOLVER, target=there, port=DNS, protocol=protocol, why="names at Azure are asked for there")


def _of_doors(others: tuple[SiteNetwork, ...], nodes: tuple[IPv4Network, ...]) -> Iterator[Way]:
    edge = service(Service.EDGE)
    if (port := PROGRAMS[Service.EDGE].port) is None:
        return
    yield Way(source=ANYBODY, target=DOOR, port=HTTPS, why="clients come in")
    yield Way(source=DOOR, target=edge, port=port, why="what clients ask, and whether the edge answers")
    for one in (EDGE_DOOR, AGENT):
        yield Way(source=SIDE_DOOR, target=edge, port=one, why="what edges of other sites and controllers ask")
    for other in others:
        yield Way(source=other.environment, target=SIDE_DOOR, port=EDGE_DOOR, why="another site hands requests over")
        yield Way(source=edge, target=other.environment, port=EDGE_DOOR, why="requests are handed over to another site")
    for node in _nodes(nodes):
        yield Way(source=node, target=SIDE_DOOR, port=AGENT, why="a controller asks what the edge counted")


def _of_database(one: Service, others: tuple[SiteNetwork, ...], nodes: tuple[IPv4Network, ...]) -> Iterator[Way]:
    me = database(one)
    yield Way(source=CONTROL, target=me, port=STREAMED, why="the controller looks, cuts and promotes")
    for node in nodes:
        yield Way(source=node, target=me, port=STREAMED, why="a controller looks, cuts and promotes")
    for other in others:
        yield Way(source=other.databases, target=me, port=STREAMED, why="a database of another site follows this one")
        yield Way(source=me, target=other.databases, port=STREAMED, why="this one follows one of another site")
        if clients_of(one):
            yield Way(source=other.environment, target=me, port=STREAMED, why="services of another site dial the writer")


def _of_control(others: tuple[SiteNetwork, ...], nodes: tuple[IPv4Network, ...]) -> Iterator[Way]:
    yield Way(source=CONTROL, target=ENDPOINTS, port=HTTPS, why="the controller asks this cloud")
    yield Way(
        source=CONTROL, target=ANYBODY, port=HTTPS, why="the controller asks the other clouds, and the public door of every site"
    )
    for protocol in Protocol:
        yield Way(
            source=CONTROL, target=ANYBODY, port=DNS, protocol=protocol, why="the controller asks all authorities of the zone"
        )
    for node in nodes:
        for port in (ETCD_CLIENT, ETCD_PEER):
            yield Way(source=CONTROL, target=node, port=port, why="members and clients of etcd")
            yield Way(source=node, target=CONTROL, port=port, why="members and clients of etcd")
    for other in others:
        yield Way(source=CONTROL, target=other.databases, port=STREAMED, why="the controller looks, cuts and promotes there")
        yield Way(
            source=CONTROL, target=other.environment, port=AGENT, why="the controller asks what the edge of another site counted"
        )
        yield Way(source=other.environment, target=CONTROL, port=ETCD_CLIENT, why="the edge of another site reads the posture")
