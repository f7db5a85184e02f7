"""Servers' doors seen from outside: logins in the open, and certificates that are believed, mistrusted, or not shown at all."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controller.errors import Transient, Unsupported
from controller.postgres.door import certificate, takes_plain
from controller.probing.certificate_probe import FetchedCertificate, FileCertificate, HttpsCertificate
from lab.clouds.certificates import Papers, mint

pytestmark = pytest.mark.asyncio

HOST, DEADLINE = "127.0.0.1", timedelta(seconds=2)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Somebody who answers each connection; the port."""
    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(answer: bytes) -> Serve:
    """Answers the first message, and waits for the other side to leave."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(answer)
        await reader.read()
        writer.close()

    return serve


def error(state: bytes) -> bytes:
    """PostgreSQL's ErrorResponse."""
    body = b"SFATAL\0C" + state + b"\0Mno pg_hba.conf entry\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    """An authority's and a server's, for loopback."""
    return mint(tmp_path)


def server_context(papers: Papers) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)
    return context


async def plain(port: int, deadline: timedelta = DEADLINE) -> bool:
    return await takes_plain(HOST, port, database="payments", user="payments_control", deadline=deadline)


async def test_who_asks_for_a_password_in_the_open_takes_plain_logins() -> None:
    """Whatever the way of asking; nobody shows one."""
    async with listening(saying(b"R" + struct.pack("!ii", 8, 10))) as port:
        assert await plain(port) is True


async def test_who_turns_it_away_before_a_password_does_not() -> None:
    """No line of pg_hba.conf lets it in."""
    async with listening(saying(error(b"28000"))) as port:
        assert await plain(port) is False


async def test_another_error_is_neither() -> None:
    """A server that is starting, or has no connection left, has not said what it thinks of TLS."""
    for answer in (error(b"57P03"), error(b"53300"), b"N" + struct.pack("!i", 4)):
        async with listening(saying(answer)) as port:
            with pytest.raises(Unsupported):
                await plain(port)


async def test_silence_and_a_closed_connection_are_no_answers() -> None:
    """Neither of them says yes."""

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(saying(b"")) as port:
        with pytest.raises(Transient):
            await plain(port, timedelta(seconds=0.2))
    async with listening(leave) as port:
        with pytest.raises(Transient):
            await plain(port)
    with pytest.raises(Transient):
        await plain(1)


async def test_a_databases_certificate_is_shown_after_its_own_greeting(papers: Papers) -> None:
    """SSLRequest, S, and then TLS; nobody logs in."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert struct.unpack("!ii", await reader.readexactly(8)) == (8, 80877103)
        writer.write(b"S")
        await writer.start_tls(server_context(papers))
        await reader.read()
        writer.close()

    async with listening(serve) as port:
        found = await FetchedCertificate(fetch=lambda: certificate(HOST, port, deadline=DEADLINE))()
    assert found == await FileCertificate(path=papers.certificate)()
    assert found.begins < datetime.now(UTC) < found.ends
    async with listening(saying(b"N")) as port:
        with pytest.raises(Unsupported):
            await certificate(HOST, port, deadline=DEADLINE)


async def test_a_certificate_is_believed_or_it_is_said_why_not(papers: Papers, tmp_path: Path) -> None:
    """Its dates are told all the same: somebody may mend the one and miss the other."""
    (tmp_path / "other").mkdir()
    other = mint(tmp_path / "other")
    async with listening(saying(b""), server_context(papers)) as port:
        ours, theirs = (
            HttpsCertificate(host=HOST, port=port, trust=ssl.create_default_context(cafile=str(one.authority)), deadline=DEADLINE)
            for one in (papers, other)
        )
        believed, mistrusted = await ours(), await theirs()
    assert believed.mistrusted == "" and mistrusted.mistrusted != ""
    assert believed.ends == mistrusted.ends


async def test_who_shows_no_certificate_is_unknown(papers: Papers) -> None:
    """Plain HTTP where TLS is expected, or nobody at all."""
    trust = ssl.create_default_context(cafile=str(papers.authority))
    async with listening(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
        with pytest.raises(Transient):
            await HttpsCertificate(host=HOST, port=port, trust=trust, deadline=DEADLINE)()
    with pytest.raises(Transient):
        await HttpsCertificate(host=HOST, port=1, trust=trust, deadline=DEADLINE)()
