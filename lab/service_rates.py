"""Rate, errors and duration of every service's requests, as its processes counted them, added up over the sites. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from workload.telemetry.middleware import UNFOLLOWED
from workload.telemetry.rates import NO_ANSWER, NO_ROUTE

FAILED = frozenset({"5xx", NO_ANSWER})
ABOUT = UNFOLLOWED
"""Routes of questions about the service itself. Every other request counts, whether or not it came as far as a route: in an overload
nearly all are turned away at the door, and a count that begins behind it says "no errors" exactly then."""


SCREENED = "payments_screened_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRates:
    """What the processes of one service counted since each of them started."""

    requests: int
    failed: int
    """Answered with 5xx, or not at all."""
    p99: float | None
    """Seconds within which 99 of 100 were answered of those that came past the door: a refusal takes a millisecond, and ten thousand of
    them would hide how long the others took. Rounded up to a bucket's bound; None: longer than all of them, or no request."""
    refused: int = 0
    """Of the requests, those that ended at the door, with whatever status: gate, limits, deadline, access, or a path that leads nowhere."""
    silent: tuple[str, ...] = ()
    """Sites whose process could not be asked."""
    screened: Mapping[str, int] = field(default_factory=dict)
    """Payments by what screening said of them: `pass`, `hold`, or `absent` when it said nothing in time, and they passed."""


def added_up(service: str, texts: Iterable[str], silent: Sequence[str] = ()) -> ServiceRates:
    """From what each process shows on /metrics."""
    requests, refused, buckets, screened = Counter[str](), 0, Counter[float](), Counter[str]()
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                route = sample.labels.get("route", "")
                if route in ABOUT:
                    continue
                if sample.name == f"{service}_requests_total":
                    requests[sample.labels["status"]] += round(sample.value)
                    refused += round(sample.value) if route == NO_ROUTE else 0
                elif sample.name == f"{service}_request_seconds_bucket" and route != NO_ROUTE:
                    buckets[float(sample.labels["le"])] += round(sample.value)
                elif sample.name == SCREENED:
                    screened[sample.labels["said"]] += round(sample.value)
    return ServiceRates(
        requests=requests.total(),
        failed=sum(requests[status] for status in FAILED),
        p99=_within(buckets, 0.99),
        refused=refused,
        silent=tuple(silent),
        screened=dict(screened),
    )


def _within(buckets: Mapping[float, int], share: float) -> float | None:
    """The first bound below which that share of all is; buckets are cumulative, the last is without bound."""
    bounds = sorted(buckets)
    wanted = share * buckets[bounds[-1]] if bounds else 0
    found = next((bound for bound in bounds if buckets[bound] >= wanted), math.inf) if wanted else math.inf
    return None if math.isinf(found) else found


def rates_said(found: Mapping[str, ServiceRates]) -> dict[str, Any]:
    """The report's part."""
    return {
        service: {
            "requests": one.requests,
            "errors": one.failed,
            "refused": one.refused,
            "p99_ms": None if one.p99 is None else round(one.p99 * 1000),
            "silent": list(one.silent),
            **({"screened": dict(one.screened)} if one.screened else {}),
        }
        for service, one in found.items()
    }
