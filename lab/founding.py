"""What must exist in the databases before the first payment: roles, schemas, streams, accounts."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg

from controller.core import naming
from controller.core.model import Site
from controller.postgres import provision
from controller.postgres.node import Deadlines, Node
from controller.postgres.session import Address, Sessions
from lab import fleet
from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.fleet import PAYMENTS, Schema
from lab.postgres import PostgresServer
from lab.receiver_process import Endpoint
from lab.site_settings import CANARY, CURRENCY, WRITER, account_id
from workload.webhooks.settings import webhooks_role

FUNDS = 100_000_000
"""Opening balance of every account, in minor units."""


SUSPECTS = tuple(account_id(f"suspect {number}") for number in range(40))
"""Accounts that come with habits: a run of half a minute teaches screening nothing, and it holds nothing of accounts that it does not
know. So many that none of them gets used to the large payments that are approved."""

HABITS = """
INSERT INTO ledger.profile (account, weight, amount_median, amount_spread, pace_median, pace_spread, recent, last_at)
SELECT id, 64, ln(500), 0.3, 0, 0.7, 1, clock_timestamp() FROM unnest(%s::uuid[]) AS id"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """One per role of a service, random in every lab, handed to processes by environment only."""

    service: str = PAYMENTS
    app: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    control: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    stream: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    webhooks: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    """Of payments alone: nobody else has an outbox."""

    def by_role(self) -> Mapping[str, str]:
        """Password of each database role."""
        own = {
            naming.app_role(self.service): self.app,
            naming.control_role(self.service): self.control,
            naming.stream_role(self.service): self.stream,
        }
        return {**own, webhooks_role(self.service): self.webhooks} if self.service == PAYMENTS else own


def account_ids(count: int) -> tuple[uuid.UUID, ...]:
    """Accounts of the payers."""
    return tuple(account_id(f"payer {number}") for number in range(count))


async def found_payments(
    servers: Mapping[str, PostgresServer],
    cabling: Cabling,
    passwords: Passwords,
    accounts: Sequence[uuid.UUID],
    endpoints: Sequence[Endpoint] = (),
) -> None:
    """The ledgers, accounts with funds in them, and where those go that are to be told by webhook: before anybody is paid."""
    async with _founded(servers, cabling, passwords, fleet.payments()) as writer:
        await _open_accounts(writer, accounts)
        await _register(writer, endpoints)


async def found_vault(servers: Mapping[str, PostgresServer], cabling: Cabling, passwords: Passwords) -> None:
    """The vault's databases, beside the ledgers on the same servers, as small fintechs run them; nothing is shared but the server."""
    async with _founded(servers, cabling, passwords, fleet.vault()):
        pass


@asynccontextmanager
async def _founded(
    servers: Mapping[str, PostgresServer], cabling: Cabling, passwords: Passwords, schema: Schema
) -> AsyncIterator[Node]:
    """From empty servers to one writer, which is given, and two followers that stream from it through the links."""
    await asyncio.gather(*(asyncio.to_thread(_administer, server, passwords) for server in servers.values()))
    nodes = {Site(site): _node(Site(site), cabling, passwords) for site in servers}
    writer = Site(WRITER)
    followers = frozenset(site for site in nodes if site != writer)
    try:
        await asyncio.gather(*(_install(node, schema, writer, followers) for node in nodes.values()))
        await provision.found_streams(nodes, writer=writer)
        yield nodes[writer]
    finally:
        for node in nodes.values():
            await node.sessions.close()


def _administer(server: PostgresServer, passwords: Passwords) -> None:
    """What only a vendor's administrator may do."""
    service = passwords.service
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for statement in provision.admin_statements(service, passwords.by_role()):
            admin.execute(statement)
    with psycopg.connect(server.dsn(naming.database(service)), autocommit=True) as admin:
        for statement in provision.admin_grants(service):
            admin.execute(statement)


async def _install(node: Node, schema: Schema, writer: Site, followers: frozenset[Site]) -> None:
    await provision.install_node(node)
    await provision.install_service(node, schema.script, schema.tables)
    await provision.found_node(node, writer=writer, followers=followers)


def _node(site: Site, cabling: Cabling, passwords: Passwords) -> Node:
    service = passwords.service

    def address(port: int, user: str) -> Address:
        password = passwords.by_role()[user]
        return Address(host=LOCAL, port=port, database=naming.database(service), user=user, password=password)

    return Node(
        service=service,
        site=site,
        sessions=Sessions(
            address(cabling.direct(site, Door.DATABASE), naming.control_role(service)),
            site=site,
            connect_deadline=timedelta(seconds=10),
        ),
        publishers={
            Site(other): address(cabling.port(site, other, Door.DATABASE), naming.stream_role(service))
            for other in SITES
            if other != site
        },
        deadlines=Deadlines(step=timedelta(seconds=15)),
    )


async def _open_accounts(writer: Node, accounts: Sequence[uuid.UUID]) -> None:
    opened = "SELECT ledger.open_account(id, %s, %s, %s) FROM unnest(%s::uuid[]) AS id"
    await writer.run(
        "open accounts",
        (opened, (CURRENCY, FUNDS, False, [*accounts, *SUSPECTS])),
        (opened, (CURRENCY, FUNDS, True, list(CANARY))),
        (HABITS, (list(SUSPECTS),)),
    )


async def _register(writer: Node, endpoints: Sequence[Endpoint]) -> None:
    rows = "unnest(%s::uuid[], %s::text[], %s::text[]) AS e (account, url, secret)"
    wanted = f"SELECT outbox.register(account, url, secret, true) FROM {rows}"  # noqa: S608  only constants
    columns = ([one.account for one in endpoints], [one.url for one in endpoints], [one.secret for one in endpoints])
    await writer.run("register endpoints", (wanted, columns))
