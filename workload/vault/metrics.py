"""What the vault counts beside what every service counts. Labels are words of ours, never anything a client sent."""

from prometheus_client import Counter, Gauge

from workload.metrics import ServiceMetrics
from workload.vault.inventory import Counts
from workload.vault.model import Outcome

BROKEN = ("key-lost", "seal-broken", "clouds-differ")
"""No cloud opens a data key; a sealed text is not of its row; two clouds open two keys of one name."""


class Metrics(ServiceMetrics):
    """Counters and gauges of one process."""

    def __init__(self) -> None:
        super().__init__("vault")
        self._decisions = Counter(
            "vault_decisions", "Answered requests by operation and outcome.", ["operation", "outcome"], registry=self.registry
        )
        self._calls = Counter(
            "vault_key_service_calls",
            "Calls to the clouds' key services and what became of them.",
            ["cloud", "action", "result"],
            registry=self.registry,
        )
        self._repairs = Counter(
            "vault_repairs",
            "Wraps to be added or replaced, by what became of it: placed, overtaken (by another process), erased, not newer, not wrapped.",
            ["cloud", "result"],
            registry=self.registry,
        )

        self._broken = Counter(
            "vault_broken", "What does not open as it should, by kind: a person must look.", ["kind"], registry=self.registry
        )
        self._reused = Counter(
            "vault_keys_reused",
            "Idempotency keys that came with another number, subject or caller than at first, by who brought them.",
            ["caller"],
            registry=self.registry,
        )
        self._wraps = Gauge(
            "vault_wraps",
            "Data keys by cloud and the state of its wrap, as the last round past all of them has seen; beside the writer only.",
            ["cloud", "state"],
            registry=self.registry,
        )
        for kind in BROKEN:
            self._broken.labels(kind)  # an alert on a counter that is not there yet never rises

    def broken(self, kind: str) -> None:
        """Something does not open as it should: a person must look. `kind`: one of `BROKEN`."""
        self._broken.labels(kind).inc()

    def reused(self, caller: str) -> None:
        """An idempotency key came with something else. `caller` is a client of the issuer's: there are no more than it has registered."""
        self._reused.labels(caller).inc()

    def surveyed(self, counts: Counts) -> None:
        """A round past all data keys ended; empty: this process goes round no more."""
        self._wraps.clear()
        for (cloud, state), keys in counts.items():
            self._wraps.labels(cloud, state).set(keys)

    def decided(self, operation: str, outcome: Outcome) -> None:
        """A request was answered."""
        self._decisions.labels(operation, outcome.value).inc()

    def asked(self, cloud: str, action: str, result: str) -> None:
        """A call to a key service ended."""
        self._calls.labels(cloud, action, result).inc()

    def repaired(self, cloud: str, result: str) -> None:
        """What became of a wrap that was to be added or replaced."""
        self._repairs.labels(cloud, result).inc()
