"""Who is on the other side of this TLS connection: the names in its certificate, and the certificate's thumbprint.

uvicorn verifies certificates and shows them to nobody. It does copy a state of the connection into every request's scope; that is where
its protocol puts what it finds once the handshake is over. Read in uvicorn 0.54's `protocols/http/httptools_impl.py`; a contract test
holds it. That protocol, because a parser in C takes a tenth off what a payment costs the service. It bounds no header's length: whoever
may connect at all is an edge, whose own buffer does, or a service of the fleet.
"""

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workload.access.identity import names_in

STATE, PEER = "state", "peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Whoever holds the key of the certificate that was shown; verified by this service's authority."""

    names: frozenset[str]
    """URIs in it, such as `trimaran://edge/aws`."""
    thumbprint: str
    """See `thumbprint_of`."""


def thumbprint_of(certificate: bytes) -> str:
    """SHA-256 of a certificate in DER, base64url without padding: `x5t#S256` of RFC 8705 section 3.1."""
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode("ascii")


def peer_of(scope: Mapping[str, Any]) -> Peer | None:
    """Who sent this request; None: over a connection without TLS."""
    found = scope.get(STATE, {}).get(PEER)
    return found if isinstance(found, Peer) else None


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which knows who speaks."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does it. With TLS the handshake is over by now."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, PEER: _read(transport)}


def _read(transport: asyncio.Transport) -> Peer | None:
    secured = transport.get_extra_info("ssl_object")
    certificate = secured.getpeercert(binary_form=True) if secured is not None else None
    if not certificate:
        return None
    return Peer(names=names_in(secured.getpeercert()), thumbprint=thumbprint_of(certificate))


def uvicorn_options(context: ssl.SSLContext) -> MutableMapping[str, Any]:
    """What `uvicorn.Config` has to be given to serve with this context and to know who speaks."""
    return {"http": PeerProtocol, "ssl_context_factory": lambda config, default: context}
