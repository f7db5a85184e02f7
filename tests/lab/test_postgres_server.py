"""PostgreSQL servers of the lab keep what they committed, and let nobody in without a password."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
import pytest

from lab.binaries import find_postgres
from lab.errors import LabError
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace

VERSIONS = pytest.mark.parametrize("major", [18, 17])


@asynccontextmanager
async def one_server(major: int = 18, site: str = "azure") -> AsyncIterator[PostgresServer]:
    with Workspace(f"test-postgres-{major}") as workspace:
        server = await create_server(workspace, site, find_postgres(major))
        await server.start()
        yield server


def query(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    """Run one statement as the superuser in a session of its own."""
    with psycopg.connect(server.dsn(), autocommit=True, connect_timeout=5) as session:
        cursor = session.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@VERSIONS
async def test_a_killed_server_comes_back_with_everything_it_committed(major: int) -> None:
    """SIGKILL to the whole tree, then a new start on the same data and the same port, three times over."""
    async with one_server(major) as server:
        query(server, "CREATE TABLE kept (n int)")
        for turn in range(3):
            query(server, f"INSERT INTO kept VALUES ({turn})")
            server.kill()
            assert not server.running
            await server.start()
            assert query(server, "SELECT count(*) FROM kept") == [(turn + 1,)]


@VERSIONS
async def test_settings_are_those_of_a_managed_server_and_durability_is_real(major: int) -> None:
    """Logical WAL, fsync on, a 5 s worker restart, room for streams; loopback only."""
    async with one_server(major) as server:
        shown = {str(name): value for name, value in query(server, "SELECT name, current_setting(name) FROM pg_settings")}
        expected = {
            "server_version_num": shown["server_version_num"],
            "wal_level": "logical",
            "fsync": "on",
            "synchronous_commit": "on",
            "wal_retrieve_retry_interval": "5s",
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_replication_slots": "30",
        }
        assert {name: shown[name] for name in expected} == expected
        assert str(shown["server_version_num"]).startswith(str(major))
        methods = query(server, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert methods == [("scram-sha-256",)]


async def test_nobody_enters_without_the_password_and_no_file_keeps_it() -> None:
    """A wrong password is refused; the one given to initdb is nowhere on disk afterwards."""
    async with one_server() as server:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(password="wrong"), connect_timeout=5)
        secret = server.superuser_password.encode()
        places = [path for path in server.workspace.path.rglob("*") if path.is_file()]
        assert len(places) > 100
        assert not [path for path in places if secret in path.read_bytes()]
        assert server.superuser_password not in repr(server)


async def test_every_server_is_another_system() -> None:
    """Pins compare system identifiers: two servers copied from one template would pass for one another."""
    with Workspace("test-postgres-two") as workspace:
        binaries = find_postgres()
        servers = [await create_server(workspace, site, binaries) for site in ("aws", "gcp")]
        identities = set()
        for server in servers:
            await server.start()
            identities.update(query(server, "SELECT system_identifier FROM pg_control_system()"))
        assert len(identities) == 2


async def test_a_frozen_server_is_silent_and_answers_again_when_thawed() -> None:
    """The zombie: its sessions hang while it is frozen and go on afterwards as if nothing had happened."""
    async with one_server() as server:
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as session:
            await session.execute("SELECT 1")
            server.freeze()
            assert server.running
            asked = asyncio.ensure_future(session.execute("SELECT 42"))
            done, _ = await asyncio.wait([asked], timeout=0.3)
            assert not done
            server.thaw()
            async with asyncio.timeout(5):
                assert await (await asked).fetchall() == [(42,)]


async def test_an_orderly_stop_ends_with_a_checkpoint() -> None:
    """Fast shutdown returns 0 and the control file says so."""
    async with one_server() as server:
        await server.stop()
        assert server.process is not None
        assert server.process.exit_status == 0
        log = server.process.log.read_text()
        await server.start()
        assert "was not properly shut down" not in log + server.process.tail(100)


async def test_a_server_that_cannot_start_says_why() -> None:
    """The error carries PostgreSQL's own last words."""
    with Workspace("test-postgres-broken") as workspace:
        server = await create_server(workspace, "azure", find_postgres(), settings={"shared_buffers": "'plenty'"})
        with pytest.raises(LabError, match="shared_buffers"):
            await server.start(timedelta(seconds=10))


def claim_for(server: PostgresServer, pid: int) -> None:
    """Make the server's pid file name this process."""
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(pid), *lines[1:]]) + "\n")


async def test_a_dead_servers_pid_in_other_hands_does_not_keep_it_down() -> None:
    """The pid in the pid file now belongs to another server's process; PostgreSQL alone would believe the data are in use."""
    with Workspace("test-postgres-pid") as workspace:
        binaries = find_postgres()
        servers = [await create_server(workspace, site, binaries) for site in ("aws", "gcp")]
        for server in servers:
            await server.start()
        dead, living = servers
        dead.kill()
        assert living.process is not None
        claim_for(dead, living.process.pid)
        await dead.start()
        assert query(dead, "SELECT 1") == [(1,)]


@VERSIONS
async def test_an_error_leaves_neither_row_nor_statement_nor_value_in_the_log(major: int) -> None:
    """Which rule was broken is said, and nothing of what broke it. With the settings that a server comes with, all of it would be."""
    number = 4111111111111111
    async with one_server(major) as server:
        query(server, "CREATE TABLE kept (n bigint CHECK (n < 10), note text)")
        assert server.process is not None
        with psycopg.connect(server.dsn(), autocommit=True, connect_timeout=5) as session:

            def fail() -> str:
                """What a refused row leaves in the log."""
                assert server.process is not None
                before = len(server.process.log.read_text())
                with pytest.raises(psycopg.errors.CheckViolation):
                    session.execute("INSERT INTO kept VALUES (%s, %s)", (number, "a note"))
                return server.process.log.read_text()[before:]

            said = fail()
            assert "kept_n_check" in said
            assert not [told for told in (str(number), "a note", "INSERT") if told in said]
            session.execute("SET log_error_verbosity = 'default'")
            assert str(number) in fail()
            session.execute("SET log_error_verbosity = 'terse'")
            session.execute("SET log_min_error_statement = 'error'")
            assert "INSERT" in fail()
