"""The one rule of the beacon (docs/decisions/0008-beacon.md): whoever answers it, a controller or an edge's agent, asks here.

Rules for changing this file: pure. The posture may be as old as it likes; what was seen of the site is of now.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from controller.core.model import Health, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Why a site's beacon is dark."""

    kind: str
    """`not-ready`, `drained` or `unready`."""
    detail: str


def silence(site: Site, weights: Mapping[Site, float] | None, edge: Health, seen: str) -> Silence | None:
    """None while the last known posture gives the site traffic and its edge is healthy. Unknown is not healthy.

    `weights`: of that posture, None when none was read yet. `seen`: what was seen of the edge, in words.
    """
    if weights is None:
        return Silence(kind="not-ready", detail="no posture was read since the start of this process")
    if weights.get(site, 0) <= 0:
        return Silence(kind="drained", detail=f"{site} gets no traffic now")
    if edge is not Health.HEALTHY:
        return Silence(kind="unready", detail=f"{site}'s edge is {edge}: {seen}")
    return None
