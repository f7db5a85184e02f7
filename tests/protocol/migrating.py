"""What tests of migrations share: files for a service of the trio, and a way to carry them out."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import psycopg

from controller.core import naming
from controller.core.model import Site
from controller.core.plans import PlanKind
from controller.ports import Control
from tests.protocol.trio import AWS, SITES, Trio
from workload.schema.migration import Migration, parse, renamed
from workload.schema.node import Door
from workload.schema.outlook import told_as
from workload.schema.rollout import Rollout, sessions
from workload.schema.step import Pace

PACE = Pace(again=timedelta(milliseconds=100), patience=timedelta(seconds=10), confirm=timedelta(seconds=20))

PURPOSE = """
ALTER TABLE ledger.payment ADD COLUMN IF NOT EXISTS purpose text;
COMMENT ON COLUMN ledger.payment.purpose IS 'what it is for';
"""

NOTE = """
CREATE TABLE IF NOT EXISTS ledger.note (id uuid PRIMARY KEY, payment uuid NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE OR REPLACE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON ledger.note
    FOR EACH STATEMENT EXECUTE FUNCTION trimaran.guard();
COMMENT ON TABLE ledger.note IS 'retention=30d by=at residency=any contains=none: notes';
GRANT SELECT ON ledger.note TO payments_stream;
CREATE OR REPLACE FUNCTION ledger.write_note(id uuid, payment uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO ledger.note (id, payment) VALUES (write_note.id, write_note.payment);
$$;
GRANT EXECUTE ON FUNCTION ledger.write_note TO payments_app;
"""

INDEX = "CREATE INDEX CONCURRENTLY IF NOT EXISTS payment_by_amount ON ledger.payment (amount);"

WITHOUT_PURPOSE = "-- after: 0001\nALTER TABLE ledger.payment DROP COLUMN IF EXISTS purpose;"


class Crash(Exception):
    """Whoever migrates dies here."""


def files(trio: Trio, **texts: str) -> tuple[Migration, ...]:
    """Migrations by their names without number and ending, for this service."""
    numbered = {f"{number:04}_{name}.sql": text for number, (name, text) in enumerate(texts.items(), start=1)}
    return parse({name: renamed(text, "payments", trio.service) for name, text in numbered.items()})


def doors(trio: Trio) -> tuple[Door, ...]:
    """Every node as its owner reaches it."""
    control = naming.control_role(trio.service)
    return tuple(Door(site=site, conninfo=trio.servers[site].dsn(trio.service, control, "secret")) for site in SITES)


@asynccontextmanager
async def rollout(
    trio: Trio, migrations: tuple[Migration, ...], *, tell: Callable[[str], None] = lambda line: None, pace: Pace = PACE
) -> AsyncIterator[Rollout]:
    """A command under way."""
    async with sessions(doors(trio), trio.service, pace) as nodes:
        yield Rollout(
            service=trio.service,
            sites=frozenset(map(str, SITES)),
            nodes=nodes,
            migrations=migrations,
            pace=pace,
            watching=timedelta(seconds=0.2),
            tell=tell,
        )


async def migrate(trio: Trio, migrations: tuple[Migration, ...], *, crash_at: str = "", pace: Pace = PACE) -> list[str]:
    """Carry out what is pending; answers what was told. `crash_at`: die behind the first line that ends so."""
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if crash_at and line.endswith(crash_at):
            raise Crash(line)

    async with rollout(trio, migrations, tell=tell, pace=pace) as under_way:
        await under_way.apply()
    return told


async def script(trio: Trio, site: Site, text: str) -> None:
    """Run statements on one node by hand, as its owner."""
    async with await psycopg.AsyncConnection.connect(doors(trio)[SITES.index(site)].conninfo, autocommit=True) as session:
        await session.execute(renamed(text, "payments", trio.service).encode())


async def schemas(trio: Trio) -> dict[Site, str]:
    """Fingerprint of every node that runs, computed now."""
    running = [site for site in SITES if trio.servers[site].running]
    return {site: str((await trio.sql(site, "SELECT trimaran.fingerprint()"))[0][0]) for site in running}


async def fail_over(trio: Trio, leaving: Site, known: dict[Site, str]) -> Control:
    """Leave a dead writer, by a plan that carries these fingerprints."""
    control = await trio.claim(PlanKind.FAILOVER, leaving)
    assert control.plan is not None
    control = await trio.store("ctl").commit(control, plan=replace(control.plan, schemas=known))
    return await trio.executor().carry(control)


class process:  # noqa: N801  reads as what it stands for
    """A process of the service that is logged in at one site."""

    def __init__(self, trio: Trio, version: int, site: str = AWS) -> None:
        dsn = trio.servers[site].dsn(trio.service, naming.app_role(trio.service), "secret")
        self._conninfo = psycopg.conninfo.make_conninfo(dsn, application_name=told_as(trio.service, version))
        self._session: psycopg.AsyncConnection | None = None

    async def __aenter__(self) -> None:
        self._session = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()
