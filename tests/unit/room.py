"""Three controllers over one etcd in memory, each with its operator API on loopback, and a world that is well unless told otherwise.

Time is the test's own: it moves in small steps as long as the room is driven.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from controller import api
from controller.api import evidence
from controller.audit.archive import Archive
from controller.audit.keys import PublicKey
from controller.coordination.heads import EtcdHeads
from controller.coordination.store import Store
from controller.core.model import Epoch, Lsn, Opinion, Position, Posture, Site, Token
from controller.core.policy import Policy
from controller.core.spans import Span
from controller.core.steps import (
    AwaitConfirmed,
    CatchUp,
    Confirmed,
    Cut,
    Done,
    Fence,
    Fenced,
    Ledgers,
    MarkJoin,
    Open,
    Reached,
    Result,
    SetAckSet,
    Settle,
    Step,
    Unanswered,
    Verified,
    Verify,
)
from controller.durations import MeasuredExecutor
from controller.errors import TrimaranError
from controller.metrics import MeasuredLoop, Metrics
from controller.observe import Observer
from controller.probing.sql_probe import SqlProbe
from controller.provider_watch import ProviderWatch
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink, coordination
from controller.providers.memory.database import MemoryDatabase
from controller.providers.memory.probe import Behaviour, MemoryNode, MemoryProbe
from controller.providers.memory.world import MemoryWorld, found_world
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, follower, writing

log = structlog.get_logger()

STEP = timedelta(milliseconds=100)
TOKEN = "a-token-of-this-room"


@dataclass
class Hands:
    """Every step succeeds at once, or hangs as if nobody answered."""

    hanging: bool = False

    async def perform(self, step: Step, token: Token) -> Result:
        """See `Actions.perform`."""
        log.info("performing", step=step.step)
        if self.hanging:
            return Unanswered(because="nobody answers")
        match step:
            case Cut():
                position = Position(site=step.site, publisher=step.writer, epoch=step.reign, lsn=Lsn(900))
                return Reached(position=position)
            case CatchUp() | AwaitConfirmed():
                return Confirmed(followers=step.followers)
            case Open():
                return Reached(position=Position(site=step.winner, publisher=step.winner, epoch=step.epoch, lsn=Lsn(1)))
            case Settle():
                return Confirmed(followers=frozenset(SITES) - {step.writer})
            case MarkJoin() | SetAckSet():
                return Reached(position=Position(site=step.writer, publisher=step.writer, epoch=step.reign, lsn=Lsn(2)))
            case Fence():
                return Fenced(seeded=0)
            case Verify():
                return Verified(paid=step.sites, unpaid={}, ledgers=Ledgers.EQUAL)
            case _:
                return Done()


@dataclass
class Room:
    """Everything a test reaches for."""

    clock: SteppedClock
    etcd: MemoryEtcd
    http: aiohttp.ClientSession
    links: dict[Site, MemoryLink] = field(default_factory=dict)
    stores: dict[Site, Store] = field(default_factory=dict)
    loops: dict[Site, MeasuredLoop] = field(default_factory=dict)
    servers: dict[Site, TestServer] = field(default_factory=dict)
    nodes: dict[Site, MemoryNode] = field(default_factory=dict)
    edges: dict[Site, MemoryProbe] = field(default_factory=dict)
    hands: Hands = field(default_factory=Hands)
    traffic: dict[Site, Opinion] = field(default_factory=dict)
    """What each site's edge counted, as its own controller tells it; absent: nothing."""
    providers: ProviderWatch | None = None
    world: MemoryWorld = field(default_factory=lambda: found_world("payments", SITES, AZURE))
    """Servers that keep copies of the journal, and are nothing else here."""
    copies: dict[Site, MemoryDatabase] = field(default_factory=dict)
    keys: tuple[PublicKey, ...] = ()
    """Whom all three controllers believe."""
    companions: dict[Site, MeasuredLoop] = field(default_factory=dict)
    """Each controller's loop of a second service, `vault`, which ticks when a test says so."""
    spans: dict[Site, list[Span]] = field(default_factory=dict)
    """What each controller told of what plans took."""

    def kill(self, site: Site) -> None:
        """The site's database and edge are silent from now on, for everybody."""
        self.nodes[site].probe.behaviour = self.edges[site].behaviour = Behaviour.HANGS

    async def posture(self) -> Posture:
        """What etcd holds."""
        control = await self.stores[AWS].read("payments")
        assert control is not None
        return control.posture

    async def tick(self, times: int = 1) -> None:
        """So many rounds of every controller."""
        for _ in range(times):
            for site, loop in self.loops.items():
                if self.links[site].reachable and self.etcd.majority:
                    await loop.tick()
            await self.clock.advance(STEP)

    async def drive(self) -> None:
        """Tick until cancelled, giving real sockets their turn; a tick that fails is followed by the next, as in `Loop.run`."""
        while True:
            with suppress(TrimaranError):
                await self.tick()
            await asyncio.sleep(0.001)

    def urls(self) -> Mapping[str, str]:
        """Base URL of each controller's API."""
        return {site: str(server.make_url("")).rstrip("/") for site, server in self.servers.items()}

    async def get(self, path: str, site: Site = AWS) -> tuple[int, Any]:
        """One controller's answer."""
        async with asyncio.timeout(5), self.http.get(self.servers[site].make_url(path)) as response:
            return response.status, await response.json(content_type=None)

    async def post(self, body: Mapping[str, object], site: Site = AWS, **more: Any) -> tuple[int, Any]:
        """Leave a request with one controller, with the token unless other headers are given."""
        headers = more.pop("headers", {"Authorization": f"Bearer {TOKEN}"})
        given = more or {"json": body}
        url = self.servers[site].make_url("/v1/services/payments/requests")
        async with asyncio.timeout(5), self.http.post(url, headers=headers, **given) as response:
            return response.status, await response.json(content_type=None)

    async def numbers(self, site: Site = AWS) -> dict[str, float]:
        """One controller's metrics, each by its name and labels as they are written."""
        async with asyncio.timeout(5), self.http.get(self.servers[site].make_url("/metrics")) as response:
            told = (line.rsplit(" ", 1) for line in (await response.text()).splitlines() if not line.startswith("#"))
            return {name: float(value) for name, value in told}

    def write_context(self, folder: Path) -> str:
        """A context file that names these controllers, and the file of their token beside it."""
        path = folder / "context.json"
        (folder / "token").write_text(f"{TOKEN}\n")
        path.write_text(json.dumps({"service": "payments", "controllers": dict(self.urls()), "token_file": "token"}))
        return str(path)


