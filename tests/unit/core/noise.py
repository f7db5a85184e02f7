"""A network that is bad but alive, as the calm run of the lab makes it, for judging the health rules in simulated hours."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from controller.core.health import Sample, Track, judge
from controller.core.model import Health, Part
from controller.core.policy import Policy

HOUR = 3600.0
LOOK = 0.05


@dataclass(frozen=True)
class Noise:
    """Seconds, and parts of one. Jitter is uniform and added to each direction by itself, which is the harsher reading."""

    one_way: float = 0.0125
    jitter: float = 0.25
    loss: float = 0.02
    retransmission: float = 0.2
    pause_every: float = 20.0
    pause_up_to: float = 2.0

    def delay(self, chance: random.Random) -> float:
        """One chunk, one way: a lost one comes later, and later again when it is lost again."""
        took, again = self.one_way + chance.random() * self.jitter, self.retransmission
        while chance.random() < self.loss:
            took, again = took + again, again * 2
        return took

    def round_trips(self, count: int, chance: random.Random) -> float:
        """So many questions and answers, one after the other."""
        return sum(self.delay(chance) + self.delay(chance) for _ in range(count))

    def pauses(self, chance: random.Random) -> Iterator[tuple[float, float]]:
        """Start and end of each stretch in which this controller is stopped."""
        end = 0.0
        while True:
            start = end + chance.expovariate(1 / self.pause_every)
            end = start + chance.random() * self.pause_up_to
            yield start, end


@dataclass(frozen=True)
class Rules:
    """Which safeguards the simulated vantage has; each is taken away once, to see that it bears load."""

    keeps_waiting: bool = True
    """False: a probe is given up at its timeout and its database session closed; the next one needs five round trips."""
    counts_awake_time: bool = True
    """False: the time during which the controller was stopped counts as silence of the target."""


def accusations(seed: int, hours: float, policy: Policy, noise: Noise, rules: Rules) -> list[tuple[float, float]]:
    """When one vantage holds a healthy database for failing, in seconds from the start."""
    chance = random.Random(seed)
    pauses = noise.pauses(chance)
    start, end = next(pauses)
    now, track, trips, since = 0.0, Track(), 1, None
    timeout, patience, interval = (
        d.total_seconds() for d in (policy.probe_timeout, policy.probe_patience, policy.probe_interval)
    )
    found: list[tuple[float, float]] = []
    while now < hours * HOUR:
        while end <= now:
            start, end = next(pauses)
        asked = max(now, end) if start <= now < end else now
        needed, limit = noise.round_trips(trips, chance), patience if rules.keeps_waiting else timeout
        known, slept = _known(asked, min(needed, limit), start, end)
        awake = known - asked - (slept if rules.counts_awake_time else 0.0)
        sample = Sample(
            ok=needed <= limit,
            took=timedelta(seconds=awake),
            slept=timedelta(seconds=slept if rules.counts_awake_time else 0.0),
        )
        track = judge(track, Part.DATABASE, sample, policy)
        trips = 1 if sample.ok else 5
        failing: bool = track.health == Health.FAILING
        if failing and since is None:
            since = asked
        elif not failing and since is not None:
            found.append((since, known))
            since = None
        now = max(asked + interval, known)
    return found if since is None else [*found, (since, now)]


def _known(asked: float, needed: float, start: float, end: float) -> tuple[float, float]:
    """When the answer is known, and how long the controller was stopped meanwhile."""
    known = asked + needed
    if not asked < start < known:
        return known, 0.0
    return max(known, end), max(0.0, end - start - LOOK)


def pauses_until(hours: float, seed: int, noise: Noise) -> list[tuple[float, float]]:
    """When a service is stopped; the same for everybody who asks it."""
    found = []
    for pause in noise.pauses(random.Random(seed)):
        if pause[0] > hours * HOUR:
            break
        found.append(pause)
    return found


def edge_accusations(seed: int, stops: list[tuple[float, float]], policy: Policy, noise: Noise) -> list[tuple[float, float]]:
    """When one vantage holds an edge for failing whose service is stopped now and then, and otherwise well."""
    chance, now, track, since, coming = random.Random(seed), 0.0, Track(), None, iter(stops)
    start, end = next(coming)
    found: list[tuple[float, float]] = []
    while True:
        reached = now + noise.delay(chance)
        while end < reached:
            start, end = next(coming, (0.0, 0.0))
            if end == 0.0:
                return found
        took = (end if start <= reached else reached) + noise.delay(chance) - now
        track = judge(track, Part.EDGE, Sample(ok=True, took=timedelta(seconds=took)), policy)
        failing: bool = track.health == Health.FAILING
        if failing and since is None:
            since = now
        elif not failing and since is not None:
            found.append((since, now + took))
            since = None
        now = max(now + policy.probe_interval.total_seconds(), now + took)


def agreed_on(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> int:
    """How often both vantages accuse at the same time."""
    return sum(1 for a, b in first for c, d in second if a < d and c < b)


def detection(seed: int, policy: Policy, noise: Noise, write: float) -> float:
    """Seconds from the death of a database to the tick at which one controller sees two vantages accuse it.

    Each vantage looks at itself every 50 ms and publishes a change at once; a write to etcd takes `write`; the reader ticks
    every 50 ms.
    """
    chance = random.Random(seed)
    interval, silence = policy.probe_interval.total_seconds(), policy.silence_to_accuse.total_seconds()
    published = []
    for _ in range(2):
        # The last question answered was asked within one interval before the death; the next one is never answered.
        unanswered = chance.random() * interval - noise.one_way
        published.append(_next_look(unanswered + silence, chance.random() * LOOK) + write)
    return _next_look(max(published), chance.random() * LOOK)


def _next_look(moment: float, phase: float) -> float:
    return phase + LOOK * -(-(moment - phase) // LOOK)
