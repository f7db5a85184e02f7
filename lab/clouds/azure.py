"""Azure's API, emulated over https: Azure Resource Manager with Traffic Manager, Azure DNS, PostgreSQL Flexible Server, Container Apps; a
key vault, whose address is the same.

Run as `python -m lab.clouds.azure --settings FILE`. Prints one JSON line with its port when it can be asked, and with the port of the
lab's own routes over plain http; they are under /_lab on both, and no fault touches them: Azure's name servers go on answering
queries while its API is down. It speaks what the vendor's SDK puts on the wire; nobody has compared it with the real one.
"""

import asyncio
import json
import ssl
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.addresses import LOCAL
from lab.clouds import azure_keys, azure_secrets
from lab.clouds.azure_apps import ContainerApps
from lab.clouds.azure_arm import Answer, ArmError, Document, Question, Resources, question
from lab.clouds.azure_publication import Publication
from lab.clouds.azure_servers import FlexibleServers
from lab.clouds.azure_traffic import TrafficManager
from lab.clouds.azure_zone import DnsZones
from lab.clouds.faults import BROKEN_PAGE, LONGEST_HANG, PROXY_PAGE, RULES, FaultKind, Faults
from lab.program import Ready, read_settings, run_until_told

RETRY_AFTER = "10"
"""Seconds, with every 429. A client that heeded it would spend a failover waiting."""
ERRORS = {
    FaultKind.THROTTLE: ArmError(429, "TooManyRequests", "The request was throttled."),
    FaultKind.UNAVAILABLE: ArmError(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    FaultKind.DENY: ArmError(403, "AuthorizationFailed", "The client does not have authorization to perform this action."),
    FaultKind.BUSY: ArmError(409, "AnotherOperationInProgress", "Another operation on this resource is in progress."),
}
NOUNS = {
    "trafficmanagerprofiles": "Profiles",
    "externalendpoints": "Endpoints",
    "dnszones": "Zones",
    "flexibleservers": "Servers",
    "maintenanceevents": "MaintenanceEvents",
    "azureasyncoperation": "Operations",
    "containerapps": "ContainerApps",
    "resourcegroups": "ResourceGroups",
}
VERBS = {"GET": "Get", "PUT": "CreateOrUpdate", "PATCH": "Update", "DELETE": "Delete"}


class Settings(BaseModel):
    """What one emulated Azure needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65535)
    """On 127.0.0.1, over https; 0: any free one, see the line printed."""
    control_port: int = Field(default=0, ge=0, le=65535)
    """Of the lab's own routes over http."""
    certificate: Path
    """Chain for 127.0.0.1, as PEM; see lab/clouds/certificates.py."""
    key: Path
    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_groups: tuple[str, ...] = ("trimaran",)
    """They exist from the start."""
    zones: tuple[str, ...] = ("trimaran.test",)
    """Zones that exist from the start, empty, in the first resource group."""
    propagation: float = Field(default=0.05, ge=0)
    """Seconds from an accepted change until the name servers answer it."""
    promotion: float = Field(default=0.5, ge=0)
    """Seconds that the promotion of a read replica takes."""


class Azure:
    """The emulated Azure. Between reading a request and answering it nothing waits, so requests are carried out one at a time."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._resources = Resources()
        self._servers = FlexibleServers(self._resources, monotonic, settings.promotion)
        self._zones = DnsZones(self._resources)
        self._vault = azure_keys.KeyVault(time.time)
        self._secrets = azure_secrets.Secrets(time.time)
        self._providers = {
            ("microsoft.network", "trafficmanagerprofiles"): TrafficManager(self._resources).answer,
            ("microsoft.network", "dnszones"): self._zones.answer,
            ("microsoft.dbforpostgresql", "flexibleservers"): self._servers.answer,
            ("microsoft.dbforpostgresql", "locations"): self._servers.answer,
            ("microsoft.app", "containerapps"): ContainerApps(self._resources).answer,
        }
        self.publication = Publication(settings.propagation, monotonic)
        """What the name servers answer."""
        self._requests: Counter[str] = Counter()
        self._faults, self._replaced = Faults(monotonic), asyncio.Event()
        for group in settings.resource_groups:
            self._resources.found_group(settings.subscription, group)
        for zone in settings.zones:
            place = f"/subscriptions/{settings.subscription}/resourceGroups/{settings.resource_groups[0]}"
            path = f"{place}/providers/Microsoft.Network/dnsZones/{zone}"
            self.carry_out(question("PUT", path, body={"location": "global"}))

    def carry_out(self, asked: Question, *, effective: bool = True) -> Answer:
        """Answer one request; without `effective`, as if it had been carried out. Raises ArmError before anything is changed."""
        self._servers.settle()
        before = self._resources.snapshot()
        self._servers.effective = effective
        answer = self._answer(asked)
        if not effective:
            self._resources.restore(before)
        for zone in self._zones.zones() if asked.method != "GET" else ():
            self.publication.publish(zone, self._zones.published(zone))
        return answer

    def _answer(self, asked: Question) -> Answer:
        if asked.types == ("resourcegroups",) and not asked.provider:
            if asked.method == "PUT":
                self._resources.found_group(asked.subscription, asked.names[0])
            return Answer(body=self._resources.get(asked.path))
        self._resources.check_place(asked)
        provider = self._providers.get((asked.provider, asked.types[0] if asked.types else ""))
        if provider is None:
            raise ArmError(404, "InvalidResourceNamespace", f"{asked.path} is not emulated")
        return provider(asked)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request to the API."""
        raw = await request.read()
        try:
            asked = _taken_apart(request, raw)
        except ArmError as error:
            return _error(error)

        def carry_out(effective: bool) -> Answer:
            _check_envelope(request)
            return self.carry_out(asked, effective=effective)

        return await self._meet(request, _operation(asked), carry_out, ERRORS)

    async def serve_vault(self, request: web.Request) -> web.StreamResponse:
        """One request to the key vault, for its keys or its secrets."""
        raw = await request.read()
        try:
            asked = azure_keys.Request(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                body=_body(raw),
                authorization=request.headers.get("Authorization", ""),
                origin=f"{request.scheme}://{request.host}",
            )
        except ArmError as error:
            return _error(error)
        for_secrets = request.match_info["kind"] == "secrets"
        operation = (azure_secrets if for_secrets else azure_keys).operation(request.method, request.path)
        kept: azure_keys.KeyVault | azure_secrets.Secrets = self._secrets if for_secrets else self._vault
        return await self._meet(request, operation, lambda effective: kept.answer(asked, effective=effective), azure_keys.ERRORS)

    async def _meet(
        self,
        request: web.Request,
        operation: str,
        carry_out: Callable[[bool], Answer],
        errors: Mapping[FaultKind, ArmError],
    ) -> web.StreamResponse:
        """Count the request and let it meet the faults in force; `carry_out` is told whether anything is to come of it."""
        self._requests[operation] += 1
        met, healed = self._faults.meet(operation), self._replaced
        await _wait(healed, met.delay)
        if met.kind is FaultKind.HANG:
            await _wait(healed, LONGEST_HANG)
        if (failure := _failure(met.kind, request, errors)) is not None:
            return failure
        try:
            response = _response(carry_out(met.kind is not FaultKind.NO_EFFECT))
        except ArmError as error:
            response = _error(error)
        return _reset(request) if met.kind is FaultKind.LOSE_ANSWER else response

    async def replace_faults(self, request: web.Request) -> web.Response:
        """`PUT /_lab/faults`."""
        try:
            rules = RULES.validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=400, text=str(error))
        self._faults.replace(rules)
        self._replaced.set()
        self._replaced = asyncio.Event()
        return web.json_response({})

    async def requests(self, _: web.Request) -> web.Response:
        """`GET /_lab/requests`."""
        return web.json_response(dict(self._requests))

    async def zones(self, _: web.Request) -> web.Response:
        """`GET /_lab/zones`: a zone's id is its name."""
        return web.json_response({zone: zone for zone in self._zones.zones()})

    async def zone(self, request: web.Request) -> web.Response:
        """`GET /_lab/zones/{id}?after=&wait=`."""
        after, patience = int(request.query.get("after", 0)), float(request.query.get("wait", 0))
        news = await self.publication.await_news(request.match_info["id"], after, patience)
        if news is None:
            return web.Response(status=204)
        return web.json_response({"revision": news.revision, "records": [record.model_dump() for record in news.records]})

    def application(self, *, with_api: bool) -> web.Application:
        """The lab's own routes, and the API behind them."""
        application = web.Application()
        application.add_routes(
            [
                web.put("/_lab/faults", self.replace_faults),
                web.get("/_lab/requests", self.requests),
                web.get("/_lab/zones", self.zones),
                web.get("/_lab/zones/{id}", self.zone),
            ]
        )
        if with_api:
            application.add_routes([web.route("*", "/{kind:keys|deletedkeys|secrets}{path:/.*}", self.serve_vault)])
            application.add_routes([web.route("*", "/{path:.*}", self.serve)])
        return application


