"""Receivers of messages as they answer over HTTP, with a switch for each way they fail; and the shipped fake beside them."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from standardwebhooks import Webhook as Verifier

from controller.channels.pagerduty import PagerDuty
from controller.channels.post import http_client
from controller.channels.signing import read_signer
from controller.channels.slack import Slack
from controller.channels.webhook import Webhook
from controller.core.messages import Action, Message, Severity
from controller.providers.memory.channel import MemoryChannel, MemoryReceiver
from controller.telling_ports import Channel
from tests.contract.conftest import SteadyClock

KEY = "0123456789abcdef0123456789abcdef"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = "/services/T0/B0/swordfish"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def message(number: int = 1, **changes: Any) -> Message:
    """A message with everything in it that has to be escaped, cut or signed."""
    at = datetime(2026, 3, 1, 12, 0, 3, 500_000, tzinfo=UTC)
    given: dict[str, Any] = {
        "id": f"payments-{number}-abc",
        "service": "payments",
        "action": Action.OPEN,
        "incident": "payments-1-abc",
        "severity": Severity.CRITICAL,
        "title": "automatic failover from azure <!channel>",
        "at": at,
        "since": at - timedelta(seconds=2),
        "why": "aws says failing & gcp says failing; \u00e9",
        "then": "one is elected",
        "command": 'trimaran failover --from azure --reason "..." --service payments',
        "drill": False,
        "entry": number,
    }
    return Message(**{**given, **changes})


@dataclass
class Served:
    """What reached a receiver over HTTP, and how it answers what comes next."""

    came: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    attempts: int = 0
    next: list[Answer] = field(default_factory=list)
    """Answers of the next requests; after these it takes what it understands."""
    elsewhere: int = 0
    """Requests to another path: somebody followed a redirect."""
    accepts: int = 200

    def application(self) -> web.Application:
        """The HTTP side of it."""
        application = web.Application()
        application.router.add_route("*", PATH, self._serve)
        application.router.add_route("*", "/elsewhere", self._other)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        if self.next:
            return await self.next.pop(0)(request)
        return await self.take(request)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """As one that is well."""
        self.came.append((dict(request.headers), await request.read()))
        return web.Response(status=self.accepts)

    async def _other(self, request: web.Request) -> web.StreamResponse:
        self.elsewhere += 1
        return web.Response(status=200)


def answers(status: int, **headers: str) -> Answer:
    """This status, whatever comes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


async def hangs(request: web.Request) -> web.StreamResponse:
    """Takes the request and says nothing."""
    await asyncio.sleep(30)
    return web.Response()


@dataclass
class World:
    """One channel and its receiver."""

    channel: Channel
    lose: Callable[[], None]
    hang: Callable[[], None]
    """The next message is taken and its answer lost; nothing is answered."""
    fail: Callable[[int, str | None], None]
    """The next message is answered with this status, and this Retry-After."""
    ids: Callable[[], list[str]]
    """By what the receiver knows each message that it took, in order."""
    served: Served | None = None


def memory_world() -> World:
    """The shipped fake."""
    receiver = MemoryReceiver(clock=SteadyClock())

    def fail(status: int, rest: str | None) -> None:
        if rest is not None:
            receiver.busy, receiver.rest = 1, timedelta(seconds=int(rest))
        elif status in {401, 403, 404, 410}:
            receiver.denied = True
        elif status in {400, 413, 422}:
            receiver.refused = 1
        else:
            receiver.broken = 1

    def hang() -> None:
        receiver.hanging = True

    def lose() -> None:
        receiver.lost_answers = 1

    return World(
        channel=MemoryChannel(name="pager", receiver=receiver),
        lose=lose,
        hang=hang,
        fail=fail,
        ids=lambda: [one.id for one in receiver.came],
    )


@asynccontextmanager
async def http_world(kind: str, folder: Path) -> AsyncIterator[World]:
    """A channel of this kind, over TLS, to a receiver that an authority of ours vouches for."""
    authority, served = trustme.CA(), Served(accepts=202 if kind == "pagerduty" else 200)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(listening(served, authority))
        http = await stack.enter_async_context(http_client(folder / "authority.pem"))
        channel = _channel(kind, base + PATH, http)

        def lose() -> None:
            async def taken_and_gone(request: web.Request) -> web.StreamResponse:
                await served.take(request)
                assert request.transport is not None
                request.transport.abort()
                return web.Response()

            served.next.append(taken_and_gone)

        def fail(status: int, rest: str | None) -> None:
            served.next.append(answers(status, **({"Retry_After": rest} if rest is not None else {})))

        yield World(
            channel=channel,
            lose=lose,
            hang=lambda: served.next.append(hangs),
            fail=fail,
            ids=lambda: [_id(kind, headers, body) for headers, body in served.came],
            served=served,
        )


def _channel(kind: str, url: str, http: Any) -> Channel:
    match kind:
        case "webhook":
            return Webhook(name="ops", url=url, signers=(read_signer(SECRET),), http=http, clock=SteadyClock())
        case "pagerduty":
            return PagerDuty(name="oncall", key=KEY, url=url, http=http)
        case _:
            return Slack(name="chat", url=url, http=http)


def _id(kind: str, headers: Mapping[str, str], body: bytes) -> str:
    """As each receiver knows a message; one that could not verify it would raise."""
    given = json.loads(body)
    match kind:
        case "webhook":
            lowered = {name.lower(): value for name, value in headers.items()}
            return str(Verifier(SECRET).verify(body, lowered)["data"]["id"])
        case "pagerduty":
            return str(given["payload"]["custom_details"]["message"])
        case _:
            return str(given["text"]).rpartition("message ")[2].strip("_")


@asynccontextmanager
async def listening(served: Served, authority: trustme.CA | None) -> AsyncIterator[str]:
    """The receiver on loopback; answers its address. Without an authority in plain HTTP."""
    context = None
    if authority is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(served.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
