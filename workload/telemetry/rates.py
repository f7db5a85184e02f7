"""Rate, errors and duration of a service's requests. Labels are route templates, methods and status classes: bounded, whatever is sent."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import Counter, Histogram

from workload.metrics import ServiceMetrics

BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.25, 0.4, 0.6, 0.9, 1.5)
"""Seconds; 0.25 is what payments promise, 0.9 is the deadline of a request."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
"""Any other method: it is the client's own word."""
NO_ROUTE = "none"
"""Refused at the door, or a path that leads nowhere. The path itself is the client's own word."""
NO_ANSWER = "none"
"""Instead of a status class: nothing was answered."""


class Rates:
    """Counts of one process."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        service, registry = metrics.service, metrics.registry
        self._requests = Counter(
            f"{service}_requests", "Requests by route and status class.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            f"{service}_request_seconds", "From head to answer.", ["method", "route"], registry=registry, buckets=BUCKETS
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request is over. `route`: its template, never its path; `status` 0: it got no answer."""
        key = (method if method in METHODS else OTHER, route, status // 100)
        children = self._children.get(key)
        if children is None:
            kind = f"{key[2]}xx" if key[2] else NO_ANSWER
            counter, histogram = self._requests.labels(key[0], route, kind), self._seconds.labels(key[0], route)
            children = self._children[key] = (counter, histogram)
        children[0].inc()
        children[1].observe(seconds)


def route_of(scope: Mapping[str, Any]) -> str:
    """The template that a request was routed by, once it was: what the framework left in the scope of ASGI."""
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else NO_ROUTE
