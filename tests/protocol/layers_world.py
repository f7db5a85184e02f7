"""A fleet with every layer on: a real issuer, papers for everybody, a collector of traces, screening as a process of its own, and a vault
that a test makes answer as it likes. The payments service is a process of `payments_site`; tests speak to it as an edge does."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from lab import collector
from lab.issuer import ISSUER
from lab.issuer_tokens import ClientSettings
from lab.processes import launch_module
from lab.service_identity import client_name, issue_clients, issue_fleet
from lab.workspace import Workspace
from tests.contract.access_worlds import LOCAL, Issuing, identity_of, issuing, served
from tests.protocol.payments_site import Client, eventually
from workload.access.identity import Identity, edge_name, server_context, service_name
from workload.access.peer import thumbprint_of

SITE = "aws"
CLIENTS = ("merchant", "shop", "desk", "thief")
SCOPES = {
    "shop": ("payments:write", "payments:read", "payments:accounts"),
    "desk": ("payments:review", "payments:erase", "payments:read"),
}
EDGE, SCREENING, VAULT = edge_name(SITE), service_name("screening"), service_name("vault")
THUMBPRINT = "Client-Cert-Thumbprint"
PROBLEM = "urn:trimaran:problem:"


@dataclass(slots=True)
class Vault:
    """Stands where the vault would, behind the vault's certificate."""

    subjects: dict[str, str] = field(default_factory=dict)
    """By token."""
    erased: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    is_gone: bool = False

    async def name_subject(self, request: Request) -> JSONResponse:
        """As `GET /v1/tokens/{token}/subject` of the vault."""
        token = request.path_params["token"]
        self.asked.append({"token": token, **{name: request.headers.get(name, "") for name in ("deadline-ms", "traceparent")}})
        if self.is_gone:
            return JSONResponse({}, status_code=503)
        if token in self.erased:
            return JSONResponse({"type": f"{PROBLEM}erased"}, status_code=410)
        if token not in self.subjects:
            return JSONResponse({"type": f"{PROBLEM}unknown-token"}, status_code=404)
        return JSONResponse({"token": token, "subject": self.subjects[token]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Everybody who is there, and how to speak as each."""

    folder: Path
    identities: Mapping[str, Identity]
    given: Issuing
    vault: Vault
    ports: Mapping[str, int]
    spans: Path
    tokens: Mapping[str, str] = field(repr=False)

    def context(self, name: str | None) -> ssl.SSLContext:
        """TLS towards a service, as this one of the fleet; None: without a certificate."""
        context = ssl.create_default_context(cafile=str(self.identities[EDGE].authority))
        if name is not None:
            context.load_cert_chain(self.identities[name].certificate)
        return context

    def thumbprint(self, client: str) -> str:
        """Of this client's certificate."""
        return thumbprint_of(self.given.clients[client].der)

    def shown(self, client: str, token: str | None = None) -> dict[str, str]:
        """Headers as the edge passes them on for this client with its token, or somebody's."""
        return {"Authorization": f"Bearer {self.tokens[token or client]}", THUMBPRINT: self.thumbprint(client)}

    def client(self, name: str = EDGE, headers: Mapping[str, str] | None = None) -> Client:
        """How one of the fleet speaks to a service."""
        return Client(context=self.context(name), headers=headers or {})

    def tables(self, service: str, **more: str) -> str:
        """Settings of a service with TLS and tokens; `more`: lines of further tables by name."""
        identity = self.identities[service_name(service)]
        lines = ["[identity]", f'certificate = "{identity.certificate}"', f'authority = "{identity.authority}"']
        lines += ["[access]", f'issuer = "{ISSUER}"', f'audience = "{service}"', f'keys_url = "{self.given.url}/jwks"']
        lines += [f'authority = "{self.given.certificates.authority}"', "spacing = 0.2", f'edges = ["{EDGE}"]']
        lines += [f'services = {{ "{service_name("payments")}" = ["screening:score", "vault:subject"] }}']
        for name, text in more.items():
            lines += [f"[{name.replace('__', '.')}]", text]
        return "\n".join(lines)

    def callee(self, service: str, port: int | None = None) -> str:
        """The table by which payments calls another service."""
        patient = "attempt = 1\nconnect = 1\nattempts = 1"  # a busy machine is no failure
        found = self.ports[service] if port is None else port
        return f'name = "{service_name(service)}"\n{patient}\ninstances = {{ {SITE} = {{ host = "{LOCAL}", port = {found} }} }}'

    def telemetry(self) -> str:
        """Everything is traced, and sent at once."""
        return f'collector = "http://{LOCAL}:{self.ports["collector"]}{collector.PATH}"\nratio = 1\ninterval = 0.05'


@asynccontextmanager
async def fleets(workspace: Workspace) -> AsyncIterator[Fleet]:
    """Running, with a token for each client but the thief."""
    async with AsyncExitStack() as stack:
        folder = workspace.directory("papers")
        papers = issue_fleet(["payments", "screening", "vault", "webhooks"], [SITE, "gcp"])
        identities = {name: identity_of(one, folder, name.replace("://", "-").replace("/", "-")) for name, one in papers.items()}
        _, clients = issue_clients(CLIENTS)
        known = {name: ClientSettings(scopes=scopes, uri=client_name(name)) for name, scopes in SCOPES.items()}
        given = await stack.enter_async_context(issuing(folder, clients, **known))
        vault, spans = Vault(), workspace.directory("spans") / "spans.jsonl"
        ports = {"vault": workspace.port(), "screening": workspace.port()}
        ports["collector"] = await stack.enter_async_context(_collecting(spans))
        application = Starlette(routes=[Route("/v1/tokens/{token}/subject", vault.name_subject)])
        await stack.enter_async_context(served(application, ports["vault"], server_context(identities[VAULT])))
        fleet = Fleet(
            folder=folder,
            identities=identities,
            given=given,
            vault=vault,
            ports=ports,
            spans=spans,
            tokens=await _tokens(given, folder),
        )
        await stack.enter_async_context(screening(workspace, fleet))
        yield fleet


async def _tokens(given: Issuing, folder: Path) -> Mapping[str, str]:
    found = {}
    async with aiohttp.ClientSession() as http:
        for client in ("merchant", *SCOPES):
            context = ssl.create_default_context(cafile=str(given.certificates.authority))
            context.load_cert_chain(identity_of(given.clients[client], folder, f"client-{client}").certificate)
            status, body = await given.ask(http, context, client_id=client)
            assert status == 200, body
            found[client] = str(body["access_token"])
    return found


@asynccontextmanager
async def _collecting(file: Path) -> AsyncIterator[int]:
    stop, up = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = collector.Settings(file=file, most_bytes=2**22)
    task = asyncio.create_task(collector.run(settings, stop, lambda port, _: up.set_result(port)))
    try:
        async with asyncio.timeout(5):
            port = await up
        yield port
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


@asynccontextmanager
async def screening(workspace: Workspace, fleet: Fleet) -> AsyncIterator[None]:
    """The screening service as a process."""
    head = f'service = "screening"\nsite = "{SITE}"\n[listen]\nhost = "{LOCAL}"\nport = {fleet.ports["screening"]}\n'
    file = workspace.directory("settings") / "screening.toml"
    file.write_text(head + fleet.tables("screening", telemetry=fleet.telemetry()) + "\n")
    process = launch_module(workspace, "screening", "workload.screening", "--settings", file)

    async def is_up() -> bool:
        assert process.alive, process.tail()
        return (await asked(fleet, "screening", "/readyz"))[0] == 200

    try:
        await eventually(is_up)
        yield
    finally:
        await process.stop()


async def asked(
    fleet: Fleet, service: str, path: str, method: str = "GET", name: str = EDGE, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """One request to a process of the fleet; status 0 while nobody answers."""
    return await ask_port(fleet, fleet.ports[service], path, method, name, body, **headers)


async def ask_port(
    fleet: Fleet, port: int, path: str, method: str = "GET", name: str | None = EDGE, body: object = None, **headers: str
) -> tuple[int, dict[str, Any]]:
    """The same by port, over a connection of its own."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    connector = aiohttp.TCPConnector(ssl=fleet.context(name))
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=5)) as http:
            async with http.request(method, f"https://{LOCAL}:{port}{path}", json=body, headers=sent) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if "json" in answer.content_type else {"text": text}
    except aiohttp.ClientConnectionError:
        return 0, {}


def kind(body: Mapping[str, Any]) -> str:
    """Of a problem."""
    return str(body["type"]).removeprefix(PROBLEM)


def body_of(debtor: UUID, creditor: UUID, **changes: object) -> dict[str, object]:
    """A payment's."""
    return {"amount": 1, "debtor": str(debtor), "creditor": str(creditor), "currency": "EUR", **changes}
