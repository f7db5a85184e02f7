"""Clients speak TLS as clients do: they keep connections, resume sessions, show their own certificate, and send no token that is over."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from controller.clock import SystemClock
from controller.probing.bearer import Bearer, Granted, client_context
from lab.addresses import LOCAL
from lab.load_payer import NoReplyError, Route
from lab.load_transport import Client, Request, Transport, resuming
from lab.service_identity import Authority, client_name
from workload.access.identity import names_in

HOST = "payments.test"


@dataclass(frozen=True)
class Papers:
    server: Path
    client: Path
    authority: Path


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    authority = Authority("everybody")
    found = Papers(server=tmp_path / "server.pem", client=tmp_path / "client.pem", authority=tmp_path / "authority.pem")
    found.server.write_bytes(authority.issue("trimaran://door/aws", HOST).certificate)
    found.client.write_bytes(authority.issue(client_name("merchant-1")).certificate)
    found.authority.write_bytes(authority.pem)
    return found


def listening(papers: Papers) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(papers.authority)
    return context


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


async def spoken(port: int, context: ssl.SSLContext) -> bool:
    """One connection, one line; was its session resumed?"""
    reader, writer = await asyncio.open_connection(LOCAL, port, ssl=context, server_hostname=HOST)
    writer.write(b"hello\n")
    assert await reader.readline() == b"hello\n"
    resumed = bool(writer.get_extra_info("ssl_object").session_reused)
    writer.close()
    await writer.wait_closed()
    return resumed


async def test_a_session_is_resumed_and_many_that_begin_at_once_do_not_disturb_each_other(papers: Papers) -> None:
    """A crowd comes to a site in one moment: tickets arrive while other handshakes are half done."""
    server = await asyncio.start_server(echo, LOCAL, 0, ssl=listening(papers))
    async with server:
        port = server.sockets[0].getsockname()[1]
        context = resuming(client_context(papers.client, papers.authority))
        crowd = await asyncio.gather(*(spoken(port, context) for _ in range(30)))
        assert not crowd[0]
        assert all([await spoken(port, context) for _ in range(3)])
        plain = client_context(papers.client, papers.authority)
        assert [await spoken(port, plain) for _ in range(2)] == [False, False]


@asynccontextmanager
async def answering(papers: Papers, seen: list[dict[str, object]]) -> AsyncIterator[int]:
    """An edge that takes down what it is asked."""

    async def pay(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("ssl_object").getpeercert()
        seen.append(
            {
                "host": request.headers["Host"],
                "token": request.headers.get("Authorization"),
                "names": names_in(certificate),
                "from": request.transport.get_extra_info("peername"),
            }
        )
        return web.json_response({}, headers={"Retry-After": "2"})

    app = web.Application()
    app.add_routes([web.post("/v1/payments", pay)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, LOCAL, 0, ssl_context=listening(papers))
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def test_a_client_shows_itself_and_its_token_and_keeps_its_connection(papers: Papers) -> None:
    """And one whose token has ended asks nobody: without it the answer is known."""
    seen: list[dict[str, object]] = []
    given = [Granted(token="t-1", lasts=timedelta(hours=1))]

    async def ask() -> Granted:
        return given[0]

    bearer = Bearer(ask, SystemClock(), lambda: 0.0)
    client = Client(bearer=bearer, contexts={"aws": resuming(client_context(papers.client, papers.authority))})
    request = Request(method="POST", path="/v1/payments", host=HOST, client=8, body=b"{}", headers={"Idempotency-Key": "k"})
    async with answering(papers, seen) as port, aiohttp.ClientSession() as http:
        transport, route = Transport(http, (client,)), Route(site="aws", host=LOCAL, port=port)
        with pytest.raises(NoReplyError, match="no access token"):
            await transport.carry(route, request)
        await bearer.renew()
        replies = [await transport.carry(route, request) for _ in range(2)]
        assert [(reply.status, reply.retry_after) for reply in replies] == [(200, "2")] * 2
    assert len(seen) == 2 and seen[0] == seen[1], "one connection for both"
    assert (seen[0]["host"], seen[0]["token"]) == (HOST, "Bearer t-1")
    assert seen[0]["names"] == {client_name("merchant-1")}


async def test_an_edge_with_another_name_is_told_nothing(papers: Papers) -> None:
    """Its certificate is for somebody else: neither token nor payment are sent."""
    seen: list[dict[str, object]] = []

    async def ask() -> Granted:
        return Granted(token="t-1", lasts=timedelta(hours=1))

    bearer = Bearer(ask, SystemClock(), lambda: 0.0)
    await bearer.renew()
    client = Client(bearer=bearer, contexts={"aws": resuming(client_context(papers.client, papers.authority))})
    request = Request(method="POST", path="/v1/payments", host="other.test", client=0, body=b"{}", headers={})
    async with answering(papers, seen) as port, aiohttp.ClientSession() as http:
        with pytest.raises(NoReplyError):
            await Transport(http, (client,)).carry(Route(site="aws", host=LOCAL, port=port), request)
    assert seen == []
