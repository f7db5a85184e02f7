"""Founding on real servers by the command."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from controller.cli import app
from controller.cli.exits import Exit
from lab.postgres import PostgresServer
from tests.protocol.bank import PASSWORD, remove
from tests.protocol.trio import SITES


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
