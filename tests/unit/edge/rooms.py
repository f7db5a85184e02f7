"""An edge's agent with etcd in memory, and in HAProxy's place a socket that answers as HAProxy's does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.coordination.codec import encode
from controller.coordination.layout import Keys
from controller.coordination.transaction import Put, Txn
from controller.core.model import Posture
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink
from edge.agent import Agent
from edge.posture import Listener
from edge.runtime import Runtime
from edge.settings import Settings

SERVERS = {
    "own/local": 1,
    "handed/local": 256,
    "payments/local": 256,
    "payments/peer-azure": 1,
    "payments/peer-gcp": 1,
    "payments/spare": 0,
    "readiness/local": 1,
    "readiness/peer-azure": 1,
    "readiness/peer-gcp": 1,
}
"""As `edge.haproxy` starts them."""

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time srv_check_status"


@dataclass(slots=True)
class Socket:
    """HAProxy's runtime socket, played."""

    weights: dict[str, int] = field(default_factory=lambda: dict(SERVERS))
    states: dict[str, int] = field(default_factory=dict)
    """`srv_op_state`; 2, running, where nothing is said."""
    checks: dict[str, int] = field(default_factory=dict)
    """`srv_check_status`; 6, passed, where nothing is said."""
    orders: list[str] = field(default_factory=list)
    silent: bool = False
    visitors: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one line, one answer, the end."""
        self.visitors += 1
        line = (await reader.readline()).decode().strip()
        with suppress(OSError):
            if self.silent:
                await reader.read()
            else:
                writer.write("".join(self.answer(command) + "\n" for command in line.split(";")).encode())
            writer.close()
            await writer.wait_closed()
        self.visitors -= 1

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """Be there for the length of the block, and until the last visitor has gone."""
        server = await asyncio.start_unix_server(self.serve, path)
        try:
            yield
        finally:
            server.close()
            while self.visitors:
                await asyncio.sleep(0.001)
            await server.wait_closed()

    def answer(self, command: str) -> str:
        """What HAProxy says to a command."""
        match command.split():
            case ["show", "servers", "state"]:
                return "\n".join(["1", HEADER, *map(self._row, self.weights), ""])
            case ["set", "server", name, "weight", weight] if name in self.weights:
                self.orders.append(f"{name}={weight}")
                self.weights[name] = int(weight)
                return ""
            case ["set", "server", *_]:
                return "No such server.\n"
            case _:
                return "Unknown command.\n"

    def _row(self, name: str) -> str:
        backend, server = name.split("/")
        state, check = self.states.get(name, 2), self.checks.get(name, 6)
        return f"3 {backend} 1 {server} 127.0.0.1 {state} 0 {self.weights[name]} 1 5 {check}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Everything a test turns and looks at."""

    agent: Agent
    socket: Socket
    etcd: MemoryEtcd
    link: MemoryLink
    clock: SteppedClock

    def want(self, posture: Posture) -> None:
        """Write this posture to etcd, as a controller does."""
        self.etcd.transact(Txn(writes=(Put(key=Keys(posture.service).posture, value=encode(posture)),)))


def settings_table(place: Path, **changes: Any) -> Mapping[str, Any]:
    """aws's edge, as a settings file would have it."""
    return {
        "site": "aws",
        "service": "payments",
        "clients": {"host": "127.0.0.1", "port": 8101},
        "handed": {"host": "127.0.0.1", "port": 8102},
        "local": {"host": "127.0.0.1", "port": 8103},
        "agent": {"host": "127.0.0.1", "port": 8104},
        "peers": {
            "azure": {"host": "127.0.0.1", "port": 8202, "name": "azure.edge.test"},
            "gcp": {"host": "127.0.0.1", "port": 8302, "name": "gcp.edge.test"},
        },
        "identity": {"certificate": "site.pem", "authority": "sites.pem"},
        "haproxy": {"socket": "h.sock"},
        "etcd": {"endpoints": ["http://127.0.0.1:8105"]},
        "posture_file": "posture.json",
        **changes,
    }


def settings(place: Path, **changes: Any) -> Settings:
    """The same, read."""
    return Settings.model_validate(settings_table(place, **changes), context={"place": place})


@asynccontextmanager
async def room(place: Path, **changes: Any) -> AsyncIterator[Room]:
    """An agent that has not run yet, and HAProxy's socket beside it."""
    given, clock, socket = settings(place, **changes), SteppedClock(), Socket()
    etcd = MemoryEtcd(clock)
    link = MemoryLink(etcd)
    listener = Listener(link, service=given.service, file=given.posture_file, clock=clock)
    agent = Agent(given, listener=listener, runtime=Runtime(given.haproxy.socket), clock=clock)
    async with socket.listening(given.haproxy.socket):
        yield Room(agent=agent, socket=socket, etcd=etcd, link=link, clock=clock)
