"""Cardholders, the vault and reconciliation together on real PostgreSQL: what was told is found there, and whatever is done to it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import uvicorn

from lab.load_transport import transport
from lab.reconcile_vault import VaultReconciliation, reconcile_vault
from lab.reconcile_vault_rows import Harm, VaultRows, WrapId
from lab.reconcile_vault_sql import read_vault
from lab.resolver import Answer
from lab.vault_load import Cardholders, sending
from lab.vault_load_record import Erased, Line, Tokenized, VaultRecord, read_vault_record
from lab.vault_load_settings import Settings
from lab.vault_load_wallet import Wallet
from lab.vault_opening import open_wraps, read_wraps
from tests.protocol.vault_site import AWS, AZURE, PASSWORD, SERVICE, Sites, eventually, two_sites
from workload.access.door import caller_of
from workload.access.everybody import Everybody
from workload.vault.app import build
from workload.vault.callers import OPERATIONS

CLOUDS = ("aws", "azure", "gcp")
PATIENCE = timedelta(seconds=5)


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    """azure writes, aws follows; three key services in memory."""
    async with two_sites(f"vault-load-{os.getpid()}") as sites:
        yield sites


@asynccontextmanager
async def vault(sites: Sites) -> AsyncIterator[int]:
    """The service beside the writer behind a door that is open to everybody; answers its port."""
    async with sites.service(AZURE) as assembly:
        answers, metrics = assembly.database.answers, assembly.metrics.render
        inner = build(assembly.vault, answers, who=caller_of, site=AZURE, metrics=metrics, situation=assembly.situation)
        server = uvicorn.Server(uvicorn.Config(Everybody(inner, OPERATIONS), log_config=None, lifespan="off"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield listener.getsockname()[1]
            finally:
                server.should_exit = True
                await serving


async def load(sites: Sites, port: int, record: Path) -> list[Line]:
    """Three seconds of cardholders; in the second one no key service of gcp answers."""

    async def ask(name: str, patience: float) -> Answer:
        return Answer(addresses=("192.0.2.2",), ttl=1)

    settings = Settings.model_validate(
        {
            "run": "protocol",
            "record": record,
            "nameservers": {"route53": 9},
            "names": ["vault.trimaran.test"],
            "routes": {"192.0.2.2": {"site": AZURE, "port": port}},
            "tokenize": 40,
            "reveal": 30,
            "erase": 2,
            "cards": 4,
            "duration": 3,
            "settle": 20,
        }
    )
    with VaultRecord(record) as kept:
        async with transport(None, [AZURE]) as carrying:
            cardholders = Cardholders(settings, kept, sending(carrying), {"route53": ask})
            running = asyncio.create_task(cardholders.run())
            await asyncio.sleep(1)
            async with sites.clouds_gone("gcp"):
                await asyncio.sleep(1)
            await running
    return list(read_vault_record(record))


async def read(sites: Sites) -> Mapping[str, VaultRows]:
    """What both hold."""
    return {
        site: await read_vault(server.dsn(SERVICE, "vault_control", PASSWORD), PATIENCE) for site, server in sites.servers.items()
    }


async def opened(sites: Sites) -> Mapping[WrapId, str]:
    """What came of every wrap of both, by the key services themselves."""
    dsns = [server.dsn(SERVICE, "vault_control", PASSWORD) for server in sites.servers.values()]
    held = [await read_wraps(dsn, PATIENCE) for dsn in dsns]
    return await open_wraps((wrap for wraps in held for wrap in wraps), tuple(sites.clouds.values()))


async def test_what_cardholders_were_told_is_found_and_so_is_every_damage(sites: Sites, tmp_path: Path) -> None:
    """A sound run has no finding once repairs are done; then rows are removed, moved and added behind the service's back, one by one."""
    async with vault(sites) as port:
        lines = await load(sites, port, tmp_path / "record")

        async def is_wrapped() -> bool:
            return reconcile_vault(lines, await read(sites), CLOUDS).is_wrapped

        await eventually(is_wrapped)
    await sites.caught_up()
    vaults = await read(sites)
    sound = reconcile_vault(lines, vaults, CLOUDS, await opened(sites))
    assert (sound.findings, sound.declined, sound.unresolved, sound.defects, sound.strangers) == ((), 0, 0, (), 0)
    assert sound.ledgers_equal
    assert (sound.tokens + sound.too_late, sound.reveals > 40, sound.erasures >= 3, sound.refused > 3) == (119, True, True, True)
    every = [Wallet("protocol", 1, b"").card(number).digits for number in range(119)]
    written = (tmp_path / "record").read_text() + repr(vaults)
    assert not [digits for digits in every if digits in written]

    first = next(line for line in lines if isinstance(line, Tokenized))
    gone = next(line for line in lines if isinstance(line, Erased))
    for harm, statement, values in damages(first, gone):
        found = await damaged(sites, lines, statement, values)
        assert {one.site for one in found.findings} == {AWS}, statement
        assert harm in found.harms, statement
        assert not found.ledgers_equal


def damages(first: Tokenized, gone: Erased) -> tuple[tuple[Harm, str, tuple[object, ...]], ...]:
    """What can be done to a follower."""
    wrap = "INSERT INTO vault.wrap SELECT data_key, 'gcp', 'old', '\\x00' FROM vault.erasure WHERE id = %s ON CONFLICT DO NOTHING"
    return (
        (Harm.LOST, "DELETE FROM vault.token WHERE id = %s", (first.token,)),
        (Harm.LOST, "DELETE FROM vault.erasure WHERE id = %s", (gone.proof,)),
        (Harm.ALTERED, "UPDATE vault.token SET kind = 'iban' WHERE id = %s", (first.token,)),
        (Harm.ALTERED, "UPDATE vault.erasure SET tokens = tokens + 1 WHERE id = %s", (gone.proof,)),
        (Harm.UNTRACED, "DELETE FROM vault.access WHERE token = %s AND action = 'tokenize'", (first.token,)),
        (Harm.UNTRACED, "DELETE FROM vault.access WHERE action = %s", ("reveal",)),
        (Harm.UNERASED, wrap, (gone.proof,)),
        (Harm.UNWRAPPED, "DELETE FROM vault.wrap WHERE cloud = %s", ("gcp",)),
        (Harm.UNWRAPPED, "UPDATE vault.wrap SET ciphertext = ciphertext || '\\x00' WHERE cloud = %s", ("azure",)),
        (Harm.ORPHANED, "DELETE FROM vault.data_key WHERE id = (SELECT data_key FROM vault.token WHERE id = %s)", (first.token,)),
    )


async def damaged(sites: Sites, lines: list[Line], statement: str, values: tuple[object, ...]) -> VaultReconciliation:
    """What is found after a statement on the follower, which is undone afterwards."""
    async with await sites.connect(AWS, "postgres") as session:
        kept = {table: await copied(session, table) for table in ("token", "erasure", "access", "wrap", "data_key")}
        await session.execute("SET session_replication_role = replica")
        done = await session.execute(statement, values)
        assert done.rowcount > 0, statement
        found = reconcile_vault(lines, await read(sites), CLOUDS, await opened(sites))
        for table in kept:
            await session.execute(f"TRUNCATE vault.{table}")
            await session.execute(f"INSERT INTO vault.{table} SELECT * FROM pg_temp.{table}_kept")
            await session.execute(f"DROP TABLE pg_temp.{table}_kept")
    return found


async def copied(session: psycopg.AsyncConnection, table: str) -> None:
    """Keep a table as it is for as long as the session lives."""
    await session.execute(f"CREATE TEMPORARY TABLE {table}_kept AS SELECT * FROM vault.{table}")
