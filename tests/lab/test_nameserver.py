"""The name server answers what the emulated API published, as Route 53's name servers would, and outlives that API."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from controller.core.model import Group, Site
from controller.ports import SteeringReport
from controller.providers.aws.dns import Route53
from controller.providers.aws.session import route53_client
from controller.providers.records import GroupRecords, WeightedName
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from lab.clouds.zone import Record, choose, respond
from lab.resolver import udp

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ADDRESSES = {AWS: "192.0.2.1", AZURE: "192.0.2.2", GCP: "192.0.2.3"}
NAMES = (WeightedName(name="payments.trimaran.test", ttl=2), WeightedName(name="payments-slow.trimaran.test", ttl=30))
PAYMENTS = Group("payments")
LONG = timedelta(seconds=5)


@dataclass
class Lab:
    """The emulated API, its name server and the adapter that steers."""

    authority: Route53
    api: CloudControl
    http: aiohttp.ClientSession
    port: int
    control: str

    async def steer(self, **shares: float) -> SteeringReport:
        """Have the API hold these shares of traffic, by site."""
        return await self.authority.steer({PAYMENTS: {Site(site): share for site, share in shares.items()}}, LONG)

    async def ask(self, name: str, kind: str = "A") -> dns.message.Message:
        return await dns.asyncquery.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=2, port=self.port)

    async def addresses(self, name: str, queries: int = 60) -> Counter[str]:
        ask = udp("127.0.0.1", self.port)
        return Counter([(await ask(name, 2.0)).addresses[0] for _ in range(queries)])

    async def set_stale(self, stale: bool) -> None:
        async with self.http.put(f"{self.control}/stale", json=stale) as answer:
            answer.raise_for_status()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Any]]]:
    """Start a part of the lab as its own process; answers what it says when it is ready."""
    folder = tmp_path_factory.mktemp("lab")
    started: list[subprocess.Popen[bytes]] = []

    def start(module: str, **settings: object) -> dict[str, Any]:
        file: Path = folder / f"{module}.{len(started)}.json"
        file.write_text(json.dumps(settings))
        process = subprocess.Popen([sys.executable, "-m", module, "--settings", str(file)], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        return ready

    yield start
    for process in started:
        process.terminate()
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(10) == 0


@pytest.fixture(scope="module")
def parts(start: Callable[..., dict[str, Any]]) -> tuple[str, int, str]:
    """URL of the emulated API, port of the name server, URL of its control."""
    api = f"http://127.0.0.1:{start('lab.clouds.aws', propagation=0.05)['port']}"
    server = start("lab.nameserver", api=api, seed=1)
    return api, server["port"], f"http://127.0.0.1:{server['control_port']}"


@pytest.fixture
async def lab(parts: tuple[str, int, str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    """All of it, healthy, with traffic spread evenly."""
    url, port, control = parts
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    async with aiohttp.ClientSession() as http:
        api = CloudControl(http, url)
        await api.inject([])
        adapter = Route53(
            client=lambda: route53_client(endpoint_url=url),
            zone_id=await api.zone_id("trimaran.test"),
            groups={PAYMENTS: GroupRecords(names=NAMES, addresses=ADDRESSES)},
        )
        lab = Lab(adapter, api, http, port, control)
        await lab.set_stale(False)
        assert (await lab.steer(aws=1, azure=1, gcp=1)).in_sync
        await asyncio.sleep(0.05)
        yield lab
        await api.inject([])


async def test_answers_follow_the_weights(lab: Lab) -> None:
    """Each serving site gets its share of the answers; a drained site gets none."""
    spread = await lab.addresses("payments.trimaran.test", 150)
    assert set(spread) == set(ADDRESSES.values())
    assert min(spread.values()) > 25
    await lab.steer(aws=1, azure=0, gcp=3)
    spread = await lab.addresses("payments.trimaran.test", 150)
    assert set(spread) == {"192.0.2.1", "192.0.2.3"}
    assert spread["192.0.2.3"] > 2 * spread["192.0.2.1"] * 0.7


async def test_in_sync_means_that_queries_see_it(lab: Lab) -> None:
    """Once the adapter reports in sync, no answer holds the drained site, for either name."""
    report = await lab.steer(aws=1, azure=0, gcp=1)
    assert report.in_sync
    for name in NAMES:
        assert ADDRESSES[AZURE] not in await lab.addresses(name.name)


async def test_each_name_carries_its_ttl(lab: Lab) -> None:
    """The TTL is the record's own."""
    for name in NAMES:
        reply = await lab.ask(name.name)
        assert reply.answer[0].ttl == name.ttl
        assert reply.flags & dns.flags.AA
        assert len(reply.answer[0]) == 1


