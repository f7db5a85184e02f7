"""How often a site's traffic is called failing, rightly and wrongly, on generated traffic with labelled faults. Pure.

Sites with a usual number of requests, a day and its night, a pause of two seconds now and then, single failures. Among it three kinds of
minutes: a fault that makes responses slow, one that makes requests fail (and clients try again), and a crowd, when the traffic of others
comes over: that site has room for so much more, is slow beyond it, and sheds what is too much. Latency is a mean over about 512 requests,
as HAProxy tells it. Only that site's own track is looked at, not the comparison with others, which says failing less often.
"""

import math
import random
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from controller.core.model import Health
from controller.core.traffic import Limits, Track, Window, judge

SECOND, DAY = timedelta(seconds=1), 86_400.0
SAMPLES = 512
"""Requests that HAProxy's mean stands for."""
AFTERGLOW = 90
"""Seconds after the end of a fault or a crowd in which an accusation is still its own: the mean follows slowly."""


class Kind(StrEnum):
    """What some minutes are."""

    SLOW = "slow"
    FAILING = "failing"
    CROWD = "crowd"
    """No fault of the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """The traffic that is generated. Ranges are drawn from by their logarithm."""

    seed: int = 1
    sites: int = 40
    seconds: int = 2 * 3600
    rate: tuple[float, float] = (30.0, 500.0)
    """Usual requests a second."""
    room: tuple[float, float] = (2.0, 4.0)
    """Times the usual that a site can serve."""
    calm: float = 600.0
    """Mean seconds between two such stretches; the first begins after ten minutes."""
    lasts: tuple[float, float] = (60.0, 300.0)
    slower: tuple[float, float] = (4.0, 20.0)
    failing: tuple[float, float] = (0.3, 1.0)
    """Part of the requests."""
    crowd: tuple[float, float] = (2.0, 6.0)
    pause: float = 1 / 100
    """Chance of one in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some minutes of one kind; seconds from the start of the site's traffic."""

    kind: Kind
    begins: int
    ends: int
    strength: float
    again: float
    """How often a failed request is tried again."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What was made of it."""

    sites: int = 0
    seconds: int = 0
    accused_in_calm: int = 0
    stretches: Counter[Kind] = field(default_factory=Counter)
    accused: Counter[Kind] = field(default_factory=Counter)
    """Stretches in which the site was called failing."""
    shed: int = 0
    """Crowds of these for failed requests: more came than the site has room for."""
    delays: list[int] = field(default_factory=list)
    """Seconds from the begin of a fault until that."""


def observe(world: Sites, limits: Limits) -> Outcome:
    """Judge every site's windows by these limits; the same windows for the same world."""
    outcome = Outcome()
    for number in range(world.sites):
        chance = random.Random(f"{world.seed}/{number}")
        stretches = tuple(_stretches(world, chance))
        outcome.sites += 1
        outcome.stretches.update(one.kind for one in stretches)
        _watch(outcome, stretches, _windows(world, stretches, chance), limits)
    return outcome


def _stretches(world: Sites, chance: random.Random) -> Iterator[Stretch]:
    at = 600 + round(chance.expovariate(1 / world.calm))
    while (ends := at + round(_between(chance, world.lasts))) + AFTERGLOW < world.seconds:
        kind = chance.choice(tuple(Kind))
        bounds = {Kind.SLOW: world.slower, Kind.FAILING: world.failing, Kind.CROWD: world.crowd}[kind]
        yield Stretch(kind=kind, begins=at, ends=ends, strength=_between(chance, bounds), again=chance.uniform(0, 2))
        at = ends + AFTERGLOW + round(chance.expovariate(1 / world.calm))


def _windows(world: Sites, stretches: tuple[Stretch, ...], chance: random.Random) -> Iterator[Window]:
    """One a second. A queue of one server: twice as slow when half of the room is used; what does not fit is shed."""
    base, room, usual_ms, phase = (
        _between(chance, world.rate),
        _between(chance, world.room),
        chance.uniform(15, 60),
        chance.random(),
    )
    mean, coming = usual_ms, list(stretches)
    for second in range(world.seconds):
        while coming and coming[0].ends <= second:
            coming.pop(0)
        now = coming[0] if coming and coming[0].begins <= second else None
        crowd = now.strength if now is not None and now.kind is Kind.CROWD else 1.0
        fails = now.strength if now is not None and now.kind is Kind.FAILING else 0.002
        slower = now.strength if now is not None and now.kind is Kind.SLOW else 1.0
        rate = base * (1 + 0.5 * math.sin(2 * math.pi * (second / DAY + phase))) * crowd
        rate *= 1 + fails * now.again if now is not None and now.kind is Kind.FAILING else 1.0
        answered = max(round(chance.gauss(rate, math.sqrt(rate))), 0)
        load = answered / (1.5 * base * room)
        fails += (1 - fails) * max(1 - 1 / load, 0.0) if load else 0.0
        paused = 10.0 if chance.random() < world.pause else 1.0
        took = usual_ms * slower * paused * math.exp(chance.gauss(0, 0.1)) / (1 - min(load, 0.95))
        mean += (took - mean) * min(answered / SAMPLES, 1.0)
        failed = min(round(chance.gauss(answered * fails, math.sqrt(answered * fails * (1 - fails)))), answered)
        yield Window(answered=answered, failed=max(failed, 0), mean=timedelta(milliseconds=mean), lasted=SECOND)


def _watch(outcome: Outcome, stretches: tuple[Stretch, ...], windows: Iterator[Window], limits: Limits) -> None:
    track, accused = Track(), set[Stretch]()
    for second, window in enumerate(windows):
        before, track = track.health, judge(track, window, limits)
        outcome.seconds += 1
        if track.health is not Health.FAILING or before is Health.FAILING:
            continue
        now = next((one for one in stretches if one.begins <= second < one.ends + AFTERGLOW), None)
        if now is None:
            outcome.accused_in_calm += 1
        elif now not in accused:
            accused.add(now)
            outcome.accused[now.kind] += 1
            outcome.shed += now.kind is Kind.CROWD and "failed" in track.detail
            outcome.delays += [second - now.begins] if now.kind is not Kind.CROWD else []


def told(outcome: Outcome) -> Mapping[str, Any]:
    """What is printed. `false_*`: called failing while nothing was wrong with the site."""
    share = {kind.value: round(outcome.accused[kind] / outcome.stretches[kind], 4) for kind in Kind if outcome.stretches[kind]}
    return {
        "sites": outcome.sites,
        "site_hours": round(outcome.seconds / 3600, 1),
        "false_in_calm": outcome.accused_in_calm,
        "false_in_crowds": {"slow": outcome.accused[Kind.CROWD] - outcome.shed, "shedding": outcome.shed},
        "crowds": outcome.stretches[Kind.CROWD],
        "faults": {kind.value: outcome.stretches[kind] for kind in (Kind.SLOW, Kind.FAILING)},
        "recall": {kind.value: share.get(kind.value) for kind in (Kind.SLOW, Kind.FAILING)},
        "found_after_s": statistics.median(outcome.delays) if outcome.delays else None,
    }


def of_traffic(world: Sites) -> dict[str, Any]:
    """Figures of the judgement as it is, and as it would be if the number of requests had no part in it."""
    deaf = replace(Limits(), crowded=math.inf)
    return {"seed": world.seed, **told(observe(world, Limits())), "without_volume": dict(told(observe(world, deaf)))}


def _between(chance: random.Random, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return math.exp(chance.uniform(math.log(low), math.log(high)))
