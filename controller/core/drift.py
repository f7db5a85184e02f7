"""Do the zone's authorities say the same, and what the posture wants? Readings come in, differences go out; nothing is repaired here.

An authority that could not be asked is unknown: it neither agrees nor differs. Whoever took its silence for agreement would report
three authorities in step while one of them still sends a third of its askers to a dead site.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.core.model import Group, Site

TOLERANCE = 0.01
"""Largest difference of a ratio that is no drift. Weights are whole numbers, of at most 255 at the coarsest authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one authority holds of every group, in one look at it."""

    authority: str
    ratios: Mapping[Group, Mapping[Site, float]] | None
    """By its API; None: it could not be asked."""
    named: Mapping[Group, frozenset[Site]] = field(default_factory=dict)
    """Sites that its name servers named when clients' questions were put to them; a group that was not asked for is absent."""
    trouble: str = ""
    """Why something of this is missing, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One authority does not hold what is wanted for one group."""

    authority: str
    group: Group
    wanted: Mapping[Site, float]
    """Adding up to 1."""
    found: Mapping[Site, float] | None
    """The same; None: it has no record of the group."""

    def __str__(self) -> str:
        found = "no record" if self.found is None else _told(self.found)
        return f"{self.authority} answers {self.group} by {found}, wanted is {_told(self.wanted)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misdirection:
    """An authority's name servers send clients to a site that is to have no traffic, whatever its API says."""

    authority: str
    group: Group
    site: Site

    def __str__(self) -> str:
        return f"name servers of {self.authority} answer {self.group} with {self.site}, which is drained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """One look at all authorities."""

    drifts: tuple[Drift, ...]
    misdirections: tuple[Misdirection, ...]
    disagreeing: frozenset[Group]
    """Groups that two authorities which could be asked hold differently, whoever of them is right."""
    unknown: Mapping[str, str]
    """Authorities that could not be asked, or not wholly, and why."""

    @property
    def consistent(self) -> bool | None:
        """Do all say what is wanted? None: those that could be asked do, and there are others."""
        if self.drifts or self.misdirections or self.disagreeing:
            return False
        return None if self.unknown else True


def compare(
    wanted: Mapping[Group, Mapping[Site, float]], readings: Iterable[Reading], tolerance: float = TOLERANCE
) -> Consistency:
    """Compare every authority with what is wanted (ratios of any scale) and with each other; groups nobody wants are passed over."""
    looked = tuple(readings)
    shares = {group: share for group, ratios in wanted.items() if (share := _shares(ratios)) is not None}
    drifts, misdirections = [], []
    for reading in looked:
        for group, share in sorted(shares.items()):
            if reading.ratios is not None and (found := reading.ratios.get(group, None)) is not None:
                if not alike(share, found, tolerance):
                    drifts.append(Drift(authority=reading.authority, group=group, wanted=share, found=dict(found)))
            elif reading.ratios is not None:
                drifts.append(Drift(authority=reading.authority, group=group, wanted=share, found=None))
            misdirections += [
                Misdirection(authority=reading.authority, group=group, site=site)
                for site in sorted(reading.named.get(group, frozenset()))
                if share.get(site, 0.0) == 0
            ]
    return Consistency(
        drifts=tuple(drifts),
        misdirections=tuple(misdirections),
        disagreeing=frozenset(group for group in shares if _disagree(group, looked, tolerance)),
        unknown={reading.authority: reading.trouble or "not asked" for reading in looked if _unknown(reading)},
    )


def alike(one: Mapping[Site, float], other: Mapping[Site, float], tolerance: float = TOLERANCE) -> bool:
    """Do two sets of ratios, each adding up to 1, send clients alike? A site with any traffic is never like one without."""
    return all(
        (one.get(site, 0.0) == 0) == (other.get(site, 0.0) == 0)
        and math.isclose(one.get(site, 0.0), other.get(site, 0.0), rel_tol=0, abs_tol=tolerance)
        for site in one.keys() | other.keys()
    )


def _unknown(reading: Reading) -> bool:
    return reading.ratios is None or bool(reading.trouble)


def _disagree(group: Group, readings: Iterable[Reading], tolerance: float) -> bool:
    held = [reading.ratios.get(group, {}) for reading in readings if reading.ratios is not None]
    return any(not alike(held[0], other, tolerance) for other in held[1:])


def _shares(ratios: Mapping[Site, float]) -> Mapping[Site, float] | None:
    """The same adding up to 1; None for ratios that nobody can be steered by."""
    whole = sum(ratios.values())
    return {site: ratio / whole for site, ratio in ratios.items()} if math.isfinite(whole) and whole > 0 else None


def _told(ratios: Mapping[Site, float]) -> str:
    return ", ".join(f"{site} {ratio:.2f}" for site, ratio in sorted(ratios.items())) or "nothing"
