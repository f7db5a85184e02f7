"""What the service counts about itself, in a registry of its own. Reconciliation never relies on these numbers."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from workload.payments.errors import Unanswered
from workload.payments.model import Outcome

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.2, 0.4, 0.8)


class Metrics:
    """Counters and gauges of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = Counter("payments_decisions", "Answered orders by outcome.", ["outcome"], registry=self._registry)
        self._unanswered = Counter(
            "payments_unanswered", "Requests that got no answer, by reason.", ["reason"], registry=self._registry
        )
        self._barrier = Histogram(
            "payments_barrier_seconds", "From commit to confirmation.", registry=self._registry, buckets=BUCKETS
        )
        self._gauges: dict[str, Gauge] = {}
        self._by_outcome = {outcome: self._decisions.labels(outcome.value) for outcome in Outcome}

    def decided(self, outcome: Outcome) -> None:
        """An order was answered."""
        self._by_outcome[outcome].inc()

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
            gauge = self._gauges[name] = Gauge(name, help, list(labels), registry=self._registry)
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def render(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self._registry)
