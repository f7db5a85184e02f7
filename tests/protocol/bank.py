"""A service of one table on three servers, for tests of founding."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import psycopg

from controller.core import naming
from controller.core.model import Site
from controller.founding.found import Outcome, found
from controller.founding.schemas import Schema
from controller.founding.step import Wanted
from controller.founding.visit import Door
from lab.postgres import PostgresServer
from tests.protocol.trio import AWS, AZURE, GCP, SITES

PASSWORD = "of-a-role"
ADMINISTRATOR = "owner"


@dataclass
class Bank:
    """A service of one table, to be founded on three servers."""

    service: str
    servers: Mapping[str, PostgresServer]
    doors: Mapping[Site, Door]

    @property
    def wanted(self) -> Wanted:
        """It."""
        script = (
            f"CREATE SCHEMA bank; CREATE TABLE bank.row (id uuid PRIMARY KEY); GRANT USAGE ON SCHEMA bank TO {self.service}_desk;"
        )
        schema = Schema(service=self.service, script=script, tables=("bank.row",), logins=(f"{self.service}_desk",))
        return Wanted(schema=schema, writer=AZURE)

    async def found(self) -> Outcome:
        """As the command does it."""
        return await found(self.wanted, self.doors, dict.fromkeys(self.wanted.roles, PASSWORD))

    def ask(self, site: Site, query: str, *values: object, user: str | None = None) -> list[tuple]:
        """Rows, as the control role or another one."""
        dsn = self.servers[site].dsn(self.service, user or naming.control_role(self.service), PASSWORD)
        with psycopg.connect(dsn, autocommit=True) as session:
            cursor = session.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    async def streams(self) -> None:
        """What the writer commits arrives at both followers, and everybody has what a first reign has, once."""
        row = uuid4()
        self.ask(AZURE, "INSERT INTO bank.row VALUES (%s)", row)
        for site in (AWS, GCP):
            for _ in range(200):
                if self.ask(site, "SELECT 1 FROM bank.row WHERE id = %s", row):
                    break
                await asyncio.sleep(0.05)
            else:
                raise AssertionError(f"{site} never got the row")
        slots = {
            site: {
                name for (name,) in self.ask(site, "SELECT slot_name FROM pg_replication_slots WHERE database = %s", self.service)
            }
            for site in SITES
        }
        assert slots == {
            AZURE: {f"{self.service}_e1_azure_aws", f"{self.service}_e1_azure_gcp"},
            AWS: {f"{self.service}_spare_e1_aws_gcp"},
            GCP: {f"{self.service}_spare_e1_gcp_aws"},
        }
        for site in SITES:
            assert self.ask(site, "SELECT site, role, epoch FROM trimaran.node") == [
                (site, "writer" if site == AZURE else "follower", 1)
            ]
            assert self.ask(site, "SELECT count(*) FROM trimaran.marker") == [(1,)]
            spares = self.ask(site, "SELECT count(*) FROM trimaran.spares() WHERE complete")
            assert spares == [(2,)] if site == AZURE else spares == [(1,)]


def remove(servers: Mapping[str, PostgresServer], service: str, roles: tuple[str, ...]) -> None:
    """Its database with everything in it, and its roles."""
    for server in servers.values():
        with suppress(psycopg.OperationalError), psycopg.connect(server.dsn(service), autocommit=True) as within:
            for (name,) in within.execute(
                "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
            ).fetchall():
                within.execute(f"ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE)")
                within.execute(f"DROP SUBSCRIPTION {name}")
    for server in servers.values():
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            slots = "FROM pg_replication_slots WHERE database = %s"
            admin.execute(f"SELECT pg_terminate_backend(active_pid) {slots} AND active", (service,))
            while admin.execute(f"SELECT 1 {slots} AND active", (service,)).fetchone():
                admin.execute("SELECT pg_sleep(0.01)")
            admin.execute(f"SELECT pg_drop_replication_slot(slot_name) {slots}", (service,))
            admin.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)")
            for role in roles:
                admin.execute(f"DROP ROLE IF EXISTS {role}")
