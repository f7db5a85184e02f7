"""What one service is allowed to do by itself, as one frozen value.

Rules for changing this file: every field says its unit; what it may be, alone and beside the others, is checked in `contradictions`,
so that a wrong setting is refused when settings are read and not in the middle of an outage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.core.model import Mode, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant on both clocks: freshness and dwell are counted on `monotonic`, people and calendars read `wall`."""

    wall: datetime
    monotonic: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A window in which nothing that can wait is started."""

    start: datetime
    """Wall clock, inclusive."""
    end: datetime
    """Wall clock, exclusive."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of the deciding core for one service. The defaults are those of the lab."""

    mode: Mode = Mode.AUTOMATIC
    """Mode a service is founded with; afterwards the posture holds it."""

    probe_interval: timedelta = timedelta(milliseconds=250)
    """From the start of one probe of a target to the start of the next."""
    probe_timeout: timedelta = timedelta(milliseconds=400)
    """Silence that counts as one miss. The probe itself goes on waiting: see `probe_patience`."""
    probe_patience: timedelta = timedelta(seconds=3)
    """After this a probe is given up and its connection closed. Longer than any pause a process is expected to survive, because
    a new database connection costs five round trips, and in noise that alone is more than `probe_timeout`."""
    loop_slack: timedelta = timedelta(milliseconds=150)
    """A controller that finds itself this much late was not running; what it missed meanwhile is no measurement."""

    misses_to_accuse: int = 3
    """Consecutive misses after which a database is failing, and an edge is in doubt."""
    misses_to_drain: int = 6
    """Consecutive misses after which an edge is failing: longer than a service's pause of two seconds."""
    lates_to_accuse: int = 20
    """Consecutive answers later than `probe_timeout` after which the thing is failing: alive, but of no use."""
    successes_to_forgive: int = 8
    """Consecutive answers in time after which an accusation is taken back."""

    freshness: timedelta = timedelta(seconds=1)
    """Observations and facts older than this are unknown. They are dated from the look before the one that found them changed,
    so with looks and publications a `probe_interval` apart, noise may swallow one of them and not two."""
    vantages: int = 2
    """Fresh vantages that must agree; one of them outside the site's own cloud."""

    automatic_failovers: int = 1
    """Automatic failovers allowed within `velocity_window`."""
    velocity_window: timedelta = timedelta(minutes=10)
    """Window of the velocity guard, on the wall clock."""
    freezes: tuple[Freeze, ...] = ()
    """Windows in which nothing planned is started; failures are answered all the same."""

    minimum_serving: int = 1
    """Sites that must be left with traffic after any change."""
    shares: Mapping[Site, float] = field(default_factory=dict)
    """Normal share of traffic per site, as ratios; a site without one has 1."""
    capacities: Mapping[Site, float] = field(default_factory=dict)
    """Part of the service's whole normal load that one site can carry alone; a site without one carries 1.0."""
    required_capacity: float = 1.0
    """Part of the whole normal load that the serving sites must be able to carry after a drain."""

    replicas: frozenset[Site] = frozenset()
    """Sites at which the service keeps a read replica that the provider manages, beside the followers of the protocol."""

    dwell: timedelta = timedelta(seconds=2)
    """How long a condition must hold before upkeep (settle, shrink, grow, return) or a returning weight answers it."""
    stagger: timedelta = timedelta(seconds=1)
    """Upkeep is left to the controller beside the writer; each further controller waits this much longer."""

    @property
    def silence_to_accuse(self) -> timedelta:
        """Shortest silence after which a database that answers nothing is accused."""
        return self.misses_to_accuse * self.probe_timeout

    def share(self, site: Site) -> float:
        """Normal share of traffic of a site, as a ratio."""
        return self.shares.get(site, 1.0)

    def capacity(self, site: Site) -> float:
        """Part of the whole normal load that this site can carry."""
        return self.capacities.get(site, 1.0)


def contradictions(policy: Policy, sites: frozenset[Site]) -> tuple[tuple[str, str], ...]:
    """Every setting that cannot be meant for these sites: field, and what was expected of it."""
    rules = (*_of_probing(policy), *_of_agreement(policy, sites), *_of_traffic(policy, sites))
    return tuple((name, expected) for name, holds, expected in rules if not holds)


Rule = tuple[str, bool, str]
"""Field, whether its rule holds, and what is expected."""

ZERO = timedelta(0)


def _of_probing(policy: Policy) -> tuple[Rule, ...]:
    return (
        ("probe_interval", policy.probe_interval > ZERO, "above zero"),
        ("probe_timeout", policy.probe_timeout > ZERO, "above zero"),
        (
            "probe_patience",
            policy.probe_patience > policy.silence_to_accuse,
            f"above misses_to_accuse x probe_timeout = {policy.silence_to_accuse}",
        ),
        # Late by more than that and still counted: a controller that was stopped would take its own absence for a dead site.
        ("loop_slack", ZERO < policy.loop_slack <= policy.probe_timeout, "above zero, at most probe_timeout"),
        ("misses_to_accuse", policy.misses_to_accuse >= 1, "at least 1"),
        ("misses_to_drain", policy.misses_to_drain >= policy.misses_to_accuse, "at least misses_to_accuse"),
        ("lates_to_accuse", policy.lates_to_accuse >= policy.misses_to_accuse, "at least misses_to_accuse"),
        ("successes_to_forgive", policy.successes_to_forgive > policy.misses_to_accuse, "above misses_to_accuse"),
    )


def _of_agreement(policy: Policy, sites: frozenset[Site]) -> tuple[Rule, ...]:
    return (
        ("freshness", policy.freshness >= 2 * policy.probe_interval, "at least two probe intervals"),
        ("freshness", policy.freshness <= timedelta(seconds=10), "at most 10s: nothing is done on what may be over"),
        ("vantages", policy.vantages >= 2, "at least 2: nothing is done on the word of one"),
        ("vantages", not sites or policy.vantages <= len(sites), f"at most {len(sites)}, one per site"),
        ("automatic_failovers", policy.automatic_failovers >= 0, "not negative"),
        ("velocity_window", policy.velocity_window >= timedelta(minutes=1), "at least 1m: in a shorter one nothing is counted"),
        ("dwell", policy.dwell >= policy.freshness, "at least freshness: what holds for less may be over already"),
        ("freezes", all(window.start < window.end for window in policy.freezes), "start before end"),
    )


def _of_traffic(policy: Policy, sites: frozenset[Site]) -> tuple[Rule, ...]:
    everything = sum(policy.capacity(site) for site in sites)
    return (
        ("minimum_serving", policy.minimum_serving >= 1, "at least 1: an empty target set is an error"),
        ("minimum_serving", not sites or policy.minimum_serving <= len(sites), f"at most {len(sites)}, the sites there are"),
        ("shares", all(share > 0 for share in policy.shares.values()), "above zero; drain a site to give it nothing"),
        ("capacities", all(part >= 0 for part in policy.capacities.values()), "not negative"),
        ("required_capacity", policy.required_capacity >= 0, "not negative"),
        (
            "required_capacity",
            not sites or policy.required_capacity <= everything,
            f"at most {everything:g}, what all sites carry together",
        ),
    )
