"""Blocking calls and their deadlines: what is counted, what is refused, and what is shut down."""

import asyncio
import socket
import threading
import time
from contextlib import nullcontext
from datetime import timedelta

import pytest

from controller.errors import Transient
from controller.providers.calls import Calls

BRIEF = timedelta(milliseconds=20)


async def test_calls_that_nothing_ends_do_not_pile_up() -> None:
    """They wait for a name server, not at a socket: abandoned ones count, and the one too many is refused instead of starting a thread."""
    calls, over = Calls(lambda operation: nullcontext()), threading.Event()
    for _ in range(Calls.LIMIT):
        with pytest.raises(Transient, match="no answer within"):
            await calls.run("x", over.wait, BRIEF)
    with pytest.raises(Transient, match="still hang"):
        await calls.run("x", over.wait, BRIEF)
    over.set()
    async with asyncio.timeout(5):
        while any(thread.name == "x" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
    assert await calls.run("x", lambda: "answer", timedelta(seconds=5)) == "answer"


async def test_a_socket_that_is_opened_after_the_deadline_is_shut_down_too() -> None:
    """At the deadline the call was between two connections, a token's and the API's; the second one does not outlive it for long."""
    calls = Calls(lambda operation: nullcontext())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def late() -> bytes:
            time.sleep(0.2)
            with socket.create_connection(listener.getsockname()) as sock:
                return sock.recv(1)

        with pytest.raises(Transient):
            await calls.run("late", late, BRIEF)
        async with asyncio.timeout(5):
            while any(thread.name == "late" for thread in threading.enumerate()):
                await asyncio.sleep(0.01)


async def test_a_call_that_is_cancelled_is_given_up_as_well() -> None:
    """Whoever asked is gone, so nobody's deadline would end it."""
    calls = Calls(lambda operation: nullcontext())
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        asking = asyncio.create_task(calls.run("gone", lambda: sock.recv(1), timedelta(minutes=1)))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        async with asyncio.timeout(5):
            while any(thread.name == "gone" for thread in threading.enumerate()):
                await asyncio.sleep(0.01)
