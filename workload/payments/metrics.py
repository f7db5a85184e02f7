"""What the payments service counts beside what every service counts."""

from collections.abc import Callable
from functools import partial

from prometheus_client import Counter

from workload.metrics import ServiceMetrics
from workload.payments.model import Outcome


class Metrics(ServiceMetrics):
    """Counters and gauges of one process."""

    def __init__(self) -> None:
        super().__init__("payments")
        decisions = Counter("payments_decisions", "Answered orders by outcome.", ["outcome"], registry=self.registry)
        self._by_outcome = {outcome: decisions.labels(outcome.value) for outcome in Outcome}
        help = "Calls to other services by what became of them."
        self._calls = Counter("payments_calls", help, ["service", "outcome"], registry=self.registry)

    def decided(self, outcome: Outcome) -> None:
        """An order was answered."""
        self._by_outcome[outcome].inc()

    def calling(self, service: str) -> Callable[[str], None]:
        """To be told what became of each call to this service."""
        return partial(self._called, service)

    def _called(self, service: str, outcome: str) -> None:
        self._calls.labels(service, outcome).inc()
