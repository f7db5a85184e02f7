"""Every probe answers within its deadline, says what it saw, and never raises for a failure of the thing asked."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from controller.core.model import Epoch, Lsn, NodeFacts, Role, Site, Token
from controller.errors import Transient
from controller.ports import Probe, ProbeResult
from controller.probing.bearer import Bearer, Granted
from controller.probing.canary_probe import CanaryProbe
from controller.probing.http_probe import HttpProbe
from controller.probing.sql_probe import SqlProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.probe import Behaviour, MemoryNode, MemoryProbe

DEADLINE = timedelta(milliseconds=250)


class RealClock:
    """Real time, for real sockets."""

    def now(self) -> datetime:
        """Wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        """Monotonic clock."""
        return timedelta(seconds=time.monotonic())

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""
        await asyncio.sleep(duration.total_seconds())


CLOCK = RealClock()


@dataclass
class Victim:
    """Something that can be asked, and told how to behave."""

    probe: Probe
    behave: Callable[[Behaviour], None]
    visits: Callable[[], int]


@dataclass
class Site200:
    """An HTTP server on loopback that answers, fails or hangs; keeps what it was asked."""

    ok: int
    behaviour: Behaviour = Behaviour.ANSWERS
    by: str | None = "aws"
    """Who says that it carried the request out."""

    def __post_init__(self) -> None:
        self.bodies: list[dict[str, object]] = []
        self.keys: list[str] = []
        self.tokens: list[str | None] = []
        self.peers: set[object] = set()

    async def answer(self, request: web.Request) -> web.Response:
        """As told."""
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        text = await request.text()
        self.bodies.append(json.loads(text) if text else {})
        self.keys.append(request.headers.get("Idempotency-Key", ""))
        self.tokens.append(request.headers.get("Authorization"))
        if self.behaviour is Behaviour.HANGS:
            await asyncio.sleep(5)
        headers = {"Served-By": self.by} if self.by else {}
        return web.Response(status=self.ok if self.behaviour is Behaviour.ANSWERS else 503, text="x" * 1000, headers=headers)


