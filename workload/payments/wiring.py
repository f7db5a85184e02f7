"""Puts the service together. The only place that names concrete classes.

There is no setting that turns the barrier off. Proving that payments are lost without one takes a program of its own, which
passes another `Durability` here; none is part of this package.
"""

import socket
from collections.abc import Mapping

from workload import process
from workload.durable.database import Database, Durably, Tenant
from workload.gate import Gate
from workload.identifiers import uuid7
from workload.payments import app as http
from workload.payments.ledger import AWAIT_HELD
from workload.payments.metrics import Metrics
from workload.payments.service import Payments
from workload.payments.settings import Settings


class Assembly:
    """Every part of one process, put together and not yet running."""

    def __init__(self, settings: Settings, password: str, durably: Durably = lambda durability: durability) -> None:
        tuning = settings.tuning
        self.metrics = Metrics()
        tenant = Tenant(service=settings.service, password=password, await_held=AWAIT_HELD, durably=durably)
        self.database = Database(settings, tenant, self.metrics)
        self.payments = Payments(answers=self.database.answers, metrics=self.metrics, new_id=uuid7)
        self.site = settings.site
        application = http.build(
            self.payments, self.database.answers, site=self.site, metrics=self.metrics.render, situation=self.situation
        )
        self.gate = Gate(
            application,
            max_in_flight=tuning.max_in_flight,
            deadline=tuning.request_deadline,
            on_refusal=self.metrics.overloaded,
        )
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)

    def situation(self) -> Mapping[str, object]:
        """What this process sees, for people and probes."""
        return {**self.database.situation(), "in_flight": self.gate.inside}


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    async with assembly.database.running():
        await process.serve(assembly.gate, listener, site=assembly.site)
