"""What a lab's own programs stand on: PostgreSQL servers, etcd members, emulated clouds, the issuer, merchants, the collector of traces."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from lab.addresses import LOCAL
from lab.authorities import Authority, provide, start_authorities
from lab.binaries import EtcdBinary, HaproxyBinary, PostgresBinaries
from lab.cabling import SITES, Cabling, Door
from lab.collector_process import CollectorProcess, start_collector
from lab.etcd import EtcdCluster
from lab.issuer_process import IssuerProcess
from lab.postgres import PostgresServer, create_server
from lab.receiver_process import MERCHANTS, Receiver, start_receiver
from lab.site_settings import ADDRESSES, ALIASES, GROUP, WEIGHTED, ZONE
from lab.vendors import AUTHORITIES
from lab.workspace import Workspace
from lab.zones import Steered

Binaries = tuple[PostgresBinaries, EtcdBinary, HaproxyBinary]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """All of it, running."""

    authorities: Mapping[str, Authority]
    """By place."""
    etcd: EtcdCluster
    servers: Mapping[str, PostgresServer]
    """By site."""
    receiver: Receiver
    collector: CollectorProcess


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks of which the first failure is raised as itself, once all the others have ended: a server that one of them still starts
    after the sweep would run for ever."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def start_ground(
    workspace: Workspace, cabling: Cabling, binaries: Binaries, issuer: IssuerProcess, payers: Sequence[uuid.UUID]
) -> Ground:
    """Everything, all at once. Raises what the first of them failed with."""
    postgres, binary, _ = binaries
    async with together() as tasks:
        authorities = tasks.create_task(_start_authorities(workspace, cabling))
        etcd = tasks.create_task(_start_etcd(workspace, cabling, binary))
        servers = tasks.create_task(_start_servers(workspace, cabling, postgres))
        tasks.create_task(issuer.start())
        collector = tasks.create_task(start_collector(workspace))
        receiver = tasks.create_task(start_receiver(workspace, list(map(str, payers[:MERCHANTS]))))
    return Ground(
        authorities=authorities.result(),
        etcd=etcd.result(),
        servers=servers.result(),
        receiver=receiver.result(),
        collector=collector.result(),
    )


def routes(cabling: Cabling, door: Door) -> Mapping[str, Mapping[str, object]]:
    """Where the internet takes each address of the zone: one site's door."""
    ports = cabling.routes(door)
    return {address: {"site": site, "port": ports[site], "host": LOCAL} for site, address in ADDRESSES.items()}


async def _start_authorities(workspace: Workspace, cabling: Cabling) -> Mapping[str, Authority]:
    ports = {place: cabling.direct(place, Door.API) for place in AUTHORITIES}
    steered = Steered(group=GROUP, names=WEIGHTED, addresses=ADDRESSES, aliases=ALIASES)
    authorities = await start_authorities(workspace, ports, routes(cabling, Door.HEALTH), ZONE, steered)
    await asyncio.gather(*map(provide, authorities.values()))
    return authorities


async def _start_etcd(workspace: Workspace, cabling: Cabling, binary: EtcdBinary) -> EtcdCluster:
    etcd = await EtcdCluster.create(workspace, cabling.links, binary, SITES)
    await etcd.start()
    return etcd


async def _start_servers(workspace: Workspace, cabling: Cabling, binaries: PostgresBinaries) -> Mapping[str, PostgresServer]:
    async def start(site: str) -> PostgresServer:
        server = await create_server(workspace, site, binaries, port=cabling.direct(site, Door.DATABASE))
        await server.start()
        return server

    async with together() as tasks:
        started = [tasks.create_task(start(site)) for site in SITES]
    return {server.site: server for server in (task.result() for task in started)}