@asynccontextmanager
async def served(site: Site200) -> AsyncIterator[str]:
    """The server's URL while it runs."""
    app = web.Application()
    app.router.add_route("*", "/probe", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/probe"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def http() -> AsyncIterator[Victim]:
    """The real HTTP probe."""
    site = Site200(ok=200)
    async with served(site) as url, aiohttp.ClientSession() as session:
        probe = HttpProbe(session=session, url=url, clock=CLOCK)
        yield Victim(probe, lambda behaviour: setattr(site, "behaviour", behaviour), lambda: len(site.bodies))


@asynccontextmanager
async def canary() -> AsyncIterator[Victim]:
    """The real canary probe."""
    site = Site200(ok=201)
    async with served(site) as url, aiohttp.ClientSession() as session:
        probe = canary_probe(session, url)
        yield Victim(probe, lambda behaviour: setattr(site, "behaviour", behaviour), lambda: len(site.bodies))


def canary_probe(session: aiohttp.ClientSession, url: str, bearer: Bearer | None = None) -> CanaryProbe:
    """A canary with numbered keys."""
    keys = iter(range(1000))
    return CanaryProbe(
        session=session,
        site=Site("aws"),
        url=url,
        debtor="d",
        creditor="c",
        currency="EUR",
        new_key=lambda: f"canary-{next(keys)}",
        clock=CLOCK,
        bearer=bearer,
    )


@asynccontextmanager
async def memory() -> AsyncIterator[Victim]:
    """The shipped fake."""
    probe = MemoryProbe(clock=CLOCK, latency=timedelta(milliseconds=1))
    yield Victim(probe, lambda behaviour: setattr(probe, "behaviour", behaviour), lambda: probe.asked)


@asynccontextmanager
async def sql() -> AsyncIterator[Victim]:
    """The SQL probe over the shipped fake of a node."""
    probe = MemoryProbe(clock=CLOCK, latency=timedelta(milliseconds=1))
    facts = NodeFacts(
        site=Site("gcp"), role=Role.FOLLOWER, epoch=Epoch(1), token=Token(0), ack_slots=(), pinned=True, flushed=Lsn(0),
        subscriptions=(), slots=(),
    )  # fmt: skip
    node = MemoryNode(probe=probe, said=facts)
    yield Victim(SqlProbe(node, CLOCK), lambda behaviour: setattr(probe, "behaviour", behaviour), lambda: probe.asked)


MAKERS = (http, canary, memory, sql)


def on(maker: Callable[[], object], scene: Callable[[Victim], Awaitable[None]]) -> None:
    """Play a scene with one implementation."""

    async def run() -> None:
        async with maker() as victim:  # type: ignore[attr-defined]
            await scene(victim)

    asyncio.run(run())


@pytest.mark.parametrize("maker", MAKERS)
def test_well_is_well(maker: Callable[[], object]) -> None:
    """An answer in time is ok, with its latency and something to read."""

    async def scene(victim: Victim) -> None:
        result = await victim.probe.measure(DEADLINE)
        assert result.ok
        assert timedelta(0) < result.latency < DEADLINE
        assert result.detail

    on(maker, scene)


@pytest.mark.parametrize("maker", MAKERS)
def test_a_failure_is_an_answer(maker: Callable[[], object]) -> None:
    """What fails is reported, never raised, and the next question is asked anew."""

    async def scene(victim: Victim) -> None:
        victim.behave(Behaviour.FAILS)
        assert not (await victim.probe.measure(DEADLINE)).ok
        victim.behave(Behaviour.ANSWERS)
        assert (await victim.probe.measure(DEADLINE)).ok
        assert victim.visits() == 2

    on(maker, scene)


@pytest.mark.parametrize("maker", MAKERS)
def test_the_deadline_really_fires(maker: Callable[[], object]) -> None:
    """Silence ends at the deadline; afterwards the probe is as good as new."""

    async def scene(victim: Victim) -> None:
        victim.behave(Behaviour.HANGS)
        began = CLOCK.monotonic()
        result = await victim.probe.measure(DEADLINE)
        took = CLOCK.monotonic() - began
        assert not result.ok
        assert DEADLINE * 0.9 <= took < DEADLINE + timedelta(milliseconds=250)
        victim.behave(Behaviour.ANSWERS)
        assert (await victim.probe.measure(DEADLINE)).ok

    on(maker, scene)


def test_nobody_listening_is_an_answer() -> None:
    """A refused connection is a failure that says so."""

    async def run() -> ProbeResult:
        async with aiohttp.ClientSession() as session:
            async with served(Site200(ok=200)) as url:
                pass
            return await HttpProbe(session=session, url=url, clock=CLOCK).measure(DEADLINE)

    result = asyncio.run(run())
    assert not result.ok
    assert "Connect" in result.detail


def test_a_listener_that_never_accepts_ends_at_the_deadline() -> None:
    """A black hole: the connection is taken by the kernel and nothing ever answers."""

    async def run() -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            async with aiohttp.ClientSession() as session:
                return await HttpProbe(session=session, url=url, clock=CLOCK).measure(DEADLINE)

    result = asyncio.run(run())
    assert not result.ok
    assert "no answer within 0.25 s" in result.detail


def test_the_connection_stays_warm() -> None:
    """Ten questions, one connection: a new one each time would cost a round trip more and hide a full accept queue."""

    async def run() -> set[object]:
        site = Site200(ok=200)
        async with served(site) as url, aiohttp.ClientSession() as session:
            probe = HttpProbe(session=session, url=url, clock=CLOCK)
            for _ in range(10):
                assert (await probe.measure(DEADLINE)).ok
        return site.peers

    assert len(asyncio.run(run())) == 1


def test_each_canary_is_a_new_payment() -> None:
    """A key used twice would be answered from the ledger, without going through the writer's disk."""

    async def run() -> Site200:
        site = Site200(ok=201)
        async with served(site) as url, aiohttp.ClientSession() as session:
            probe = canary_probe(session, url)
            for _ in range(3):
                assert (await probe.measure(DEADLINE)).ok
        return site

    site = asyncio.run(run())
    assert site.keys == ["canary-0", "canary-1", "canary-2"]
    assert site.bodies[0] == {"amount": 1, "debtor": "d", "creditor": "c", "currency": "EUR"}


@pytest.mark.parametrize("status", [200, 202, 503])
def test_only_an_acknowledged_payment_is_well(status: int) -> None:
    """Everything but 201 leaves the canary's outcome unknown."""

    async def run() -> ProbeResult:
        async with served(Site200(ok=status)) as url, aiohttp.ClientSession() as session:
            return await canary_probe(session, url).measure(DEADLINE)

    assert not asyncio.run(run()).ok


@pytest.mark.parametrize(("by", "said"), [("gcp", "HTTP 201 by gcp, not by aws"), (None, "HTTP 201 by nobody named, not by aws")])
def test_a_canary_that_another_site_paid_proves_nothing_about_this_one(by: str | None, said: str) -> None:
    """aws's service is dead, its edge hands over, and gcp acknowledges: taken for aws's word, a dead site would be called proven."""

    async def run() -> ProbeResult:
        async with served(Site200(ok=201, by=by)) as url, aiohttp.ClientSession() as session:
            return await canary_probe(session, url).measure(DEADLINE)

    result = asyncio.run(run())
    assert (result.ok, result.detail) == (False, said)


def test_a_canary_pays_with_its_controllers_token_and_without_one_asks_nobody() -> None:
    """The issuer is away and the token has ended: said as such and at once, so that nobody takes it for the site's word or waits."""
    away = False

    async def ask() -> Granted:
        if away:
            raise Transient("the issuer was silent for 2 s")
        return Granted(token="t-1", lasts=timedelta(hours=1))

    async def run() -> tuple[Site200, ProbeResult, ProbeResult]:
        nonlocal away
        site, clock = Site200(ok=201), SteppedClock()
        async with served(site) as url, aiohttp.ClientSession() as session:
            bearer = Bearer(ask, clock, lambda: 0.0)
            await bearer.renew()
            probe = canary_probe(session, url, bearer)
            paid = await probe.measure(DEADLINE)
            away = True
            await clock.advance(timedelta(hours=1))
            await bearer.renew()
            return site, paid, await probe.measure(DEADLINE)

    site, paid, unpaid = asyncio.run(run())
    assert paid.ok and site.tokens == ["Bearer t-1"]
    assert (unpaid.ok, unpaid.latency) == (False, timedelta(0))
    assert unpaid.detail == "not asked: this controller has no access token (the issuer was silent for 2 s)"
