"""How clients' requests reach a site: TLS to its edge, each client with its own certificate, and with its token where one is needed.

Connections are kept as clients in the field keep them, and TLS sessions are resumed: when half of all payers come to another site in one
moment, it has no time for as many signatures.
"""

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from controller.clock import SystemClock
from controller.probing.bearer import Bearer, TokenEndpoint, client_context
from lab.load_payer import NoReplyError, Reply, Route
from lab.load_settings import EntranceSettings
from workload.calls.sockets import make_socket

KEEP_ALIVE = 30.0
"""Seconds an idle connection is kept: shorter than the 75 of edges and services, so that requests do not race their goodbye."""

FIRST_TOKENS = 20.0
"""Seconds until every client must have its first token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a client."""

    method: str
    path: str
    host: str
    """Name of the service, as its clients know it: edges tell services apart by it."""
    client: int
    """Which of the clients asks; counted around."""
    body: bytes
    headers: Mapping[str, str]


class Transport:
    """Carries requests. Whoever awaits `carry` ends it at its own deadline; the connection is closed with it."""

    def __init__(self, http: aiohttp.ClientSession, clients: tuple["Client", ...] = ()) -> None:
        """No clients: plain http, and nobody asks for tokens."""
        self._http, self._clients = http, clients

    async def carry(self, route: Route, request: Request) -> Reply:
        """The answer, whatever it says. Raises NoReplyError."""
        headers, secure = {**request.headers, "Host": request.host}, dict[str, Any]()
        scheme = "http"
        if self._clients:
            client = self._clients[request.client % len(self._clients)]
            if (token := client.bearer.token) is None:
                raise NoReplyError("no access token")
            headers["Authorization"] = f"Bearer {token}"
            scheme, secure = "https", {"ssl": client.contexts[route.site], "server_hostname": request.host}
        url = f"{scheme}://{route.host}:{route.port}{request.path}"
        try:
            async with self._http.request(request.method, url, data=request.body, headers=headers, **secure) as answer:
                return Reply(
                    status=answer.status,
                    body=await answer.read(),
                    retry_after=answer.headers.get("Retry-After"),
                    served_by=answer.headers.get("Served-By"),
                )
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError, RuntimeError) as error:
            # RuntimeError: uvloop, of a connection that ended while something was being written to it.
            raise NoReplyError(type(error).__name__) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client: its token, and its TLS towards each site."""

    bearer: Bearer
    contexts: Mapping[str, ssl.SSLContext] = field(repr=False)
    """By site: a session that one edge gave means nothing to another."""


@asynccontextmanager
async def transport(entrance: EntranceSettings | None, sites: Iterable[str]) -> AsyncIterator[Transport]:
    """For the length of the block; with an entrance it begins when every client has its token. Raises TimeoutError when one has none."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=make_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        if entrance is None:
            yield Transport(http)
            return
        known = tuple(sites)
        clients = tuple(_client(entrance, number, known) for number in range(len(entrance.clients)))
        keeping = [asyncio.create_task(client.bearer.keep()) for client in clients]
        stack.push_async_callback(_end, keeping)
        until = time.monotonic() + FIRST_TOKENS
        while missing := [client.bearer.trouble for client in clients if client.bearer.token is None]:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(missing)} clients have no access token after {FIRST_TOKENS:g} s: {missing[0]}")
            await asyncio.sleep(0.02)
        yield Transport(http, clients)


def _client(entrance: EntranceSettings, number: int, sites: tuple[str, ...]) -> Client:
    own = entrance.clients[number]
    context = client_context(own.certificate, entrance.issuer)
    endpoint = TokenEndpoint(url=entrance.token_url, client=own.name, context=context, sockets=make_socket)
    contexts = {site: resuming(client_context(own.certificate, entrance.doors)) for site in sites}
    return Client(bearer=Bearer(endpoint.ask, SystemClock(), random.random), contexts=contexts)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def resuming(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, whose connections begin with the session of the last one: asyncio has no other place for that. To be used
    towards one server only."""
    kept: list[ssl.SSLSession] = []

    class Resumed(ssl.SSLObject):
        begun = seen = False

        def do_handshake(self) -> None:
            if not self.begun:
                # Once, before its first step: the handshake is asked for again whenever bytes have come, and a session that another
                # connection brought meanwhile would be refused in the middle of it.
                self.begun = True
                if kept:
                    self.session = kept[0]
            super().do_handshake()

        def read(self, *given: Any) -> Any:
            found = super().read(*given)
            if not self.seen:
                # A ticket of TLS 1.3 comes after the handshake, and before anything else that can be read.
                self.seen = True
                if (session := self.session) is not None and session.has_ticket:
                    kept[:] = [session]
            return found

    context.sslobject_class = Resumed
    return context
