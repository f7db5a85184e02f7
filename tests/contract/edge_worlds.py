"""Edges on real HAProxy, with services behind them that count what arrives and answer as they are told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
from aiohttp import web

from controller.core.model import Health
from controller.errors import Transient
from edge.runtime import Runtime, Server
from edge.settings import Settings, read_settings
from lab.binaries import find_haproxy
from lab.edge_identity import CONFIGURATION, SOCKET, edge_name, issue
from lab.haproxy import Edge, edge_place
from lab.workspace import Workspace

LOCAL = "127.0.0.1"
PAYMENTS = "/v1/payments"
KEY = {"Idempotency-Key": "k-1"}
DRAIN = {"handed/local": 0, "payments/local": 0}
"""What an agent tells a drained site's HAProxy, beside its peers' weights."""


class Manner(StrEnum):
    """How a service treats payments."""

    PAYS = "pays"
    BREAKS_OFF = "breaks off"
    """Takes the request, and the connection ends without an answer: it may have been paid."""
    HANGS = "hangs"
    BUSY = "busy"
    """Answers 503 by itself."""


@dataclass(slots=True)
class Service:
    """One site's service, played."""

    site: str
    port: int
    manner: Manner = Manner.PAYS
    payments: int = 0
    """Requests for payments that arrived."""
    begun: int = 0
    """Those of which at least the head arrived."""
    last: Mapping[str, str] = field(default_factory=dict)
    """Headers of the last of them."""
    connections: set[object] = field(default_factory=set)
    """Over which they came."""
    questions: list[object] = field(default_factory=list)
    """The connection of every question about health."""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.add_routes([web.get("/healthz", self._well), web.get("/readyz", self._well), web.route("*", PAYMENTS, self._pay)])
        app.add_routes([web.get("/metrics", self._well), web.get("/beacon", self._well)])  # for whoever gets that far
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOCAL, self.port).start()

    async def stop(self) -> None:
        """Stop listening; every connection ends."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            for door in tuple(runner.sites):
                await door.stop()
            await asyncio.sleep(0.02)  # for what was being accepted meanwhile
            await runner.cleanup()

    async def _well(self, request: web.Request) -> web.Response:
        self.questions.append(request.transport and request.transport.get_extra_info("peername"))
        return web.json_response({"site": self.site})

    async def _pay(self, request: web.Request) -> web.Response:
        self.begun += 1
        self.last = request.headers
        self.connections.add(request.transport and request.transport.get_extra_info("peername"))
        await request.read()
        self.payments += 1
        match self.manner:
            case Manner.BREAKS_OFF:
                if request.transport is not None:
                    request.transport.abort()
            case Manner.HANGS:
                await asyncio.sleep(5)
            case Manner.BUSY:
                return web.json_response({"type": "busy"}, status=503)
        return web.json_response({"id": "p"}, status=201, headers={"Served-By": self.site})


@dataclass(slots=True)
class Reply:
    """What a client got."""

    status: int
    by: str | None
    seconds: float
    body: str


@dataclass(frozen=True, slots=True)
class Caller:
    """One connection, on which bytes are said as they come."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, text: str) -> None:
        """Send these bytes at once."""
        self.writer.write(text.encode())

    def head(self, headers: Mapping[str, str], length: int = 2) -> None:
        """Send the head of a payment, and nothing of its body."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.say(f"POST {PAYMENTS} HTTP/1.1\r\nHost: edge\r\nContent-Length: {length}\r\n{lines}\r\n")

    async def answer(self) -> tuple[int | None, Mapping[str, str]]:
        """Status and headers of the next answer, its body read; None when the connection ends without one."""
        async with asyncio.timeout(8):
            try:
                lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            except (asyncio.IncompleteReadError, ConnectionError):
                return None, {}
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
            await self.reader.readexactly(int(headers.get("content-length", "0")))
            return int(lines[0].split()[1]), headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """Every site of one test."""

    services: Mapping[str, Service]
    settings: Mapping[str, Settings]
    edges: Mapping[str, Edge]
    http: aiohttp.ClientSession = field(repr=False)
    companions: Mapping[str, Service] = field(default_factory=dict)
    """Each site's other service, where a test has one."""

    def runtime(self, site: str) -> Runtime:
        """One site's HAProxy."""
        return Runtime(self.settings[site].haproxy.socket)

    async def ask(
        self, site: str, path: str = PAYMENTS, *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request of a client at one site's edge, over a connection of its own."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = b"{}" if method == "POST" else None
        url = f"http://{self.settings[site].clients}{path}"
        async with self.http.request(method, url, headers={"Connection": "close", **(headers or {})}, data=body) as answer:
            text = await answer.text()
            return Reply(answer.status, answer.headers.get("Served-By"), loop.time() - began, text)

    @asynccontextmanager
    async def dialled(self, site: str) -> AsyncIterator["Caller"]:
        """A client's connection to one site's edge, for the length of the block."""
        address = self.settings[site].clients
        reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            yield Caller(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def until(self, site: str, wanted: Mapping[str, Health], seconds: float = 5) -> None:
        """Wait until HAProxy finds these servers so."""
        deadline, found = asyncio.get_running_loop().time() + seconds, dict[str, Server]()
        while True:
            with suppress(Transient):  # it is being started
                found = dict(await self.runtime(site).servers())
            if found and all(found[name].health is health for name, health in wanted.items()):
                return
            proxy = self.edges[site].proxy
            assert asyncio.get_running_loop().time() < deadline and proxy and proxy.alive, (found, proxy and proxy.tail())
            await asyncio.sleep(0.02)

    def payments(self) -> dict[str, int]:
        """How many requests for payments arrived where."""
        return {site: service.payments for site, service in self.services.items()}

    def trust(self, site: str) -> ssl.SSLContext:
        """A client that trusts the sites' authority and shows nothing itself."""
        return ssl.create_default_context(cafile=str(self.settings[site].identity.authority))


VAULT = "vault.trimaran.test"
"""Whom clients ask for to reach the companion."""


def table(workspace: Workspace, site: str, ports: Mapping[str, Mapping[str, int]], peers: str = LOCAL) -> str:
    """One edge's settings; `peers` is the host of all other sites. A port for a `companion` is one more service."""
    own, place = ports[site], edge_place(workspace, site)
    lines = [
        f'site = "{site}"',
        'service = "payments"',
        f'posture_file = "{place}/posture.json"',
        *(
            line
            for door in ("clients", "handed", "local", "agent")
            for line in (f"[{door}]", f'host = "{LOCAL}"', f"port = {own[door]}")
        ),
        "[identity]",
        f'certificate = "{place}/site.pem"',
        f'authority = "{place}/sites.pem"',
        "[haproxy]",
        f'socket = "{place}/{SOCKET}"',
        "threads = 1",
        "[etcd]",
        f'endpoints = ["http://{LOCAL}:9"]',
    ]
    if "companion" in own:
        lines += ["[companions.vault]", f'host = "{LOCAL}"', f"port = {own['companion']}", f'hosts = ["{VAULT}"]']
    for other in ports.keys() - {site}:
        lines += [f"[peers.{other}]", f'host = "{peers}"', f"port = {ports[other]['handed']}", f'name = "{edge_name(other)}"']
    return "\n".join(lines) + "\n"


def written(workspace: Workspace, site: str, ports: Mapping[str, Mapping[str, int]], peers: str = LOCAL) -> Path:
    """The same as a file."""
    file = workspace.directory("settings", site) / "edge.toml"
    file.write_text(table(workspace, site, ports, peers))
    return file


def tamper(file: Path, without: Mapping[str, str]) -> None:
    """Replace words, all of which must be there."""
    text = file.read_text()
    for words, instead in without.items():
        assert words in text, words
        text = text.replace(words, instead)
    file.write_text(text)


@asynccontextmanager
async def edges(
    name: str,
    *sites: str,
    strangers: frozenset[str] = frozenset(),
    without: Mapping[str, str] | None = None,
    meet: bool = True,
    peers: str = LOCAL,
    companion: bool = False,
) -> AsyncIterator[Edges]:
    """Running services and HAProxies, all found well.

    `strangers` hold certificates of an authority that nobody else trusts. `without`: what is put in the place of which words of the
    configuration, to show what a safeguard is worth. `meet`: are the sites to find each other well?
    `peers`: the host by which they know each other. `companion`: has every site one more service?
    """
    async with AsyncExitStack() as stack:
        workspace = stack.enter_context(Workspace(name))
        doors = ("clients", "handed", "local", "agent", *(("companion",) if companion else ()))
        ports = {site: {door: workspace.port() for door in doors} for site in sites}
        identities, others = issue(sites), issue(sites)
        made: dict[str, Edge] = {}
        settings: dict[str, Settings] = {}
        services: dict[str, Service] = {}
        beside: dict[str, Service] = {}
        for site in sites:
            file = written(workspace, site, ports, peers)
            settings[site] = read_settings(file)
            made[site] = Edge(site=site, workspace=workspace, binary=find_haproxy(), settings=file)
            made[site].prepare((others if site in strangers else identities)[site])
            tamper(edge_place(workspace, site) / CONFIGURATION, without or {})
            services[site] = Service(site, ports[site]["local"])
            await services[site].start()
            stack.push_async_callback(services[site].stop)
            if companion:
                beside[site] = Service(f"{site}-vault", ports[site]["companion"])
                await beside[site].start()
                stack.push_async_callback(beside[site].stop)
            made[site].start_proxy()
        timeout = aiohttp.ClientTimeout(total=10)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        given = Edges(services=services, settings=settings, edges=made, http=http, companions=beside)
        for site in sites:
            backends = ("payments", *(("companion-vault",) if companion else ()))
            met = {
                f"{backend}/peer-{other}": Health.HEALTHY
                for backend in backends
                for other in sites
                if other != site and meet and not strangers
            }
            met |= {f"{backend}/local": Health.HEALTHY for backend in backends}
            await given.until(site, met)
        try:
            yield given
        finally:  # before the services: a check that one accepts while it stops listening would be closed by nobody
            for edge in made.values():
                for process in edge.processes():
                    process.kill()
