"""Which port a process of one place connects to in order to reach something at another: through a link, or its own directly."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from lab.etcd import EtcdCluster
from lab.links import Links, Relay
from lab.vendors import AUTHORITIES
from lab.workspace import Workspace

SITES = ("aws", "azure", "gcp")
CLIENTS = "clients"
ISSUER = "issuer"
"""Where tokens come from: a place of its own, outside of every site."""


class Door(StrEnum):
    """What can be reached at a place; also the kind of its links."""

    DATABASE = "postgres"
    EDGE = "edge"
    """Where clients and controllers reach the site's services: HAProxy, over TLS."""
    HEALTH = "health"
    """Where health checks of the authorities ask it about the site, without TLS."""
    PEER = "peer"
    """Where other sites' edges hand requests over."""
    SERVICE = "service"
    """The payments service itself; only its own edge knocks here."""
    AGENT = "agent"
    """The posture agent beside the edge; likewise."""
    VAULT = "vault"
    """The token vault; its own edge, and services of every site that ask it."""
    SCREENING = "screening"
    """Likewise."""
    WEBHOOKS = "webhooks"
    """Probes of the dispatcher; nobody knocks from elsewhere."""
    CONTROLLER = "controller"
    ETCD = "etcd"
    API = "api"
    ISSUER = "issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabling:
    """Every door of the lab with the port behind it, and the links between the places."""

    links: Links
    """Between the sites, and from them to the emulated APIs."""
    public: Links
    """From clients to edges: a process of its own. When nothing answers, payers' retries come by the thousand; in one process with
    the rest they starved etcd of its heartbeats, and what was an outage of the service became one of the control plane."""
    doors: Mapping[tuple[str, Door], int]

    def port(self, source: str, destination: str, door: Door) -> int:
        """Where a process at `source` knocks. Raises LabError when no link was laid."""
        if source == destination:
            return self.doors[destination, door]
        links = self.public if source == CLIENTS else self.links
        return links.port(source, destination, door)

    async def isolate(self, site: str) -> None:
        """Make a site a black hole for other sites and for clients."""
        await asyncio.gather(self.links.isolate(site), self.public.isolate(site))

    async def rejoin(self, site: str) -> None:
        """Undo `isolate`."""
        await asyncio.gather(self.links.rejoin(site), self.public.rejoin(site))

    async def deafen(self, site: str) -> None:
        """Let nothing come in there, from other sites or from clients."""
        await asyncio.gather(self.links.deafen(site), self.public.deafen(site))

    async def mute(self, site: str) -> None:
        """Let nothing come out of there."""
        await asyncio.gather(self.links.mute(site), self.public.mute(site))

    async def unstop(self, site: str) -> None:
        """Undo `deafen` and `mute`."""
        await asyncio.gather(self.links.unstop(site), self.public.unstop(site))

    async def slow(self, site: str, *, delay: timedelta, jitter: timedelta, loss: float) -> None:
        """Shape everything that touches a site, both ways; see `Links.slow`."""
        await asyncio.gather(*(links.slow(site, delay=delay, jitter=jitter, loss=loss) for links in (self.links, self.public)))

    async def stop(self) -> None:
        """End both processes; every connection through them breaks."""
        await asyncio.gather(self.links.stop(), self.public.stop())

    def routes(self, door: Door = Door.EDGE) -> Mapping[str, int]:
        """Where the internet takes clients, or health checks: the port of the clients' link to this door of each site's edge."""
        return {site: self.port(CLIENTS, site, door) for site in SITES}

    def direct(self, destination: str, door: Door) -> int:
        """The door itself, past every link: for the lab's own work, never for a part of the product."""
        return self.doors[destination, door]


async def lay_cables(workspace: Workspace) -> Cabling:
    """Choose every port and start the links. etcd's doors follow in `lay_etcd`, because its members choose their own ports."""
    doors: dict[tuple[str, Door], int] = {
        (site, door): workspace.port() for site in SITES for door in Door if door not in (Door.ETCD, Door.API, Door.ISSUER)
    }
    doors[ISSUER, Door.ISSUER] = workspace.port()
    doors |= {(place, Door.API): workspace.port() for place in AUTHORITIES}
    relays = [
        Relay(source=source, destination=place, kind=door, listen=workspace.port(), target=port)
        for (place, door), port in doors.items()
        for source in _callers(place, door)
    ]
    links, public = await asyncio.gather(
        Links.start(workspace, [relay for relay in relays if relay.source != CLIENTS]),
        Links.start(workspace, [relay for relay in relays if relay.source == CLIENTS], label="links-clients"),
    )
    return Cabling(links=links, public=public, doors=doors)


async def lay_etcd(cabling: Cabling, etcd: EtcdCluster) -> Cabling:
    """The same cabling with the ways to each etcd member."""
    doors = dict(cabling.doors)
    for site, member in etcd.members.items():
        doors[site, Door.ETCD] = member.client_port
        for source in _callers(site, Door.ETCD):
            await cabling.links.lay(site, Door.ETCD, member.client_port, source=source)
    return replace(cabling, doors=doors)


def _callers(place: str, door: Door) -> tuple[str, ...]:
    """Who reaches this door through a link. Clients know edges only; payers must not reach a database or a controller."""
    if door in (Door.SERVICE, Door.AGENT, Door.WEBHOOKS):
        return ()
    if door is Door.HEALTH:
        return (CLIENTS,)
    others = tuple(site for site in SITES if site != place)
    return (*others, CLIENTS) if door in (Door.EDGE, Door.ISSUER) else others
