"""What the payments service counts beside what every service counts."""

from prometheus_client import Counter

from workload.metrics import ServiceMetrics
from workload.payments.model import Outcome


class Metrics(ServiceMetrics):
    """Counters and gauges of one process."""

    def __init__(self) -> None:
        super().__init__("payments")
        decisions = Counter("payments_decisions", "Answered orders by outcome.", ["outcome"], registry=self.registry)
        self._by_outcome = {outcome: decisions.labels(outcome.value) for outcome in Outcome}

    def decided(self, outcome: Outcome) -> None:
        """An order was answered."""
        self._by_outcome[outcome].inc()
