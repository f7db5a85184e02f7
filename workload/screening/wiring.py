"""Puts the service together."""

import socket

from prometheus_client import Counter

from workload import process
from workload.gate import Gate
from workload.metrics import ServiceMetrics
from workload.screening import app as http
from workload.screening.settings import Settings


class Metrics(ServiceMetrics):
    """What the screening service counts."""

    def __init__(self) -> None:
        super().__init__("screening")
        scores = Counter("screening_scores", "Scored orders by advice.", ["advice"], registry=self.registry)
        self._by_advice = {advice: scores.labels(advice) for advice in ("pass", "hold")}

    def scored(self, advice: str) -> None:
        """An order was judged."""
        self._by_advice[advice].inc()


class Assembly:
    """Every part of one process, put together and not yet running."""

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.site = settings.site
        self.application = http.build(
            settings.limits.limits(), site=self.site, metrics=self.metrics.render, counted=self.metrics.scored
        )
        self.gate = Gate(
            self.application,
            max_in_flight=settings.max_in_flight,
            deadline=settings.body_deadline,
            on_refusal=self.metrics.overloaded,
        )
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside."""
    await process.serve(assembly.gate, listener, site=assembly.site)
