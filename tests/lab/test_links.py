"""The network between the sites: how long it takes, what a cut holds, what it never lets through."""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from lab.links import Links
from lab.pairs import Pair
from lab.processes import Supervised, launch
from lab.workspace import Workspace

LOCAL = "127.0.0.1"
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

ECHO = """
import asyncio, sys
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
asyncio.run(main())
"""

CALLER = """
import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    connection.sendall(b"x")
    if not connection.recv(1):
        break
    print("answered", flush=True)
    __import__("time").sleep(0.02)
"""


class Net:
    """A workspace with links and one echoing server at azure that can be killed."""

    def __init__(self, workspace: Workspace, links: Links) -> None:
        self.workspace, self.links = workspace, links
        self.target = workspace.port()
        self.server: Supervised | None = None

    async def serve(self) -> None:
        """Start the echoing server, again after a kill."""
        self.server = launch(self.workspace, "echo", [sys.executable, "-c", ECHO, str(self.target)])
        for _ in range(500):
            with suppress(OSError):
                _, writer = await asyncio.open_connection(LOCAL, self.target)
                writer.close()
                return
            await asyncio.sleep(0.02)
        raise AssertionError(self.server.tail())

    async def connect(self, source: str) -> Stream:
        """A connection from this site."""
        return await asyncio.open_connection(LOCAL, self.links.port(source, "azure", "echo"))


@asynccontextmanager
async def network(name: str = "test-links") -> AsyncIterator[Net]:
    with Workspace(name) as workspace:
        links = await Links.start(workspace)
        net = Net(workspace, links)
        await net.serve()
        for source in ("aws", "gcp", "clients"):
            await links.lay("azure", "echo", net.target, source=source)
        try:
            yield net
        finally:
            await links.stop()


async def ask(stream: Stream, data: bytes = b"x", patience: float = 5) -> tuple[bytes, float]:
    """Send, await as many bytes back; answers them and the seconds it took."""
    reader, writer = stream
    began = time.perf_counter()
    writer.write(data)
    async with asyncio.timeout(patience):
        answer = await reader.readexactly(len(data))
    return answer, time.perf_counter() - began


async def silent(stream: Stream, seconds: float) -> bool:
    """Does nothing at all arrive, no byte, no end, no reset, for this long?"""
    try:
        async with asyncio.timeout(seconds):
            await stream[0].read(1)
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


async def test_a_round_trip_takes_what_the_link_is_long() -> None:
    """25 ms there and back, neither less (a flattering lab) nor much more."""
    async with network() as net:
        stream = await net.connect("aws")
        trips = [(await ask(stream))[1] for _ in range(40)]
        stream[1].close()
    assert min(trips) >= 0.025
    assert statistics.median(trips) < 0.030


async def test_delay_is_a_pipeline_and_keeps_order() -> None:
    """Many chunks are under way at once: 8 MB come back intact, in a time that a stop-and-wait link could not reach."""
    data = os.urandom(8 << 20)
    async with network() as net:
        stream = await net.connect("aws")
        answer, seconds = await ask(stream, data, patience=20)
        stream[1].close()
    assert answer == data
    assert seconds < len(data) / 65536 * 0.025 / 2


