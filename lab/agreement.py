"""Do the authorities answer alike? Shares of the weighted names as each publishes them, held against each other. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from lab.clouds.zone import Record

TOLERANCE = 0.02
"""Of a share: each vendor has weights of its own kind, and a third is no whole number of any."""

Shares = Mapping[str, Mapping[str, float]]
"""By name and address, of one."""


def shares(records: Iterable[Record]) -> Shares:
    """What each weighted name answers, as if every site were healthy. An address that is not there has no share."""
    weights: dict[str, dict[str, float]] = defaultdict(dict)
    for record in records:
        if record.weight is not None and record.values:
            weights[record.name][record.values[0]] = record.weight
    return {
        name: {address: weight / total for address, weight in given.items() if weight}
        for name, given in weights.items()
        if (total := sum(given.values()))
    }


def disagreements(published: Mapping[str, Shares]) -> tuple[str, ...]:
    """Every name whose shares are not the same at all authorities, in words. A name that only some of them know is one; authorities that
    all know none do not agree, they say nothing."""
    if published and not any(published.values()):
        return (f"no weighted name is answered by any of {', '.join(published)}",)
    return tuple(
        f"the authorities differ in {name}: " + "; ".join(f"{place} {_told(zone.get(name))}" for place, zone in published.items())
        for name in sorted({name for zone in published.values() for name in zone})
        if not _same([zone.get(name) for zone in published.values()])
    )


def _same(given: list[Mapping[str, float] | None]) -> bool:
    first, *others = given
    return first is not None and all(
        other is not None
        and all(abs(first.get(address, 0.0) - other.get(address, 0.0)) <= TOLERANCE for address in {*first, *other})
        for other in others
    )


def _told(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "nothing"
    return ", ".join(f"{address} {share:.0%}" for address, share in sorted(found.items()))
