"""What throughput is measured in: three databases with links between them, and at the writer's site a payments process for each set of
layers, with everything that it calls. No edges and no controllers.

Whoever is not being measured is frozen: what it asks of the databases would be counted as somebody else's payments.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from lab import bench_throughput_load as load
from lab import bench_throughput_sql as sql
from lab.addresses import LOCAL
from lab.authorities import await_ready
from lab.bench_throughput_figures import Cost, Window
from lab.bench_throughput_fleet import Fleet, await_up, raise_fleet, read_unscreened
from lab.bench_throughput_layers import SCREENING, VAULT, Layer, Step, payments_settings
from lab.bench_throughput_offer import ask
from lab.binaries import find_postgres
from lab.cabling import SITES, Cabling, Door, lay_cables
from lab.consumption import read_consumption
from lab.founding import Passwords, account_ids, found_payments, found_vault
from lab.postgres import PostgresServer, create_server
from lab.processes import Supervised, freeze, launch_module, thaw
from lab.site_settings import SERVICE, WRITER
from lab.workspace import Workspace
from workload.access.identity import client_context, service_name
from workload.durable.settings import Address, DurableSettings
from workload.payments.settings import PASSWORD_VARIABLE

CEILING = "SQL alone"
ACCOUNTS = 400
ROOM: Mapping[str, str] = {"max_connections": "400"}
"""For the sessions of every set of layers at once."""

SETTLE = 0.4
"""Seconds from when a process is itself again until it is measured."""

NEEDED: Mapping[Layer, str] = {Layer.SCREENING: SCREENING, Layer.VAULT: VAULT}
"""Processes that a layer calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Somebody at whom can be paid, for as long as its processes are not frozen."""

    to: str
    """Its name at the program that pays."""
    own: Supervised
    port: int | None
    """Of a service; None: of the ceiling, which is none."""
    tls: ssl.SSLContext | None
    needed: Mapping[str, Supervised]
    payer: int
    """Port of the program that pays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All of it."""

    servers: Mapping[str, PostgresServer]
    cabling: Cabling
    subjects: Mapping[str, Subject]
    """By the name of the step, and the ceiling."""

    async def pay(self, who: str, *, rate: float, seconds: float, seed: int) -> Window:
        """Offer payments to somebody for a while. Raises LabError."""
        window, _ = await self._measured(self.subjects[who], rate, seconds, seed)
        return window

    async def cost(self, who: str, *, rate: float, seconds: float, seed: int) -> Cost:
        """The same, and the processor time that it took, without that of who pays. Raises LabError."""
        window, used = await self._measured(self.subjects[who], rate, seconds, seed)
        return Cost(layers=who, window=window, used=used)

    async def _measured(self, subject: Subject, rate: float, seconds: float, seed: int) -> tuple[Window, Mapping[str, float]]:
        awake = (subject.own, *subject.needed.values())
        thaw(*awake)
        try:
            if subject.port is not None:
                await await_up(subject.own, subject.port, subject.tls)
            await asyncio.sleep(SETTLE)
            unscreened = await _unscreened(subject)
            before = read_consumption(self._working(subject)).used
            window = await ask(subject.payer, subject.to, rate=rate, seconds=seconds, seed=seed)
            after = read_consumption(self._working(subject)).used
            window = replace(window, unscreened=await _unscreened(subject) - unscreened)
        finally:
            freeze(*awake)
        return window, {who: used - before[who] for who, used in after.items() if who in before}

    def _working(self, subject: Subject) -> Mapping[str, Supervised]:
        databases = {f"postgres {site}": server.process for site, server in self.servers.items() if server.process is not None}
        return {SERVICE: subject.own, **subject.needed, **databases, "links": self.cabling.links.process}


async def _unscreened(subject: Subject) -> int:
    return 0 if subject.port is None else await read_unscreened(subject.port, subject.tls)


@asynccontextmanager
async def world(steps: Sequence[Step]) -> AsyncIterator[World]:
    """Founded, started and warm. Raises LabError."""
    with Workspace("bench-throughput") as workspace:
        cabling = await lay_cables(workspace)
        servers = dict(zip(SITES, await asyncio.gather(*(_start(workspace, site, cabling) for site in SITES)), strict=True))
        payments, vault = Passwords(service=SERVICE), Passwords(service=VAULT)
        await found_payments(servers, cabling, payments, account_ids(ACCOUNTS))
        await found_vault(servers, cabling, vault)
        databases = {site: cabling.port(WRITER, site, Door.DATABASE) for site in SITES}
        fleet = await raise_fleet(workspace, databases, vault)
        ceiling = await _start_ceiling(workspace, databases, payments)
        ports = {step.process: workspace.port() for step in steps}
        payer = await _start_payer(workspace, fleet, steps, ports)
        subjects = await _start_services(workspace, fleet, steps, ports, payments, payer)
        freeze(*fleet.processes.values())
        yield World(servers=servers, cabling=cabling, subjects={CEILING: ceiling, **subjects})


async def _start(workspace: Workspace, site: str, cabling: Cabling) -> PostgresServer:
    port = cabling.direct(site, Door.DATABASE)
    server = await create_server(workspace, site, find_postgres(), port=port, settings=ROOM)
    await server.start()
    return server


async def _start_ceiling(workspace: Workspace, databases: Mapping[str, int], passwords: Passwords) -> Subject:
    addresses = {site: Address(host=LOCAL, port=port) for site, port in databases.items()}
    listen = Address(host=LOCAL, port=workspace.port())
    database = DurableSettings(site=WRITER, listen=listen, databases=addresses, tuning=sql.ROOM)
    settings = sql.Settings(port=listen.port, database=database, accounts=account_ids(ACCOUNTS))
    process = await _start_program(
        workspace, "ceiling", "lab.bench_throughput_sql", settings.model_dump_json(), {PASSWORD_VARIABLE: passwords.app}
    )
    freeze(process)
    return Subject(to=sql.NAME, own=process, port=None, tls=None, needed={}, payer=listen.port)


async def _start_payer(workspace: Workspace, fleet: Fleet, steps: Iterable[Step], ports: Mapping[str, int]) -> int:
    """Answers the port where it is told what to offer."""
    targets = {}
    for step in steps:
        name = service_name(SERVICE) if Layer.TLS in step.layers else None
        headers = fleet.headers[SERVICE] if Layer.ACCESS in step.layers else {}
        at = load.Address(port=ports[step.process], name=name, headers=headers)
        targets[step.name] = load.Target(at=at, source=step.source)
    vault = load.Address(port=fleet.ways.vault, name=service_name(VAULT), headers=fleet.headers[VAULT])
    port = workspace.port()
    settings = load.Settings(port=port, identity=fleet.edge, accounts=account_ids(ACCOUNTS), targets=targets, vault=vault)
    await _start_program(workspace, "payer", "lab.bench_throughput_load", settings.model_dump_json(), {})
    return port


async def _start_program(
    workspace: Workspace, label: str, module: str, settings: str, environment: Mapping[str, str]
) -> Supervised:
    file = workspace.directory("settings") / f"{label}.json"
    file.touch(mode=0o600)
    file.write_text(settings)
    process = launch_module(workspace, label, module, "--settings", file, environment=environment)
    await await_ready(process)
    return process


async def _start_services(
    workspace: Workspace, fleet: Fleet, steps: Sequence[Step], ports: Mapping[str, int], passwords: Passwords, payer: int
) -> Mapping[str, Subject]:
    """A process for each set of layers, each frozen once it is ready."""
    started, found = dict[str, Supervised](), dict[str, Subject]()
    for step in steps:
        port = ports[step.process]
        tls = client_context(fleet.edge, service_name(SERVICE)) if Layer.TLS in step.layers else None
        if step.process not in started:
            started[step.process] = own = _start_service(workspace, fleet, step, port, passwords)
            await await_up(own, port, tls)
            freeze(own)
        needed = {service: fleet.processes[service] for layer, service in NEEDED.items() if layer in step.layers}
        found[step.name] = Subject(to=step.name, own=started[step.process], port=port, tls=tls, needed=needed, payer=payer)
    return found


def _start_service(workspace: Workspace, fleet: Fleet, step: Step, port: int, passwords: Passwords) -> Supervised:
    file = workspace.directory("settings") / f"{step.process}.toml"
    file.write_text(payments_settings(step.layers, port, fleet.ways))
    module = "workload.payments" if Layer.BARRIER in step.layers else "lab.bench_throughput_unheld"
    secret = {PASSWORD_VARIABLE: passwords.app}
    return launch_module(workspace, step.process, module, "--settings", file, environment=secret)
