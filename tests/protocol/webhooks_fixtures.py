"""Merchants who are to be told of payments, for each test."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest
from aiohttp import web

from lab.postgres import PostgresServer
from tests.protocol.webhooks_market import OTHER_SHOP, SECRET, SHOP, Market, TellingTrio

_numbers = count(1)


@pytest.fixture
async def telling(servers: dict[str, PostgresServer]) -> AsyncIterator[TellingTrio]:
    """A fresh service with an outbox on the three servers: azure writes, aws and gcp follow and acknowledge."""
    made = TellingTrio(service=f"hook{next(_numbers)}", servers=servers)
    try:
        await made.found()
        yield made
    finally:
        await made.remove()


@pytest.fixture
async def market(telling: TellingTrio, tmp_path: Path) -> AsyncIterator[Market]:
    """Two merchants who are to be told."""
    (tmp_path / "secrets.toml").write_text(f'all = ["{SECRET}"]\n')
    made = Market(trio=telling, folder=tmp_path)
    runner = web.AppRunner(made.merchants.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.port = runner.addresses[0][1]
        for account in (SHOP, OTHER_SHOP):
            await made.register(account)
        yield made
    finally:
        await runner.cleanup()