def _failure(kind: FaultKind | None, request: web.Request, errors: Mapping[FaultKind, ArmError]) -> web.Response | None:
    """What a request meets instead of being carried out; None: it is."""
    match kind:
        case FaultKind.REFUSE | FaultKind.HANG:
            return _reset(request)
        case FaultKind.GARBLE:
            return web.Response(status=500, text=BROKEN_PAGE, content_type="text/html")
        case FaultKind.LIE:
            return web.Response(text=PROXY_PAGE, content_type="text/html")
        case known if known is not None and known in errors:
            return _error(errors[known])
    return None


async def _wait(healed: asyncio.Event, seconds: float) -> None:
    """So long, or until the fault is healed."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(healed.wait(), seconds)


def _body(raw: bytes) -> Document:
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise ArmError(400, "InvalidRequestContent", f"The request content was invalid: {error}") from error
    if not isinstance(body, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content is no object.")
    return body


def _taken_apart(request: web.Request, raw: bytes) -> Question:
    body = _body(raw)
    headers = {name.lower(): value for name, value in request.headers.items()}
    origin = f"{request.scheme}://{request.host}"
    return question(request.method, request.path, query=dict(request.query), headers=headers, body=body, origin=origin)


def _check_envelope(request: web.Request) -> None:
    if not request.headers.get("Authorization", "").startswith("Bearer "):
        raise ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    if "api-version" not in request.query:
        raise ArmError(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required.")


def _operation(asked: Question) -> str:
    kind = asked.types[-1] if asked.types else "other"
    noun = NOUNS.get(kind, "RecordSets" if asked.types[:1] == ("dnszones",) else "other")
    return f"{noun}_{'List' if asked.collection and asked.method == 'GET' else VERBS.get(asked.method, asked.method)}"


def _response(answer: Answer) -> web.Response:
    headers = {**answer.headers, "x-ms-request-id": str(uuid.uuid4())}
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.json_response(answer.body, status=answer.status, headers=headers)


def _error(error: ArmError) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER} if error.status == 429 else {}
    return _response(Answer(status=error.status, body=error.body, headers=headers))


def _reset(request: web.Request) -> web.Response:
    """End the connection at once; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Serve until `stop`; `ready` gets both ports once they can be asked."""
    azure, tls = Azure(settings), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(settings.certificate, settings.key)
    async with AsyncExitStack() as stack:
        ports = []
        for port, with_api in ((settings.port, True), (settings.control_port, False)):
            runner = web.AppRunner(azure.application(with_api=with_api), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, LOCAL, port, ssl_context=tls if with_api else None).start()
            ports.append(int(runner.addresses[0][1]))
        ready(ports[0], ports[1])
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_settings("lab.clouds.azure", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
