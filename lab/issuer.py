"""A small issuer of access tokens over https, with faults: discovery, published keys with rotation, tokens for client credentials.

Run as `python -m lab.issuer --settings FILE`. Prints one JSON line with its port when it can be asked, and with the port of the lab's own
routes over plain http; those are under /_lab and no fault touches them. Under the fault `lie` it publishes keys that signed nothing.
"""

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.addresses import LOCAL
from lab.clouds.faults import BROKEN_PAGE, LONGEST_HANG, PROXY_PAGE, RULES, FaultKind, Faults
from lab.issuer_tokens import BY_CERTIFICATE, BY_STATEMENT, ClientSettings, Signing, TokenRequest, Tokens
from lab.program import Ready, read_settings, run_until_told
from workload.access.identity import names_in
from workload.access.keys import Algorithm
from workload.access.peer import thumbprint_of

ISSUER = "https://issuer.trimaran.test"
"""What its tokens say; where it listens is another matter."""

STATUSES = {FaultKind.THROTTLE: 429, FaultKind.UNAVAILABLE: 503, FaultKind.DENY: 403, FaultKind.BUSY: 409}
NO_STORE = {"Cache-Control": "no-store"}
Handler = Callable[[web.Request], Awaitable[web.Response]]


class Settings(BaseModel):
    """What one issuer needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65535)
    """On 127.0.0.1, over https; 0: any free one, see the line printed."""
    control_port: int = Field(default=0, ge=0, le=65535)
    """Of the lab's own routes over http."""
    certificate: Path
    """Chain for 127.0.0.1, as PEM; see lab/clouds/certificates.py."""
    key: Path
    clients_authority: Path | None = None
    """Vouches for clients' certificates, PEM; without it none is asked for, and no token is bound to one."""
    issuer: str = ISSUER
    algorithm: Algorithm = Algorithm.ES256
    signing_file: Path | None = None
    """Its own keys, kept for the next start; without it every start begins with new ones."""
    lifetime: timedelta = timedelta(hours=6)
    """Of a token, as ISO 8601 or seconds. While the issuer is away nobody gets a new one: it is how long clients outlast that."""
    clients: Mapping[str, ClientSettings]


class Issuer:
    """What is asked over HTTP."""

    def __init__(self, settings: Settings, port: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`port`: where it listens."""
        self._settings, self._origin = settings, f"https://{LOCAL}:{port}"
        self._signing = Signing(settings.algorithm, settings.signing_file)
        self._tokens = Tokens(
            settings.issuer, settings.clients, self._signing, lifetime=settings.lifetime, endpoint=f"{self._origin}/token"
        )
        self._faults, self._replaced = Faults(monotonic), asyncio.Event()
        self._requests: Counter[str] = Counter()

    def api(self) -> web.Application:
        """What services and clients ask."""
        application = web.Application()
        found = self._under_faults("discovery", self._discover)
        application.add_routes(
            [
                web.get("/.well-known/openid-configuration", found),
                web.get("/.well-known/oauth-authorization-server", found),
                web.get("/jwks", self._under_faults("jwks", self._show_keys)),
                web.post("/token", self._under_faults("token", self._give_token)),
            ]
        )
        return application

    def control(self) -> web.Application:
        """The lab's own routes."""
        application = web.Application()
        application.add_routes(
            [
                web.put("/_lab/faults", self._replace_faults),
                web.get("/_lab/requests", self._count),
                web.post("/_lab/rotate", self._rotate),
            ]
        )
        return application

    def _under_faults(self, operation: str, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            self._requests[operation] += 1
            met, healed = self._faults.meet(operation), self._replaced
            await _wait(healed, met.delay)
            match met.kind:
                case FaultKind.HANG:
                    await _wait(healed, LONGEST_HANG)
                    return _reset(request)
                case FaultKind.REFUSE:
                    return _reset(request)
                case FaultKind.LIE if operation == "jwks":
                    return web.json_response(self._signing.wrong())
                case FaultKind.LIE:
                    return web.Response(text=PROXY_PAGE, content_type="text/html")
                case FaultKind.GARBLE:
                    return web.Response(status=500, text=BROKEN_PAGE, content_type="text/html")
                case known if known in STATUSES:
                    return web.json_response({"error": "temporarily_unavailable"}, status=STATUSES[known])
            response = await handler(request)
            return _reset(request) if met.kind is FaultKind.LOSE_ANSWER else response

        return answer

    async def _discover(self, _: web.Request) -> web.Response:
        """RFC 8414 section 2, and what of OpenID Connect Discovery fits an issuer at which nobody logs in."""
        document = {
            "issuer": self._settings.issuer,
            "jwks_uri": f"{self._origin}/jwks",
            "token_endpoint": f"{self._origin}/token",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "token_endpoint_auth_methods_supported": [BY_CERTIFICATE, BY_STATEMENT],
            "token_endpoint_auth_signing_alg_values_supported": [algorithm.value for algorithm in Algorithm],
            "id_token_signing_alg_values_supported": [self._settings.algorithm.value],
            "tls_client_certificate_bound_access_tokens": self._settings.clients_authority is not None,
        }
        return web.json_response(document)

    async def _show_keys(self, _: web.Request) -> web.Response:
        return web.json_response(self._signing.published())

    async def _give_token(self, request: web.Request) -> web.Response:
        form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        secured = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        certificate = secured.getpeercert(binary_form=True) if secured is not None else None
        asked = TokenRequest(
            f"{self._origin}/token",
            form,
            names=names_in(secured.getpeercert()) if secured is not None and certificate else frozenset(),
            thumbprint=thumbprint_of(certificate) if certificate else None,
        )
        status, body = self._tokens.create_token_response(asked)
        return web.json_response(body, status=status, headers=NO_STORE)

    async def _replace_faults(self, request: web.Request) -> web.Response:
        try:
            rules = RULES.validate_json(await request.read())
        except ValidationError as error:
            return web.Response(status=400, text=str(error))
        self._faults.replace(rules)
        self._replaced.set()
        self._replaced = asyncio.Event()
        return web.json_response({})

    async def _count(self, _: web.Request) -> web.Response:
        return web.json_response(dict(self._requests))

    async def _rotate(self, _: web.Request) -> web.Response:
        self._signing.rotate()
        return web.json_response(self._signing.published())


async def _wait(healed: asyncio.Event, seconds: float) -> None:
    """So long, or until the fault is healed."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(healed.wait(), seconds)


def _reset(request: web.Request) -> web.Response:
    """End the connection at once; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings.certificate, settings.key)
    if settings.clients_authority is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(settings.clients_authority)
    return context


async def run(settings: Settings, stop: asyncio.Event, ready: Ready) -> None:
    """Serve until `stop`; `ready` gets both ports once they can be asked."""
    listener = socket.create_server((LOCAL, settings.port))
    port = int(listener.getsockname()[1])
    issuer = Issuer(settings, port)
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        api, control = (
            web.AppRunner(application, access_log=None, shutdown_timeout=0.1) for application in (issuer.api(), issuer.control())
        )
        for runner in (api, control):
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
        await web.SockSite(api, listener, ssl_context=_tls(settings)).start()
        await web.TCPSite(control, LOCAL, settings.control_port).start()
        ready(port, int(control.addresses[0][1]))
        await stop.wait()


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_settings("lab.issuer", Settings)
    run_until_told(lambda stop, ready: run(settings, stop, ready))


if __name__ == "__main__":
    main()
