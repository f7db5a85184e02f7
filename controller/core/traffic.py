"""What a site's own traffic says about it: how many requests come, how many of them fail, how long they take. A passive signal.

Rules for changing this file: as in `health.py`, every doubt ends in unknown. In doubt are: few requests, counters that began anew,
and habits that are not known yet. What is true of all sites at once is nobody's own fault; that is told apart in `comparison.py`.

The detector is that of payments (`detection`): medians and spreads that forget, of which a minute of trouble moves nothing.
"""

import math
from dataclasses import dataclass, replace
from datetime import timedelta

from controller.core.model import Health, Opinion
from detection.streaming import Level, deviation, first, moved, weighed


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What an edge counted, since whenever it began to."""

    answered: int
    """Requests that ended, however."""
    failed: int
    """Of these, those with a 5xx or without a response."""
    mean: timedelta
    """Until a response's first byte, of late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What happened between two looks."""

    answered: int
    failed: int
    mean: timedelta
    lasted: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on traffic speaks against its site. Windows are as long as the looks are apart, about a second."""

    volume: int = 20
    """Requests that a window needs; with fewer one client's bad luck is a site's failure."""
    shortest: timedelta = timedelta(seconds=0.5)
    failing: float = 0.3
    """Part of a window's requests that has to fail, whatever is usual."""
    slower: float = 4.0
    """Times the usual latency, and at least `deviating`."""
    deviating: float = 6.0
    """Robust standard deviations above the usual."""
    known: float = 60.0
    """Windows that must be known before anything is unusual."""
    memory: float = 600.0
    """Windows that the usual is made of: ten minutes of trouble are needed to get used to it."""
    accuse: int = 6
    """Bad windows in a row."""
    forgive: int = 12
    """Good windows in a row; longer than it takes to accuse."""


LATENCY_SPREAD, RATIO_SPREAD, VOLUME_SPREAD = 0.15, 0.02, 0.25
"""Least spreads: of logarithms, of parts of 1, of logarithms. Of latency so small that six deviations are less than four times the
usual: HAProxy's mean keeps still where single requests do not, being one over 512 of them (`TIME_STATS_SAMPLES` of its `defaults.h`).
It follows as slowly: at thirty requests a second, tens of seconds."""
NARROWEST = 0.01
"""Least spread that is learnt, of each."""
FORGETS_NEVER = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What was made of one site's traffic so far."""

    health: Health = Health.UNKNOWN
    weight: float = 0.0
    """Windows that the levels stand for."""
    latency: Level | None = None
    ratio: Level | None = None
    volume: Level | None = None
    bad: int = 0
    good: int = 0
    detail: str = "no traffic seen yet"


def between(before: Counts, after: Counts, lasted: timedelta, limits: Limits) -> Window | None:
    """The window between two looks; None when there is none: looked twice at once, or HAProxy began to count anew in between."""
    answered, failed = after.answered - before.answered, after.failed - before.failed
    if lasted < limits.shortest or answered < 0 or not 0 <= failed <= answered:
        return None
    return Window(answered=answered, failed=failed, mean=after.mean, lasted=lasted)


def judge(track: Track, window: Window | None, limits: Limits) -> Track:
    """The track after one more window; None and one with few requests are no measurement, and end what was in doubt."""
    if window is None:
        return unmeasured(track, "nothing could be counted")
    if window.answered < limits.volume:
        return unmeasured(
            track, f"{window.answered} requests in {window.lasted.total_seconds():.1f} s are too few to say anything"
        )
    against = _against(track, window, limits)
    learned = _learned(track, window, limits)
    if learned.weight < limits.known:
        return replace(learned, health=Health.UNKNOWN, bad=0, good=0, detail=f"usual traffic is not known yet; {_told(window)}")
    bad, good = (learned.bad + 1, 0) if against else (0, learned.good + 1)
    return replace(learned, health=_health(track.health, bad, good, limits), bad=bad, good=good, detail=against or _told(window))


def unmeasured(track: Track, detail: str) -> Track:
    """The track when this window said nothing: unknown. The usual is kept; counting towards an accusation begins anew."""
    return replace(track, health=Health.UNKNOWN, bad=0, good=0, detail=detail)


def opinion(track: Track) -> Opinion:
    """The track as one vantage's word about its own site."""
    return Opinion(health=track.health, misses=track.bad, successes=track.good, latency=None, detail=track.detail)


def _against(track: Track, window: Window, limits: Limits) -> str:
    """What speaks against the site, in words; empty when nothing does. Volume never does: less of it is what a drain looks like."""
    if track.latency is None or track.ratio is None:
        return ""
    part, usual = window.failed / window.answered, max(track.ratio.median, 0.0)
    if part >= limits.failing and deviation(track.ratio, part, RATIO_SPREAD) >= limits.deviating:
        return f"{window.failed} of {window.answered} requests failed, usual are {usual:.1%}"
    value = _latency(window)
    times = math.exp(value - track.latency.median)
    if times >= limits.slower and deviation(track.latency, value, LATENCY_SPREAD) >= limits.deviating:
        return f"responses begin after {_ms(window.mean)}, {times:.0f} times the usual"
    return ""


def _learned(track: Track, window: Window, limits: Limits) -> Track:
    """Learned from every window that says something, good or bad: an outage cannot make itself usual within minutes, and a level that
    changed for good is not held against a site for ever."""
    weight = weighed(track.weight, 0.0, FORGETS_NEVER, limits.memory)
    return replace(
        track,
        weight=weight,
        latency=_moved(track.latency, _latency(window), weight),
        ratio=_moved(track.ratio, window.failed / window.answered, weight),
        volume=_moved(track.volume, math.log(window.answered / window.lasted.total_seconds()), weight),
    )


def _moved(level: Level | None, value: float, weight: float) -> Level:
    return first(value) if level is None else moved(level, value, weight, NARROWEST)


def _health(before: Health, bad: int, good: int, limits: Limits) -> Health:
    """Slower to forgive than to accuse, and as slow from unknown: a window without requests in between is no absolution."""
    if bad >= limits.accuse:
        return Health.FAILING
    if good >= limits.forgive or (before is Health.HEALTHY and not bad):
        return Health.HEALTHY
    return Health.FAILING if before is Health.FAILING else Health.UNKNOWN


def _latency(window: Window) -> float:
    """HAProxy tells whole milliseconds: below one is one."""
    return math.log(max(window.mean / timedelta(milliseconds=1), 1.0))


def _told(window: Window) -> str:
    rate = window.answered / window.lasted.total_seconds()
    return f"{rate:.0f} requests a second, {window.failed} of {window.answered} failed, responses begin after {_ms(window.mean)}"


def _ms(duration: timedelta) -> str:
    return f"{duration / timedelta(milliseconds=1):.0f} ms"
