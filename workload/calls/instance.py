"""One instance of another service: its address, its breaker, and one attempt to ask it."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.breaker import Breaker
from workload.calls.deadline import HEADER, write_header

LARGEST = 1024 * 1024
"""Bytes of an answer."""


@dataclass(slots=True, kw_only=True)
class Instance:
    """Where a service can be asked, and whether that is worth trying."""

    site: str
    url: str
    breaker: Breaker


class Connections:
    """Asks one service, over connections that are kept."""

    def __init__(self, context: ssl.SSLContext | None, *, connect: timedelta, most: int) -> None:
        """`context`: None for a service that is asked without TLS, to measure what TLS costs. Needs a running event loop."""
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context if context is not None else True, limit=most),
            # Below the 75 s that our services keep a connection: one that the callee closes while it is being used loses a call.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def attempt(self, instance: Instance, question: Question, limit: timedelta) -> Outcome:
        """One attempt within `limit`, of which the callee is told. Failures are values."""
        headers = {**question.headers, HEADER: write_header(limit)}
        try:
            # A deadline of our own around everything: it shuts the connection, whatever the library waits for.
            async with (
                asyncio.timeout(limit.total_seconds()),
                self._http.request(
                    question.method, instance.url + question.path, json=question.content, headers=headers, allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(LARGEST + 1)
                while len(body) <= LARGEST and (more := await answer.content.read(LARGEST + 1 - len(body))):
                    body += more
                return _judge(instance, answer, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unavailable(reason=Reason.UNREACHABLE, detail=f"{instance.site}: no connection: {_named(error)}")
        except TimeoutError:
            text = f"{instance.site}: no answer within {limit.total_seconds():.3f} s"
            return Unavailable(reason=Reason.SILENT, detail=text, reached=True)
        except (aiohttp.ClientError, OSError) as error:
            return Unavailable(reason=Reason.SILENT, detail=f"{instance.site}: {_named(error)}", reached=True)


def _judge(instance: Instance, answer: aiohttp.ClientResponse, body: bytes) -> Outcome:
    if len(body) > LARGEST:
        return Unavailable(reason=Reason.TROUBLED, detail=f"{instance.site}: more than {LARGEST} bytes", reached=True)
    if answer.status >= 500:
        return Unavailable(reason=Reason.TROUBLED, detail=f"{instance.site}: HTTP {answer.status}", reached=True)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answered(status=answer.status, body=body, headers=headers, site=instance.site)


def _named(error: BaseException) -> str:
    """What went wrong, without what was sent."""
    cause = error.__cause__ or error
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else type(cause).__name__
