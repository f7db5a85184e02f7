"""One HTTP request to somebody outside, within its deadline; what came of it as our errors, which name no address and no key.

Names are resolved by threads of this client's own: when a site's resolver hangs, each question holds a thread for many seconds, and the
event loop has few; a failover that dials a database by name must not wait behind a message.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.errors import Denied, Transient, Unsupported
from controller.telling_ports import Busy

KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: shorter than a server's usual 5, so that requests do not race its goodbye."""

LONGEST_REST = timedelta(minutes=5)
"""For so long a receiver may want to be left alone at most."""

DIGITS = 9
"""Of a Retry-After that is honoured; a date is not: clocks may differ."""

GONE = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
"""Nobody is let in, or nobody is there any more: the settings have to be mended, and messages wait until they are."""

LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class Resolver(AbstractResolver):
    """Names by the machine's own resolver, in threads that nobody else uses."""

    def __init__(self, threads: int = 4) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="names of receivers")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Every address of the name. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._pool, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Wait for no question that is under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def http_client(authority: Path | None = None) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that verifies whom it speaks to, keeps no cookies, and reads no proxy from the environment. `authority`: who vouches for
    receivers; None: whom the machine trusts. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=None if authority is None else str(authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    resolver = Resolver()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, resolver=resolver, ssl=context)
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            headers={"User-Agent": "Trimaran-Notify/1"},
        ) as session:
            yield session
    finally:
        await resolver.close()


async def ask(
    http: aiohttp.ClientSession,
    url: str,
    deadline: timedelta,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    method: str = "POST",
) -> str:
    """Send once; answers the status as text when it is a 2xx. Raises Busy, Transient, Denied, Unsupported.

    The status line settles it, and at the deadline the connection is closed. A redirect is no acceptance and is not followed: it would
    take a signed message, or a key, to whoever answers there.
    """
    try:
        async with (
            asyncio.timeout(deadline.total_seconds()),
            http.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return judged(answer.status, answer.headers.get("Retry-After"))
    except TimeoutError:
        raise Transient(f"no answer within {deadline.total_seconds():g} s") from None
    except (
        aiohttp.ClientError,
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # the last: of a connection that ends while it is written to
        raise Transient(f"could not be asked: {type(error).__name__}") from None  # what it says is the address


def judged(status: int, retry_after: str | None) -> str:
    """What a status means: the status itself of a 2xx. Raises Busy, Transient, Denied, Unsupported."""
    said = f"answered {status}"
    if 200 <= status < 300:
        return str(status)
    rest = _seconds(retry_after)
    if rest is not None and (status in LATER or status >= 500):
        raise Busy(said, rest=rest)
    if status in GONE:
        raise Denied(said)
    if 400 <= status < 500 and status not in LATER:
        raise Unsupported(said)
    raise Transient(said)


def _seconds(retry_after: str | None) -> timedelta | None:
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()) or len(retry_after) > DIGITS:
        return None
    return min(timedelta(seconds=int(retry_after)), LONGEST_REST)
