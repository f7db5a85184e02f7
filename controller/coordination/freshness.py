"""How old is what the others said? Pure: the reader's own monotonic time comes in.

A lease cannot answer that: a new etcd leader renews every lease in full, so a dead site's observation outlives it by 3-5 s. A
wall clock cannot: skew is a fault. What counts is when this reader last saw the publication's sequence change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core.model import Aged, Observation, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One vantage's latest observation and when this reader saw it change."""

    observation: Observation
    changed: timedelta | None
    """Reader's monotonic time since when it has been so, at the earliest. None: seen, and never seen to change."""
    looked: timedelta
    """When it was seen last."""


def look(before: Mapping[Site, Sighting], observations: Mapping[Site, Observation], now: timedelta) -> Mapping[Site, Sighting]:
    """What this reader remembers after one more read; a vantage that is gone from etcd is forgotten.

    A sequence that went backwards is a change too: the vantage restarted. A change is dated from the look before it, because it may have
    happened right after that one: this reader was cut off for a minute, meets what a vantage wrote before it died in that minute, and
    would count a dead vantage's word as said just now.
    """
    return {site: _seen(before.get(site), observation, now) for site, observation in observations.items()}


def fresh(sightings: Mapping[Site, Sighting], now: timedelta) -> Mapping[Site, Aged[Observation]]:
    """Each observation with its age; absent where no change was ever seen.

    Scenario that the absence prevents: site A died four seconds ago and its observation is still in etcd; controller B starts,
    meets it for the first time, takes it for new, and counts a dead vantage's word towards a failover.
    """
    return {
        site: Aged(value=sighting.observation, age=now - sighting.changed)
        for site, sighting in sightings.items()
        if sighting.changed is not None
    }


def _seen(before: Sighting | None, observation: Observation, now: timedelta) -> Sighting:
    if before is None:
        return Sighting(observation=observation, changed=None, looked=now)
    changed = before.changed if observation.sequence == before.observation.sequence else before.looked
    return Sighting(observation=observation, changed=changed, looked=now)
