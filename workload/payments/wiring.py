"""Puts the service together. The only place that names concrete classes.

There is no setting that turns the barrier off. Proving that payments are lost without one takes a program of its own, which
passes another `Durability` here; none is part of this package.
"""

import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from starlette.types import ASGIApp

from workload import process
from workload.access.door import caller_of
from workload.calls.line import Line
from workload.calls.settings import CalleeSettings
from workload.durable.database import Database, Durably, Tenant
from workload.gate import Gate
from workload.identifiers import uuid7
from workload.layers import Layers
from workload.limits.assembly import build_limits
from workload.limits.follower import Follower
from workload.payments import app as http
from workload.payments.ledger import AWAIT_HELD, KNOWS
from workload.payments.metrics import Metrics
from workload.payments.operations import OPERATIONS
from workload.payments.screen import NearProfiles, Screening, ScreenMetrics
from workload.payments.screen_call import CalledScreen
from workload.payments.service import Payments
from workload.payments.settings import Settings
from workload.payments.sources import CalledVault, PatientSources
from workload.schema.outlook import process_name
from workload.telemetry.propagation import outgoing_headers

READERS = 3
"""Sessions that read profiles. One read is one trip to the database of one's own site."""
ASKERS = 2
"""Sessions that look up keys of strangers, while not everybody can be served."""


class Assembly:
    """Every part of one process, put together and not yet running. Raises CannotBegin when a certificate cannot be used."""

    def __init__(
        self,
        settings: Settings,
        password: str,
        durably: Durably = lambda durability: durability,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: Unix seconds, by which callers' tokens are judged."""
        self.settings, self.site = settings, settings.site
        self.metrics = Metrics()
        name = process_name("payments", settings.service)
        tenant = Tenant(service=settings.service, password=password, name=name, await_held=AWAIT_HELD, durably=durably)
        self.database = Database(settings, tenant, self.metrics)
        self.layers = Layers(settings, OPERATIONS, self.metrics, now)
        self.lines: dict[str, Line] = {}
        screening, sources = self._screening(), self._sources()
        self.payments = Payments(
            answers=self.database.answers, metrics=self.metrics, new_id=uuid7, screening=screening, sources=sources
        )
        application = http.build(
            self.payments,
            self.database.answers,
            site=self.site,
            metrics=self.metrics.render,
            situation=self.situation,
            identify=caller_of,
        )
        longest = settings.tuning.request_deadline + (settings.screening.deadline if settings.screening else timedelta(0))
        self.application = self.layers.around(application, gate=self._gate, longest=longest)
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        left_alone = {name: [site for site, is_open in line.breakers.items() if is_open] for name, line in self.lines.items()}
        mine = {"in_flight": self.gate.inside, "left_alone": left_alone}
        return {**self.database.situation(), **mine, **self.layers.situation()}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the writer known, sessions and other services within reach for the length of the block. Raises what ended a background
        task, if anything did."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.layers.running())
            for line in self.lines.values():
                await stack.enter_async_context(line.open())
            await stack.enter_async_context(self.database.running())
            yield

    def _gate(self, app: ASGIApp) -> ASGIApp:
        settings = self.settings
        near = Follower(self.database.beside(ASKERS), knows=KNOWS, statement_deadline=settings.tuning.statement_deadline)
        self.gate = Gate(
            app,
            limits=build_limits(settings.limits, self.metrics, near),
            deadline=settings.tuning.request_deadline,
            on_refusal=self.metrics.overloaded,
            inconclusive=("vault-out-of-reach", "erasure-under-way"),
        )
        return self.gate

    def _screening(self) -> Screening | None:
        table = self.settings.screening
        if table is None:
            return None
        return Screening(
            screen=CalledScreen(self._line("screening", table.callee)),
            profiles=NearProfiles(self.database.beside(READERS), self.settings.tuning.statement_deadline),
            meter=ScreenMetrics(self.metrics.registry),
            default=table.default,
            deadline=table.deadline,
        )

    def _sources(self) -> PatientSources | None:
        table = self.settings.vault
        if table is None:
            return None
        vault = CalledVault(self._line("vault", table.callee), table.deadline)
        return PatientSources(vault, deadline=table.deadline, monotonic=time.monotonic)

    def _line(self, service: str, callee: CalleeSettings) -> Line:
        self.lines[service] = line = Line(
            service,
            callee,
            self.settings.identity,
            own_site=self.site,
            on_outcome=self.metrics.calling(service),
            outgoing=outgoing_headers,
        )
        return line


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    async with assembly.running():
        await process.serve(assembly.application, listener, site=assembly.site, context=assembly.layers.context)
