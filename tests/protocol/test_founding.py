"""Founding on real servers: again, after kills, without a superuser, and by the command."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from controller.cli import app
from controller.cli.exits import Exit
from controller.core import naming
from controller.core.model import Site
from controller.errors import Denied, Refused, TrimaranError
from controller.founding.found import Outcome, found, look
from controller.founding.ground import LENT, ORIGINS, RDS_REPLICATION
from controller.founding.schemas import Schema
from controller.founding.step import Stage, Step, Wanted
from controller.founding.visit import Door
from lab.founding import direct_doors
from lab.postgres import PostgresServer
from tests.protocol.trio import AWS, AZURE, GCP, SITES

PASSWORD = "of-a-role"
ADMINISTRATOR = "owner"
_numbers = count(1)


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
                if self.ask(site, "SELECT FROM bank.row WHERE id = %s", row):
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


@pytest.fixture
def bank(servers: dict[str, PostgresServer]) -> Iterator[Bank]:
    """A new service, nowhere founded yet; nothing of it is left."""
    made = Bank(service=f"bank{next(_numbers)}", servers=servers, doors=direct_doors(servers))
    try:
        yield made
    finally:
        remove(servers, made.service, made.wanted.roles)


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


async def test_three_empty_databases_become_a_service(bank: Bank) -> None:
    """And the same again changes nothing at all."""
    first = await bank.found()
    await bank.streams()
    assert first.carried_out > 40 and first.found_done == 0
    before = {site: bank.ask(site, "SELECT trimaran.fingerprint()") for site in SITES}
    assert await bank.found() == Outcome(carried_out=0, found_done=0)
    await bank.streams()
    assert before == {site: bank.ask(site, "SELECT trimaran.fingerprint()") for site in SITES}
    assert len({str(found) for found in before.values()}) == 1, "one fingerprint everywhere"


async def test_roles_are_let_in_by_their_passwords_and_have_what_they_need(bank: Bank) -> None:
    """The password that was given, though it was never sent; everybody else is kept out."""
    await bank.found()
    for role in bank.wanted.processes:
        assert bank.ask(GCP, "SHOW default_transaction_read_only", user=role) == [("on",)]
    with psycopg.connect(bank.servers[GCP].dsn(), autocommit=True) as admin:
        ((public,),) = admin.execute("SELECT has_database_privilege('public', %s, 'CONNECT')", (bank.service,)).fetchall()
        kept = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()
    assert not public and len(kept) == 4 and all(password.startswith("SCRAM-SHA-256$4096:") for (password,) in kept)


async def test_looking_changes_nothing(bank: Bank) -> None:
    """And tells the same number of steps that are carried out then."""
    passwords = dict.fromkeys(bank.wanted.roles, PASSWORD)
    left = await look(bank.wanted, bank.doors, passwords)
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        assert not admin.execute("SELECT FROM pg_roles WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()
    assert (await bank.found()).carried_out == len(left)
    assert await look(bank.wanted, bank.doors, passwords) == ()


class Interrupted(Exception):
    """A founding is over."""


async def test_it_goes_on_wherever_it_ended(bank: Bank) -> None:
    """Ended after the first step, after the next ones, and so on until nothing is left to interrupt."""
    tries = 0
    for last in count(1, 5):
        told: list[Step] = []

        def tell(_stage: Stage, step: Step, _was: bool, told: list[Step] = told, last: int = last) -> None:
            told.append(step)
            if len(told) == last:
                raise Interrupted

        try:
            await found(bank.wanted, bank.doors, dict.fromkeys(bank.wanted.roles, PASSWORD), tell)
            break
        except Interrupted:
            tries += 1
    assert tries > 5
    await bank.streams()


async def test_it_survives_kills_at_any_moment(bank: Bank) -> None:
    """Its sessions are ended by the servers again and again, in the middle of statements too: answers are lost, and what was sent may have
    been done."""
    kills, failures = 0, 0
    query = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = 'trimaran' AND pid <> pg_backend_pid()"""

    async def kill() -> None:
        nonlocal kills
        pause = 0.01
        while True:
            for server in bank.servers.values():
                async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as admin:
                    kills += (await (await admin.execute(query)).fetchall())[0][0]
            await asyncio.sleep(pause)
            pause *= 1.15  # so that it comes to an end

    killing = asyncio.create_task(kill())
    try:
        async with asyncio.timeout(90):
            while True:
                try:
                    await bank.found()
                    break
                except (TrimaranError, psycopg.Error):
                    failures += 1
    finally:
        killing.cancel()
    print(f"{kills} sessions killed, {failures} foundings ended by it")
    assert failures > 3
    assert (await bank.found()) == Outcome(carried_out=0, found_done=0)
    await bank.streams()


async def test_two_at_once_do_not_meet(bank: Bank) -> None:
    """One of them founds, the other is told; nothing is made twice."""
    ended = await asyncio.gather(bank.found(), bank.found(), return_exceptions=True)
    refused = [one for one in ended if isinstance(one, Refused)]
    assert all("by somebody else" in one.value for one in refused)
    if len(refused) == 2:
        await bank.found()
    await bank.streams()


