"""What the dispatcher counts beside what every service counts."""

from prometheus_client import Counter, Histogram

from workload.metrics import ServiceMetrics
from workload.webhooks.model import Trip

BUCKETS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics(ServiceMetrics):
    """Counters and gauges of one process. None has an account as a label: there are too many, and `/status` names those that fail."""

    def __init__(self) -> None:
        super().__init__("webhooks")
        self._delivered = Counter("webhooks_delivered", "Events that an endpoint accepted from here.", registry=self.registry)
        self._failed = Counter("webhooks_failed_attempts", "Attempts that were not accepted.", registry=self.registry)
        self._slowest = Histogram(
            "webhooks_slowest_attempt_seconds", "The longest attempt of each trip.", registry=self.registry, buckets=BUCKETS
        )

    def travelled(self, trip: Trip) -> None:
        """A courier came back."""
        self._delivered.inc(trip.delivered)
        if trip.failure is not None:
            self._failed.inc()
        self._slowest.observe(trip.slowest.total_seconds())