async def test_a_black_hole_neither_answers_nor_refuses() -> None:
    """Connecting to an isolated site hangs; bytes sent before are held and arrive, in order, after it rejoins."""
    async with network() as net:
        stream = await net.connect("aws")
        await ask(stream)
        await net.links.isolate("azure")
        stream[1].write(b"held ")
        for source in ("aws", "gcp", "clients"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await net.connect(source)
        stream[1].write(b"in order")
        assert await silent(stream, 0.3)
        assert (await net.links.stats())["held"] == len(b"held in order")
        await net.links.rejoin("azure")
        async with asyncio.timeout(2):
            assert await stream[0].readexactly(13) == b"held in order"
        fresh = await net.connect("gcp")
        assert (await ask(fresh))[0] == b"x"
        for _, writer in (stream, fresh):
            writer.close()


async def test_a_partition_can_be_one_sided() -> None:
    """With only the way back cut, bytes still reach the server; with only another site's link cut, nothing changes."""
    async with network() as net:
        aws, gcp = await net.connect("aws"), await net.connect("gcp")
        await ask(aws)
        await net.links.cut("azure", "aws")
        aws[1].write(b"there")
        assert (await ask(gcp))[0] == b"x"
        assert await silent(aws, 0.2)
        assert (await net.links.stats())["held"] == len(b"there")
        await net.links.heal("azure", "aws")
        async with asyncio.timeout(2):
            assert await aws[0].readexactly(5) == b"there"
        for _, writer in (aws, gcp):
            writer.close()


@pytest.mark.parametrize("deaf", [True, False])
async def test_a_deaf_site_is_told_nothing_and_a_mute_one_tells_nothing(deaf: bool) -> None:
    """From everywhere at once: what is held, the question or the answer, arrives after the healing, and another fault of the site stays."""
    async with network() as net:
        streams = [await net.connect(source) for source in ("aws", "clients")]
        for stream in streams:
            await ask(stream)
        await (net.links.deafen("azure") if deaf else net.links.mute("azure"))
        await net.links.cut("azure", "gcp")
        for stream in streams:
            stream[1].write(b"there")
            assert await silent(stream, 0.2)
        severed = {(pair["source"], pair["destination"]) for pair in (await net.links.stats())["pairs"] if pair["cut"]}
        ways = {("aws", "azure"), ("clients", "azure"), ("gcp", "azure")} if deaf else {("azure", "aws"), ("azure", "clients")}
        assert severed == {*ways, ("azure", "gcp")}
        await net.links.unstop("azure")
        for reader, writer in streams:
            async with asyncio.timeout(2):
                assert await reader.readexactly(5) == b"there"
            writer.close()
        assert [pair["destination"] for pair in (await net.links.stats())["pairs"] if pair["cut"]] == ["gcp"]


async def test_the_death_of_a_server_does_not_leak_through_a_cut() -> None:
    """Without the cut a kill is seen at once (so the link does carry it); with it, not until the link heals, and then surely."""
    async with network() as net:
        near = await net.connect("aws")
        await ask(near)
        assert net.server is not None
        net.server.kill()
        assert not await silent(near, 1)
        near[1].close()

        await net.serve()
        far = await net.connect("aws")
        await ask(far)
        await net.links.isolate("azure")
        net.server.kill()
        assert await silent(far, 0.5)
        await net.serve()
        assert await silent(far, 0.2)
        await net.links.rejoin("azure")
        assert not await silent(far, 1)
        far[1].close()
        again = await net.connect("aws")
        assert (await ask(again))[0] == b"x"
        again[1].close()


async def test_a_client_that_gave_up_in_a_cut_ends_its_session_after_it() -> None:
    """The server learns of the hang-up when the link heals; no connection is kept for ever."""
    async with network() as net:
        stream = await net.connect("aws")
        await ask(stream)
        await net.links.isolate("azure")
        stream[1].transport.abort()
        await asyncio.sleep(0.1)
        assert (await net.links.stats())["connections"] == 1
        await net.links.rejoin("azure")
        await asyncio.sleep(0.3)
        assert (await net.links.stats())["connections"] == 0


async def test_rejoining_one_site_does_not_mend_another_fault() -> None:
    """Faults add up: healing one leaves the others as they are."""
    async with network() as net:
        await net.links.isolate("azure")
        await net.links.isolate("aws")
        await net.links.cut("gcp", "azure")
        await net.links.rejoin("azure")
        cut = {(pair["source"], pair["destination"]) for pair in (await net.links.stats())["pairs"] if pair["cut"]}
        assert cut == {("aws", "azure"), ("azure", "aws"), ("gcp", "azure")}


async def test_a_listener_without_a_source_asks_the_socket_table() -> None:
    """Two sites dial one address, as etcd's members do; the cut of one does not touch the other."""
    async with network("test-links-owners") as net:
        shared = await net.links.lay("azure", "shared", net.target, source=None)
        callers = {
            site: launch(net.workspace, f"caller-{site}", [sys.executable, "-c", CALLER, str(shared)]) for site in ("aws", "gcp")
        }
        await net.links.own({site: [caller.pid] for site, caller in callers.items()})
        await _until(lambda: all("answered" in caller.tail() for caller in callers.values()))
        await net.links.cut("aws", "azure")
        await asyncio.sleep(0.2)
        before = {site: len(caller.tail(10_000)) for site, caller in callers.items()}
        await asyncio.sleep(0.4)
        after = {site: len(caller.tail(10_000)) for site, caller in callers.items()}
        assert after["aws"] == before["aws"]
        assert after["gcp"] > before["gcp"]
        assert callers["aws"].alive
        await net.links.heal("aws", "azure")
        await _until(lambda: len(callers["aws"].tail(10_000)) > after["aws"])


async def test_a_slow_site_is_slow_from_everywhere_and_loses_nothing() -> None:
    """Jitter and loss make a site late, never wrong."""
    data = os.urandom(100_000)
    async with network() as net:
        await net.links.slow("azure", jitter=timedelta(milliseconds=30), loss=0.05)
        stream = await net.connect("clients")
        trips = [(await ask(stream, patience=20))[1] for _ in range(20)]
        answer, _ = await ask(stream, data, patience=30)
        await net.links.slow("azure", jitter=timedelta(0), loss=0)
        calm = [(await ask(stream, patience=20))[1] for _ in range(20)]
        stream[1].close()
    assert answer == data
    assert statistics.mean(trips) > 0.035
    assert max(calm) < 0.1


def test_loss_costs_a_retransmission_and_its_doubling() -> None:
    """One loss adds 200 ms, two 600 ms, and a link that loses everything is slow rather than endless."""
    pair = Pair(source="a", destination="b", delay=0.01, loss=0.5)
    draws = iter([0.1, 0.9])
    assert pair.travel(lambda: next(draws)) == pytest.approx(0.21)
    draws = iter([0.1, 0.1, 0.9])
    assert pair.travel(lambda: next(draws)) == pytest.approx(0.61)
    pair.loss = 1.0
    assert pair.travel(random.Random(1).random) == pytest.approx(12.61)


def test_jitter_is_added_on_top_of_the_delay() -> None:
    """A link is never faster than it is long."""
    pair = Pair(source="a", destination="b", delay=0.01, jitter=0.25)
    chance = random.Random(7)
    travels = [pair.travel(chance.random) for _ in range(1000)]
    assert 0.01 <= min(travels) < 0.02
    assert 0.25 < max(travels) <= 0.26


async def _until(true: object, seconds: float = 5) -> None:
    assert callable(true)
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "did not happen in time"
        await asyncio.sleep(0.02)
