"""Looks at the certificate that a place shows, and says until when it holds and whether it is believed. Nothing is asked of the place."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509

from controller.core.checkup.papers import Certificate
from controller.errors import Transient, Unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsCertificate:
    """Of a server that speaks TLS from the first byte."""

    host: str
    port: int
    trust: ssl.SSLContext
    """How it is spoken to otherwise, with the own certificate and whom to believe."""
    deadline: timedelta
    name: str | None = None
    """Whose certificate is asked for and believed, where `host` is an address; None: the host's."""

    async def __call__(self) -> Certificate:
        """See the module. Raises Transient, Unsupported."""
        try:
            return read(await self._shown(self.trust))
        except ssl.SSLCertVerificationError as error:
            mistrusted = error.verify_message or str(error)
        anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        shown = read(await self._shown(anybody))
        return Certificate(begins=shown.begins, ends=shown.ends, mistrusted=mistrusted)

    async def _shown(self, context: ssl.SSLContext) -> bytes:
        place, name = f"{self.host}:{self.port}", self.name or self.host
        try:
            async with asyncio.timeout(self.deadline.total_seconds()):
                _, writer = await asyncio.open_connection(self.host, self.port, ssl=context, server_hostname=name)
        except TimeoutError as error:
            raise Transient(f"{place} was silent for {self.deadline.total_seconds():g} s") from error
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise Transient(f"{place}: {type(error).__name__}: {error}") from error
        session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        shown = session.getpeercert(binary_form=True) if session is not None else None
        writer.transport.abort()
        if shown is None:
            raise Unsupported(f"{place} shows no certificate")
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCertificate:
    """Of this process itself: the first one of a PEM file."""

    path: Path

    async def __call__(self) -> Certificate:
        """See the module. Raises OSError, ValueError."""
        return _validity(x509.load_pem_x509_certificate(self.path.read_bytes()))


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedCertificate:
    """Of a server that has a way of its own to begin with TLS."""

    fetch: Callable[[], Awaitable[bytes]]
    """Answers the certificate, DER."""

    async def __call__(self) -> Certificate:
        """See the module. Raises what `fetch` raises."""
        return read(await self.fetch())


def read(der: bytes) -> Certificate:
    """A certificate's own word. Raises ValueError."""
    return _validity(x509.load_der_x509_certificate(der))


def _validity(found: x509.Certificate) -> Certificate:
    return Certificate(begins=found.not_valid_before_utc, ends=found.not_valid_after_utc)
