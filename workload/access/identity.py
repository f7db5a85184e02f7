"""Who a process is to the others of the fleet: a certificate that names it, `trimaran://service/payments` or `trimaran://edge/aws`.

Names are URIs, as SPIFFE has them, and are compared as a whole. That a certificate is the fleet's own says only that it is
somebody of the fleet: with that alone the screening service could answer in the vault's place.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from workload.durable.settings import Table

SCHEME = "trimaran://"
Name = Annotated[str, Field(pattern=r"^trimaran://(service|edge)/[a-z][a-z0-9-]*$")]


class Identity(Table):
    """`[identity]`: this process's own papers; PEM files."""

    certificate: Path
    """With its chain and its private key."""
    authority: Path
    """Issues such certificates to services and edges, and to nobody else."""


def service_name(service: str) -> str:
    """The name in a service's certificate."""
    return f"{SCHEME}service/{service}"


def edge_name(site: str) -> str:
    """The name in the certificate by which a site's edge speaks to services."""
    return f"{SCHEME}edge/{site}"


def names_in(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The URIs in a certificate as `ssl` shows it; none for one that was not verified."""
    return frozenset(value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "URI")


def server_context(identity: Identity) -> ssl.SSLContext:
    """For whoever listens: shows its own certificate and demands one. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _equip(context, identity)
    return context


def client_context(identity: Identity, callee: str) -> ssl.SSLContext:
    """For whoever calls `callee`: shows its own certificate, and ends a handshake with anybody else. Raises OSError, ssl.SSLError.

    The name is looked at inside the handshake: later a pooled connection would carry the first request before anybody looked.
    """

    class Named(ssl.SSLObject):
        def do_handshake(self) -> None:
            super().do_handshake()
            if callee not in names_in(self.getpeercert()):
                raise ssl.SSLCertVerificationError(f"the other side is not {callee}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # addresses change with every deployment, and in the lab all are one
    _equip(context, identity)
    context.sslobject_class = Named
    return context


def _equip(context: ssl.SSLContext, identity: Identity) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(identity.certificate)
    context.load_verify_locations(identity.authority)
