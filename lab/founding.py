"""What must exist in the databases before the first payment: roles, schemas, streams, accounts."""

import asyncio
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg

import workload.payments
from controller.core import naming
from controller.core.model import Site
from controller.postgres import provision
from controller.postgres.node import Deadlines, Node
from controller.postgres.session import Address, Sessions
from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling, Door
from lab.postgres import PostgresServer
from lab.site_settings import CANARY, CURRENCY, SERVICE, WRITER, account_id

TABLES = ("ledger.account", "ledger.payment", "ledger.entry")
FUNDS = 100_000_000
"""Opening balance of every account, in minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """One per role, random in every lab, handed to processes by environment only."""

    app: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    control: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    stream: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    def by_role(self) -> Mapping[str, str]:
        """Password of each database role."""
        return {
            naming.app_role(SERVICE): self.app,
            naming.control_role(SERVICE): self.control,
            naming.stream_role(SERVICE): self.stream,
        }


def account_ids(count: int) -> tuple[uuid.UUID, ...]:
    """Accounts of the payers."""
    return tuple(account_id(f"payer {number}") for number in range(count))


async def found_databases(
    servers: Mapping[str, PostgresServer], cabling: Cabling, passwords: Passwords, accounts: Sequence[uuid.UUID]
) -> None:
    """From empty servers to one writer, two followers that stream from it through the links, and accounts with funds."""
    await asyncio.gather(*(asyncio.to_thread(_administer, server, passwords) for server in servers.values()))
    nodes = {Site(site): _node(Site(site), cabling, passwords) for site in servers}
    writer = Site(WRITER)
    followers = frozenset(site for site in nodes if site != writer)
    try:
        await asyncio.gather(*(_install(node, writer, followers) for node in nodes.values()))
        await provision.found_streams(nodes, writer=writer)
        await _open_accounts(nodes[writer], accounts)
    finally:
        for node in nodes.values():
            await node.sessions.close()


def _administer(server: PostgresServer, passwords: Passwords) -> None:
    """What only a vendor's administrator may do."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        for statement in provision.admin_statements(SERVICE, passwords.by_role()):
            admin.execute(statement)
    with psycopg.connect(server.dsn(naming.database(SERVICE)), autocommit=True) as admin:
        for statement in provision.admin_grants(SERVICE):
            admin.execute(statement)


async def _install(node: Node, writer: Site, followers: frozenset[Site]) -> None:
    folder = Path(workload.payments.__file__).parent
    schema = (folder / "ledger.sql").read_text() + (folder / "evidence.sql").read_text()
    await provision.install_node(node)
    await provision.install_service(node, schema, TABLES)
    await provision.found_node(node, writer=writer, followers=followers)


def _node(site: Site, cabling: Cabling, passwords: Passwords) -> Node:
    def address(port: int, user: str) -> Address:
        password = passwords.by_role()[user]
        return Address(host=LOCAL, port=port, database=naming.database(SERVICE), user=user, password=password)

    return Node(
        service=SERVICE,
        site=site,
        sessions=Sessions(
            address(cabling.direct(site, Door.DATABASE), naming.control_role(SERVICE)),
            site=site,
            connect_deadline=timedelta(seconds=10),
        ),
        publishers={
            Site(other): address(cabling.port(site, other, Door.DATABASE), naming.stream_role(SERVICE))
            for other in SITES
            if other != site
        },
        deadlines=Deadlines(step=timedelta(seconds=15)),
    )


async def _open_accounts(writer: Node, accounts: Sequence[uuid.UUID]) -> None:
    opened = "SELECT ledger.open_account(id, %s, %s, %s) FROM unnest(%s::uuid[]) AS id"
    await writer.run(
        "open accounts",
        (opened, (CURRENCY, FUNDS, False, list(accounts))),
        (opened, (CURRENCY, FUNDS, True, list(CANARY))),
    )
