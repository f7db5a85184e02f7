"""Three clouds on one laptop, assembled: links, databases, etcd, emulated APIs, name servers, controllers, payments services."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version

import aiohttp
import psycopg

from controller.errors import TrimaranError
from lab.addresses import LOCAL
from lab.authorities import Authority, provide, start_authorities
from lab.binaries import EtcdBinary, HaproxyBinary, PostgresBinaries, find_etcd, find_haproxy, find_postgres
from lab.cabling import ISSUER, SITES, Cabling, Door, lay_cables, lay_etcd
from lab.collector_process import CollectorProcess, start_collector
from lab.errors import LabError
from lab.etcd import EtcdCluster
from lab.faults import Faults
from lab.fleet import PAYMENTS, VAULT
from lab.founding import Passwords, account_ids, found_payments, found_vault
from lab.haproxy import prepare_edges
from lab.issuer_process import IssuerProcess, prepare_issuer
from lab.papers import Archive, issue_papers
from lab.postgres import PostgresServer, create_server
from lab.processes import Supervised
from lab.programs import programs
from lab.receiver_process import MERCHANTS, Receiver, start_receiver
from lab.site import Site
from lab.site_files import SERVICES, Surroundings, write_files
from lab.site_settings import (
    ADDRESSES,
    ALIASES,
    GROUP,
    HOSTS,
    TOKEN_FILE,
    WEIGHTED,
    ZONE,
    Zones,
)
from lab.supervision import Supervisor
from lab.vendors import AUTHORITIES, ROUTE53, VENDORS
from lab.whereabouts import write_token
from lab.witness import Witness
from lab.workspace import Workspace
from lab.zones import Steered

SDKS = ("boto3", "azure-mgmt-trafficmanager", "google-api-python-client")
ACCOUNTS = 200
LOOK = 0.05
STARTED = timedelta(seconds=60)
"""The whole lab, on a busy machine; it took about ten seconds on an idle one with two cores."""

FOREIGN = (OSError, TrimaranError, psycopg.Error, aiohttp.ClientError)
"""What goes wrong below the lab, a deadline among them: told as a LabError, never as a traceback."""

Binaries = tuple[PostgresBinaries, EtcdBinary, HaproxyBinary]

Say = Callable[[str], None]
"""Told what is being done, before anything that may take longer than a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laboratory:
    """A running lab."""

    workspace: Workspace
    cabling: Cabling
    etcd: EtcdCluster
    sites: Mapping[str, Site]
    authorities: Mapping[str, Authority]
    """By place."""
    issuer: IssuerProcess
    papers: Archive
    faults: Faults
    supervisor: Supervisor
    witnesses: Mapping[str, Witness]
    """By service."""
    passwords: Mapping[str, Passwords]
    """By service."""
    accounts: tuple[str, ...]
    receiver: Receiver
    collector: CollectorProcess
    postgres: PostgresBinaries

    @property
    def witness(self) -> Witness:
        """Of the payments service."""
        return self.witnesses[PAYMENTS]

    def controllers(self) -> Mapping[str, str]:
        """Operator API of each controller, for the person at the laptop, who is not behind any link."""
        return {site: f"http://{LOCAL}:{self.cabling.direct(site, Door.CONTROLLER)}" for site in SITES}

    def routes(self) -> Mapping[str, Mapping[str, object]]:
        """Where the internet takes each address of the zone: the client link of one site's edge."""
        return _routes(self.cabling, Door.EDGE)

    def processes(self) -> Mapping[str, Supervised]:
        """Every process by its label."""
        everyone = [process for site in self.sites.values() for process in site.processes()]
        everyone += [self.cabling.links.process, self.cabling.public.process, *self.issuer.processes()]
        everyone += [process for one in self.authorities.values() for process in (one.api, one.nameserver)]
        everyone += [self.receiver.process, self.collector.process]
        return {process.label: process for process in everyone}

    def parts(self) -> tuple[Mapping[str, str], ...]:
        """What is real here and what is emulated."""
        checkout = "this checkout"
        real = {
            "PostgreSQL": self.postgres.version,
            "etcd": self.etcd.binary.version,
            "HAProxy": self.sites[SITES[0]].edge.binary.version,
            "controllers": checkout,
            "payments service": checkout,
            "issuer of tokens": f"authlib {_version('authlib')}",
            "webhook dispatchers": checkout,
            **{sdk: _version(sdk) for sdk in SDKS},
        }
        clouds = {vendor.title: checkout for vendor in VENDORS.values()} | {VENDORS[ROUTE53].title: f"moto {_version('moto')}"}
        clouds |= {"ECS and RDS": f"moto {_version('moto')}"}
        clouds |= dict.fromkeys(("Container Apps and Flexible Server", "Cloud Run and Cloud SQL"), checkout)
        ours = ("name servers", "merchants", "collector of traces", "network")
        emulated = {**clouds, **dict.fromkeys(ours, checkout)}
        return (
            *({"name": name, "kind": "real", "version": version} for name, version in real.items()),
            *({"name": name, "kind": "emulated", "version": version} for name, version in emulated.items()),
        )

    async def unfinished(self, member: str | None = None) -> str:
        """What still keeps a service from being whole, in words; empty when nothing does. `member` asks about this site only."""
        for service, witness in self.witnesses.items():
            if said := await witness.unfinished(member):
                return f"{service}: {said}"
        return ""

    async def wait_until_whole(self, deadline: timedelta, member: str | None = None, say: Say | None = None) -> timedelta:
        """Return once one writer reigns and every other site (or this member) counts; answers how long that took.

        Raises LabError at the deadline with what is still missing. `say` hears every change of that.
        """
        began, said = time.monotonic(), ""
        while missing := await self.unfinished(member):
            if say is not None and missing != said:
                say(missing)
            said = missing
            if time.monotonic() - began > deadline.total_seconds():
                raise LabError(f"after {deadline.total_seconds():.0f} s {missing}")
            await asyncio.sleep(LOOK * 2)
        return timedelta(seconds=time.monotonic() - began)


