"""Puts the limits of one process together, with the real clock and real chance."""

import random
import time
from collections.abc import Collection

from workload.limits.limits import Limits
from workload.limits.meter import Meter
from workload.limits.ports import Knowledge
from workload.limits.settings import LimitTable
from workload.metrics import ServiceMetrics


def build_limits(
    table: LimitTable, metrics: ServiceMetrics, knowledge: Knowledge | None = None, parts: Collection[str] = ()
) -> Limits:
    """The limits of a process, counted in `metrics`. `knowledge`, `parts`: see `Limits`."""
    limits = Limits(
        table, monotonic=time.monotonic, chance=random.random, counts=Meter(metrics), knowledge=knowledge, parts=parts
    )
    metrics.watch("places", "Requests that may be served at once, as learnt.", lambda: limits.places)
    metrics.watch("queue", "Requests that wait for a place.", lambda: limits.waiting)
    metrics.watch("base_seconds", "Time of a request without a queue, as learnt; 0 when unknown.", lambda: limits.base)
    metrics.watch("best_rate", "Highest rate of answers, a second, as learnt.", lambda: limits.best)
    return limits
