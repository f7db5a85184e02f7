"""Fixtures of the database contract, as a plugin of its two test modules: they share the servers."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from lab.binaries import find_postgres
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace
from tests.contract.database_worlds import DatabaseWorld, Memory, Postgres
from tests.protocol.trio import SITES, Trio

NUMBERS = count(1)


@pytest.fixture(scope="session")
def contract_servers() -> Iterator[dict[str, PostgresServer]]:
    """One PostgreSQL 18 per site for all tests of this file."""

    async def start(workspace: Workspace) -> dict[str, PostgresServer]:
        binaries = find_postgres(18)
        made = [await create_server(workspace, site, binaries) for site in SITES]
        await asyncio.gather(*(server.start() for server in made))
        return {server.site: server for server in made}

    with Workspace(f"contract-{os.getpid()}") as workspace:
        yield asyncio.run(start(workspace))


@pytest.fixture(params=["memory", "postgres"])
def servers(request: pytest.FixtureRequest) -> dict[str, PostgresServer] | None:
    """What the world stands on; None: memory."""
    return request.getfixturevalue("contract_servers") if request.param == "postgres" else None


@pytest.fixture
async def three(servers: dict[str, PostgresServer] | None) -> AsyncIterator[DatabaseWorld]:
    """Both implementations, with a service that no other test uses."""
    service = f"contract{next(NUMBERS)}"
    if servers is None:
        yield Memory(service)
        return
    trio = Trio(service=service, servers=servers)
    try:
        await trio.found()
        yield Postgres(trio)
    finally:
        await trio.remove()
