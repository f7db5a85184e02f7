"""Before anything counts or believes what an edge says about its client's certificate: was it an edge that said it?

The thumbprint names the client to whom a rate is counted, long before its token is looked at. Whoever may choose it has no limit, and
spends another client's. The door behind it does not rest on this: it believes the header from an edge alone, too.
"""

from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from workload.access.door import THUMBPRINT
from workload.access.peer import peer_of
from workload.access.refusal import AccessRefused, Kind, answer

HEADER = THUMBPRINT.encode()
NONE_SHOWN = (HEADER, b"")


class Told:
    """ASGI middleware. Refuses whoever tells of a certificate and is no edge; a client of whom its edge tells none gets an empty one.

    Clients without a certificate are so one client to the limits, together. Uncounted, they would use up the rate of all others before
    the door turns them away. Where tokens may be unbound this holds for everybody who shows no certificate.
    """

    def __init__(
        self, app: ASGIApp, *, edges: Collection[str], realm: str, on_refusal: Callable[[str], None] = lambda kind: None
    ) -> None:
        """`edges`: names of those whose word is believed. `on_refusal` is told the kind."""
        self._app, self._edges, self._realm = app, frozenset(edges), realm
        self._on_refusal = on_refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            peer = peer_of(scope)
            is_edge = peer is not None and not peer.names.isdisjoint(self._edges)
            is_told = any(name == HEADER for name, _ in scope["headers"])
            if is_told and not is_edge:
                refused = AccessRefused(
                    Kind.WRONG_CERTIFICATE, "only this site's edge may tell which certificate a client showed"
                )
                self._on_refusal(refused.kind.value)
                await answer(refused, realm=self._realm, instance=scope["path"])(scope, receive, send)
                return
            if is_edge and not is_told:
                # In the scope that the layers outside of this one hold too: they read there what the request was routed to.
                scope["headers"] = [*scope["headers"], NONE_SHOWN]
        await self._app(scope, receive, send)
