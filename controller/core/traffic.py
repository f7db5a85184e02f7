"""What a site's own traffic says about it: how many requests come, how many of them fail, how long they take. A passive signal.

Rules for changing this file: as in `health.py`, every doubt ends in unknown. In doubt are: few requests, counters that began anew,
habits that are not known yet, and slow responses to far more requests than usual. What is true of all sites at once is nobody's own
fault; that is told apart in `comparison.py`.

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
    crowded: float = 2.0
    """Times the usual number of requests from where on it may be no fault of the site that it is slow. However much that number varied:
    in a crowd that lasts, its spread grows within a minute, and the site would be left without the excuse while it carries the others'."""
    settles: int = 3 * 512
    """Requests after a crowd until the mean tells no more of it: it is one over 512, and of what was twenty times as slow a twentieth
    is left after three times as many. Without this, a site is accused for a crowd as soon as the crowd has gone."""
    known: float = 60.0
    """Windows that must be known before anything is unusual."""
    memory: float = 600.0
    """Windows that the usual is made of. Responses that take ten times as long for good are usual after half an hour where they had all
    taken about the same time, after five minutes where that had varied much; failures after a quarter of an hour."""
    accuse: int = 6
    """Bad windows in a row."""
    forgive: int = 12
    """Good windows in a row; longer than it takes to accuse."""


LATENCY_SPREAD, RATIO_SPREAD = 0.15, 0.02
"""Least spreads: of logarithms, of parts of 1. Of latency so small that six deviations are less than four times the
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
    settling: int = 0
    """Requests until the mean tells no more of a crowd."""
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
    failing, slow, crowd = _failing(track, window, limits), _slow(track, window, limits), _crowd(track, window, limits)
    settling = limits.settles if slow and crowd else max(track.settling - window.answered, 0)
    learned = replace(_learned(track, window, limits), settling=settling)
    if learned.weight < limits.known:
        return unmeasured(learned, f"usual traffic is not known yet; {_told(window)}")
    if slow and (crowd or settling) and not failing:
        return unmeasured(
            learned, f"{slow}; but {crowd or 'far more requests than usual came a moment ago'}: it may be no fault of the site"
        )
    against = failing or slow
    bad, good = (learned.bad + 1, 0) if against else (0, learned.good + 1)
    detail = "; ".join(filter(None, (against or _told(window), _volume(track, window, limits))))
    return replace(learned, health=_health(track.health, bad, good, limits), bad=bad, good=good, detail=detail)


def unmeasured(track: Track, detail: str) -> Track:
    """The track when this window said nothing: unknown. The usual is kept; counting towards an accusation begins anew."""
    return replace(track, health=Health.UNKNOWN, bad=0, good=0, detail=detail)


def opinion(track: Track) -> Opinion:
    """The track as one vantage's word about its own site."""
    return Opinion(health=track.health, misses=track.bad, successes=track.good, latency=None, detail=track.detail)


def _failing(track: Track, window: Window, limits: Limits) -> str:
    """That too many requests fail, in words; empty when they do not.

    More requests than usual are no excuse for that. A site fails two requests in three, their clients try again twice, and what it
    fails is itself the crowd."""
    if track.ratio is None:
        return ""
    part, usual = window.failed / window.answered, max(track.ratio.median, 0.0)
    if part < limits.failing or deviation(track.ratio, part, RATIO_SPREAD) < limits.deviating:
        return ""
    return f"{window.failed} of {window.answered} requests failed, usual are {usual:.1%}"


def _slow(track: Track, window: Window, limits: Limits) -> str:
    """That responses take too long, in words; empty when they do not."""
    if track.latency is None:
        return ""
    value = _latency(window)
    times = math.exp(value - track.latency.median)
    if times < limits.slower or deviation(track.latency, value, LATENCY_SPREAD) < limits.deviating:
        return ""
    return f"responses begin after {_ms(window.mean)}, {times:.0f} times the usual"


def _crowd(track: Track, window: Window, limits: Limits) -> str:
    """That far more requests come than usual, in words; empty when they do not.

    Two sites are drained for a fault of theirs, and the third gets what all three got. It is slow because it carries them; whoever
    took that for a fault of its own would be left without any site."""
    if track.volume is None:
        return ""
    times = math.exp(_rate(window) - track.volume.median)
    if times < limits.crowded:
        return ""
    return f"{times:.1f} times the usual {math.exp(track.volume.median):.0f} requests a second come"


def _volume(track: Track, window: Window, limits: Limits) -> str:
    """That far more or far fewer requests come than usual, in words. Fewer are told and never held against a site: a drain, a night and
    clients that go elsewhere look the same from here."""
    if track.volume is None:
        return ""
    if crowd := _crowd(track, window, limits):
        return crowd
    if track.volume.median - _rate(window) < math.log(limits.crowded):
        return ""
    return f"usual are {math.exp(track.volume.median):.0f} requests a second"


def _learned(track: Track, window: Window, limits: Limits) -> Track:
    """Learned from every window that says something, good or bad: an outage cannot make itself usual within minutes, and a level that
    changed for good is not held against a site for ever."""
    weight = weighed(track.weight, 0.0, FORGETS_NEVER, limits.memory)
    return replace(
        track,
        weight=weight,
        latency=_moved(track.latency, _latency(window), weight),
        ratio=_moved(track.ratio, window.failed / window.answered, weight),
        volume=_moved(track.volume, _rate(window), weight),
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


def _rate(window: Window) -> float:
    return math.log(window.answered / window.lasted.total_seconds())


def _told(window: Window) -> str:
    rate = math.exp(_rate(window))
    return f"{rate:.0f} requests a second, {window.failed} of {window.answered} failed, responses begin after {_ms(window.mean)}"


def _ms(duration: timedelta) -> str:
    return f"{duration / timedelta(milliseconds=1):.0f} ms"
