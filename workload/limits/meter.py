"""What the door counts, in the registry of its service."""

from prometheus_client import Counter, Histogram

from workload.limits.rank import Rank
from workload.limits.refusal import Kind
from workload.metrics import BUCKETS, ServiceMetrics


class Meter:
    """Refusals by kind, latency by rank."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        service, registry = metrics.service, metrics.registry
        refusals = Counter(
            f"{service}_refusals", "Requests sent away at the door, by limit and rank.", ["kind", "rank"], registry=registry
        )
        seconds = Histogram(
            f"{service}_served_seconds",
            "From arrival to the end of the answer, waiting at the door included, by rank.",
            ["rank"],
            registry=registry,
            buckets=BUCKETS,
        )
        # Looked up once: finding a label's child takes longer than counting.
        self._refusals = {(kind, rank): refusals.labels(str(kind), rank.label) for kind in Kind for rank in Rank}
        self._seconds = {rank: seconds.labels(rank.label) for rank in Rank}

    def refused(self, kind: Kind, rank: Rank) -> None:
        """Somebody was sent away."""
        self._refusals[kind, rank].inc()

    def served(self, rank: Rank, seconds: float) -> None:
        """Somebody was served, for better or worse."""
        self._seconds[rank].observe(seconds)
