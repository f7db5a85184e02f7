"""A real issuer, real HAProxy that ends clients' TLS, and services behind it that know who asks."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from controller.core.model import Health
from edge.settings import Settings, read_settings
from lab import edge_tls, issuer
from lab.binaries import find_haproxy
from lab.clouds.certificates import Papers as Certificates
from lab.clouds.certificates import mint
from lab.edge_identity import CONFIGURATION, issue
from lab.haproxy import Edge, edge_place
from lab.issuer_tokens import ClientSettings
from lab.service_identity import Papers, client_name, issue_clients, issue_fleet
from lab.workspace import Workspace
from tests.contract.edge_worlds import LOCAL, PAYMENTS, Edges, table, tamper
from workload.access.door import caller_of
from workload.access.identity import Identity, edge_name, server_context, service_name
from workload.access.operations import Operation
from workload.access.peer import uvicorn_options
from workload.access.settings import AccessSettings
from workload.access.wiring import Access, build

SERVICE = "payments"
WRITE = "payments:write"
CLIENTS = ("merchant", "thief")
WORD = "word.txt"
"""File of an edge that is told."""
FORM = {"grant_type": "client_credentials"}


def identity_of(papers: Papers, folder: Path, name: str) -> Identity:
    """The same as files."""
    certificate, authority = folder / f"{name}.pem", folder / f"{name}-authority.pem"
    certificate.touch(mode=0o600)
    certificate.write_bytes(papers.certificate)
    authority.write_bytes(papers.authority)
    return Identity(certificate=certificate, authority=authority)


@asynccontextmanager
async def served(app: ASGIApp, port: int, context: ssl.SSLContext | None) -> AsyncIterator[None]:
    """An application on uvicorn, as services run it, for the length of the block."""
    listener = socket.create_server((LOCAL, port))
    options = uvicorn_options(context) if context is not None else {}
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield
    finally:
        server.should_exit = True
        await task


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """A running issuer."""

    port: int
    control_port: int
    certificates: Certificates
    clients: Mapping[str, Papers]

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"https://{LOCAL}:{self.port}"

    async def control(self, http: aiohttp.ClientSession, method: str, path: str, body: object = None) -> Any:
        """One of the lab's own routes."""
        async with http.request(method, f"http://{LOCAL}:{self.control_port}/_lab/{path}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def ask(self, http: aiohttp.ClientSession, context: ssl.SSLContext, **form: str) -> tuple[int, dict[str, Any]]:
        """The token endpoint."""
        async with http.post(f"{self.url}/token", data={**FORM, **form}, ssl=context) as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def issuing(folder: Path, clients: Mapping[str, Papers], **more: ClientSettings) -> AsyncIterator[Issuing]:
    """An issuer that knows the merchant by its certificate, and `more` clients."""
    certificates, authority = mint(folder), folder / "issuer-clients.pem"
    authority.write_bytes(next(iter(clients.values())).authority)
    settings = issuer.Settings(
        certificate=certificates.certificate,
        key=certificates.key,
        clients_authority=authority,
        clients={"merchant": ClientSettings(scopes=(WRITE,), uri=client_name("merchant")), **more},
    )
    stop, ports = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(issuer.run(settings, stop, lambda port, control: ports.set_result((port, control))))
    try:
        await asyncio.wait([task, ports], return_when=asyncio.FIRST_COMPLETED)
        port, control = ports.result()
        yield Issuing(port=port, control_port=control, certificates=certificates, clients=clients)
    finally:
        stop.set()
        await task


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a test of who may call turns and looks at."""

    edges: Edges
    secure: Mapping[str, int]
    """Each site's door with TLS."""
    services: Mapping[str, int]
    access: Mapping[str, Access]
    issuing: Issuing
    door: Papers
    folder: Path
    http: aiohttp.ClientSession = field(repr=False)

    def context(self, client: str | None) -> ssl.SSLContext:
        """A client's TLS: trusts the edges and the issuer, and shows the client's certificate; None: none."""
        context = ssl.create_default_context(cadata=self.door.authority.decode())
        context.load_verify_locations(self.issuing.certificates.authority)
        if client is not None:
            context.load_cert_chain(identity_of(self.issuing.clients[client], self.folder, f"client-{client}").certificate)
        return context

    async def token(self, **form: str) -> str:
        """The merchant's."""
        status, body = await self.issuing.ask(self.http, self.context("merchant"), client_id="merchant", **form)
        assert status == 200, body
        return str(body["access_token"])

    async def pay(
        self, site: str, token: str | None, client: str | None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One payment at a site's door with TLS, over a connection of its own."""
        url = f"https://{LOCAL}:{self.secure[site]}{PAYMENTS}"
        shown = {} if token is None else {"Authorization": f"Bearer {token}"}
        sent = {"Connection": "close", "Idempotency-Key": "k", **shown, **(headers or {})}
        async with self.http.post(url, data=b"{}", headers=sent, ssl=self.context(client)) as answer:
            return answer.status, json.loads(await answer.text())


def application(site: str) -> Starlette:
    """A service that says who asks, and where."""

    async def pay(request: Request) -> JSONResponse:
        told = request.headers.get("client-cert-thumbprint")
        return JSONResponse({"client": caller_of(request).client, "site": site, "told": told}, status_code=201)

    async def well(request: Request) -> JSONResponse:
        return JSONResponse({"site": site})

    return Starlette(routes=[Route(PAYMENTS, pay, methods=["POST"]), Route("/healthz", well), Route("/readyz", well)])


@asynccontextmanager
async def worlds(
    name: str, *sites: str, without: Mapping[str, str] | None = None, told: Mapping[str, str] | None = None
) -> AsyncIterator[World]:
    """Running issuer, services and HAProxies, all found well. `without` as for `edge_worlds.edges`,
    `told`: by site, the words that its balancer is known by; where there are some, the edge ends no TLS itself."""
    async with AsyncExitStack() as stack:
        workspace = stack.enter_context(Workspace(name))
        folder = workspace.directory("papers")
        door, clients = issue_clients(CLIENTS)
        fleet, identities = issue_fleet([SERVICE], sites), issue(sites)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)))
        given = await stack.enter_async_context(issuing(folder, clients))
        ports = {site: {one: workspace.port() for one in ("clients", "secure", "handed", "local", "agent")} for site in sites}
        edges, settings, access = dict[str, Edge](), dict[str, Settings](), dict[str, Access]()
        for site in sites:
            place, file = edge_place(workspace, site), workspace.directory("settings", site) / "edge.toml"
            words = (told or {}).get(site)
            front = (
                edge_tls.towards_clients(place, ports[site]["secure"])
                if words is None
                else ["[told]", f'word = "{place / WORD}"']
            )
            more = [*front, *edge_tls.towards_the_service(place, SERVICE)]
            file.write_text(table(workspace, site, ports) + "\n".join(more) + "\n")
            settings[site] = read_settings(file)
            edges[site] = Edge(site=site, workspace=workspace, binary=find_haproxy(), settings=file)
            papers = {**edge_tls.files(site, fleet, door, clients["merchant"]), WORD: (words or "").encode()}
            edges[site].prepare(identities[site], papers)
            tamper(place / CONFIGURATION, without or {})
            access[site] = await stack.enter_async_context(_service(site, ports[site]["local"], given, fleet, folder))
            edges[site].start_proxy()
            stack.callback(_end, edges[site])
        world = Edges(services={}, settings=settings, edges=edges, http=http)
        for site in sites:
            met = {f"payments/peer-{other}": Health.HEALTHY for other in sites if other != site}
            await world.until(site, {"payments/local": Health.HEALTHY, **met})
        yield World(
            edges=world,
            secure={site: ports[site]["secure"] for site in sites},
            services={site: ports[site]["local"] for site in sites},
            access=access,
            issuing=given,
            door=door,
            folder=folder,
            http=http,
        )


@asynccontextmanager
async def _service(site: str, port: int, given: Issuing, fleet: Mapping[str, Papers], folder: Path) -> AsyncIterator[Access]:
    """One site's service, which believes its own edge, with the issuer's keys."""
    settings = AccessSettings(
        issuer=issuer.ISSUER,
        audience=SERVICE,
        keys_url=f"{given.url}/jwks",
        authority=given.certificates.authority,
        spacing=timedelta(seconds=0.2),
        patience=timedelta(seconds=2),
        edges=(edge_name(site),),
    )
    access = build(settings)
    door = access.door(application(site), [Operation(method="POST", path=PAYMENTS, scope=WRITE)])
    identity = identity_of(fleet[service_name(SERVICE)], folder, f"service-{site}")
    keeping = asyncio.create_task(access.keep())
    deadline = time.monotonic() + 5
    while access.ring.age is None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    try:
        async with served(door, port, server_context(identity)):
            yield access
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


def _end(edge: Edge) -> None:
    for process in edge.processes():
        process.kill()
