"""A service on three databases, with a client that keeps its own record: what a protocol test plays with.

The client acknowledges exactly as the payments service does: commit, read the flush position, ask the barrier.
"""

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import psycopg

import workload.payments
from controller.actions import Actions, Patience
from controller.clock import SystemClock
from controller.coordination.store import Store
from controller.core import naming
from controller.core.model import Epoch, Mode, Posture, Site, Trigger
from controller.core.phases import first_phase
from controller.core.plans import Plan, PlanKind
from controller.execute import Executor
from controller.founding.found import found
from controller.founding.schemas import Schema
from controller.founding.step import Wanted
from controller.ports import Control, Draft, ProbeResult
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Address, Sessions
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, coordination
from lab.founding import direct_doors
from lab.postgres import PostgresServer
from workload.webhooks.settings import webhooks_role

SITES = (Site("aws"), Site("azure"), Site("gcp"))
AWS, AZURE, GCP = SITES
TABLES = ("ledger.account", "ledger.payment", "ledger.entry", "ledger.profile", "ledger.held")
DEBTOR, CREDITOR, OTHER_DEBTOR, OTHER_CREDITOR = (uuid.UUID(int=number) for number in range(1, 5))


class PaidCanary:
    """A canary that always succeeds; the protocol tests have no HTTP service."""

    async def measure(self, deadline: timedelta) -> ProbeResult:
        """Succeed at once."""
        return ProbeResult(ok=True, latency=timedelta(0), detail="")


