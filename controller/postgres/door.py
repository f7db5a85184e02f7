"""A server's door, seen from outside and without a login: does it go on in the open, and with which certificate does it answer?

Both are asked by hand, a few bytes each. A library would show a password to find out whether it may.
Source: PostgreSQL's protocol, "Message Formats" (StartupMessage, SSLRequest, ErrorResponse).
"""

import asyncio
import ssl
import struct
from contextlib import suppress
from datetime import timedelta

from controller.errors import Transient, Unsupported

PROTOCOL, SSL_REQUEST = 0x0003_0000, 80877103

LARGEST = 8192
"""Bytes of an error's text that are read."""

TURNED_AWAY = frozenset({b"28000", b"28P01"})
"""Before any password was shown: no line of pg_hba.conf, or of the vendor's own rules, lets such a login in."""


async def takes_plain(host: str, port: int, *, database: str, user: str, deadline: timedelta) -> bool:
    """Does the server go on with a login that is not encrypted? No password is shown, and nothing is asked once it has answered.

    Raises Transient without an answer in time, Unsupported for one that is neither yes nor no.
    """
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                body = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database)) + b"\0"
                writer.write(struct.pack("!ii", len(body) + 8, PROTOCOL) + body)
                kind, length = struct.unpack("!ci", await reader.readexactly(5))
                if kind == b"R":
                    return True
                said = await reader.readexactly(min(max(length - 4, 0), LARGEST)) if kind == b"E" else b""
            finally:
                await _leave(writer)
    except TimeoutError as error:
        raise Transient(f"{host}:{port} was silent for {deadline.total_seconds():g} s") from error
    except (OSError, EOFError) as error:
        raise Transient(f"{host}:{port}: {type(error).__name__}: {error}") from error
    state = next((field[1:] for field in said.split(b"\0") if field.startswith(b"C")), b"")
    if state in TURNED_AWAY:
        return False
    raise Unsupported(f"{host}:{port} answers a login without TLS by {(state or kind).decode('ascii', 'replace')}")


async def certificate(host: str, port: int, *, deadline: timedelta) -> bytes:
    """The certificate that the server shows, DER; whether it is believed is for somebody else. Raises Transient, and Unsupported when it
    speaks no TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack("!ii", 8, SSL_REQUEST))
                if await reader.readexactly(1) != b"S":
                    raise Unsupported(f"{host}:{port} speaks no TLS")
                await writer.start_tls(context, server_hostname=host)
                return _shown(writer, f"{host}:{port}")
            finally:
                await _leave(writer)
    except TimeoutError as error:
        raise Transient(f"{host}:{port} was silent for {deadline.total_seconds():g} s") from error
    except (OSError, EOFError) as error:
        raise Transient(f"{host}:{port}: {type(error).__name__}: {error}") from error


def _shown(writer: asyncio.StreamWriter, place: str) -> bytes:
    session: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    shown = session.getpeercert(binary_form=True) if session is not None else None
    if shown is None:
        raise Unsupported(f"{place} shows no certificate")
    return shown


async def _leave(writer: asyncio.StreamWriter) -> None:
    """Close at once: what the other side still wants to say is of no interest, and may never come."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
