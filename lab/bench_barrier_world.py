"""Three databases and the payments service's own code around them, and nothing else: what the barrier costs is measured here."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from uuid import UUID

import psycopg

from controller.core import naming
from controller.core.model import Epoch, Site
from lab.addresses import LOCAL
from lab.binaries import PostgresBinaries, find_postgres
from lab.cabling import SITES, Cabling, Door, lay_cables
from lab.errors import LabError
from lab.founding import Passwords, account_ids, found_payments
from lab.postgres import PostgresServer, create_server
from lab.site_settings import SERVICE, WRITER
from lab.workspace import Workspace
from workload.durable.evidence import Evidence
from workload.durable.lanes import Durability
from workload.durable.settings import Address, Tuning
from workload.payments.settings import Settings
from workload.payments.wiring import Assembly

FOLLOWERS = tuple(site for site in SITES if site != WRITER)
READY = timedelta(seconds=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct(Cabling):
    """The same doors without any link in between."""

    def port(self, source: str, destination: str, door: Door) -> int:  # noqa: ARG002
        """The door itself, whoever knocks."""
        return self.doors[destination, door]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A writer and two followers that stream from it."""

    servers: Mapping[str, PostgresServer]
    cabling: Cabling
    passwords: Passwords = field(repr=False)
    accounts: tuple[UUID, ...]

    def dsn(self, source: str, destination: str) -> str:
        """How a client at `source` reaches the database at `destination`, as the service's role."""
        port = self.cabling.port(source, destination, Door.DATABASE)
        server = self.servers[destination]
        return server.dsn(naming.database(SERVICE), naming.app_role(SERVICE), self.passwords.app, port)

    def settings(self, site: str, tuning: Tuning) -> Settings:
        """Settings of a payments service at `site`."""
        databases = {other: Address(host=LOCAL, port=self.cabling.port(site, other, Door.DATABASE)) for other in SITES}
        listen = Address(host=LOCAL, port=self.cabling.direct(site, Door.EDGE))
        return Settings(site=site, service="payments", listen=listen, databases=databases, tuning=tuning, open_to_everybody=True)

    async def commit_natively(self, *, wait: bool) -> None:
        """Have every commit on the writer wait, or not, until one of both streams has it on disk.

        Only the lab's superuser can do that: no managed PostgreSQL lets one set synchronous_standby_names. A logical
        subscription takes part under its own name (PostgreSQL manual, runtime-config-replication). Raises LabError.
        """
        names = ", ".join(naming.stream(SERVICE, Epoch(1), Site(WRITER), Site(site)) for site in FOLLOWERS)
        wanted = f"ANY 1 ({names})" if wait else ""
        dsn = self.servers[WRITER].dsn()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as admin:
            await admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{wanted}'")
            await admin.execute("SELECT pg_reload_conf()")
            counting = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'"
            until = time.monotonic() + READY.total_seconds()
            while (found := await (await admin.execute(counting)).fetchone()) != (len(FOLLOWERS) if wait else 0,):
                if time.monotonic() > until:
                    raise LabError(f"{found} streams take part in native commits, wanted {wanted or 'none'}")
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)  # the writer's other backends read the setting between two statements


@asynccontextmanager
async def world(name: str, *, linked: bool, accounts: int) -> AsyncIterator[World]:
    """Founded and streaming, through links of the lab's usual delay or without any. Raises LabError."""
    with Workspace(name) as workspace:
        binaries, cabling = find_postgres(), await lay_cables(workspace)
        if not linked:
            cabling = Direct(**{field.name: getattr(cabling, field.name) for field in fields(cabling)})
        servers = dict(zip(SITES, await asyncio.gather(*(_start(workspace, s, binaries, cabling) for s in SITES)), strict=True))
        passwords, ids = Passwords(), account_ids(accounts)
        await found_payments(servers, cabling, passwords, ids)
        yield World(servers=servers, cabling=cabling, passwords=passwords, accounts=ids)


async def _start(workspace: Workspace, site: str, binaries: PostgresBinaries, cabling: Cabling) -> PostgresServer:
    server = await create_server(workspace, site, binaries, port=cabling.direct(site, Door.DATABASE))
    await server.start()
    return server


class Unheld:
    """No barrier: the answer leaves as soon as the writer has committed. For comparison, in a program of the lab only."""

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        """Return at once."""


def unheld(durability: Durability) -> Durability:
    """For `Assembly`."""
    return Unheld()


@asynccontextmanager
async def running(assemblies: Iterable[Assembly]) -> AsyncIterator[None]:
    """Several services in this process, each with every session to the writer warm. Raises LabError when one is not in time."""
    left = list(assemblies)
    if not left:
        yield
        return
    async with left[0].database.running():
        until = time.monotonic() + READY.total_seconds()
        while not _warm(left[0]):
            if time.monotonic() > until:
                raise LabError(f"the service at {left[0].site} did not find its writer: {left[0].situation()}")
            await asyncio.sleep(0.02)
        async with running(left[1:]):
            yield


def _warm(assembly: Assembly) -> bool:
    writer = assembly.database.finder.writer
    database = assembly.database
    return writer is not None and database.sessions[writer.site].idle > 0 and database.crews[writer.site].idle > 0
