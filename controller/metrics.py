"""Numbers of one controller for Prometheus: its ticks as they happen, and what it knows at the moment somebody asks."""

from collections import Counter as Counted
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.comparison import words
from controller.core.model import Health
from controller.core.plans import Phase
from controller.core.steps import Ledgers
from controller.durations import Durations
from controller.errors import TrimaranError
from controller.gauges import Gauges
from controller.loop import Loop, View
from controller.ports import Clock, ProviderFacts
from controller.provider_watch import ProviderWatch
from controller.zone_watch import ZoneWatch

BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds. A tick is one or two round trips to etcd."""


class Metrics(Collector):
    """One controller's numbers, in a registry of its own, so that two controllers in one process share none."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loops: list[Loop] = []
        self._zone: ZoneWatch | None = None
        self._providers: list[ProviderWatch] = []
        self._registry = registry = CollectorRegistry()
        self._ticks = Counter("trimaran_ticks", "Ticks, by how they ended.", ["service", "result"], registry=registry)
        self._spent = Histogram("trimaran_tick_seconds", "Duration of ticks.", ["service"], buckets=BUCKETS, registry=registry)
        self._plans = Counter("trimaran_plans", "Plans seen under way.", ["service", "kind"], registry=registry)
        self._plan: dict[str, str] = {}
        self._verified: dict[str, Mapping[str, object]] = {}
        self.durations = Durations(registry, clock)
        registry.register(self)
        registry.register(Gauges(self._loops, clock))

    def watch(self, loop: Loop) -> None:
        """Show what this loop knows from now on."""
        self._loops.append(loop)

    def watch_zone(self, zone: ZoneWatch) -> None:
        """Show what this watch finds from now on."""
        self._zone = zone

    def watch_providers(self, providers: ProviderWatch) -> None:
        """Show what these providers say from now on."""
        self._providers.append(providers)

    def note(self, service: str, verified: Mapping[str, object] | None) -> None:
        """Show from now on what the check at the end of the last move found."""
        if verified is not None:
            self._verified[service] = verified

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    async def measure(self, loop: "MeasuredLoop") -> None:
        """One tick, counted and timed; whatever it raises passes."""
        began, result, before = self._clock.monotonic(), "failed", loop.view
        try:
            await Loop.tick(loop)
            result = "done"
        except TrimaranError:
            result = "unanswered"
            raise
        finally:
            self._ticks.labels(loop.service, result).inc()
            self._spent.labels(loop.service).observe((self._clock.monotonic() - began).total_seconds())
        if loop.view is not None and loop.view is not before:
            self.durations.ticked(loop, loop.view)
        plan = loop.view.control.plan if loop.view else None
        if plan is not None and self._plan.get(loop.service) != plan.id:
            self._plan[loop.service] = plan.id
            self._plans.labels(loop.service, plan.kind).inc()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What every loop knows now; a loop that has not ticked yet shows nothing."""
        tick = GaugeMetricFamily("trimaran_tick_age_seconds", "Since the last tick that etcd answered.", labels=["service"])
        epoch = GaugeMetricFamily("trimaran_posture_epoch", "Highest epoch ever claimed.", labels=["service"])
        writer = GaugeMetricFamily("trimaran_writer", "1 for the writer.", labels=["service", "site"])
        facts = GaugeMetricFamily("trimaran_facts_age_seconds", "Age of a node's answer.", labels=["service", "site"])
        heard = GaugeMetricFamily("trimaran_observation_age_seconds", "Age of an observation.", labels=["service", "vantage"])
        misses = GaugeMetricFamily("trimaran_probe_misses", "Consecutive misses from here.", labels=["service", "site", "part"])
        traffic = GaugeMetricFamily("trimaran_site_traffic", "1 well, 0 failing; absent: unknown.", labels=["service", "site"])
        plan = GaugeMetricFamily("trimaran_plan_under_way", "1 while one is.", labels=["service", "kind", "phase"])
        now = self._clock.monotonic()
        for loop in self._loops:
            if (view := loop.view) is None:
                continue
            passed = (now - view.at).total_seconds()
            tick.add_metric([loop.service], passed)
            epoch.add_metric([loop.service], view.snapshot.posture.epoch)
            for site in sorted(view.snapshot.posture.weights):
                writer.add_metric([loop.service, site], float(site == view.snapshot.posture.writer))
            for site, said in loop.observer.facts().items():
                facts.add_metric([loop.service, site], said.age.total_seconds())
            _observations(loop.service, view, passed, heard, misses)
            _traffic(loop, view, passed, traffic)
            if (under_way := view.control.plan) is not None and under_way.phase is not Phase.DONE:
                plan.add_metric([loop.service, under_way.kind, under_way.phase], 1)
        yield from (
            tick,
            epoch,
            writer,
            facts,
            heard,
            misses,
            traffic,
            plan,
            self._checks(),
            *self._differences(),
            *self._said_by_providers(),
        )

    def _differences(self) -> Iterator[GaugeMetricFamily]:
        """Of the zone, as the last look at it found them; nothing before the first."""
        found = self._zone.probe.latest if self._zone else None
        if found is None:
            return
        drifts = GaugeMetricFamily(
            "trimaran_zone_drifts", "Groups that an authority does not hold as wanted.", labels=["authority"]
        )
        wrong = Counted([*(one.authority for one in found.drifts), *(one.authority for one in found.misdirections)])
        for authority, times in sorted(wrong.items()):
            drifts.add_metric([authority], times)
        unknown = GaugeMetricFamily("trimaran_zone_unknown", "1 for an authority that could not be asked.", labels=["authority"])
        for authority in found.unknown:
            unknown.add_metric([authority], 1)
        yield from (drifts, unknown)

    def _said_by_providers(self) -> Iterator[GaugeMetricFamily]:
        """What may still be believed; where nothing may, there is no number but the age, and none before the first answer."""
        labels = ["service", "site", "subject"]
        age = GaugeMetricFamily("trimaran_provider_age_seconds", "Since a provider answered.", labels=labels)
        unknown = GaugeMetricFamily("trimaran_provider_unknown", "1 while what a provider says is not known.", labels=labels)
        standby = GaugeMetricFamily("trimaran_provider_highly_available", "1 for a server with a standby.", labels=labels)
        free = GaugeMetricFamily("trimaran_provider_storage_free_ratio", "Share of a server's storage.", labels=labels)
        due = GaugeMetricFamily("trimaran_provider_maintenance_seconds", "Unix time of pending maintenance.", labels=labels)
        floor = GaugeMetricFamily("trimaran_provider_instances_floor", "Instances kept at least.", labels=labels)
        for watch in self._providers:
            for (site, subject), said in watch.heard().items():
                about = [watch.service, site, subject]
                unknown.add_metric(about, float(not said.known))
                if said.age is not None:
                    age.add_metric(about, said.age.total_seconds())
                match said.told if said.known else None:
                    case ProviderFacts() as told:
                        _add(standby, about, told.highly_available)
                        _add(free, about, told.storage_free)
                        _add(due, about, told.maintenance.timestamp() if told.maintenance else None)
                    case int(instances):
                        floor.add_metric(about, instances)
        yield from (age, unknown, standby, free, due, floor)

    def _checks(self) -> GaugeMetricFamily:
        checks = GaugeMetricFamily("trimaran_last_move_verified", "1 when this was proven.", labels=["service", "check"])
        for service, found in self._verified.items():
            checks.add_metric([service, "canary"], float(not found["unpaid"]))
            checks.add_metric([service, "ledgers"], float(found["ledgers"] == Ledgers.EQUAL))
        return checks


def _add(gauge: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    if value is not None:
        gauge.add_metric(labels, float(value))


def _observations(service: str, view: View, passed: float, heard: GaugeMetricFamily, misses: GaugeMetricFamily) -> None:
    for vantage, aged in view.snapshot.observations.items():
        heard.add_metric([service, vantage], aged.age.total_seconds() + passed)
    own = view.snapshot.observations.get(view.snapshot.vantage)
    for site, parts in own.value.opinions.items() if own else ():
        for part, said in parts.items():
            misses.add_metric([service, site, part], said.misses)


def _traffic(loop: Loop, view: View, passed: float, traffic: GaugeMetricFamily) -> None:
    """As status tells it: by the age of each word now, and held against the other sites'."""
    since = timedelta(seconds=passed)
    heard = {site: replace(one, age=one.age + since) for site, one in view.snapshot.observations.items()}
    for site, word in words(heard, loop.policy.freshness).items():
        if word.health is not Health.UNKNOWN:
            traffic.add_metric([loop.service, site], float(word.health is Health.HEALTHY))


@dataclass(slots=True, kw_only=True)
class MeasuredLoop(Loop):
    """A loop whose ticks are counted and timed."""

    metrics: Metrics

    async def tick(self) -> None:
        """See `Loop.tick`."""
        await self.metrics.measure(self)