async def test_what_is_not_ours_is_left_alone(bank: Bank) -> None:
    """A table of somebody else's in the database, a role, the database itself: refused, and nothing was changed anywhere."""
    with psycopg.connect(bank.servers[GCP].dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {bank.service}")
        admin.execute(f"CREATE ROLE {bank.service}_app")
    with pytest.raises(Refused) as refused:
        await bank.found()
    assert f"gcp: role {bank.service}_app is there and not ours" in refused.value.value
    assert f"gcp: database {bank.service} is postgres's" in refused.value.value
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        assert not admin.execute("SELECT FROM pg_roles WHERE rolname = ANY (%s)", (list(bank.wanted.roles),)).fetchall()


async def test_a_database_with_tables_of_others_is_refused(bank: Bank) -> None:
    """Although it is called as ours and is owned as ours."""
    control = naming.control_role(bank.service)
    with psycopg.connect(bank.servers[AWS].dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {control}; COMMENT ON ROLE {control} IS 'trimaran: {bank.service}'")
        admin.execute(f"CREATE DATABASE {bank.service} OWNER {control}")
    with psycopg.connect(bank.servers[AWS].dsn(bank.service), autocommit=True) as within:
        within.execute("CREATE TABLE public.theirs (a integer)")
    with pytest.raises(Refused, match="is not empty: public.theirs"):
        await bank.found()


async def test_a_server_that_is_dialled_twice_is_refused(bank: Bank) -> None:
    """By a slip, gcp's address is aws's."""
    bank.doors = {**bank.doors, GCP: replace(bank.doors[GCP], administrator=bank.doors[AWS].administrator)}
    with pytest.raises(Refused, match="gcp: it is the same server as aws's"):
        await bank.found()


# ------------------------------------------------------------------------------------------------ vendors


@contextmanager
def administered(bank: Bank, group: str, *, attribute: bool, lends: bool = False) -> Iterator[None]:
    """Every server has an administrator as that vendor gives one, and the bank is founded by it.

    What the group has is what the vendor documents (`docs/deploy.md`); `lends`: PostgreSQL's own roles one by one, too.
    """
    made = [group] if attribute else [group, RDS_REPLICATION]
    holding = ("postgres", "template1")
    rights = f"LOGIN CREATEROLE CREATEDB {'REPLICATION' if attribute else ''} PASSWORD '{PASSWORD}'"
    for server in bank.servers.values():
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            for role in made:
                admin.execute(f"CREATE ROLE {role}")
            admin.execute(f"GRANT {', '.join(LENT)} TO {group}")
            admin.execute(f"CREATE ROLE {ADMINISTRATOR} {rights}")
            admin.execute(f"GRANT {', '.join((*made, *(LENT if lends else ())))} TO {ADMINISTRATOR} WITH ADMIN OPTION")
        for database in holding:
            with psycopg.connect(server.dsn(database), autocommit=True) as within:
                within.execute(f"GRANT EXECUTE ON FUNCTION {ORIGINS} TO {group}")
    bank.doors = {
        site: replace(door, administrator=replace(door.administrator, user=ADMINISTRATOR, password=PASSWORD))
        for site, door in bank.doors.items()
    }
    try:
        yield
    finally:
        remove(bank.servers, bank.service, ())
        for server in bank.servers.values():
            for database in holding:
                with psycopg.connect(server.dsn(database), autocommit=True) as within:
                    within.execute(f"REVOKE EXECUTE ON FUNCTION {ORIGINS} FROM {group}")
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                # Who granted something cannot go before what it has granted.
                for role in (*bank.wanted.roles, ADMINISTRATOR, *made):
                    if admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                        admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("lends", [False, True], ids=["by the group", "one by one"])
@pytest.mark.parametrize("group", ["azure_pg_admin", "cloudsqlsuperuser"])
async def test_an_administrator_of_azure_or_google_founds(bank: Bank, group: str, lends: bool) -> None:
    """Without a superuser anywhere; what controllers need to elect and to cut, they may then."""
    with administered(bank, group, attribute=True, lends=lends):
        await bank.found()
        assert await bank.found() == Outcome(carried_out=0, found_done=0)
        await bank.streams()
        ((progress,),) = bank.ask(AWS, "SELECT bool_and(lsn IS NOT NULL) FROM trimaran.positions()")
        assert progress
        ((superusers,),) = bank.ask(
            AWS, "SELECT count(*) FROM pg_roles WHERE rolsuper AND rolname = ANY (%s)", list(bank.wanted.roles)
        )
        assert superusers == 0
        bank.ask(AWS, f"ALTER SUBSCRIPTION {bank.service}_e1_azure_aws DISABLE")
        assert bank.ask(AWS, "SELECT trimaran.await_stopped('5 s')") == [(True,)]


async def test_an_administrator_of_amazons_founds(bank: Bank) -> None:
    """There, who is a member of `rds_replication` may replicate; a server that is not Amazon's does not know that. So the first try ends at
    the first slot, and after what Amazon's server would have done by itself the second goes on."""
    with administered(bank, "rds_superuser", attribute=False):
        with pytest.raises(Denied, match="replication"):
            await bank.found()
        for server in bank.servers.values():
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                members = "SELECT pg_has_role(%s, %s, 'MEMBER')"
                for role in (naming.control_role(bank.service), naming.stream_role(bank.service)):
                    assert admin.execute(members, (role, RDS_REPLICATION)).fetchone() == (True,)
                    admin.execute(f"ALTER ROLE {role} REPLICATION")
        await bank.found()
        await bank.streams()


async def test_an_administrator_that_may_give_nothing_is_refused(bank: Bank) -> None:
    """A login of an ordinary person, who would end half-way."""
    for server in bank.servers.values():
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE {ADMINISTRATOR} LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
    bank.doors = {
        site: replace(door, administrator=replace(door.administrator, user=ADMINISTRATOR, password=PASSWORD))
        for site, door in bank.doors.items()
    }
    try:
        with pytest.raises(Refused) as refused:
            await bank.found()
        assert "owner can let nobody replicate" in refused.value.value and "pg_create_subscription" in refused.value.value
    finally:
        for server in bank.servers.values():
            with psycopg.connect(server.dsn(), autocommit=True) as admin:
                admin.execute(f"DROP ROLE {ADMINISTRATOR}")


# ------------------------------------------------------------------------------------------------ the command


def settings_of(servers: Mapping[str, PostgresServer]) -> str:
    """Of a controller that looks after payments and the vault on these servers."""
    lines = ['site = "aws"', "[listen]", 'host = "127.0.0.1"', "port = 1", "[etcd]", 'endpoints = ["http://127.0.0.1:2"]']
    for site in SITES:
        lines += [f"[sites.{site}]", 'edge = "http://127.0.0.1:3"']
    for service in ("payments", "vault"):
        lines += [f"[services.{service}]", 'mode = "observe"', 'writer = "azure"', "shares = { aws = 1, azure = 1, gcp = 1 }"]
        canary = ", ".join(
            f'{who} = "00000000-0000-0000-0000-00000000000{number}"' for number, who in ((1, "debtor"), (2, "creditor"))
        )
        lines += [
            f'canary = {{ {canary}, currency = "EUR" }}' if service == "payments" else 'readiness = { host = "vault.test" }'
        ]
        at = {site: f'host = "127.0.0.1"\nport = {servers[site].port}' for site in SITES}
        lines += [f"[services.{service}.databases.{site}]\n{at[site]}" for site in SITES]
        lines += [
            f"[services.{service}.streams.{follower}.{site}]\n{at[site]}"
            for follower in SITES
            for site in SITES
            if site != follower
        ]
    return "\n".join(lines)


@asynccontextmanager
async def two_services(
    servers: dict[str, PostgresServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Path]:
    """Settings of payments and vault, with every password in the environment; nothing is left of both."""
    path = tmp_path / "controller.toml"
    path.write_text(settings_of(servers))
    for service, roles in (("PAYMENTS", ("APP", "CONTROL", "STREAM", "WEBHOOKS")), ("VAULT", ("APP", "CONTROL", "STREAM"))):
        for role in roles:
            monkeypatch.setenv(f"TRIMARAN_{service}_{role}_PASSWORD", PASSWORD)
        for site, server in servers.items():
            told = f"user=postgres password={server.superuser_password}"
            monkeypatch.setenv(f"TRIMARAN_{service}_{site.upper()}_ADMINISTRATOR", told)
    try:
        yield path
    finally:
        remove(servers, "payments", tuple(f"payments_{role}" for role in ("app", "control", "stream", "webhooks")))
        remove(servers, "vault", tuple(f"vault_{role}" for role in ("app", "control", "stream")))


async def test_the_command_founds_payments_and_vault(
    servers: dict[str, PostgresServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown, carried out, and the same again: canaries' accounts are at both followers, and nothing that was printed is a password."""
    async with two_services(servers, tmp_path, monkeypatch) as settings:

        async def bootstrap(*more: str) -> str:
            assert await asyncio.to_thread(app.run, ["bootstrap", "--settings", str(settings), *more], ()) == Exit.DONE
            told = capsys.readouterr()
            assert PASSWORD not in told.out + told.err
            return told.out

        shown = await bootstrap("--dry-run")
        assert "CREATE ROLE payments_control LOGIN REPLICATION" in shown and "-- vault: " in shown
        first = json.loads(await bootstrap("--json"))
        assert set(first) == {"payments", "vault"} and first["payments"]["carried_out"] > first["vault"]["carried_out"] > 40
        again = json.loads(await bootstrap("--json"))
        assert again == {"payments": {"carried_out": 0, "found_done": 2}, "vault": {"carried_out": 0, "found_done": 0}}
        assert "-- vault: nothing is left to be done" in await bootstrap("--dry-run", "--service", "vault")
        for site in SITES:
            dsn = servers[site].dsn("payments", "payments_control", PASSWORD)
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
                accounts: list[tuple] = []
                while len(accounts) < 2:
                    accounts = await (await session.execute("SELECT currency, balance FROM ledger.account")).fetchall()
                assert accounts == [("EUR", 0), ("EUR", 0)]
