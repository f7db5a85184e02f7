"""Asks the issuer for its keys, over HTTPS, once."""

import ssl
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import aiohttp

from workload.access.ring import CannotFetch
from workload.calls.sockets import make_socket

LARGEST = 64 * 1024
"""Bytes of a JWKS."""


def fetch_from(url: str, *, authority: Path | None, deadline: timedelta) -> Callable[[], Awaitable[bytes]]:
    """Asks `url` for a JWKS. `authority`: who vouches for the issuer, PEM; None: whom the machine trusts. Raises OSError, ssl.SSLError.

    A connection for each question: there is one in minutes, and one that was kept would be dead when it is needed.
    """
    context = ssl.create_default_context(cafile=str(authority) if authority is not None else None)

    async def fetch() -> bytes:
        connector = aiohttp.TCPConnector(ssl=context, force_close=True, socket_factory=make_socket)
        timeout = aiohttp.ClientTimeout(total=deadline.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as http,
                http.get(url, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise CannotFetch(f"{url}: expected 200, got {answer.status}")
                return await _read(answer.content, url)
        except (
            aiohttp.ClientError,
            TimeoutError,
            OSError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
            raise CannotFetch(f"{url}: {error or type(error).__name__}") from error

    return fetch


async def _read(content: aiohttp.StreamReader, url: str) -> bytes:
    document = b""
    async for part in content.iter_any():
        document += part
        if len(document) > LARGEST:
            raise CannotFetch(f"{url}: expected at most {LARGEST} bytes")
    return document
