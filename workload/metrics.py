"""What a service counts about itself, in a registry of its own. Reconciliation never relies on these numbers."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from workload.durable.errors import Unanswered

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.4, 0.8)


class ServiceMetrics:
    """Counters and gauges of one process; every name begins with its service's."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        self._unanswered = Counter(
            f"{service}_unanswered", "Requests that got no answer, by reason.", ["reason"], registry=self.registry
        )
        self._barrier = Histogram(
            f"{service}_barrier_seconds", "From commit to confirmation.", registry=self.registry, buckets=BUCKETS
        )
        self._gauges: dict[str, Gauge] = {}

    def unanswered(self, error: Unanswered) -> None:
        """A request ended without an answer."""
        self._unanswered.labels(type(error).__name__).inc()

    def overloaded(self) -> None:
        """A request was turned away at the door."""
        self._unanswered.labels("Overloaded").inc()

    def confirmed(self, seconds: float) -> None:
        """An answer became durable this long after its commit."""
        self._barrier.observe(seconds)

    def watch(self, name: str, help: str, read: Callable[[], float], **labels: str) -> None:
        """Publish a gauge that is read when asked for. One call per label set; the same name may be watched again."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(f"{self.service}_{name}", help, list(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