def find_parts() -> Binaries:
    """The real parts. Raises NothingInstalledError with one line that says what to install, LabError when they have no place."""
    return find_postgres(), find_etcd(), find_haproxy()


@asynccontextmanager
async def laboratory(
    name: str = "lab", *, say: Say = lambda _: None, policy: Sequence[str] = (), accounts: int = ACCOUNTS
) -> AsyncIterator[Laboratory]:
    """A lab for the length of the block; nothing of it is left afterwards, however the block ends.

    `policy`: further lines of the controllers' policy tables. Raises NothingInstalledError, AlreadyRunningError, or LabError when
    something does not start within its deadline, with the last thing that was said.
    """
    async with AsyncExitStack() as stack:
        lab = await _start(stack, name, say, policy, accounts)
        watching = asyncio.create_task(lab.supervisor.watch())
        stack.push_async_callback(_end, watching)
        yield lab


async def _start(stack: AsyncExitStack, name: str, say: Say, policy: Sequence[str], accounts: int) -> Laboratory:
    """A lab that is up; whatever keeps it from that is a LabError."""
    last = "looking for PostgreSQL, etcd and HAProxy"

    def tell(what: str) -> None:
        nonlocal last
        last = what
        say(what)

    limit = asyncio.timeout(STARTED.total_seconds())
    try:
        async with limit:
            binaries = find_parts()
            workspace = stack.enter_context(Workspace(name))
            tell("links between the sites")
            cabling = await lay_cables(workspace)
            stack.push_async_callback(cabling.stop)
            lab = await _assemble(workspace, cabling, binaries, tell, policy, accounts)
            for witness in lab.witnesses.values():
                stack.push_async_callback(witness.close)
            tell("waiting until every site serves and every controller sees every site")
            await _await_service(lab)
            return lab
    except FOREIGN as error:
        if limit.expired():
            raise LabError(f"the lab is not up after {STARTED.total_seconds():.0f} s; last: {last}") from error
        raise LabError(f"the lab cannot start: {last}: {error!r}") from error


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks of which the first failure is raised as itself, once all the others have ended: a server that one of them still starts
    after the sweep would run for ever."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _assemble(
    workspace: Workspace,
    cabling: Cabling,
    binaries: Binaries,
    say: Say,
    policy: Sequence[str],
    accounts: int,
) -> Laboratory:
    postgres, _, haproxy = binaries
    papers = issue_papers(workspace, SERVICES, [host for hosts in HOSTS.values() for host in hosts])
    issuer = prepare_issuer(workspace, papers, cabling.direct(ISSUER, Door.ISSUER))
    say("PostgreSQL servers, etcd members, three emulated clouds and their name servers")
    payers = account_ids(accounts)
    ground = await _start_ground(workspace, cabling, binaries, issuer, payers)
    authorities, etcd, servers, receiver, collector = ground
    cabling = await lay_etcd(cabling, etcd)
    passwords = {service: Passwords(service=service) for service in (PAYMENTS, VAULT)}
    edges = prepare_edges(workspace, cabling, haproxy, papers.edges)
    ours = programs(passwords)
    sites = {
        name: Site(name=name, workspace=workspace, server=servers[name], etcd=etcd, edge=edges[name], programs=ours)
        for name in SITES
    }
    write_token(workspace.directory("settings") / TOKEN_FILE)
    zones = _known(authorities)
    around = Surroundings(cabling=cabling, papers=papers, zones=zones, receiver=receiver, collector=collector, policy=policy)
    for site in sites.values():
        write_files(site, around)
    say("ledgers, streams, controllers, payments services and edges")
    await _begin(sites, cabling, passwords, payers, receiver)
    faults = Faults(cabling, sites, authorities, issuer)
    return Laboratory(
        workspace=workspace,
        cabling=cabling,
        etcd=etcd,
        sites=sites,
        authorities=authorities,
        issuer=issuer,
        papers=papers,
        faults=faults,
        supervisor=Supervisor(sites, faults),
        witnesses={service: Witness(cabling, own) for service, own in passwords.items()},
        passwords=passwords,
        accounts=tuple(map(str, payers)),
        receiver=receiver,
        collector=collector,
        postgres=postgres,
    )


