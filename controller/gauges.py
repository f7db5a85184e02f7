"""What every loop of one controller believes at the moment somebody asks, as numbers: health by vantage, what is agreed, how far behind
whom, what would hold a failover back. What is not known is absent, never 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.circumstances import Circumstances, circumstances
from controller.core.followers import confirms, lag_bytes
from controller.core.model import Aged, Health, Mode
from controller.core.policy import Moment
from controller.core.prospects import automatic_failover
from controller.loop import Loop, View
from controller.observe import running
from controller.ports import Clock

WORDS = {Health.HEALTHY: 1.0, Health.FAILING: 0.0}
"""Unknown has no number: an alert on 0 would otherwise page for a vantage that was restarted."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of this collector."""

    name: str
    help: str
    labels: tuple[str, ...]

    def new(self) -> GaugeMetricFamily:
        """Without a number yet."""
        return GaugeMetricFamily(self.name, self.help, labels=self.labels)


HEALTH = Family(
    "trimaran_health", "1 healthy, 0 failing, as one vantage says; absent: unknown.", ("service", "site", "part", "vantage")
)
AGREED = Family(
    "trimaran_agreed_health", "1 healthy, 0 failing, as vantages agree; absent: unknown.", ("service", "site", "part")
)
SUSPECTS = Family(
    "trimaran_vantage_suspects_itself", "1 for a vantage that accuses nobody, because it saw all fail.", ("service", "vantage")
)
WEIGHT = Family("trimaran_wanted_weight", "Share of traffic that a site is wanted to have; 0: drained.", ("service", "site"))
LAG = Family("trimaran_lag_bytes", "Log of the writer that a follower has not confirmed.", ("service", "site"))
RETAINED = Family("trimaran_slot_retained_bytes", "Log that the neediest slot of a node keeps.", ("service", "site"))
CONFIRMS = Family("trimaran_confirms", "1 for a follower whose confirmations count; absent: not known.", ("service", "site"))
HOLDS = Family("trimaran_failover_held", "1 for each guard that would hold an automatic failover back now.", ("service", "guard"))
MODE = Family("trimaran_mode", "1 for the mode of the service.", ("service", "mode"))
PAUSED = Family("trimaran_paused", "1 while an operator's pause stops automation.", ("service",))
UNTIL = Family("trimaran_pause_ends_seconds", "Unix time at which the pause ends; absent: when resumed.", ("service",))
SETTLED = Family("trimaran_settled", "0 while the writer's own disk is the only proof of its reign.", ("service",))
WAITING = Family("trimaran_requests_waiting", "Operators' orders that no tick has answered.", ("service",))
SESSIONS = Family(
    "trimaran_controller_session", "1 for a controller that etcd holds a living session of.", ("service", "controller")
)

FAMILIES = (
    HEALTH, AGREED, SUSPECTS, WEIGHT, LAG, RETAINED, CONFIRMS, HOLDS, MODE, PAUSED, UNTIL, SETTLED, WAITING, SESSIONS,
)  # fmt: skip


class Gauges(Collector):
    """Of every loop that is watched; a loop that has not ticked yet shows nothing."""

    def __init__(self, loops: Sequence[Loop], clock: Clock) -> None:
        """`loops` may grow afterwards."""
        self._loops, self._clock = loops, clock

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every number, each aged to now."""
        shown = {family.name: family.new() for family in FAMILIES}

        def show(family: Family, value: float | None, *labels: str) -> None:
            if value is not None:
                shown[family.name].add_metric(labels, value)

        for loop in self._loops:
            if loop.view is not None:
                seen = known(loop, loop.view, self._clock)
                for family, value, *labels in (*_beliefs(seen), *_sites(seen), *_wishes(seen, loop.view)):
                    show(family, value, loop.service, *labels)
        yield from shown.values()


def known(loop: Loop, view: View, clock: Clock) -> Circumstances:
    """The last tick's knowledge as it is now: everything has aged since, and without etcd nothing is allowed."""
    now = Moment(wall=clock.now(), monotonic=clock.monotonic())
    since = now.monotonic - view.at
    heard = {site: Aged(value=one.value, age=one.age + since) for site, one in view.snapshot.observations.items()}
    snapshot = replace(view.snapshot, observations=heard, facts=loop.observer.facts(), majority=since <= loop.policy.freshness)
    return circumstances(snapshot, loop.policy, view.decision.state.failovers, running(view.control), now)


Shown = tuple[Family, float | None, *tuple[str, ...]]


def _beliefs(seen: Circumstances) -> Iterator[Shown]:
    """Who says what about whom, as long as it may be believed."""
    for vantage, heard in seen.snapshot.observations.items():
        if heard.age > seen.policy.freshness:
            continue
        yield SUSPECTS, float(heard.value.suspects_itself), vantage
        for site, parts in heard.value.opinions.items():
            for part, opinion in parts.items():
                yield HEALTH, WORDS.get(opinion.health), site, part, vantage
    for (site, part), agreement in seen.agreements.items():
        yield AGREED, WORDS.get(agreement.health), site, part


def _sites(seen: Circumstances) -> Iterator[Shown]:
    for site, weight in sorted(seen.posture.weights.items()):
        yield WEIGHT, float(weight), site
        counts, facts = confirms(site, seen), seen.facts(site)
        yield CONFIRMS, None if counts is None else float(counts), site
        if seen.facts(seen.posture.writer) is not None:
            behind = lag_bytes(site, seen)
            yield LAG, None if behind is None else float(behind), site
        if facts is not None:
            yield RETAINED, float(max((slot.retained_bytes for slot in facts.slots), default=0)), site


def _wishes(seen: Circumstances, view: View) -> Iterator[Shown]:
    """What people want, and what stands in the way of what automation would want."""
    posture = seen.posture
    for guard in sorted({reason.guard for reason in automatic_failover(seen)}):
        yield HOLDS, 1.0, guard
    for mode in Mode:
        yield MODE, float(mode is posture.mode), mode
    yield PAUSED, float(_paused(seen))
    if posture.pause is not None and posture.pause.until is not None:
        yield UNTIL, posture.pause.until.timestamp()
    yield SETTLED, float(posture.settled)
    yield WAITING, float(len(view.control.requests))
    for controller in sorted(view.control.sessions):
        yield SESSIONS, 1.0, controller


def _paused(seen: Circumstances) -> bool:
    """A pause that is over is nobody's any more, though it stands in the posture until somebody writes that."""
    pause = seen.posture.pause
    return pause is not None and (pause.until is None or pause.until > seen.now.wall)
