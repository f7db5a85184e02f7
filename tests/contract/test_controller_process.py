"""A controller as a process: it starts on real sockets, answers people before etcd does, and ends quickly however much hangs."""

import asyncio
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[2]
SITES = ("aws", "azure", "gcp")
PASSWORDS = {"TRIMARAN_PAYMENTS_CONTROL_PASSWORD": "c", "TRIMARAN_PAYMENTS_STREAM_PASSWORD": "s"}


def settings(folder: Path, *, listen: int, etcd: int, databases: Sequence[int]) -> Path:
    """A settings file whose every far end is the given ports; every site has a database of its own."""
    lines = [
        'site = "aws"',
        f'[listen]\nhost = "127.0.0.1"\nport = {listen}',
        f'[etcd]\nendpoints = ["http://127.0.0.1:{etcd}"]',
    ]
    place = {site: f'host = "127.0.0.1"\nport = {port}' for site, port in zip(SITES, databases, strict=True)}
    far = f'"http://127.0.0.1:{databases[0]}"'
    lines += [f"[sites.{site}]\nedge = {far}\nagent = {far}" for site in SITES]
    canary = (
        'debtor = "00000000-0000-0000-0000-000000000001", creditor = "00000000-0000-0000-0000-000000000002", currency = "EUR"'
    )
    lines.append('[services.payments]\nmode = "automatic"\nwriter = "azure"\nshares = { aws = 1.0, azure = 1.0, gcp = 1.0 }')
    lines.append(f"canary = {{ {canary} }}")
    lines += [f"[services.payments.databases.{site}]\n{place[site]}" for site in SITES]
    lines += [f"[services.payments.streams.{a}.{b}]\n{place[b]}" for a in SITES for b in SITES if a != b]
    path = folder / "aws.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def process(arguments: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m controller` with passwords; killed at the end if it still runs."""
    environ = {**os.environ, **PASSWORDS}
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "controller",
        *arguments,
        cwd=ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def answers(port: int) -> None:
    """Return once the operator API answers."""
    async with aiohttp.ClientSession() as http, asyncio.timeout(20):
        while True:
            try:
                async with http.get(f"http://127.0.0.1:{port}/healthz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


WELCOME = b"".join(
    (
        _message(b"R", struct.pack("!I", 0)),
        *(
            _message(b"S", name + b"\0" + value + b"\0")
            for name, value in ((b"server_version", b"18.0"), (b"client_encoding", b"UTF8"))
        ),
        _message(b"K", struct.pack("!II", 1, 1)),
        _message(b"Z", b"I"),
    )
)
"""What PostgreSQL says to a client that may come in."""

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102


@asynccontextmanager
async def mute_databases() -> AsyncIterator[Sequence[int]]:
    """Servers that let everybody in and then never say a word, not even to a cancellation; answers their ports."""
    ended = asyncio.Event()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                length, code = struct.unpack("!II", await reader.readexactly(8))
                await reader.readexactly(length - 8)
                if code in {SSL_REQUEST, GSS_REQUEST}:
                    writer.write(b"N")
                    continue
                if code != CANCEL_REQUEST:
                    writer.write(WELCOME)
                break
            await ended.wait()
        writer.close()

    servers = [await asyncio.start_server(greet, "127.0.0.1", 0) for _ in SITES]
    try:
        yield [int(server.sockets[0].getsockname()[1]) for server in servers]
    finally:
        ended.set()
        for server in servers:
            server.close()
            await server.wait_closed()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("far_end", ["refuses", "hangs"])
async def test_it_ends_within_two_seconds(tmp_path: Path, far_end: str, number: signal.Signals) -> None:
    """Exit 0 although etcd and every database accept connections and never say a word, or refuse them."""
    with ExitStack() as stack:
        if far_end == "hangs":
            holes = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(4)]
            etcd, *databases = (int(hole.getsockname()[1]) for hole in holes)
        else:
            etcd, *databases = (free_port() for _ in range(4))
        listen = free_port()
        path = settings(tmp_path, listen=listen, etcd=etcd, databases=databases)
        async with process(["run", "--settings", str(path)]) as running:
            await answers(listen)
            await asyncio.sleep(0.5)  # real sockets: let probes get stuck
            began = time.monotonic()
            running.send_signal(number)
            assert await asyncio.wait_for(running.wait(), 5) == 0
            assert time.monotonic() - began < 2


async def test_it_ends_although_a_query_ignores_its_cancellation(tmp_path: Path) -> None:
    """Sessions were made, then the databases fell silent: psycopg waits seconds for such a cancellation, the process does not."""
    async with mute_databases() as databases:
        listen = free_port()
        path = settings(tmp_path, listen=listen, etcd=free_port(), databases=databases)
        async with process(["run", "--settings", str(path)]) as running:
            await answers(listen)
            await asyncio.sleep(0.5)  # real sockets: let queries be under way
            began = time.monotonic()
            running.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.wait(), 15) == 0
            assert time.monotonic() - began < 2


async def test_the_end_comes_although_something_blocks() -> None:
    """A main thread that waits for something with no deadline of its own does not keep the process from ending."""
    program = (
        "import asyncio, threading; from controller import process; process.stop(asyncio.Event()); threading.Event().wait(60)"
    )
    running = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    try:
        assert await asyncio.wait_for(running.wait(), 15) == 0
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    """Exit 2 with the address and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        path = settings(tmp_path, listen=port, etcd=1, databases=(1, 2, 3))
        async with process(["controller", "run", "--settings", str(path)]) as running:
            _, said = await asyncio.wait_for(running.communicate(), 20)
    assert running.returncode == 2
    assert len(said.splitlines()) == 1 and f"127.0.0.1:{port}".encode() in said and b"free it" in said


async def test_settings_that_cannot_be_used_are_lines_and_exit_2(tmp_path: Path) -> None:
    """Every problem is a line with file, key and expectation; there is no traceback."""
    path = settings(tmp_path, listen=70000, etcd=1, databases=(1, 2, 3))
    path.write_text(path.read_text().replace('writer = "azure"', 'writer = "mars"'))
    async with process(["controller", "run", "--settings", str(path)]) as running:
        _, said = await asyncio.wait_for(running.communicate(), 20)
    assert running.returncode == 2
    lines = said.decode().splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert [line.split(": ")[1] for line in lines if "port" in line or "writer" in line] == [
        "listen.port",
        "services.payments.writer",
    ]
