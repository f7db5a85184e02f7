"""One attempt to tell a merchant one event, over HTTP, within its deadline."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import aiohttp
from yarl import URL

from workload.webhooks.addresses import Network, Refused, guarded_sockets, objection
from workload.webhooks.model import Event, Reply
from workload.webhooks.signing import Secrets, UnknownSecret, sign

KEEP_ALIVE = 4.0
"""Seconds an idle connection is kept: shorter than a server's usual 5, so that requests do not race its goodbye."""
LONGEST_RETRY_AFTER = timedelta(days=1)
GONE = 410


def judge(status: int, retry_after: str | None) -> Reply:
    """What a status means. Only 2xx is an acceptance: a redirect is none, and is not followed."""
    if 200 <= status < 300:
        return Reply(is_accepted=True, why=str(status), is_answer=True)
    why, wanted = f"answered {status}", _seconds(retry_after)
    return Reply(is_accepted=False, why=why, is_gone=status == GONE, retry_after=wanted, is_answer=True)


def _seconds(retry_after: str | None) -> timedelta | None:
    """Whole seconds; a date is not honoured, the clocks may differ."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdigit()) or len(retry_after) > 9:
        return None
    return min(timedelta(seconds=int(retry_after)), LONGEST_RETRY_AFTER)


class Post:
    """Sends events. Every attempt ends in a Reply."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        secrets: Secrets,
        *,
        deadline: timedelta,
        plain_http: bool,
        clock: Callable[[], datetime],
    ) -> None:
        """`clock` answers the present time, aware."""
        self._http, self._secrets = http, secrets
        self._deadline, self._plain_http, self._clock = deadline, plain_http, clock

    async def __call__(self, event: Event) -> Reply:
        """Sign and send. At the deadline the socket is closed: what the endpoint made of it is then unknown, and it is told again."""
        try:
            url = URL(event.url)
            problem = objection(url, plain_http=self._plain_http)
            if problem is not None:
                return Reply(is_accepted=False, why=problem)
            signature = sign(self._secrets.of(event.secret), event.id, self._clock(), event.body)
            async with asyncio.timeout(self._deadline.total_seconds()):
                return await self._send(url, event.body.encode(), {**signature, "Content-Type": "application/json"})
        except TimeoutError:
            return Reply(is_accepted=False, why=f"no answer within {self._deadline.total_seconds():g} s", is_silence=True)
        except UnknownSecret as error:
            return Reply(is_accepted=False, why=str(error), is_silence=True)
        except (
            aiohttp.ClientError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
            return _failed(error)

    async def _send(self, url: URL, body: bytes, headers: dict[str, str]) -> Reply:
        async with self._http.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            # The status line settles it. A body that never ends is not read: leaving closes its connection.
            return judge(answer.status, answer.headers.get("Retry-After"))


def _failed(error: Exception) -> Reply:
    """A URL that cannot be used, or an address that must not be called, is the merchant's own; all else may be the way."""
    refusal = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(refusal, Refused):
        return Reply(is_accepted=False, why=f"refused: {refusal}")
    is_silence = isinstance(error, aiohttp.ClientError | OSError | RuntimeError) and not isinstance(error, aiohttp.InvalidURL)
    return Reply(is_accepted=False, why=type(refusal).__name__, is_silence=is_silence)


@asynccontextmanager
async def http_client(allow: Sequence[Network]) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that connects to public addresses and to `allow`, keeps no cookies, and reads no proxy from the environment."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, socket_factory=guarded_sockets(allow))
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        headers={"User-Agent": "Trimaran-Webhooks/1"},
    ) as session:
        yield session
