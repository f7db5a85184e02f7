"""Which port a process of one place connects to in order to reach something at another: through a link, or its own directly."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from lab.etcd import EtcdCluster
from lab.links import Links, Relay
from lab.workspace import Workspace

SITES = ("aws", "azure", "gcp")
CLIENTS = "clients"
ROUTE53 = "route53"
"""The emulated AWS API. A place of its own: it fails apart from the site aws."""


class Door(StrEnum):
    """What can be reached at a place; also the kind of its links."""

    DATABASE = "postgres"
    EDGE = "edge"
    CONTROLLER = "controller"
    ETCD = "etcd"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabling:
    """Every door of the lab with the port behind it, and the links between the places."""

    links: Links
    doors: Mapping[tuple[str, Door], int]

    def port(self, source: str, destination: str, door: Door) -> int:
        """Where a process at `source` knocks. Raises LabError when no link was laid."""
        if source == destination:
            return self.doors[destination, door]
        return self.links.port(source, destination, door)

    def direct(self, destination: str, door: Door) -> int:
        """The door itself, past every link: for the lab's own work, never for a part of the product."""
        return self.doors[destination, door]


async def lay_cables(workspace: Workspace) -> Cabling:
    """Choose every port and start the links. etcd's doors follow in `lay_etcd`, because its members choose their own ports."""
    doors = {(site, door): workspace.port() for site in SITES for door in (Door.DATABASE, Door.EDGE, Door.CONTROLLER)}
    doors[ROUTE53, Door.API] = workspace.port()
    relays = [
        Relay(source=source, destination=place, kind=door, listen=workspace.port(), target=port)
        for (place, door), port in doors.items()
        for source in _callers(place, door)
    ]
    return Cabling(links=await Links.start(workspace, relays), doors=doors)


async def lay_etcd(cabling: Cabling, etcd: EtcdCluster) -> Cabling:
    """The same cabling with the ways to each etcd member."""
    doors = dict(cabling.doors)
    for site, member in etcd.members.items():
        doors[site, Door.ETCD] = member.client_port
        for source in _callers(site, Door.ETCD):
            await cabling.links.lay(site, Door.ETCD, member.client_port, source=source)
    return Cabling(links=cabling.links, doors=doors)


def _callers(place: str, door: Door) -> tuple[str, ...]:
    """Who reaches this door through a link. Clients know edges only; payers must not reach a database or a controller."""
    others = tuple(site for site in SITES if site != place)
    return (*others, CLIENTS) if door is Door.EDGE else others