@asynccontextmanager
async def room(
    *,
    founded: bool = True,
    policy: Policy | None = None,
    providers: Callable[[SteppedClock], ProviderWatch] | None = None,
    companion: bool = False,
    keys: tuple[PublicKey, ...] = (),
) -> AsyncIterator[Room]:
    """Three controllers that have known each other for a second; azure writes epoch 1. Their logs are kept off the terminal.

    `providers`: makes the watch that all three ask, which runs as long as the room stands. `companion`: a second service goes with it.
    """
    clock = SteppedClock()
    with capture_logs():
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_let_in)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            given = Room(clock=clock, etcd=MemoryEtcd(clock=clock), http=http, keys=keys)
            watch = given.providers = providers(clock) if providers else ProviderWatch(service="payments", clock=clock)
            _furnish(given, policy or Policy(), companion=companion)
            stack.push_async_callback(_ended, asyncio.create_task(watch.run()))
            for server in given.servers.values():
                await server.start_server()
                stack.push_async_callback(server.close)
            for loop in given.loops.values():
                stack.push_async_callback(_ended, asyncio.create_task(loop.observer.run()))
            if founded:
                await given.stores[AWS].found(first())
                await given.tick(12)
            yield given


async def _let_in() -> None:
    """A server that was closed in the moment in which it accepted somebody makes the connection one turn later, and ends it then."""
    for _ in range(3):
        await asyncio.sleep(0)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def first() -> Posture:
    """azure writes epoch 1, settled, with two members and even traffic."""
    return Posture(
        service="payments",
        epoch=Epoch(1),
        writer=AZURE,
        reign=Epoch(1),
        must_cut=frozenset({AWS, GCP}),
        weights=dict.fromkeys(SITES, 1.0),
    )


def _furnish(given: Room, policy: Policy, *, companion: bool) -> None:
    for site in SITES:
        said = writing(AZURE, reign=1) if site == AZURE else follower(site, AZURE, reign=1)
        given.nodes[site] = MemoryNode(probe=MemoryProbe(clock=given.clock), said=said)
        given.edges[site] = MemoryProbe(clock=given.clock)
    for site in SITES:
        _add_controller(given, site, policy, companion=companion)


def _add_controller(given: Room, site: Site, policy: Policy, *, companion: bool) -> None:
    store, given.links[site] = coordination(given.etcd, site)
    given.stores[site] = store
    metrics = Metrics(given.clock)
    metrics.durations.tell = given.spans.setdefault(site, []).append

    def looking_after(service: str) -> MeasuredLoop:
        observer = Observer(
            vantage=site,
            edges=given.edges,
            databases={other: SqlProbe(node, given.clock) for other, node in given.nodes.items()},
            policy=policy,
            clock=given.clock,
            traffic=lambda: given.traffic.get(site) if service == "payments" else None,
        )
        return MeasuredLoop(
            service=service,
            controller=site,
            coordination=store,
            observer=observer,
            executor=MeasuredExecutor(
                coordination=store,
                actions=given.hands,  # type: ignore[arg-type]
                clock=given.clock,
                durations=metrics.durations,
            ),
            policy=policy,
            clock=given.clock,
            metrics=metrics,
        )

    loop = given.loops[site] = looking_after("payments")
    loops = {"payments": loop}
    if companion:
        loops["vault"] = given.companions[site] = looking_after("vault")
    for one in loops.values():
        metrics.watch(one)
    watches = {watch.service: watch for watch in (given.providers,) if watch is not None}
    for watch in watches.values():
        metrics.watch_providers(watch)
    own = given.copies[site] = MemoryDatabase(given.world, site, given.clock)
    archive = Archive(
        service="payments", controller=site, board=EtcdHeads(given.links[site]), copy=own, heads=own, keys=given.keys, rhythm=None
    )
    gate = api.Gate(token=TOKEN, local=True)
    application = api.build(
        site=site,
        loops=loops,
        coordination=store,
        metrics=metrics,
        clock=given.clock,
        gate=gate,
        providers=watches,
        companions={name: tuple(loops.keys() - {name}) for name in loops},
    )
    evidence.add(application, {"payments": archive})
    given.servers[site] = TestServer(application)
