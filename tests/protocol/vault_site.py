"""The vault on two real databases, founded as controllers found them: azure writes, aws follows, and three key services in memory."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as HttpScope

import workload.vault
from controller.core.model import Site
from controller.founding.found import found
from controller.founding.schemas import Schema
from controller.founding.step import Wanted
from lab.binaries import find_postgres
from lab.founding import direct_doors
from lab.memory_kms import MemoryKms
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace
from workload.access.peer import PEER, Peer
from workload.durable.database import Durably
from workload.durable.errors import Unanswered
from workload.vault.callers import Scope
from workload.vault.model import Grounds, Order, Outcome, Token
from workload.vault.numbers import Kind, read_number
from workload.vault.settings import Settings
from workload.vault.wiring import Assembly

AZURE, AWS = "azure", "aws"
SERVICE, STREAM = "vault", "vault_e1_azure_aws"
PASSWORD = "for-tests-only"
TABLES = ("vault.data_key", "vault.wrap", "vault.token", "vault.access", "vault.erasure")
FOLDER = Path(workload.vault.__file__).parent
SCHEMA = (FOLDER / "vault.sql").read_text() + (FOLDER / "evidence.sql").read_text()
PLANTED = "4111111111111111"
GROUNDS = Grounds(caller="desk", reason="dispute")


DESK = "trimaran://service/desk"
"""Another service of the fleet, which may ask everything by its certificate alone."""

UNUSED = {
    "access": {
        "issuer": "https://issuer.test",
        "audience": SERVICE,
        "keys_url": "https://127.0.0.1:9/keys",
        "services": {DESK: [scope.value for scope in Scope]},
    },
    "key_services": {
        "aws": {"key": "alias/vault", "region": "eu-central-1"},
        "azure": {"key": "vault", "vault": "https://vault.test", "identity": "static"},
    },
}
"""What settings must name and these tests stand in for: the issuer of tokens, and the clouds' key services."""


def order(subject: UUID | None = None, number: str = PLANTED, key: UUID | None = None) -> Order:
    """An order; of a new subject and with a key of its own unless given."""
    return Order(key=key or uuid4(), subject=subject or uuid4(), number=read_number(Kind.CARD, number), caller="shop")


def from_desk(app: ASGIApp) -> ASGIApp:
    """The application as it is asked over a connection on which the desk has shown its certificate."""
    desk = Peer(names=frozenset({DESK}), thumbprint="A" * 43)

    async def over(scope: HttpScope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": {PEER: desk}}, receive, send)

    return over


async def kept(site: Assembly, subject: UUID | None = None) -> Token:
    """A token that was acknowledged."""
    answer = await site.vault.tokenize(order(subject))
    assert answer.outcome is Outcome.CREATED and answer.token
    return answer.token


@dataclass(slots=True, kw_only=True)
class Sites:
    """Servers and key services of one test module."""

    workspace: Workspace
    servers: Mapping[str, PostgresServer]
    clouds: Mapping[str, MemoryKms] = field(
        default_factory=lambda: {cloud: MemoryKms(cloud=cloud) for cloud in ("aws", "azure", "gcp")}
    )

    async def connect(self, site: str, role: str = "vault_control", **options: Any) -> psycopg.AsyncConnection:
        """A session."""
        password = self.servers[site].superuser_password if role == "postgres" else PASSWORD
        dsn = self.servers[site].dsn(SERVICE, role, password)
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, **options)

    async def ask(self, site: str, query: str, *values: object, role: str = "vault_control") -> list[tuple[Any, ...]]:
        """Run one statement and answer its rows."""
        async with await self.connect(site, role) as session:
            cursor = await session.execute(query, values or None)
            return await cursor.fetchall() if cursor.description else []

    async def caught_up(self) -> None:
        """Return once aws has confirmed everything that azure has flushed by now."""
        ((end,),) = await self.ask(AZURE, "SELECT pg_current_wal_flush_lsn()::text")
        query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn >= %s::pg_lsn"
        await eventually(lambda: self.ask(AZURE, query, STREAM, end))

    @asynccontextmanager
    async def stream_cut(self) -> AsyncIterator[None]:
        """Nothing is replicated."""
        await self.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} DISABLE")
        gone = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
        await eventually(lambda: self.ask(AZURE, gone, STREAM))
        try:
            yield
        finally:
            await self.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} ENABLE")
            await self.caught_up()

    @asynccontextmanager
    async def clouds_gone(self, *clouds: str) -> AsyncIterator[None]:
        """Their key services answer nothing."""
        for cloud in clouds:
            self.clouds[cloud].hanging = True
        try:
            yield
        finally:
            for cloud in clouds:
                self.clouds[cloud].hanging = False

    @asynccontextmanager
    async def service(
        self, site: str, durably: Durably = lambda durability: durability, **keys: object
    ) -> AsyncIterator[Assembly]:
        """One process' worth of the service at `site`."""
        databases = {other: {"host": "127.0.0.1", "port": server.port} for other, server in self.servers.items()}
        listen = {"host": "127.0.0.1", "port": 1}  # asked without a network
        told = {"site": site, "service": SERVICE, "listen": listen, "databases": databases, "keys": keys, **UNUSED}
        settings = Settings.model_validate(told)
        assembly = Assembly(settings, PASSWORD, tuple(self.clouds.values()), durably=durably)

        async def is_ready() -> bool:
            with suppress(Unanswered):
                await assembly.database.answers.prove_write_path()
                return True
            return False

        async with assembly.running():
            await eventually(is_ready)
            yield assembly


async def eventually(question: Any, patience: float = 15) -> None:
    """Ask until the answer is truthy; fails after `patience` seconds."""
    end = time.monotonic() + patience
    while not await question():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def two_sites(name: str) -> AsyncIterator[Sites]:
    """The writer and its follower, streaming."""
    with Workspace(f"{name}-{os.getpid()}") as workspace:
        binaries = find_postgres()
        servers = {site: await create_server(workspace, site, binaries) for site in (AZURE, AWS)}
        await asyncio.gather(*(server.start() for server in servers.values()))
        wanted = Wanted(schema=Schema(service=SERVICE, script=SCHEMA, tables=TABLES), writer=Site(AZURE))
        await found(wanted, direct_doors(servers), dict.fromkeys(wanted.roles, PASSWORD))
        sites = Sites(workspace=workspace, servers=servers)
        await sites.caught_up()
        yield sites
