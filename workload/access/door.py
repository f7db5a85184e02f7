"""The door behind the gate: nobody is inside without being somebody.

A client's TLS ends at the edge, so the edge says which certificate the client showed. That word is believed from an edge alone, by
the name in its own certificate: from anybody else the header would let a stolen token be used without the key that it is bound to.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from workload.access.caller import Caller
from workload.access.operations import Operations
from workload.access.peer import STATE, Peer, peer_of
from workload.access.refusal import AccessRefused, Kind, answer

THUMBPRINT = "client-cert-thumbprint"
"""The header by which an edge says which certificate its client showed; see `edge/certified.py` and docs/decisions/0012."""

OPEN = frozenset({"/healthz", "/readyz", "/metrics"})
"""Anybody may ask these, whom the connection itself lets in."""

CALLER = "caller"
BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)
"""RFC 6750 section 2.1. Tokens in forms or addresses are not taken: those end up in logs."""


class Verifies(Protocol):
    """Knows whose a token is."""

    async def admit(self, token: str, thumbprint: str | None) -> Caller:
        """Who shows this token over a connection with that client certificate. Raises AccessRefused."""


class Door:
    """ASGI middleware. Puts a Caller into the scope of every request that goes on."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifies,
        *,
        operations: Operations,
        edges: Collection[str],
        services: Mapping[str, Collection[str]],
        realm: str,
        on_refusal: Callable[[str], None] = lambda kind: None,
    ) -> None:
        """`edges`: names of those whose word about certificates is believed. `services`: what each other service may ask without a
        token, by its name. `on_refusal` is told the kind."""
        self._app = app
        self._verifier = verifier
        self._operations = operations
        self._edges = frozenset(edges)
        self._services = {name: frozenset(scopes) for name, scopes in services.items()}
        self._realm = realm
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._identify(Request(scope))
            self._check_scope(caller, scope["method"], scope["path"])
        except AccessRefused as refused:
            self._on_refusal(refused.kind.value)
            await answer(refused, realm=self._realm, instance=scope["path"])(scope, receive, send)
            return
        scope.setdefault(STATE, {})[CALLER] = caller
        await self._app(scope, receive, send)

    async def _identify(self, request: Request) -> Caller:
        peer = peer_of(request.scope)
        shown = request.headers.getlist("authorization")
        if not shown:
            return self._service(peer)
        if len(shown) > 1:
            raise AccessRefused(Kind.MALFORMED, "a request has one Authorization header")
        if not shown[0].lower().startswith("bearer"):
            raise AccessRefused(Kind.NO_TOKEN, "an access token is needed, as Authorization: Bearer")
        bearer = BEARER.fullmatch(shown[0])
        if bearer is None:
            raise AccessRefused(Kind.MALFORMED, "the Authorization header holds no bearer token")
        return await self._verifier.admit(bearer[1], self._certificate(request, peer))

    def _service(self, peer: Peer | None) -> Caller:
        """A service of the fleet is known by its certificate alone."""
        known = sorted(peer.names & self._services.keys()) if peer is not None else []
        if len(known) != 1:
            raise AccessRefused(Kind.NO_TOKEN, "an access token is needed, as Authorization: Bearer")
        return Caller(subject=known[0], client=known[0], scopes=self._services[known[0]])

    def _certificate(self, request: Request, peer: Peer | None) -> str | None:
        """The thumbprint of the certificate whose key the client holds."""
        if peer is None or not peer.names & self._edges:
            return peer.thumbprint if peer is not None else None
        told = request.headers.getlist(THUMBPRINT)
        if len(told) > 1:
            # An edge removes its client's and says its own: two of them came by a way that nobody thought of.
            raise AccessRefused(Kind.WRONG_CERTIFICATE, "the edge tells of more than one certificate")
        return told[0] if told and told[0] else None

    def _check_scope(self, caller: Caller, method: str, path: str) -> None:
        needed = self._operations.scope(method, path)
        if needed is None:
            raise AccessRefused(Kind.MISSING_SCOPE, "no scope allows this method and path")
        if needed not in caller.scopes:
            raise AccessRefused(Kind.MISSING_SCOPE, f"the scope {needed} is needed", needed)


def caller_of(request: Request) -> Caller:
    """Who asks. Raises KeyError where no door stands before the application."""
    caller = request.scope[STATE][CALLER]
    assert isinstance(caller, Caller)
    return caller
