"""Load, DNS, the payments service and reconciliation together on real PostgreSQL: one site serves, the other hangs."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.core.model import Group, Site
from controller.providers.aws.dns import Route53
from controller.providers.aws.session import route53_client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.control import CloudControl
from lab.processes import launch_module
from lab.reconcile import reconcile
from lab.reconcile_recovery import recovery
from lab.reconcile_rows import Fault, Ledger
from lab.reconcile_sql import read_ledger
from lab.record import read_record
from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, PASSWORD, STREAM, Sites, two_sites

NAME = WeightedName(name="payments.trimaran.test", ttl=1)
ADDRESSES = {Site(AZURE): "192.0.2.2", Site(AWS): "192.0.2.1"}
PAYMENTS = Group("payments")
LONG = timedelta(seconds=5)


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    """azure writes, aws follows."""
    async with two_sites(f"load-{os.getpid()}") as sites:
        yield sites


def write(file: Path, settings: dict[str, object]) -> Path:
    """Settings as the file that a part of the lab is started with."""
    file.write_text(json.dumps(settings))
    return file


async def start(sites: Sites, module: str, **settings: object) -> dict[str, Any]:
    """Start a part of the lab; answers what it says when it is ready."""
    file = write(sites.workspace.directory("settings") / f"{module}.json", settings)
    process = launch_module(sites.workspace, module.replace(".", "-"), module, "--settings", file)
    for _ in range(500):
        for line in process.tail().splitlines():
            if line.startswith('{"ready"'):
                ready: dict[str, Any] = json.loads(line)
                return ready
        assert process.alive, process.tail()
        await asyncio.sleep(0.02)
    raise AssertionError(process.tail())


async def read(sites: Sites, site: str) -> Ledger:
    return await read_ledger(sites.servers[site].dsn("payments", "payments_control", PASSWORD), LONG)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A site that accepts and never answers."""
    await reader.read()
    writer.close()


async def test_what_clients_were_told_is_on_every_ledger(sites: Sites, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Half the answers lead to a site that hangs; after steering every payment is settled, and all ledgers agree with the record.

    Then one payment is removed and one altered behind the service's back, and reconciliation finds both.
    """
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    api = f"http://127.0.0.1:{(await start(sites, 'lab.clouds.aws'))['port']}"
    names = await start(sites, "lab.nameserver", api=api)
    async with aiohttp.ClientSession() as http:
        zone = await CloudControl(http, api).zone_id("trimaran.test")
    client = route53_client(endpoint_url=api)
    records = GroupRecords(names=(NAME,), addresses=ADDRESSES)
    authority = Route53(client=lambda: client, zone_id=zone, groups={PAYMENTS: records})
    assert (await authority.steer({PAYMENTS: {Site(AZURE): 1.0, Site(AWS): 1.0}}, LONG)).in_sync
    silent = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with silent, sites.service(AZURE) as service:
        routes = {
            ADDRESSES[Site(AZURE)]: {"site": AZURE, "port": service.http._base_url.port},  # type: ignore[union-attr]
            ADDRESSES[Site(AWS)]: {"site": AWS, "port": silent.sockets[0].getsockname()[1]},
        }
        settings: dict[str, object] = {
            "run": "load",
            "record": str(tmp_path / "record"),
            "nameservers": {"route53": names["port"]},
            "names": [NAME.name],
            "routes": routes,
            "accounts": [str(account) for account in ACCOUNTS],
            "devices": 20,
            "duration": 4,
        }
        file = write(tmp_path / "load.json", settings)
        load = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "lab.load", "--settings", file, stdout=asyncio.subprocess.PIPE
        )
        assert load.stdout is not None
        began = json.loads(await load.stdout.readline())["t"]
        await asyncio.sleep(1.5)
        assert (await authority.steer({PAYMENTS: {Site(AZURE): 1.0}}, LONG)).in_sync
        async with asyncio.timeout(30):
            stats = json.loads(await load.stdout.readline())
            assert await load.wait() == 0
    lines = tuple(read_record(tmp_path / "record"))
    await sites.caught_up(AZURE, STREAM)
    ledgers = {site: await read(sites, site) for site in (AZURE, AWS)}

    result = reconcile(lines, ledgers)
    assert (result.attempted, result.acknowledged, result.unresolved) == (400, 400, 0), stats
    assert (result.lost, result.duplicated, result.findings, result.defects) == (0, 0, (), ())
    assert result.ledgers_equal
    assert stats["failed_attempts"] > 0, "nothing was ever sent to the silent site"
    waited = recovery(lines, fault_at=began, epoch_before=0).clients
    assert waited.unrecovered == 0
    assert 0 < waited.affected <= 20

    victim, other = sorted(payment.id for payment in ledgers[AWS].payments)[:2]
    async with await sites.connect(AWS, "postgres") as session:
        await session.execute("SET session_replication_role = replica")
        await session.execute("DELETE FROM ledger.payment WHERE id = %s", (victim,))
        await session.execute("UPDATE ledger.payment SET amount = amount + 1 WHERE id = %s", (other,))
    damaged = reconcile(lines, {**ledgers, AWS: await read(sites, AWS)})
    assert damaged.lost == 2
    assert {finding.fault for finding in damaged.findings} == {Fault.LOST, Fault.ALTERED, Fault.UNBALANCED}
    assert {finding.site for finding in damaged.findings} == {AWS}
    assert not damaged.ledgers_equal


async def test_a_ledger_that_does_not_answer_costs_the_deadline(sites: Sites) -> None:
    """A frozen server, and one that is held up in the middle of the reading, are both a TimeoutError in time."""
    loop, patience = asyncio.get_running_loop(), timedelta(seconds=0.5)
    dsn = sites.servers[AWS].dsn("payments", "payments_control", PASSWORD)
    async with await sites.connect(AWS, "postgres") as session, session.transaction():
        await session.execute("LOCK TABLE ledger.entry IN ACCESS EXCLUSIVE MODE")
        asked = loop.time()
        with pytest.raises(TimeoutError):
            await read_ledger(dsn, patience)
        assert loop.time() - asked < 1
    sites.servers[AWS].freeze()
    try:
        asked = loop.time()
        with pytest.raises(TimeoutError):
            await read_ledger(dsn, patience)
        assert loop.time() - asked < 1
    finally:
        sites.servers[AWS].thaw()
