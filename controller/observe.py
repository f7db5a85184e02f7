"""What this vantage sees: probes of every part of every site, kept as tracks, published as an observation.

Every target is asked by a task of its own, so one that hangs delays nobody; one question per target is under way at a time.
"Could not ask" becomes unknown here, and only here; so does whatever a probe stumbles over.

This vantage also watches itself. Durations are counted on a clock that stands still while this process does not run (stopped,
swapped out, starved): silence during its own absence accuses nobody.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from controller.core.health import Sample, Track, accuses, judge, opinion, slept, suspects_itself, unmeasured, waiting
from controller.core.model import Aged, Health, NodeFacts, Observation, Opinion, Part, Posture, Site, Snapshot
from controller.core.plans import Phase
from controller.core.policy import Policy
from controller.core.proposals import Running
from controller.errors import ProviderError
from controller.ports import Clock, Control, Probe
from controller.probing.sql_probe import SqlProbe

log = structlog.get_logger()

LOOK_EVERY = timedelta(milliseconds=50)
"""How often this vantage looks at the clock to notice that it was not running."""


@dataclass(slots=True, kw_only=True)
class _Target:
    site: Site
    part: Part
    probe: Probe
    track: Track = field(default_factory=Track)
    asked: timedelta | None = None
    """Awake time at which the question under way was asked."""


class Observer:
    """Probes from one vantage and says what it believes. `run` measures; the other methods only read, and never wait."""

    def __init__(
        self,
        *,
        vantage: Site,
        edges: Mapping[Site, Probe],
        databases: Mapping[Site, SqlProbe],
        policy: Policy,
        clock: Clock,
        traffic: Callable[[], Opinion | None] = lambda: None,
    ) -> None:
        self._vantage, self._policy, self._clock = vantage, policy, clock
        self._traffic = traffic
        self._databases = databases
        self._targets = (
            *(_Target(site=site, part=Part.EDGE, probe=edges[site]) for site in sorted(edges)),
            *(_Target(site=site, part=Part.DATABASE, probe=databases[site]) for site in sorted(databases)),
        )
        self._facts: dict[Site, tuple[NodeFacts, timedelta]] = {}
        self._looked, self._lost = clock.monotonic(), timedelta(0)
        self._sequence = 0

    async def run(self) -> None:
        """Measure until cancelled."""
        self._looked = self._clock.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for target in self._targets:
                tasks.create_task(self._keep_asking(target))

    def observe(self) -> Observation:
        """What this vantage believes now, ready to be published; every call is a new sequence number."""
        opinions = self.opinions()
        self._sequence += 1
        return Observation(
            vantage=self._vantage,
            sequence=self._sequence,
            opinions=opinions,
            suspects_itself=suspects_itself(self._vantage, opinions, self._policy),
            traffic=self._traffic(),
        )

    def opinions(self) -> Mapping[Site, Mapping[Part, Opinion]]:
        """What this vantage believes now of every part of every site."""
        awake = self._look()
        opinions: dict[Site, dict[Part, Opinion]] = {}
        for target in self._targets:
            track = target.track
            if target.asked is not None:
                track = waiting(track, target.part, awake - target.asked, self._policy)
            opinions.setdefault(target.site, {})[target.part] = opinion(track)
        return opinions

    def facts(self) -> Mapping[Site, Aged[NodeFacts]]:
        """What each database said last, aged from the moment it was asked; one that never answered is absent."""
        now = self._clock.monotonic()
        return {site: Aged(value=value, age=now - asked) for site, (value, asked) in self._facts.items()}

    def snapshot(
        self, own: Observation, posture: Posture, heard: Mapping[Site, Aged[Observation]], *, majority: bool
    ) -> Snapshot:
        """Everything known at this tick: what others published, and this vantage's own word without the way through etcd."""
        return Snapshot(
            vantage=self._vantage,
            posture=posture,
            observations={**heard, self._vantage: Aged(value=own, age=timedelta(0))},
            facts=self.facts(),
            majority=majority,
        )

    async def _watch(self) -> None:
        while True:
            self._look()
            await self._clock.sleep(LOOK_EVERY)

    def _look(self) -> timedelta:
        """Awake time: the monotonic clock without the time in which this process did not run."""
        now = self._clock.monotonic()
        self._lost += slept(now - self._looked, LOOK_EVERY, self._policy.loop_slack)
        self._looked = now
        return now - self._lost

    async def _keep_asking(self, target: _Target) -> None:
        while True:
            asked = self._look()
            await self._ask(target, asked)
            rest = asked + self._policy.probe_interval - self._look()
            await self._clock.sleep(max(rest, timedelta(0)))

    async def _ask(self, target: _Target, asked: timedelta) -> None:
        lost, at = self._lost, self._clock.monotonic()
        target.asked = asked
        try:
            result = await target.probe.measure(self._policy.probe_patience)
        except ProviderError as error:
            target.track = unmeasured(target.track, f"could not ask: {error}")
            return
        except Exception as error:
            # A fault of a probe is a fault of ours and accuses nobody. Told when it is new: a probe stumbles four times a second.
            detail = f"could not ask: {type(error).__name__}: {error}"
            if target.track.detail != detail:
                log.exception("probe", site=target.site, part=target.part)
            target.track = unmeasured(target.track, detail)
            return
        finally:
            target.asked = None
        took = self._look() - asked
        sample = Sample(ok=result.ok, took=took, slept=self._lost - lost, detail=result.detail)
        target.track = judge(target.track, target.part, sample, self._policy)
        if result.ok and target.part is Part.DATABASE and (said := self._databases[target.site].latest) is not None:
            self._facts[target.site] = (said, at)


def changed(before: Observation | None, after: Observation) -> bool:
    """Does `after` say something else, and not only with other numbers? Then it is published at once: an accusation that waits
    for the next regular publication costs a quarter of a second of every failover."""
    return before is None or _words(before) != _words(after)


def _words(observation: Observation) -> tuple[bool, list[tuple[Site, Part, Health, bool]]]:
    said = observation.opinions.items()
    return observation.suspects_itself, [
        (site, part, heard.health, accuses(heard)) for site, parts in said for part, heard in parts.items()
    ]


def calm(control: Control, heard: Mapping[Site, Aged[Observation]], own: Observation, policy: Policy) -> bool:
    """Nothing is under way, nobody wants anything, and everybody was heard of late and finds every part of every site well, this vantage
    at this moment.

    Of late: a word is dated from the look before the one that found it changed. With looks as far apart as publications, two that just
    missed each other make a word of a healthy vantage twice as old, and one that got lost makes it nearly too old to count.
    """
    said = (own, *(aged.value for aged in heard.values()))
    return (
        running(control) is None
        and not control.requests
        and all(aged.age <= policy.freshness / 2 for aged in heard.values())
        and not any(one.suspects_itself for one in said)
        and all(part.health is Health.HEALTHY for one in said for parts in one.opinions.values() for part in parts.values())
    )


def running(control: Control) -> Running | None:
    """The plan under way and whether the session of its owner still lives."""
    if control.plan is None or control.plan.phase is Phase.DONE:
        return None
    owner = control.ownership
    alive = owner is not None and control.sessions.get(owner.controller) == owner.session
    return Running(plan=control.plan, owner=owner.controller if owner else "", owner_alive=alive)
