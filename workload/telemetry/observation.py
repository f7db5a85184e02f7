"""Puts being seen together for one process: the layer around the service, what it counts, and where traces go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from prometheus_client import Counter
from starlette.types import ASGIApp

from workload.metrics import ServiceMetrics
from workload.telemetry.export import Exporter, Fate, Send
from workload.telemetry.middleware import Observed
from workload.telemetry.rates import Rates
from workload.telemetry.sampling import Sampling, Verdict
from workload.telemetry.settings import TelemetrySettings
from workload.telemetry.steps import Trail

FAREWELL = timedelta(seconds=1)
"""For the last traces when a process ends."""

Connect = Callable[[str, TelemetrySettings], Send]
"""A collector by its address."""


class Observation:
    """Everything of one process that is there to be seen by others."""

    def __init__(
        self, settings: TelemetrySettings, *, site: str, metrics: ServiceMetrics, connect: Connect | None = None
    ) -> None:
        """`connect`: another way to a collector than OTLP over HTTP."""
        self._site = site
        self._rates = Rates(metrics)
        self._sampling = Sampling(
            ratio=settings.ratio,
            slow=settings.slow,
            asked_per_second=settings.asked_per_second,
            failed_per_second=settings.failed_per_second,
        )
        help = "Requests by what became of their trace."
        counter = Counter(f"{metrics.service}_traces", help, ["fate"], registry=metrics.registry)
        self._fates = {fate: counter.labels(fate.value) for fate in (*Fate, Verdict.SUPPRESSED)}
        self._exporter: Exporter | None = None
        if settings.collector is not None:
            send = (connect or _by_otlp(metrics.service, site))(settings.collector, settings)
            self._exporter = Exporter(send, self._count, capacity=settings.queue, interval=settings.interval)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The service with the layer around it; goes outside of everything else."""
        return Observed(app, site=self._site, rates=self._rates, sampling=self._sampling, show=self._show)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send traces for the length of the block, and for at most `FAREWELL` after it."""
        if self._exporter is None:
            yield
            return
        self._exporter.start()
        try:
            yield
        finally:
            self._exporter.close(FAREWELL)

    def _show(self, trail: Trail, verdict: Verdict) -> None:
        if verdict is Verdict.SUPPRESSED:
            self._fates[verdict].inc()
        elif verdict.is_shown and self._exporter is not None:
            self._exporter.offer(trail)

    def _count(self, fate: Fate, requests: int) -> None:
        self._fates[fate].inc(requests)


def _by_otlp(service: str, site: str) -> Connect:
    def connect(endpoint: str, settings: TelemetrySettings) -> Send:
        # Imported when it is wanted: the SDK takes part of a second to import, and a service without a collector has no use for it.
        from workload.telemetry.otlp import Collector

        return Collector(endpoint, service=service, site=site, deadline=settings.deadline)

    return connect
