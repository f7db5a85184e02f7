"""A disk that is full for one PostgreSQL server and nobody else."""

import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from lab import disk
from lab.binaries import find_postgres
from lab.errors import LabError
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace


def answers(server: PostgresServer, statement: str) -> bool:
    """Does the server carry this out?"""
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as session:
            session.execute(statement.encode())
    except psycopg.Error:
        return False
    return True


def until(holds: Callable[[], bool], deadline: timedelta = timedelta(seconds=30)) -> bool:
    """Does this come true in time?"""
    end = time.monotonic() + deadline.total_seconds()
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.1)  # a server in another process does not say when it has recovered
    return held


async def test_nothing_is_committed_on_a_full_disk_and_nothing_is_lost_by_it() -> None:
    """The commit panics as it does when the log cannot grow; freed, the server has what it had confirmed, and takes more."""
    with Workspace("test-disk") as workspace:
        server = await create_server(workspace, "aws", find_postgres())
        await server.start()
        assert answers(server, "CREATE TABLE held AS SELECT 1")
        disk.fill(server)
        assert not answers(server, "INSERT INTO held VALUES (2)")
        assert server.process is not None
        assert "PANIC:  could not write to log file" in server.process.tail(50)
        await disk.free(server)
        assert until(lambda: answers(server, "INSERT INTO held VALUES (3)"))
        assert answers(server, 'DO $$ BEGIN ASSERT (SELECT sum("?column?") FROM held) = 4; END $$')
        await server.stop()
        with pytest.raises(LabError, match="does not run"):
            disk.fill(server)