Ground = tuple[Mapping[str, Authority], EtcdCluster, Mapping[str, PostgresServer], Receiver, CollectorProcess]


async def _start_ground(
    workspace: Workspace, cabling: Cabling, binaries: Binaries, issuer: IssuerProcess, payers: Sequence[uuid.UUID]
) -> Ground:
    """Everything that our own programs stand on, all at once."""
    postgres, binary, _ = binaries
    async with _together() as tasks:
        authorities = tasks.create_task(_start_authorities(workspace, cabling))
        etcd = tasks.create_task(_start_etcd(workspace, cabling, binary))
        servers = tasks.create_task(_start_servers(workspace, cabling, postgres))
        tasks.create_task(issuer.start())
        collector = tasks.create_task(start_collector(workspace))
        receiver = tasks.create_task(start_receiver(workspace, list(map(str, payers[:MERCHANTS]))))
    return authorities.result(), etcd.result(), servers.result(), receiver.result(), collector.result()


async def _begin(
    sites: Mapping[str, Site],
    cabling: Cabling,
    passwords: Mapping[str, Passwords],
    payers: Sequence[uuid.UUID],
    receiver: Receiver,
) -> None:
    """Found what the services need while these are imported, which takes most of their start; then edges and controllers."""
    servers = {name: site.server for name, site in sites.items()}
    async with _together() as tasks:
        tasks.create_task(found_payments(servers, cabling, passwords[PAYMENTS], payers, receiver.endpoints))
        tasks.create_task(found_vault(servers, cabling, passwords[VAULT]))
        for site in sites.values():
            site.start_services()
    for site in sites.values():
        site.edge.start()
        site.start_controller()


def _routes(cabling: Cabling, door: Door) -> Mapping[str, Mapping[str, object]]:
    ports = cabling.routes(door)
    return {address: {"site": site, "port": ports[site], "host": LOCAL} for site, address in ADDRESSES.items()}


def _known(authorities: Mapping[str, Authority]) -> Zones:
    """What controllers have to know of the authorities beside their ports."""
    (file,) = (one.papers.authority for one in authorities.values() if one.papers)
    return Zones(
        ids={place: one.zone_id for place, one in authorities.items()},
        nameservers={place: one.dns_port for place, one in authorities.items()},
        authority_file=file,
    )


async def _start_authorities(workspace: Workspace, cabling: Cabling) -> Mapping[str, Authority]:
    ports = {place: cabling.direct(place, Door.API) for place in AUTHORITIES}
    steered = Steered(group=GROUP, names=WEIGHTED, addresses=ADDRESSES, aliases=ALIASES)
    authorities = await start_authorities(workspace, ports, _routes(cabling, Door.HEALTH), ZONE, steered)
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

    async with _together() as tasks:
        started = [tasks.create_task(start(site)) for site in SITES]
    return {server.site: server for server in (task.result() for task in started)}


async def _await_service(lab: Laboratory, deadline: timedelta = timedelta(seconds=30)) -> None:
    """Until every edge is ready, three vantages publish, and the service is whole. Raises LabError with what is missing."""
    until = time.monotonic() + deadline.total_seconds()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http:
        while missing := await _missing(lab, http):
            for process in lab.processes().values():
                if not process.alive:
                    raise LabError(f"{process.label} ended while the lab started: {process.tail(5)}")
            if time.monotonic() > until:
                raise LabError(f"{missing} after {deadline.total_seconds():.0f} s")
            await asyncio.sleep(LOOK)


async def _missing(lab: Laboratory, http: aiohttp.ClientSession) -> str:
    for site in SITES:
        for service, hosts in HOSTS.items():
            if not await _answers(http, f"http://{LOCAL}:{lab.cabling.direct(site, Door.HEALTH)}/readyz", hosts[0]):
                return f"the {service} service of {site} is not ready: {lab.processes()[f'{service}-{site}'].tail(2)}"
    for service, witness in lab.witnesses.items():
        control = await witness.control()
        seen = control.observations.keys() if control else ()
        if silent := [site for site in SITES if site not in seen]:
            return f"the controllers of {', '.join(silent)} have published nothing of {service}"
    return await lab.unfinished()


async def _answers(http: aiohttp.ClientSession, url: str, host: str) -> bool:
    try:
        async with http.get(url, headers={"Host": host}) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _version(distribution: str) -> str:

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