@dataclass
class Trio:
    """One service on three servers, its controller state in memory, and the client's record of what was acknowledged."""

    service: str
    servers: dict[str, PostgresServer]
    tables: tuple[str, ...] = TABLES
    """Published."""
    acknowledged: dict[str, Epoch] = field(default_factory=dict)
    nodes: dict[Site, Node] = field(default_factory=dict)
    databases: dict[Site, PostgresDatabase] = field(default_factory=dict)
    holders: dict[Site, psycopg.AsyncConnection] = field(default_factory=dict)
    dead: set[Site] = field(default_factory=set)
    etcd: MemoryEtcd = field(default_factory=lambda: MemoryEtcd(clock=SteppedClock()))
    """Its clock stands still: a session lapses when a test says so."""
    stores: dict[str, Store] = field(default_factory=dict)

    async def found(self) -> None:
        """Roles, databases, schemas, first streams, two accounts."""
        schema = Schema(service=self.service, script=self._schema(), tables=self.tables, logins=(webhooks_role(self.service),))
        wanted = Wanted(schema=schema, writer=AZURE)
        await found(wanted, direct_doors(self.servers), dict.fromkeys(wanted.roles, "secret"))
        self.nodes = {site: self._node(site) for site in SITES}
        self.databases = {site: PostgresDatabase(node) for site, node in self.nodes.items()}
        for account in (DEBTOR, CREDITOR, OTHER_DEBTOR, OTHER_CREDITOR):
            await self.sql(AZURE, "SELECT ledger.open_account(%s, 'EUR', 0, true)", account)
        await self.store("founder").found(
            Posture(
                service=self.service,
                epoch=Epoch(1),
                writer=AZURE,
                reign=Epoch(1),
                must_cut=frozenset({AWS, GCP}),
                weights=dict.fromkeys(SITES, 1.0),
                mode=Mode.AUTOMATIC,
            )
        )
        await self.pay()

    def _schema(self) -> str:
        folder = Path(workload.payments.__file__).parent
        text = (folder / "ledger.sql").read_text() + (folder / "evidence.sql").read_text()
        return text.replace("payments_app", f"{self.service}_app").replace("payments_stream", f"{self.service}_stream")

    def _node(self, site: Site) -> Node:
        def address(at: Site, user: str) -> Address:
            return Address(host="127.0.0.1", port=self.servers[at].port, database=self.service, user=user, password="secret")

        return Node(
            service=self.service,
            site=site,
            sessions=Sessions(address(site, naming.control_role(self.service)), site=site),
            publishers={other: address(other, naming.stream_role(self.service)) for other in SITES if other != site},
        )

    async def remove(self) -> None:
        """Take the service off the servers again, so that slots and workers do not pile up."""
        for site in list(self.holders):
            await self.release_apply(site)
        for site in sorted(self.dead):
            await self.start(site)
        for database in self.databases.values():
            await database.close()
        for server in self.servers.values():
            if not server.running:
                continue
            with psycopg.connect(server.dsn(self.service), autocommit=True) as admin:
                admin.execute(
                    "SELECT trimaran.drop_subscriptions(NULL), trimaran.keep_spares(epoch, '{}', '{}') FROM trimaran.node"
                )
        for server in self.servers.values():
            if not server.running:
                continue
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                slots = "FROM pg_replication_slots WHERE database = %s"
                admin.execute(f"SELECT pg_terminate_backend(active_pid) {slots} AND active", (self.service,))
                while admin.execute(f"SELECT 1 {slots} AND active", (self.service,)).fetchone():
                    await asyncio.sleep(0.01)
                admin.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}", (self.service,))
                admin.execute(f"DROP DATABASE {self.service} WITH (FORCE)")

    # ---------------------------------------------------------------------------------------------- the client

    async def sql(self, site: Site, text: str, *parameters: object, user: str | None = None) -> list[tuple]:
        """Run one statement on a site as the control role, or another one."""
        dsn = self.servers[site].dsn(self.service, user or naming.control_role(self.service), "secret")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            cursor = await connection.execute(text, parameters or None)
            return await cursor.fetchall() if cursor.description else []

    async def pay(
        self,
        at: Site | None = None,
        key: str | None = None,
        patience: float = 10.0,
        accounts: tuple[uuid.UUID, uuid.UUID] = (DEBTOR, CREDITOR),
        *,
        barrier: bool = True,
    ) -> str | None:
        """Pay 1 and wait for the barrier; the key when it was acknowledged, which is then on record, else None.

        `barrier=False` is a client that believes a COMMIT. Its patience is longer than the five seconds in which a server starts a worker
        again that ended.
        """
        key = key or str(uuid.uuid4())
        writer = at or await self.writer()
        app = self.servers[writer].dsn(self.service, naming.app_role(self.service), "secret")
        async with await psycopg.AsyncConnection.connect(app, autocommit=True) as session:
            await session.execute("BEGIN READ WRITE")
            paid = await session.execute(
                "SELECT outcome, epoch FROM ledger.pay(%s, %s, '\\x00', %s, %s, 1, 'EUR')", (uuid.uuid4(), key, *accounts)
            )
            outcome, epoch = (await paid.fetchall())[0]
            await session.execute("COMMIT")
            assert outcome in {"created", "replayed"}, outcome
            looked = await session.execute(
                """SELECT is_open AND epoch = %(epoch)s AND confirmed >= l.lsn, l.lsn
                   FROM (SELECT pg_current_wal_flush_lsn() AS lsn) AS l,
                        trimaran.await_barrier(%(epoch)s, l.lsn, %(patience)s * interval '1 second')""",
                {"epoch": epoch, "patience": patience},
            )
            if barrier and not (await looked.fetchall())[0][0]:
                return None
        self.acknowledged[key] = Epoch(epoch)
        return key

    async def streaming(self, at: Site) -> tuple[int, ...]:
        """Who streams from a site once somebody does, by process: whoever was interrupted comes back as another one."""
        while not (
            found := await self.sql(
                at, "SELECT active_pid FROM pg_replication_slots WHERE slot_name LIKE %s AND active", f"{self.service}\\_e%"
            )
        ):
            await asyncio.sleep(0.02)
        return tuple(sorted(pid for (pid,) in found))

    async def writer(self) -> Site:
        """The writer of the highest epoch that a node admits to be."""
        said = [(await self.databases[site].facts(timedelta(seconds=1)), site) for site in SITES if self.servers[site].running]
        return max((facts.epoch, site) for facts, site in said if facts.role == "writer")[1]

    async def lost(self, site: Site) -> set[str]:
        """Acknowledged keys that a site's ledger lacks."""
        rows = await self.sql(site, "SELECT idempotency_key FROM ledger.payment")
        return set(self.acknowledged) - {key for (key,) in rows}

    async def await_equal(self, *sites: Site, patience: float = 10) -> None:
        """Wait until these ledgers, or all, have equal digests; fails when they do not become equal."""
        give_up = asyncio.get_running_loop().time() + patience
        while True:
            digests = {site: await self.databases[site].digest(up_to=Epoch(1 << 40)) for site in sites or SITES}
            if len(set(digests.values())) == 1:
                return
            assert asyncio.get_running_loop().time() < give_up, digests
            await asyncio.sleep(0.02)

    # ---------------------------------------------------------------------------------------------- faults

    async def hold_apply(self, site: Site) -> None:
        """Keep a follower from applying payments, by a lock on the table; its worker lives on and waits."""
        dsn = self.servers[site].dsn(self.service, naming.control_role(self.service), "secret")
        holder = await psycopg.AsyncConnection.connect(dsn)
        await holder.execute("LOCK TABLE ledger.payment IN EXCLUSIVE MODE")
        self.holders[site] = holder

    async def hold_account(self, site: Site, account: uuid.UUID) -> None:
        """Keep a follower from applying payments that touch one account; earlier ones are applied."""
        dsn = self.servers[site].dsn(self.service, naming.control_role(self.service), "secret")
        self.holders[site] = await psycopg.AsyncConnection.connect(dsn)
        await self.holders[site].execute("SELECT FROM ledger.account WHERE id = %s FOR UPDATE", (account,))

    async def release_apply(self, site: Site) -> None:
        """Let it apply again."""
        await self.holders.pop(site).close()

    async def part(self, site: Site) -> None:
        """Keep a follower from receiving anything more, as a cut link would; its worker is gone when this returns."""
        await self.sql(
            site,
            "DO $$ DECLARE s text; BEGIN FOR s IN SELECT name FROM trimaran.subscriptions() LOOP "
            "EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', s); END LOOP; END $$",
        )
        assert (await self.sql(site, "SELECT trimaran.await_stopped('5 s')"))[0][0]

    def lose(self, site: Site) -> None:
        """Kill a server, so that it can be started again with what it has."""
        self.servers[site].kill()
        self.dead.add(site)

    async def start(self, site: Site) -> None:
        """Start it again on its data."""
        await self.servers[site].start()
        self.dead.discard(site)

    # ---------------------------------------------------------------------------------------------- the controller

    async def left_behind(self) -> list[str]:
        """Siblings that any plan had to leave for a reseed."""
        journal = await self.store("reader").journal(self.service)
        return [str(entry.body["step"]) for entry in journal if entry.body.get("left_behind")]

    def store(self, controller: str) -> Store:
        """This controller's view of the shared etcd."""
        return self.stores.setdefault(controller, coordination(self.etcd, controller)[0])

    async def claim(self, kind: PlanKind, subject: Site | None = None, *, by: str = "ctl", claims: bool | None = None) -> Control:
        """Take a new plan, as the loop would after its decision."""
        store = self.store(by)
        await store.open_session()
        known = await store.read(self.service)
        assert known is not None
        new_epoch = kind in {PlanKind.FAILOVER, PlanKind.SWITCHOVER} if claims is None else claims
        epoch = Epoch(known.posture.epoch + 1) if new_epoch else known.posture.reign
        plan = Plan(
            id=f"{kind}-{epoch}-{uuid.uuid4().hex[:6]}",
            service=self.service,
            kind=kind,
            epoch=epoch,
            trigger=Trigger.OPERATOR,
            reason="test",
            by=by,
            started=SystemClock().now(),
            subject=subject,
            phase=first_phase(kind),
        )
        posture = replace(known.posture, epoch=epoch) if new_epoch else None
        return await store.commit(known, posture=posture, plan=plan, take=True, journal=[Draft(kind="claim", body={})])

    def executor(self, by: str = "ctl", databases: dict[Site, PostgresDatabase] | None = None) -> Executor:
        """The production executor over real databases."""
        actions = Actions(
            service=self.service,
            databases=databases or self.databases,
            authorities=(),
            canaries={site: PaidCanary() for site in SITES},
            clock=SystemClock(),
            patience=Patience(settle=timedelta(seconds=1.5), verify=timedelta(seconds=0.5)),
        )
        return Executor(coordination=self.store(by), actions=actions, clock=SystemClock())

    async def take_over(self, by: str) -> Control:
        """Take the running plan over, as the loop does when its owner's session is gone."""
        store = self.store(by)
        await store.open_session()
        known = await store.read(self.service)
        assert known is not None
        assert known.plan is not None
        return await store.commit(known, plan=known.plan, take=True, journal=[Draft(kind="takeover", body={})])

    async def posture(self) -> Posture:
        """What etcd says now."""
        known = await self.store("reader").read(self.service)
        assert known is not None
        return known.posture

    async def rewrite(self, must_cut: frozenset[Site]) -> None:
        """Put another must-cut set into etcd, as a controller without the rule would."""
        store = self.store("ablation")
        await store.open_session()
        known = await store.read(self.service)
        assert known is not None
        await store.commit(known, posture=replace(known.posture, must_cut=must_cut))

    async def carry(self, kind: PlanKind, subject: Site | None = None) -> Control:
        """Claim and carry out to the end."""
        return await self.executor().carry(await self.claim(kind, subject))
