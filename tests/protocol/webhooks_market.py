"""A service with an outbox on three real databases, merchants that keep their own record, and dispatchers in this process."""

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from time import monotonic
from uuid import UUID

import psycopg

import workload.webhooks
from controller.core import naming
from controller.core.model import Site
from lab.receiver import Fault, Merchants, Mood
from lab.receiver_record import Accepted, Line
from lab.reconcile_webhooks import OutboxRows, WebhookReconciliation, reconcile_webhooks
from lab.reconcile_webhooks_sql import read_outbox
from tests.protocol.payments_site import eventually
from tests.protocol.trio import AZURE, DEBTOR, SITES, TABLES, Trio
from workload.durable.settings import Address, Tuning
from workload.schema.migration import renamed
from workload.webhooks.dispatcher import Dispatcher, Sitting
from workload.webhooks.settings import Manners, Settings
from workload.webhooks.wiring import Assembly

OUTBOX = ("outbox.endpoint", "outbox.counter", "outbox.event", "outbox.delivery")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
QUICK = Manners(
    request_deadline=timedelta(seconds=1),
    slow_after=timedelta(seconds=0.5),
    first_pause=timedelta(seconds=0.05),
    longest_pause=timedelta(seconds=0.2),
    parked_pause=timedelta(seconds=0.5),
)
TUNING = Tuning(sessions=2, lanes=1)
SHOP, OTHER_SHOP = UUID(int=11), UUID(int=12)
"""Accounts of merchants. Nobody pays them before they have an endpoint, so every payment to them has an event."""


@dataclass
class TellingTrio(Trio):
    """Three databases whose ledger has an outbox."""

    tables: tuple[str, ...] = (*TABLES, *OUTBOX)

    def _schema(self) -> str:
        outbox = Path(workload.webhooks.__file__).with_name("outbox.sql").read_text()
        outbox = renamed(outbox, "payments", self.service)
        return super()._schema() + outbox

    async def sell(self, shop: UUID = SHOP, **how: object) -> str | None:
        """Have somebody pay a merchant; see `pay`."""
        return await self.pay(accounts=(DEBTOR, shop), **how)  # type: ignore[arg-type]

    async def outbox(self, site: Site) -> OutboxRows:
        """What a site's outbox holds."""
        dsn = self.servers[site].dsn(self.service, naming.control_role(self.service), "secret")
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            return await read_outbox(connection)


@dataclass(kw_only=True)
class Market:
    """Merchants in this process, and everything that dispatchers need to reach them."""

    trio: TellingTrio
    folder: Path
    port: int = 0
    lines: list[Line] = field(default_factory=list)
    chances: Iterator[float] = field(default_factory=lambda: iter(()))
    """What chance says next; afterwards it is kind."""

    def __post_init__(self) -> None:
        accounts = (str(SHOP), str(OTHER_SHOP))
        self.merchants = Merchants(
            dict.fromkeys(accounts, (SECRET,)), self.lines.append, chance=lambda: next(self.chances, 0.999), monotonic=monotonic
        )

    @property
    def accepted(self) -> list[Accepted]:
        """What merchants took, in order of arrival."""
        return [line for line in self.lines if isinstance(line, Accepted)]

    def treat(self, account: UUID, mood: Mood, *, seconds: float = 0, share: float = 0) -> None:
        """Change how a merchant behaves."""
        self.merchants.faults[str(account)] = Fault(mood=mood, seconds=seconds, share=share)

    async def register(self, account: UUID) -> None:
        """Open a merchant's account and have it told from now on."""
        await self.trio.sql(AZURE, "SELECT ledger.open_account(%s, 'EUR', 0, true)", account)
        url = f"http://127.0.0.1:{self.port}/merchants/{account}"
        await self.trio.sql(AZURE, "SELECT outbox.register(%s, %s, 'all', true)", account, url)

    async def heard(self, events: int, patience: float = 15) -> None:
        """Return once merchants have taken so many different events."""

        async def enough() -> bool:
            return len({line.id for line in self.accepted}) >= events

        await eventually(enough, timedelta(seconds=patience))

    async def reconcile(self, *sites: Site) -> WebhookReconciliation:
        """The merchants' record against these sites' outboxes once they are equal, everything being through."""
        held: dict[str, OutboxRows] = {}

        async def are_equal() -> bool:
            held.update({site: await self.trio.outbox(site) for site in sites or SITES})
            return len({outbox.digest() for outbox in held.values()}) == 1

        await eventually(are_equal)
        return reconcile_webhooks(self.lines, held, all_through=True)

    def settings(
        self, *sites: Site, manners: Manners = QUICK, secrets: str = "secrets.toml", tuning: Tuning = TUNING
    ) -> Settings:
        """Of a dispatcher that knows these sites' databases, or all."""
        known = sites or SITES
        return Settings(
            site=known[0],
            service="payments",
            listen=Address(host="127.0.0.1", port=1),
            databases={site: Address(host="127.0.0.1", port=self.trio.servers[site].port) for site in known},
            secrets=self.folder / secrets,
            allow=(IPv4Network("127.0.0.0/8"),),
            plain_http=True,
            open_to_everybody=True,
            manners=manners,
            interval=timedelta(seconds=0.05),
            lapse=timedelta(seconds=1),
            tuning=tuning,
        )

    def assembly(
        self,
        *sites: Site,
        manners: Manners = QUICK,
        secrets: str = "secrets.toml",
        tuning: Tuning = TUNING,
        seated: Callable[[Sitting], Sitting] = lambda place: place,
        **parts: object,
    ) -> Assembly:
        """A dispatcher."""
        settings = self.settings(*sites, manners=manners, secrets=secrets, tuning=tuning)
        return Assembly(settings, "secret", service=self.trio.service, seated=seated, **parts)  # type: ignore[arg-type]

    @asynccontextmanager
    async def dispatcher(self, *sites: Site, **parts: object) -> AsyncIterator[Dispatcher]:
        """A dispatcher at work."""
        async with self.assembly(*sites, **parts).at_work() as dispatcher:  # type: ignore[arg-type]
            yield dispatcher


class AlwaysSeated:
    """A place that nobody can take away: what a frozen process believes."""

    def __init__(self, place: Sitting) -> None:
        self.is_held = True

    async def hold(self) -> bool:
        """Believe."""
        return True

    def leave(self) -> None:
        """Stay."""
