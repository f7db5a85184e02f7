"""What answers while watching is measured: edges, three PostgreSQL servers with several whole services, one etcd.

The services are founded as in production, each with its database on every server and its streams between them, so that a node's answer
about itself holds what it holds in the field. Nothing is delayed: delay costs no processor time.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
import psycopg

from controller.core import naming
from controller.core.model import Site
from controller.errors import TrimaranError
from controller.founding.found import found
from controller.founding.schemas import Schema
from controller.founding.step import Wanted
from lab.addresses import LOCAL
from lab.binaries import find_etcd, find_postgres
from lab.cabling import SITES
from lab.consumption import Reading, read_consumption
from lab.errors import LabError
from lab.etcd import EtcdCluster
from lab.founding import direct_doors
from lab.links import Links
from lab.postgres import PostgresServer, create_server
from lab.processes import Supervised, launch_module
from lab.site_settings import WRITER
from lab.workspace import Workspace

NAMES = tuple(f"s{number}" for number in range(10))
"""Services that are founded. More than these can be watched: see `bench_probing_order.Order.names`."""

ROOM: Mapping[str, str] = {
    "max_connections": "500",
    "max_wal_senders": "50",
    "max_replication_slots": "80",
    "max_worker_processes": "60",
    "max_logical_replication_workers": "50",
    "autovacuum": "off",  # its work on new tables would be counted as the cost of being asked
}
"""For a hundred services' sessions and ten services' streams on each server."""

ASK = timedelta(seconds=2)
SERVED = re.compile(r'^grpc_server_handled_total\{grpc_code="OK",grpc_method="(\w+)".*\} (\S+)$', re.MULTILINE)
SYNCED = re.compile(r"^etcd_disk_wal_fsync_duration_seconds_count (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a controller asks."""

    workspace: Workspace
    edge: Supervised
    edge_ports: Mapping[str, int]
    servers: Mapping[str, PostgresServer]
    etcd: EtcdCluster
    password: str = field(repr=False)

    def consumption(self) -> Reading:
        """Processor seconds so far of whatever answers."""
        databases = {server.site: server.process for server in self.servers.values() if server.process is not None}
        (member,) = self.etcd.members
        (etcd,) = self.etcd.processes(member)
        return read_consumption({**databases, "etcd": etcd, "edges": self.edge})

    async def counts(self) -> Mapping[str, float]:
        """What was asked until the moment `at`, and on how many connections, as those say who were asked. Raises LabError."""
        at = time.monotonic()
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK.total_seconds())) as http:
                async with http.get(f"http://{LOCAL}:{next(iter(self.edge_ports.values()))}/count") as answer:
                    edges = await answer.json()
                async with http.get(f"{self.etcd_url}/metrics") as answer:
                    served = etcd_counts(await answer.text())
            databases = await asyncio.gather(*(self._counted(server) for server in self.servers.values()))
        except (aiohttp.ClientError, OSError, ValueError, psycopg.Error) as error:
            raise LabError(f"what was asked cannot be counted: {error}") from error
        named = ("transactions", "logins", "sessions")
        of_databases = {name: sum(one[place] for one in databases) for place, name in enumerate(named)}
        return {"at": at, "edges": edges["asked"], "edge_connections": edges["connections"], **served, **of_databases}

    @property
    def etcd_url(self) -> str:
        """Where its one member is asked."""
        (member,) = self.etcd.members.values()
        return f"http://{LOCAL}:{member.client_port}"

    async def _counted(self, server: PostgresServer) -> tuple[int, int, int]:
        """Transactions and logins of the founded services so far, and the controllers' sessions now."""
        async with await psycopg.AsyncConnection.connect(server.dsn(), autocommit=True) as admin:
            found = await admin.execute(
                """SELECT (SELECT sum(xact_commit) FROM pg_stat_database WHERE datname = ANY (%(names)s)),
                          (SELECT sum(sessions) FROM pg_stat_database WHERE datname = ANY (%(names)s)),
                          (SELECT count(*) FROM pg_stat_activity WHERE usename = ANY (%(roles)s) AND backend_type = 'client backend')""",
                {"names": list(NAMES), "roles": [naming.control_role(name) for name in NAMES]},
            )
            transactions, logins, sessions = (int(value) for value in (await found.fetchall())[0])
        return transactions, logins, sessions


def etcd_counts(metrics: str) -> Mapping[str, float]:
    """Calls that etcd answered so far, and times that it waited for its disk, from its own metrics."""
    calls: dict[str, float] = {"etcd_Range": 0, "etcd_Txn": 0}
    for method, number in SERVED.findall(metrics):
        if method not in {"Watch", "Status"}:
            calls[f"etcd_{method}"] = calls.get(f"etcd_{method}", 0) + float(number)
    synced = SYNCED.search(metrics)
    return {**calls, "etcd_syncs": float(synced[1]) if synced else 0}


@asynccontextmanager
async def world(workspace: Workspace) -> AsyncIterator[World]:
    """Everything started and founded; ended with the workspace. Raises LabError."""
    ports = {site: workspace.port() for site in SITES}
    edge = launch_module(workspace, "edges", "lab.bench_probing_edge", *map(str, ports.values()))
    links = await Links.start(workspace, delay=timedelta(0))
    etcd = await EtcdCluster.create(workspace, links, find_etcd(), [WRITER])
    made = await asyncio.gather(*(create_server(workspace, site, find_postgres(), settings=ROOM) for site in SITES))
    await asyncio.gather(etcd.start(), *(server.start() for server in made))
    built = World(
        workspace=workspace,
        edge=edge,
        edge_ports=ports,
        servers={server.site: server for server in made},
        etcd=etcd,
        password=secrets.token_urlsafe(18),
    )
    await found_services(built)
    yield built


async def found_services(built: World) -> None:
    """Every service of `NAMES`, one after the other, on all servers at once: node schema, roles and streams, and no ledger, because nobody
    who watches asks for one. Raises LabError."""
    doors = direct_doors(built.servers)
    try:
        for name in NAMES:
            wanted = Wanted(schema=Schema(service=name, script="", tables=()), writer=Site(WRITER))
            await found(wanted, doors, dict.fromkeys(wanted.roles, built.password))
    except TrimaranError as error:
        raise LabError(f"the services cannot be founded: {error}") from error
