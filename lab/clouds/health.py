"""Health checks as each authority runs them by itself, and what they do to its answers. Pure: results of questions are passed in.

This is the path that moves traffic when no API answers anywhere: nobody calls anything, the answers change all the same, at the
vendor's own pace. What is modelled is the pace and the rule; each authority has one vantage here, on the clients' side of the
links, where the vendors have several: Route 53 holds a record healthy while more than 18 % of its checkers do, Traffic Manager
counts per region, Cloud DNS asks from three regions.

Sources: Amazon Route 53 Developer Guide, "How Route 53 determines whether a health check is healthy" and "How Route 53 chooses
records when health checking is configured"; Azure Traffic Manager, "Endpoint monitoring"; Google Cloud DNS, "DNS routing policies
and health checks".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lab.clouds.zone import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How one vendor asks, at the fastest its documentation allows. Seconds."""

    interval: float
    """From one question to the next."""
    patience: float
    """For the whole answer; a later one is a failure."""
    failures: int
    """In a row, until a healthy record is held to be unhealthy."""
    successes: int
    """In a row, until an unhealthy one is held to be healthy again."""
    redirects: bool = False
    """Is an answer of 300 to 399 as good as one of 200? Nobody follows it."""


PACES: Mapping[str, Pace] = {
    "route53": Pace(interval=10, patience=6, failures=3, successes=3, redirects=True),
    "azuredns": Pace(interval=10, patience=5, failures=4, successes=1),
    "clouddns": Pace(interval=30, patience=5, failures=2, successes=2),
}
"""By authority. Route 53: 10 s is its fast interval, 3 its default threshold in both directions, 4 s to connect and 2 s to the
status line, which may say anything from 200 to 399; the other two take 200 only. Traffic Manager: fast probing is 10 s with a timeout
of 5 to 9 s; of 3 tolerated failures the fourth in a row counts, and one success brings an endpoint back. Cloud DNS: external endpoints
are asked every 30 s at most often, thresholds of 2 by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an authority holds of one thing it asks. Everything begins as healthy, as a new check of Route 53 does."""

    healthy: bool = True
    against: int = 0
    """Answers in a row that speak against `healthy`."""


def well(status: int, pace: Pace) -> bool:
    """Does this status say that the record may be answered?"""
    return 200 <= status < 400 if pace.redirects else status == 200


def judged(standing: Standing, ok: bool, pace: Pace) -> Standing:
    """The standing after one more answer."""
    if ok == standing.healthy:
        return Standing(healthy=standing.healthy)
    against = standing.against + 1
    needed = pace.failures if standing.healthy else pace.successes
    return Standing(healthy=ok) if against >= needed else Standing(healthy=standing.healthy, against=against)


def question(record: Record) -> str | None:
    """The URL that is asked about this record; None when nothing is."""
    if record.health is None or not record.values:
        return None
    return f"http://{record.values[0]}{record.health}" if record.health.startswith("/") else record.health


def questions(records: Iterable[Record]) -> frozenset[str]:
    """Every URL that is asked about these records."""
    return frozenset(url for record in records if (url := question(record)) is not None)


def answerable(records: Sequence[Record], standings: Mapping[str, Standing]) -> tuple[Record, ...]:
    """The records that may be answered: unhealthy ones left out, unless all of a name and type are.

    With none left, all three vendors answer as if all were healthy: Route 53 and Traffic Manager say so, Cloud DNS is assumed to.
    A weight of 0 is honoured only while another record is healthy (Route 53's rule, assumed for Cloud DNS; Traffic Manager has no
    weight of 0): a site drained by its weight alone is sent everybody when every other one fails.
    """
    healthy = {id(record) for record in records if standings.get(question(record) or "", Standing()).healthy}
    alive = {(record.name, record.type) for record in records if id(record) in healthy}
    return tuple(record for record in records if id(record) in healthy or (record.name, record.type) not in alive)
