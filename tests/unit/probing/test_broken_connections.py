"""A connection that ends in the moment in which it is written to: uvloop says that by a RuntimeError, which nobody expects of a network."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from controller.clock import SystemClock
from controller.core.traffic import Limits, Track
from controller.errors import Transient
from controller.probing.http_probe import HttpProbe
from controller.probing.traffic_probe import TrafficProbe

pytestmark = pytest.mark.asyncio

SAID = "unable to perform operation on <TCPTransport closed=True reading=False 0x1>; the handler is closed"
URL = "http://127.0.0.1:9/"
LIMIT = timedelta(seconds=5)


@asynccontextmanager
async def ending() -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose connections end so."""

    def make(_: Any) -> socket.socket:
        raise RuntimeError(SAID)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make)) as http:
        yield http


async def test_it_is_a_failed_probe() -> None:
    """Uncaught, it ended the controller: of a site that reset connections while it came back, in the middle of its return."""
    async with ending() as http:
        found = await HttpProbe(session=http, url=URL, clock=SystemClock()).measure(LIMIT)
    assert not found.ok and "handler is closed" in found.detail


async def test_it_is_an_agent_that_did_not_answer() -> None:
    """Its site's traffic is unknown for a moment."""
    async with ending() as http:
        probe = TrafficProbe(session=http, url=URL, clock=SystemClock(), limits=Limits(), track=Track())
        with pytest.raises(Transient, match="handler is closed"):
            await probe.read(LIMIT)
