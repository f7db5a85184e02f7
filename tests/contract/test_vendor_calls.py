"""Blocking calls and their deadlines: what is counted, what is refused, and what is shut down."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from datetime import timedelta

import pytest

from controller.errors import Transient
from controller.providers.calls import Calls

BRIEF = timedelta(milliseconds=20)


async def ended(name: str) -> None:
    """Return when no thread of this name is left; fails when one is after ten seconds."""
    left = [thread for thread in threading.enumerate() if thread.name == name]
    for thread in left:
        await asyncio.to_thread(thread.join, 10)
    assert not any(thread.is_alive() for thread in left)


async def test_calls_that_nothing_ends_do_not_pile_up() -> None:
    """They wait for a name server, not at a socket: abandoned ones count, and the one too many is refused instead of starting a thread."""
    calls, over = Calls(lambda operation: nullcontext()), threading.Event()
    for _ in range(Calls.LIMIT):
        with pytest.raises(Transient, match="no answer within"):
            await calls.run("x", over.wait, BRIEF)
    with pytest.raises(Transient, match="still hang"):
        await calls.run("x", over.wait, BRIEF)
    over.set()
    await ended("x")
    assert await calls.run("x", lambda: "answer", timedelta(seconds=5)) == "answer"


async def test_a_socket_that_is_opened_after_the_deadline_is_shut_down_too() -> None:
    """At the deadline the call was between two connections, a token's and the API's; the second one does not outlive it for long."""
    calls, over = Calls(lambda operation: nullcontext()), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def late() -> bytes:
            over.wait(10)
            with socket.create_connection(listener.getsockname()) as sock:
                return sock.recv(1)

        with pytest.raises(Transient):
            await calls.run("late", late, BRIEF)
        over.set()
        await ended("late")


async def test_a_call_that_is_cancelled_is_given_up_as_well() -> None:
    """Whoever asked is gone, so nobody's deadline would end it."""
    calls = Calls(lambda operation: nullcontext())
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        begun = threading.Event()

        def ask() -> bytes:
            begun.set()
            return sock.recv(1)

        asking = asyncio.create_task(calls.run("gone", ask, timedelta(minutes=1)))
        assert await asyncio.to_thread(begun.wait, 5)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await ended("gone")


async def test_a_hanging_call_does_not_keep_the_process() -> None:
    """A controller that is told to stop ends, although a call of its own still hangs."""
    program = (
        "import asyncio, contextlib, datetime, threading\n"
        "from controller.providers.calls import Calls\n"
        "async def go():\n"
        "    calls = Calls(lambda operation: contextlib.nullcontext())\n"
        "    try: await calls.run('x', lambda: threading.Event().wait(60), datetime.timedelta(seconds=0.1))\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "asyncio.run(go())\n"
    )
    began = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "Transient\n"
    assert time.monotonic() - began < 10
