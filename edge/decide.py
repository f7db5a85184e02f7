"""How requests are shared between the own service and the peers. Pure: no I/O, no clock.

The posture says who may serve; the edge's own eyes say who is well. Only the posture drains a site. What the edge sees decides
among those that may serve, and never adds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from controller.core.model import Health, Site

WHOLE = 256
"""The largest weight that HAProxy knows."""

STEPS = 20
"""Of the ramp; the first is a twentieth of the site's requests."""

PATIENCE = timedelta(seconds=3)
"""How long the own service is unready, while another's is ready, before requests go there.

1. The writer dies, and no site is ready. 2. Another one writes; one site's check sees it a second before the other's. 3. Handing
over at once, the slower site would send everything abroad and take ten seconds to come home, in every failover.
"""


class Doing(StrEnum):
    """What an edge does with its clients' requests."""

    SERVING = "serving"
    RETURNING = "returning"
    """Serving again, with a share that grows."""
    DRAINED = "drained"
    """The posture gives the site no traffic: everything is handed over."""
    UNWELL = "unwell"
    """The posture does, but the own service is down, or its write path does not work and another site's does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the agent knows at one moment."""

    site: Site
    weights: Mapping[Site, float]
    """Of the last posture, however old."""
    alive: Health
    """The own service, as HAProxy's checks say."""
    ready: Mapping[Site, Health]
    """Whose write path works, by the same checks; missing is unknown."""
    ramp: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What one decision leaves to the next. Moments are monotonic."""

    served: bool | None = None
    """None: nothing is known of the time before."""
    since: timedelta | None = None
    """When the site served again; None: the ramp is over."""
    unready: timedelta | None = None
    """Since when another site has been ready and the own one has not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Weights as HAProxy counts them, 0 to 256; a site that is not named has none."""

    doing: Doing
    weights: Mapping[Site, int]
    """With 256 the own service is asked first, and the others only when it fails; with less it takes its share among them."""
    last_resort: bool = False
    """Is the own service asked when nobody else can be?"""
    accepts: bool = True
    """Does the own service take what others hand over?"""


def decide(state: State, seen: Seen, now: timedelta) -> tuple[State, Shares]:
    """The shares for this moment, and what the next decision must know."""
    others = _targets(seen)
    if seen.weights.get(seen.site, 0) <= 0:
        return State(served=False), Shares(doing=Doing.DRAINED, weights=split(WHOLE, others), accepts=False)
    unready = _unready_since(state, seen, now)
    if not _is_well(state, seen, unready, now):
        away = Shares(doing=Doing.UNWELL, weights=split(WHOLE, others), last_resort=True)
        return State(served=False, unready=unready), away
    since = now if state.served is False else state.since
    share = _share(since, seen.ramp, now)
    if share >= 1 or not others:
        here = Shares(doing=Doing.SERVING, weights={seen.site: WHOLE, **split(WHOLE, others)})
        return State(served=True, unready=unready), here
    own = max(1, round(WHOLE * share))
    growing = Shares(doing=Doing.RETURNING, weights={seen.site: own, **split(WHOLE - own, others)})
    return State(served=True, since=since, unready=unready), growing


def split(whole: int, ratios: Mapping[Site, float]) -> Mapping[Site, int]:
    """Weights by ratio that add up to about `whole`; whoever has a ratio has at least 1."""
    total = sum(ratios.values())
    return {site: max(1, round(whole * ratio / total)) for site, ratio in ratios.items() if ratio > 0}


def _targets(seen: Seen) -> Mapping[Site, float]:
    """Other sites that may serve, without those whose write path fails; with them when it fails everywhere."""
    allowed = {site: weight for site, weight in seen.weights.items() if weight > 0 and site != seen.site}
    well = {site: weight for site, weight in allowed.items() if seen.ready.get(site) is not Health.FAILING}
    return well or allowed


def _is_well(state: State, seen: Seen, unready: timedelta | None, now: timedelta) -> bool:
    """May requests go to the own service?

    1. The service was killed, and starts again. 2. It answers that it lives before it knows where the writer is. 3. Given its requests
    back at that moment, it refuses them, while the others would have carried them out.
    """
    if seen.alive is Health.FAILING:
        return not _targets(seen)
    if state.served is False:
        return seen.ready.get(seen.site) is Health.HEALTHY or not _works_elsewhere(seen)
    return unready is None or now - unready < PATIENCE


def _works_elsewhere(seen: Seen) -> bool:
    return any(seen.ready.get(site) is Health.HEALTHY for site in _targets(seen))


def _unready_since(state: State, seen: Seen, now: timedelta) -> timedelta | None:
    """Since when handing over would help. When nobody is ready it would not: the one writer is gone for all alike."""
    if seen.ready.get(seen.site) is not Health.FAILING or not _works_elsewhere(seen):
        return None
    return now if state.unready is None else state.unready


def _share(since: timedelta | None, ramp: timedelta, now: timedelta) -> float:
    """The own share, in steps; 1 when there is nothing to ramp."""
    if since is None or now - since >= ramp:
        return 1
    return max(1, int(STEPS * ((now - since) / ramp))) / STEPS