async def test_what_does_not_exist_is_told_apart(lab: Lab) -> None:
    """No such name, no such type, not our zone, an upper-case spelling: each has its own answer."""
    missing = await lab.ask("nobody.trimaran.test")
    assert (missing.rcode(), len(missing.authority)) == (dns.rcode.NXDOMAIN, 1)
    no_data = await lab.ask("payments.trimaran.test", "AAAA")
    assert (no_data.rcode(), len(no_data.answer), len(no_data.authority)) == (dns.rcode.NOERROR, 0, 1)
    assert (await lab.ask("example.com")).rcode() == dns.rcode.REFUSED
    assert (await lab.ask("PAYMENTS.Trimaran.test")).answer
    assert (await lab.ask("trimaran.test", "NS")).answer


async def test_tcp_answers_too(lab: Lab) -> None:
    """The same answers over a stream."""
    reply = await dns.asyncquery.tcp(dns.message.make_query("payments.trimaran.test", "A"), "127.0.0.1", timeout=2, port=lab.port)
    assert reply.answer[0].ttl == 2


async def test_rubbish_is_answered_or_ignored_and_never_fatal(lab: Lab) -> None:
    """Bytes that are no query do not stop the server; answers sent to it are not answered."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", lab.port))
    chance = random.Random(7)
    for size in (0, 1, 11, 12, 40, 1400):
        transport.sendto(chance.randbytes(size))
    transport.close()
    assert (await lab.ask("payments.trimaran.test")).answer


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.REFUSE, FaultKind.UNAVAILABLE])
async def test_queries_are_answered_while_the_api_is_down(lab: Lab, kind: FaultKind) -> None:
    """The name servers are no part of the API: they answer what was published last."""
    await lab.api.inject([Rule(kind=kind)])
    assert set(await lab.addresses("payments.trimaran.test")) == set(ADDRESSES.values())


async def test_a_stale_authority_keeps_its_old_answers_until_healed(lab: Lab) -> None:
    """The API says INSYNC and the answers have not moved: the lie that only asking the name server finds out."""
    await lab.set_stale(True)
    assert (await lab.steer(aws=1, azure=0, gcp=0)).in_sync
    assert ADDRESSES[AZURE] in await lab.addresses("payments.trimaran.test")
    await lab.set_stale(False)
    for _ in range(100):
        if set(answers := await lab.addresses("payments.trimaran.test", 10)) == {"192.0.2.1"}:
            break
        await asyncio.sleep(0.02)
    assert set(answers) == {"192.0.2.1"}


async def test_a_zone_that_was_never_loaded_is_a_failure_and_not_an_absence(start: Callable[..., dict[str, Any]]) -> None:
    """Without the API at its start the server answers SERVFAIL: "no such name" would be kept by resolvers."""
    server = start("lab.nameserver", api="http://127.0.0.1:9")
    query = dns.message.make_query("payments.trimaran.test", "A")
    reply = await dns.asyncquery.udp(query, "127.0.0.1", timeout=2, port=server["port"])
    assert reply.rcode() == dns.rcode.SERVFAIL


def weighted(address: str, weight: int) -> Record:
    return Record(name="a.test.", type="A", ttl=1, values=(address,), set_identifier=address, weight=weight)


@pytest.mark.parametrize(
    ("weights", "shares"),
    [((1, 3), (250, 750)), ((0, 255), (0, 1000)), ((255, 0), (1000, 0)), ((0, 0), (500, 500))],
)
async def test_the_choice_is_exactly_proportional(weights: tuple[int, int], shares: tuple[int, int]) -> None:
    """Over an even spread of chances each record is chosen by its weight; when all are 0, equally (Route 53's rule)."""
    records = [weighted(f"192.0.2.{i}", weight) for i, weight in enumerate(weights)]
    chosen = Counter(choose(records, lambda at=at: (at + 0.5) / 1000).values[0] for at in range(1000))  # type: ignore[misc]
    assert tuple(chosen[f"192.0.2.{i}"] for i in range(2)) == shares


async def test_an_alias_is_followed_inside_the_zone() -> None:
    """A service's name that aliases its steering group is answered in one go."""
    zone = [Record(name="x.a.test.", type="CNAME", ttl=60, values=("A.test",)), weighted("192.0.2.1", 1)]
    reply = respond(dns.message.make_query("x.a.test", "A"), "test", zone, lambda: 0.5)
    assert [rrset.name.to_text() for rrset in reply.answer] == ["x.a.test.", "a.test."]
