"""`python -m workload.webhooks register` as an operator calls it, against two real databases."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from lab.receiver_settings import dispatcher_settings, new_secret, secrets_file
from tests.protocol.payments_site import AWS, AZURE, PASSWORD, STREAM, Sites, eventually

pytest_plugins = ("tests.protocol.payments_fixtures",)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

URL = "http://127.0.0.1:9/hooks"


async def order(sites: Sites, folder: Path, account: UUID, *more: str) -> tuple[int, str, str]:
    """Its status, and what it says where."""
    databases = {site: server.port for site, server in sites.servers.items()}
    (folder / "secrets.toml").write_text(secrets_file({"shop": [new_secret()]}))
    settings = folder / "webhooks.toml"
    settings.write_text(dispatcher_settings(AWS, listen=1, databases=databases, secrets=folder / "secrets.toml"))
    given = ["--settings", str(settings), "--account", str(account), "--url", URL, "--secret", "shop", *more]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workload.webhooks", "register", *given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TRIMARAN_PAYMENTS_CONTROL_PASSWORD": PASSWORD},
    )
    try:
        async with asyncio.timeout(40):
            said, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def endpoints(sites: Sites, site: str, account: UUID) -> list[tuple[str, bool]]:
    """What a site has for the account."""
    return await sites.ask(site, "SELECT url, enabled FROM outbox.endpoint WHERE account = %s", account)


async def test_what_it_calls_kept_is_on_another_clouds_disk_already(sites: Sites, tmp_path: Path) -> None:
    """Status 0, one line, and the follower has the row at that moment; `--hold` stops the sending."""
    account = uuid4()
    status, said, complained = await order(sites, tmp_path, account)
    assert await endpoints(sites, AWS, account) == [(URL, True)]
    assert (status, complained) == (0, "")
    assert said == f"{account}: events go to {URL}; azure keeps it in epoch 1, and another cloud too\n"
    status, said, _ = await order(sites, tmp_path, account, "--hold")
    assert (status, await endpoints(sites, AWS, account)) == (0, [(URL, False)])
    assert "events are recorded, and not sent" in said


async def test_what_only_the_writer_has_it_does_not_call_kept(sites: Sites, tmp_path: Path) -> None:
    """Status 6: it may be kept or be lost. Once the follower is back the same order settles it."""
    account = uuid4()
    await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} DISABLE")
    try:
        query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
        await eventually(lambda: sites.ask(AZURE, query, STREAM))
        status, said, complained = await order(sites, tmp_path, account, "--timeout", "2")
        assert (status, said, await endpoints(sites, AWS, account)) == (6, "", [])
        assert "not known to be kept" in complained and "the same order again settles it" in complained
    finally:
        await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} ENABLE")
    assert (await order(sites, tmp_path, account))[0] == 0
    assert await endpoints(sites, AWS, account) == [(URL, True)]
