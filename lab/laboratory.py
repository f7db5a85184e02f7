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
from lab.authorities import Authority
from lab.binaries import PostgresBinaries, find_etcd, find_haproxy, find_postgres
from lab.cabling import ISSUER, SITES, Cabling, Door, lay_cables, lay_etcd
from lab.collector_process import CollectorProcess
from lab.errors import LabError
from lab.etcd import EtcdCluster
from lab.faults import Faults
from lab.fleet import FLEET, PAYMENTS, VAULT, WEBHOOKS, WHOLE
from lab.founding import Passwords, account_ids, found_payments, found_vault
from lab.ground import Binaries, Ground, routes, start_ground, together
from lab.haproxy import prepare_edges
from lab.issuer_process import IssuerProcess, prepare_issuer
from lab.papers import Archive, issue_papers
from lab.processes import Supervised
from lab.programs import programs
from lab.receiver_process import Endpoint, Receiver
from lab.site import CONTROLLER, Site
from lab.site_files import Surroundings, write_files
from lab.site_settings import (
    HOSTS,
    TOKEN_FILE,
    Zones,
)
from lab.supervision import Supervisor
from lab.vendors import ROUTE53, VENDORS
from lab.whereabouts import write_token
from lab.witness import Witness
from lab.workspace import Workspace

SDKS = ("boto3", "azure-mgmt-trafficmanager", "google-api-python-client")
ACCOUNTS = 200
LOOK = 0.05
STARTED = timedelta(seconds=60)
"""The whole lab, on a busy machine; it took about ten seconds on an idle one with two cores."""

FOREIGN = (OSError, TrimaranError, psycopg.Error, aiohttp.ClientError)
"""What goes wrong below the lab, a deadline among them: told as a LabError, never as a traceback."""

Say = Callable[[str], None]
"""Told what is being done, before anything that may take longer than a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a lab is to be like."""

    policy: Sequence[str]
    accounts: int
    services: Sequence[str]


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

    @property
    def services(self) -> tuple[str, ...]:
        """What runs at every site beside its controller."""
        return tuple(name for name in self.sites[SITES[0]].programs if name != CONTROLLER)

    def controllers(self) -> Mapping[str, str]:
        """Operator API of each controller, for the person at the laptop, who is not behind any link."""
        return {site: f"http://{LOCAL}:{self.cabling.direct(site, Door.CONTROLLER)}" for site in SITES}

    def routes(self) -> Mapping[str, Mapping[str, object]]:
        """Where the internet takes each address of the zone: the client link of one site's edge."""
        return routes(self.cabling, Door.EDGE)

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
    name: str = "lab",
    *,
    say: Say = lambda _: None,
    policy: Sequence[str] = (),
    accounts: int = ACCOUNTS,
    services: Sequence[str] = WHOLE,
) -> AsyncIterator[Laboratory]:
    """A lab for the length of the block; nothing of it is left afterwards, however the block ends.

    `policy`: further lines of the controllers' policy tables; `services`: what runs at every site, see `lab.fleet`.
    Raises NothingInstalledError, AlreadyRunningError, or LabError when
    something does not start within its deadline, with the last thing that was said.
    """
    async with AsyncExitStack() as stack:
        lab = await _start(stack, name, say, Wishes(policy=policy, accounts=accounts, services=services))
        watching = asyncio.create_task(lab.supervisor.watch())
        stack.push_async_callback(_end, watching)
        yield lab


async def _start(stack: AsyncExitStack, name: str, say: Say, wishes: Wishes) -> Laboratory:
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
            lab = await _assemble(workspace, cabling, binaries, tell, wishes)
            for witness in lab.witnesses.values():
                stack.push_async_callback(witness.close)
            tell("waiting until every site serves and every controller sees every site")
            await _await_service(lab)
            return lab
    except FOREIGN as error:
        if limit.expired():
            raise LabError(f"the lab is not up after {STARTED.total_seconds():.0f} s; last: {last}") from error
        raise LabError(f"the lab cannot start: {last}: {error!r}") from error


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _assemble(
    workspace: Workspace,
    cabling: Cabling,
    binaries: Binaries,
    say: Say,
    wishes: Wishes,
) -> Laboratory:
    postgres, _, haproxy = binaries
    papers = issue_papers(workspace, wishes.services, [host for hosts in HOSTS.values() for host in hosts])
    issuer = prepare_issuer(workspace, papers, cabling.direct(ISSUER, Door.ISSUER))
    say("PostgreSQL servers, etcd members, three emulated clouds and their name servers")
    payers = account_ids(wishes.accounts)
    ground = await start_ground(workspace, cabling, binaries, issuer, payers)
    cabling = await lay_etcd(cabling, ground.etcd)
    passwords = {service: Passwords(service=service) for service in FLEET if service in wishes.services}
    edges = prepare_edges(workspace, cabling, haproxy, papers.edges, wishes.services)
    ours = programs(passwords, wishes.services)
    sites = {
        name: Site(name=name, workspace=workspace, server=ground.servers[name], etcd=ground.etcd, edge=edges[name], programs=ours)
        for name in SITES
    }
    write_token(workspace.directory("settings") / TOKEN_FILE)
    _write_settings(sites, cabling, papers, ground, wishes)
    say("ledgers, streams, controllers, payments services and edges")
    told = ground.receiver.endpoints if WEBHOOKS in wishes.services else ()
    await _begin(sites, cabling, passwords, payers, told)
    faults = Faults(cabling, sites, ground.authorities, issuer)
    return Laboratory(
        workspace=workspace,
        cabling=cabling,
        etcd=ground.etcd,
        sites=sites,
        authorities=ground.authorities,
        issuer=issuer,
        papers=papers,
        faults=faults,
        supervisor=Supervisor(sites, faults),
        witnesses={service: Witness(cabling, own) for service, own in passwords.items()},
        passwords=passwords,
        accounts=tuple(map(str, payers)),
        receiver=ground.receiver,
        collector=ground.collector,
        postgres=postgres,
    )


def _write_settings(sites: Mapping[str, Site], cabling: Cabling, papers: Archive, ground: Ground, wishes: Wishes) -> None:
    """What each site's processes are started with."""
    around = Surroundings(
        cabling=cabling,
        papers=papers,
        zones=_known(ground.authorities),
        receiver=ground.receiver,
        collector=ground.collector,
        policy=wishes.policy,
        services=wishes.services,
    )
    for site in sites.values():
        write_files(site, around)


async def _begin(
    sites: Mapping[str, Site],
    cabling: Cabling,
    passwords: Mapping[str, Passwords],
    payers: Sequence[uuid.UUID],
    endpoints: Sequence[Endpoint],
) -> None:
    """Found what the services need while these are imported, which takes most of their start; then edges and controllers."""
    servers = {name: site.server for name, site in sites.items()}
    async with together() as tasks:
        tasks.create_task(found_payments(servers, cabling, passwords[PAYMENTS], payers, endpoints))
        if VAULT in passwords:
            tasks.create_task(found_vault(servers, cabling, passwords[VAULT]))
        for site in sites.values():
            site.start_services()
    for site in sites.values():
        site.edge.start()
        site.start_controller()


def _known(authorities: Mapping[str, Authority]) -> Zones:
    """What controllers have to know of the authorities beside their ports."""
    (file,) = (one.papers.authority for one in authorities.values() if one.papers)
    return Zones(
        ids={place: one.zone_id for place, one in authorities.items()},
        nameservers={place: one.dns_port for place, one in authorities.items()},
        authority_file=file,
    )


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
