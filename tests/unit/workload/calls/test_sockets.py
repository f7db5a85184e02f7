"""A connection that is reset right after it was made, under uvloop: its descriptor is closed once, and is another's from then on."""

import asyncio
import gc
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import aiohttp
import pytest
import uvloop

from workload.calls.sockets import _held, make_socket

ROUNDS, TOGETHER = 100, 3
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def port() -> Iterator[int]:
    """Of somebody who accepts everybody and resets every connection at once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.close()

    thread = threading.Thread(target=accept)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


async def count_losses(port: int) -> int:
    """How many files that were opened after such a connection were closed by somebody else."""
    lost = 0
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(), force_close=True, socket_factory=make_socket)
    async with aiohttp.ClientSession(connector=connector) as http:
        for _ in range(ROUNDS):
            await asyncio.gather(*(_ask(http, port) for _ in range(TOGETHER)))
            opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(2 * TOGETHER)]
            await asyncio.sleep(0)
            gc.collect(0)
            await asyncio.sleep(0)
            lost += sum(not _closed(one) for one in opened)
    return lost


async def _ask(http: aiohttp.ClientSession, port: int) -> None:
    with pytest.raises((aiohttp.ClientError, RuntimeError)):
        await http.get(f"https://127.0.0.1:{port}/")


def _closed(descriptor: int) -> bool:
    try:
        os.close(descriptor)
    except OSError:
        return False
    return True


def test_what_was_opened_after_a_reset_stays_open(port: int) -> None:
    """With plain sockets of aiohttp a third of those connections closed what came after them."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(count_losses(port)) == 0


def test_what_is_held_is_bounded_and_let_go() -> None:
    """One for each descriptor: a socket that was closed behind its back is forgotten when its descriptor comes again."""
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    first = make_socket(info)
    descriptor = first.fileno()
    os.close(descriptor)
    second = make_socket(info)
    assert (second.fileno(), first.fileno(), _held[descriptor]) == (descriptor, -1, second)
    second.close()
    assert descriptor not in _held
    third = make_socket(info)
    os.close(third.detach())
    assert descriptor not in _held


def test_closing_what_another_has_by_now_closes_nothing() -> None:
    """uvloop closed its descriptor unsaid, a session got the number, and only then somebody closes the socket: the session stays."""
    made = make_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1)))
    os.close(number := made.fileno())
    with socket.socket() as another:
        assert another.fileno() == number
        made.close()
        os.fstat(number)
    assert made.fileno() == -1
