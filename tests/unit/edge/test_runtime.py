"""The runtime socket: what HAProxy says becomes values or our own errors, within a deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from controller.core.model import Health
from controller.errors import Transient, Unsupported
from edge.runtime import Runtime, Server
from tests.unit.edge.rooms import Socket

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def playing(path: Path, socket: Socket) -> AsyncIterator[Runtime]:
    """A runtime whose HAProxy is played."""
    async with socket.listening(path):
        yield Runtime(path, timedelta(seconds=0.2))


async def test_servers_are_told_by_backend_with_weight_and_health(tmp_path: Path) -> None:
    """Running is healthy once a check has passed, unknown before; stopped and leaving are failing."""
    socket = Socket(
        weights={"payments/local": 256, "payments/peer-gcp": 7, "payments/peer-aws": 0, "own/local": 1},
        states={"payments/peer-gcp": 0, "own/local": 3},
        checks={"payments/peer-aws": 1},
    )
    async with playing(tmp_path / "s", socket) as runtime:
        assert await runtime.servers() == {
            "payments/local": Server(weight=256, health=Health.HEALTHY),
            "payments/peer-gcp": Server(weight=7, health=Health.FAILING),
            "payments/peer-aws": Server(weight=0, health=Health.UNKNOWN),
            "own/local": Server(weight=1, health=Health.FAILING),
        }


async def test_an_order_for_a_server_that_is_not_there_is_unsupported(tmp_path: Path) -> None:
    """The configuration is another one than the agent's settings: asking again changes nothing."""
    async with playing(tmp_path / "s", Socket()) as runtime:
        with pytest.raises(Unsupported, match="No such server"):
            await runtime.set_weights({"payments/local": 1, "payments/peer-ibm": 3})


@pytest.mark.parametrize("weight", [-1, 257])
async def test_a_weight_that_haproxy_would_not_take_is_never_sent(weight: int, tmp_path: Path) -> None:
    """A defect of ours, found where it is made."""
    socket = Socket()
    async with playing(tmp_path / "s", socket) as runtime:
        with pytest.raises(ValueError, match="between 0 and 256"):
            await runtime.set_weights({"payments/local": weight})
    assert socket.orders == []


async def test_a_haproxy_that_is_stopped_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    """It takes the connection, as the kernel does for it, and never answers."""
    async with playing(tmp_path / "s", Socket(silent=True)) as runtime:
        began = asyncio.get_running_loop().time()
        with pytest.raises(Transient, match=r"silent for 0\.2 s"):
            await runtime.servers()
        assert asyncio.get_running_loop().time() - began < 1


async def test_no_haproxy_is_transient(tmp_path: Path) -> None:
    """It is being started again."""
    with pytest.raises(Transient, match="No such file"):
        await Runtime(tmp_path / "s").servers()


@pytest.mark.parametrize("text", [b"", b"hello\n", b"1\n# be_name srv_name\npayments local\n"])
async def test_an_answer_of_another_shape_is_unsupported(text: bytes, tmp_path: Path) -> None:
    """Something else listens there, or a version that describes servers differently."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(text)
        writer.close()

    server = await asyncio.start_unix_server(say, tmp_path / "s")
    try:
        with pytest.raises(Unsupported, match="HAProxy"):
            await Runtime(tmp_path / "s").servers()
    finally:
        server.close()
        await server.wait_closed()
