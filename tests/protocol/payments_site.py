"""Two sites of the payments service on real PostgreSQL: azure writes, aws follows, links between them that can be cut."""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import psycopg
from psycopg import sql

import controller.postgres
import workload.payments
from controller.founding import schemas
from lab.binaries import find_postgres
from lab.links import Links, Relay
from lab.postgres import PostgresServer, create_server
from lab.processes import Supervised, launch_module
from lab.workspace import Workspace

AZURE, AWS = "azure", "aws"
PASSWORD = "for-tests-only"
ROLES = {
    "payments_control": "LOGIN REPLICATION",
    "payments_app": "LOGIN",
    "payments_stream": "LOGIN REPLICATION",
    "payments_webhooks": "LOGIN",
}
STREAM = "payments_e1_azure_aws"
ACCOUNTS = tuple(UUID(int=number) for number in range(1, 41))
OPENING = 1_000_000

NODE = Path(controller.postgres.__file__).with_name("node.sql")
LEDGER = Path(workload.payments.__file__).with_name("ledger.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How a test speaks to a process."""

    context: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def scheme(self) -> str:
        """Of its addresses."""
        return "http" if self.context is None else "https"


@dataclass(slots=True, kw_only=True)
class Sites:
    """Servers and links of one test module."""

    workspace: Workspace
    servers: Mapping[str, PostgresServer]
    links: Links | None = None
    started: int = 0

    async def connect(self, site: str, role: str = "payments_control", **options: Any) -> psycopg.AsyncConnection:
        """A direct session, past the links."""
        password = self.servers[site].superuser_password if role == "postgres" else PASSWORD
        dsn = self.servers[site].dsn("payments", role, password)
        return await psycopg.AsyncConnection.connect(dsn, autocommit=True, **options)

    async def ask(self, site: str, query: str, *values: object, role: str = "payments_control") -> list[tuple[Any, ...]]:
        """Run one statement and answer its rows."""
        async with await self.connect(site, role) as session:
            cursor = await session.execute(query, values or None)
            return await cursor.fetchall() if cursor.description else []

    async def caught_up(self, publisher: str, slot: str) -> None:
        """Return once the slot has confirmed everything its publisher has flushed by now."""
        ((end,),) = await self.ask(publisher, "SELECT pg_current_wal_flush_lsn()::text")
        query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND confirmed_flush_lsn >= %s::pg_lsn"
        await eventually(lambda: self.ask(publisher, query, slot, end))

    @asynccontextmanager
    async def service(
        self, site: str, module: str = "workload.payments", tuning: str = "", tables: str = "", client: Client | None = None
    ) -> AsyncIterator["Service"]:
        """One process of the service at `site`, reaching the other site through the links. `tables`: further ones of its settings; without
        `[access]` it is open to everybody. `client`: how it is asked when that is not plain HTTP."""
        access = "[access]" in tables
        self.started += 1
        port = self.workspace.port()
        lines = [f'site = "{site}"', 'service = "payments"', *(() if access else ("open_to_everybody = true",))]
        lines += ["[listen]", 'host = "127.0.0.1"', f"port = {port}"]
        for other, server in self.servers.items():
            reached = server.port if other == site or self.links is None else self.links.port(site, other, "service")
            lines += [f"[databases.{other}]", 'host = "127.0.0.1"', f"port = {reached}"]
        settings = self.workspace.directory("settings") / f"payments-{self.started}.toml"
        settings.write_text("\n".join([*lines, "[tuning]", tuning, tables]) + "\n")
        environment = {"PAYMENTS_APP_PASSWORD": PASSWORD}
        process = launch_module(
            self.workspace, f"payments-{self.started}", module, "--settings", settings, environment=environment
        )
        spoken = client or Client()
        connector = aiohttp.TCPConnector(ssl=spoken.context if spoken.context is not None else True)
        async with aiohttp.ClientSession(
            f"{spoken.scheme}://127.0.0.1:{port}",
            timeout=aiohttp.ClientTimeout(total=5),
            connector=connector,
            headers=spoken.headers,
        ) as http:
            service = Service(http=http, process=process)
            try:
                await eventually(service.is_alive)
                yield service
            finally:
                await process.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer with the time it took."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running process of the service."""

    http: aiohttp.ClientSession
    process: Supervised

    async def is_alive(self) -> bool:
        """Does it answer at all?"""
        try:
            return (await self.get("/healthz")).status == 200
        except aiohttp.ClientConnectionError:
            assert self.process.alive, self.process.tail()
            return False

    async def is_ready(self) -> bool:
        """Does its write path work?"""
        return (await self.get("/readyz")).status == 200

    async def get(self, path: str) -> Answer:
        """GET."""
        return await self._ask("GET", path)

    async def pay(self, key: str, debtor: UUID = ACCOUNTS[0], creditor: UUID = ACCOUNTS[1], **changes: object) -> Answer:
        """POST /v1/payments."""
        body = {"amount": 1, "debtor": str(debtor), "creditor": str(creditor), "currency": "EUR", **changes}
        return await self._ask("POST", "/v1/payments", json=body, headers={"Idempotency-Key": key})

    async def _ask(self, method: str, path: str, **options: Any) -> Answer:
        start = time.monotonic()
        async with self.http.request(method, path, **options) as response:
            is_json = "json" in response.content_type
            body = await response.json(content_type=None) if is_json else {"text": await response.text()}
            seconds = time.monotonic() - start
            return Answer(status=response.status, body=body, headers=response.headers, seconds=seconds)


async def eventually(question: Any, patience: timedelta = timedelta(seconds=15)) -> None:
    """Ask until the answer is truthy; fails after `patience`."""
    end = time.monotonic() + patience.total_seconds()
    while not await question():
        assert time.monotonic() < end, "it never came true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def one_site(name: str) -> AsyncIterator[Sites]:
    """The writer alone, its ledger founded and its ack set empty."""
    with Workspace(f"{name}-{os.getpid()}") as workspace:
        server = await create_server(workspace, AZURE, find_postgres())
        sites = Sites(workspace=workspace, servers={AZURE: server})
        await server.start()
        await _found(sites, AZURE, "writer", [])
        yield sites


@asynccontextmanager
async def two_sites(name: str) -> AsyncIterator[Sites]:
    """The writer and its follower, streaming."""
    with Workspace(f"{name}-{os.getpid()}") as workspace:
        binaries = find_postgres()
        servers = {site: await create_server(workspace, site, binaries) for site in (AZURE, AWS)}
        pairs = [(source, target, kind) for source, target in ((AZURE, AWS), (AWS, AZURE)) for kind in ("stream", "service")]
        relays = [
            Relay(source=source, destination=target, kind=kind, listen=workspace.port(), target=servers[target].port)
            for source, target, kind in pairs
        ]
        sites = Sites(workspace=workspace, servers=servers, links=await Links.start(workspace, relays))
        for server in servers.values():
            await server.start()
        await _found(sites, AZURE, "writer", [STREAM])
        await _found(sites, AWS, "follower", [])
        await stream(sites, AZURE, AWS, STREAM)
        await sites.caught_up(AZURE, STREAM)
        try:
            yield sites
        finally:
            assert sites.links is not None
            await sites.links.stop()


async def _found(sites: Sites, site: str, role: str, ack_slots: list[str]) -> None:
    root = sites.servers[site].dsn("postgres")
    async with await psycopg.AsyncConnection.connect(root, autocommit=True) as session:
        for name, rights in ROLES.items():
            statement = f"CREATE ROLE {{}} {rights} PASSWORD {{}}"
            await session.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(PASSWORD)))
        await session.execute("GRANT pg_create_subscription, pg_monitor TO payments_control")
        await session.execute("CREATE DATABASE payments OWNER payments_control")
    async with await sites.connect(site) as session:
        await session.execute(NODE.read_text())
        schema = schemas.payments()
        await session.execute(schema.script.encode())
        await session.execute(
            f"CREATE PUBLICATION payments_ledger FOR TABLE {', '.join(schema.tables)}, trimaran.marker".encode()
        )
        await session.execute(
            "INSERT INTO trimaran.node (service, site, role, epoch, ack_slots, system_identifier, timeline)"
            " SELECT 'payments', %s, %s, 1, %s, i.* FROM trimaran.identity() AS i",
            (site, role, ack_slots),
        )
        if role == "writer":
            await session.execute("INSERT INTO trimaran.marker VALUES (gen_random_uuid(), 'epoch', 1, %s)", (site,))
            for account in ACCOUNTS:
                await session.execute("SELECT ledger.open_account(%s, 'EUR', %s, false)", (account, OPENING))
    if role == "follower":
        courtesy = "ALTER ROLE payments_app IN DATABASE payments SET default_transaction_read_only = on"
        await sites.ask(site, courtesy, role="postgres")


async def stream(sites: Sites, publisher: str, follower: str, name: str, *, copy: bool = True) -> None:
    """Make `follower` follow `publisher` through the links."""
    assert sites.links is not None
    await sites.ask(publisher, "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", name)
    port = sites.links.port(follower, publisher, "stream")
    dsn = f"host=127.0.0.1 port={port} dbname=payments user=payments_stream password={PASSWORD}"
    choices = f"create_slot = false, slot_name = '{name}', copy_data = {copy}, origin = any, synchronous_commit = 'on'"
    statement = f"CREATE SUBSCRIPTION {name} CONNECTION {{}} PUBLICATION payments_ledger WITH ({choices})"
    async with await sites.connect(follower) as session:
        await session.execute(sql.SQL(statement).format(sql.Literal(dsn)))
    ready = "SELECT 1 FROM pg_subscription_rel HAVING bool_and(srsubstate = 'r') AND count(*) > 0"
    await eventually(lambda: sites.ask(follower, ready))
