"""What must exist in the databases before the first payment: roles, schemas, streams, accounts."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from controller.core import naming
from controller.core.model import Site
from controller.founding import schemas
from controller.founding.found import found
from controller.founding.step import Account, Wanted
from controller.founding.visit import Door
from controller.postgres.node import Deadlines, Node
from controller.postgres.session import Address, Sessions
from lab.addresses import LOCAL
from lab.cabling import SITES, Cabling
from lab.cabling import Door as Knock
from lab.fleet import PAYMENTS
from lab.postgres import SUPERUSER, PostgresServer
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
    canaries = tuple(Account(id=one, currency=CURRENCY) for one in CANARY)
    await _found(Wanted(schema=schemas.payments(), writer=Site(WRITER), canaries=canaries), servers, cabling, passwords)
    writer = _writer(cabling, passwords)
    try:
        await _open_accounts(writer, accounts)
        await _register(writer, endpoints)
    finally:
        await writer.sessions.close()


async def found_vault(servers: Mapping[str, PostgresServer], cabling: Cabling, passwords: Passwords) -> None:
    """The vault's databases, beside the ledgers on the same servers, as small fintechs run them; nothing is shared but the server."""
    await _found(Wanted(schema=schemas.vault(), writer=Site(WRITER)), servers, cabling, passwords)


async def _found(wanted: Wanted, servers: Mapping[str, PostgresServer], cabling: Cabling, passwords: Passwords) -> None:
    """From empty servers to one writer and two followers that stream from it through the links, as `trimaran bootstrap` does it."""
    doors = {
        Site(site): Door(
            administrator=administrator(server),
            publishers={
                Site(other): Address(
                    host=LOCAL, port=cabling.port(site, other, Knock.DATABASE), database="", user="", password=""
                )
                for other in SITES
                if other != site
            },
        )
        for site, server in servers.items()
    }
    await found(wanted, doors, passwords.by_role())


def direct_doors(servers: Mapping[str, PostgresServer]) -> Mapping[Site, Door]:
    """Every server as its own superuser, and the others past every link."""
    dialled = {Site(site): replace(administrator(server), user="", password="") for site, server in servers.items()}
    return {
        Site(site): Door(administrator=administrator(server), publishers={one: at for one, at in dialled.items() if one != site})
        for site, server in servers.items()
    }


def administrator(server: PostgresServer) -> Address:
    """Who made the server: here its superuser, which no vendor gives to anybody."""
    return Address(host=LOCAL, port=server.port, database="postgres", user=SUPERUSER, password=server.superuser_password)


def _writer(cabling: Cabling, passwords: Passwords) -> Node:
    """The writer's node, for what the lab alone puts into it."""
    role = naming.control_role(passwords.service)
    address = Address(
        host=LOCAL,
        port=cabling.direct(WRITER, Knock.DATABASE),
        database=naming.database(passwords.service),
        user=role,
        password=passwords.control,
    )
    sessions = Sessions(address, site=WRITER, connect_deadline=timedelta(seconds=10))
    return Node(
        service=passwords.service,
        site=Site(WRITER),
        sessions=sessions,
        publishers={},
        deadlines=Deadlines(step=timedelta(seconds=15)),
    )


async def _open_accounts(writer: Node, accounts: Sequence[uuid.UUID]) -> None:
    opened = "SELECT ledger.open_account(id, %s, %s, %s) FROM unnest(%s::uuid[]) AS id"
    await writer.run(
        "open accounts",
        (opened, (CURRENCY, FUNDS, False, [*accounts, *SUSPECTS])),
        (HABITS, (list(SUSPECTS),)),
    )


async def _register(writer: Node, endpoints: Sequence[Endpoint]) -> None:
    rows = "unnest(%s::uuid[], %s::text[], %s::text[]) AS e (account, url, secret)"
    wanted = f"SELECT outbox.register(account, url, secret, true) FROM {rows}"  # noqa: S608  only constants
    columns = ([one.account for one in endpoints], [one.url for one in endpoints], [one.secret for one in endpoints])
    await writer.run("register endpoints", (wanted, columns))
