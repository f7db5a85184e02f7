"""Puts the service together."""

import socket

from prometheus_client import Counter
from starlette.types import ASGIApp

from workload import process
from workload.gate import Gate, fixed
from workload.layers import Layers
from workload.metrics import ServiceMetrics
from workload.screening import app as http
from workload.screening.operations import OPERATIONS
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
    """Every part of one process, put together and not yet running. Raises CannotBegin when a certificate cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.site = settings, settings.site
        self.metrics = Metrics()
        self.layers = Layers(settings, OPERATIONS, self.metrics)
        application = http.build(
            settings.limits.limits(), site=self.site, metrics=self.metrics.render, counted=self.metrics.scored
        )
        self.application = self.layers.around(application, gate=self._gate)
        self.metrics.watch("in_flight", "Requests being served.", lambda: self.gate.inside)

    def _gate(self, app: ASGIApp) -> ASGIApp:
        settings = self.settings
        self.gate = Gate(
            app, limits=fixed(settings.max_in_flight), deadline=settings.body_deadline, on_refusal=self.metrics.overloaded
        )
        return self.gate


async def serve(assembly: Assembly, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is inside. Raises what ended a background task, if anything did."""
    async with assembly.layers.running():
        await process.serve(assembly.application, listener, site=assembly.site, context=assembly.layers.context)
