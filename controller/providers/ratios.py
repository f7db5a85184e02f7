"""What every authority refuses, whatever its vendor would make of it."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from controller.core.model import Group, Site
from controller.errors import Refused

T = TypeVar("T")


def refuse_unusable(weights: Mapping[Site, float]) -> None:
    """Refuse ratios that cannot be meant, before anything is asked.

    Route 53 answers all records of a name equally when every weight is 0. So a controller that drains the last site would send
    a third of the payers to each site, the dead one included: the opposite of what the posture says.
    """
    for site, ratio in sorted(weights.items()):
        if not math.isfinite(ratio) or ratio < 0:
            raise Refused(
                guard="usable-weights",
                value=f"{site} = {ratio}",
                limit="finite ratios of 0 or more",
                way_out="Correct the posture.",
            )
    if not any(weights.values()):
        raise Refused(
            guard="no-orphan-drain",
            value=f"every ratio is 0 ({', '.join(sorted(weights)) or 'no site named'})",
            limit="at least one ratio above 0",
            way_out="Name a site that serves.",
        )


def usable(
    wanted: Mapping[Group, Mapping[Site, float]], known: Collection[Group]
) -> tuple[dict[Group, Mapping[Site, float]], dict[Group, str]]:
    """Groups that can be asked for, in the order given, and what is wrong with each of the others.

    Raises Refused, with what is wrong with the first, when none is left.
    """
    good: dict[Group, Mapping[Site, float]] = {}
    bad: dict[Group, Refused] = {}
    for group, ratios in wanted.items():
        try:
            _refuse_unknown(group, known)
            refuse_unusable(ratios)
            good[group] = ratios
        except Refused as refusal:
            bad[group] = refusal
    if bad and not good:
        raise next(iter(bad.values()))
    return good, {group: str(refusal) for group, refusal in bad.items()}


def _refuse_unknown(group: Group, known: Collection[Group]) -> None:
    if group not in known:
        raise Refused(
            guard="known-group",
            value=f"{group}",
            limit=f"one of {', '.join(sorted(known))}",
            way_out="Give the group its names in the settings of this authority.",
        )


def superseded(mine: Mapping[Group, T], asked: Mapping[Group, T]) -> dict[Group, str]:
    """Groups for which this adapter was `asked` for something else since it set out for `mine`: the latest asked is meant.

    The caretaker's steering by the old weights is throttled; a failover asks for the new ones and is told that they stand; the
    throttled one tries again, and sends payers back to the dead site.
    """
    return {
        group: f"{group}: gave up {wish}: {asked[group]} was asked for meanwhile"
        for group, wish in mine.items()
        if asked[group] != wish
    }


def to_weights(ratios: Mapping[Site, float], total: int) -> dict[Site, int]:
    """Ratios as whole weights that add up to `total`, by largest remainder; a ratio above 0 never becomes 0.

    A site at one in a thousand gets 1 rather than 0, taken from the heaviest: with 0 it would stop serving altogether, which is
    a drain that nobody ordered. Raises Refused for ratios that cannot be used.
    """
    refuse_unusable(ratios)
    heaviest = max(ratios.values())
    relative = {site: ratio / heaviest for site, ratio in ratios.items()}  # the sum of large ratios must not overflow
    whole = sum(relative.values())
    exact = {site: ratio / whole * total for site, ratio in relative.items()}
    weights = {site: max(int(share), 1 if ratios[site] > 0 else 0) for site, share in exact.items()}
    while (missing := total - sum(weights.values())) != 0:
        if missing > 0:
            site = max((s for s in weights if ratios[s] > 0), key=lambda s: (exact[s] - weights[s], s))
            weights[site] += 1
        else:
            site = max(weights, key=lambda s: (weights[s], -ratios[s], s))
            weights[site] -= 1
    return weights


def to_shares(weights: Mapping[Site, float]) -> dict[Site, float]:
    """Weights as ratios that add up to 1; all 0 stays all 0."""
    heaviest = max(weights.values(), default=0.0)
    if heaviest == 0:
        return dict.fromkeys(sorted(weights), 0.0)
    whole = sum(weight / heaviest for weight in weights.values())
    return {site: weights[site] / heaviest / whole for site in sorted(weights)}


def average_shares(names: Sequence[Mapping[Site, float]]) -> dict[Site, float]:
    """One answer for all names of a group: the mean of their shares, so that a name left behind shows up as a difference."""
    shares = [to_shares(weights) for weights in names]
    sites = {site for share in shares for site in share}
    return {site: sum(share.get(site, 0.0) for share in shares) / len(shares) for site in sorted(sites)}
