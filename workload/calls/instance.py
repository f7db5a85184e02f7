"""One instance of another service: its address, its breaker, and one attempt to ask it."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from workload.calls.answer import Answered, Outcome, Question, Reason, Unavailable
from workload.calls.breaker import Breaker
from workload.calls.deadline import HEADER, write_header
from workload.calls.sockets import make_socket

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
        self._connect, self._most = connect.total_seconds(), most
        self._left: set[asyncio.Task[Outcome]] = set()
        self._http = aiohttp.ClientSession(
            # Kept for the connector's 15 s, well below the 75 s of our services: one that the callee closes while it is being used loses
            # a call.
            connector=aiohttp.TCPConnector(ssl=context if context is not None else True, limit=most, socket_factory=make_socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        for asking in self._left:
            asking.cancel()
        await self._http.close()

    async def attempt(self, instance: Instance, question: Question, limit: timedelta) -> Outcome:
        """One attempt within `limit`, of which the callee is told. Failures are values."""
        asking = asyncio.get_running_loop().create_task(self._ask(instance, question, write_header(limit)))
        try:
            # A deadline of our own around everything, whatever the library waits for.
            done, _ = await asyncio.wait({asking}, timeout=limit.total_seconds())
        except asyncio.CancelledError:
            asking.cancel()
            raise
        if done:
            return asking.result()
        self._leave(asking, question)
        text = f"{instance.site}: no answer within {limit.total_seconds():.3f} s"
        return Unavailable(reason=Reason.SILENT, detail=text, reached=True)

    def _leave(self, asking: "asyncio.Task[Outcome]", question: Question) -> None:
        """Go on without it. What may be done twice goes on by itself for as long as a connection may take, and its connection is kept.

        1. Screening is asked at another site: three round trips for the first question, 75 ms, of which the question allows 60. 2. Cut off,
        the handshake is lost, and the next question begins another one. 3. That site's instance is never reached.
        """
        if not question.idempotent or len(self._left) >= self._most / 2:
            asking.cancel()
            return
        self._left.add(asking)
        end = asking.get_loop().call_later(self._connect, asking.cancel)

        def forget(ended: "asyncio.Task[Outcome]") -> None:
            end.cancel()
            self._left.discard(ended)
            if not ended.cancelled():
                ended.exception()  # looked at although nobody waits for it

        asking.add_done_callback(forget)

    async def _ask(self, instance: Instance, question: Question, told: str) -> Outcome:
        headers = {**question.headers, HEADER: told}
        try:
            async with self._http.request(
                question.method, instance.url + question.path, json=question.content, headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.content.read(LARGEST + 1)
                while len(body) <= LARGEST and (more := await answer.content.read(LARGEST + 1 - len(body))):
                    body += more
                return _judge(instance, answer, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Unavailable(reason=Reason.UNREACHABLE, detail=f"{instance.site}: no connection: {_named(error)}")
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # the last: uvloop, of a connection that ends while it is written to
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
