"""Who is let in. Reading is open to everybody on the same machine; an order takes the token, whoever asks and from wherever.

1. An operator reads a web page while the lab runs, or while a tunnel leads to a controller. 2. A script on that page posts a failover
to 127.0.0.1, which browsers send without asking when it looks like plain text. 3. The writer moves, in the operator's name.
"""

import hmac
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from controller.api.problems import Problem

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The rules of one controller's operator API."""

    token: str | None = field(repr=False)
    """What an order must carry; None: no orders are taken."""
    local: bool
    """Only this machine reaches the listener, so reading takes no token."""

    def admit(self, request: web.Request) -> None:
        """Return when the request may go on. Raises Problem: 401 and 403 about who asks, 415 about how."""
        self._check_address(request)
        ordering = request.method not in READING
        if ordering or not (self.local or _for_machines(request)):
            self._check_token(request)
        if ordering and request.content_type != "application/json":
            raise Problem(415, "not-json", f"Content-Type: expected application/json, not {request.content_type}")

    def _check_address(self, request: web.Request) -> None:
        """Refuse what a page of somebody else sends, also one whose name was pointed at this machine after it was loaded."""
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            raise Problem(403, "foreign-origin", f"Origin: expected none, or {request.host}, not {origin}")
        if self.local and not _is_local_name(request.host):
            raise Problem(403, "foreign-host", f"Host: expected localhost or an address, not {request.host}")

    def _check_token(self, request: web.Request) -> None:
        if self.token is None:
            raise Problem(403, "no-orders", "this controller has no token and takes no orders; name one in listen.token_file")
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), f"Bearer {self.token}".encode()):
            raise Problem(401, "no-token", "Authorization: expected Bearer and the token of this controller")


def guarded(gate: Gate) -> Middleware:
    """The gate as a middleware."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        gate.admit(request)
        return await handler(request)

    return guard


def _for_machines(request: web.Request) -> bool:
    """Health checks and collectors carry no token; what they read says only whether things are well."""
    return not request.path.startswith("/v1/")


def _is_local_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False
