"""Three sites: far apart, under one law. The programs refuse the same; here nobody can leave it out of a program."""

from collections.abc import Iterator
from dataclasses import replace

from infra.topology import Refusal, refusals
from policies.rules.seen import Facts, Finding, Resource


def topology_separation(resources: tuple[Resource, ...], facts: Facts, *, least_km: float) -> Iterator[Finding]:
    """One region of each cloud is named, and no two are closer than both the setting and `least_km` say."""
    if facts.topology is None:
        yield Finding(problem=f"{facts.stack}: {facts.problem}")
        return
    strict = replace(facts.topology, least_km=max(least_km, facts.topology.least_km))
    for refusal in refusals(strict):
        if not _is_about_law(refusal):
            yield Finding(problem=f"{facts.stack}: {refusal}")


def topology_jurisdiction(resources: tuple[Resource, ...], facts: Facts) -> Iterator[Finding]:
    """Every site is under the law that the topology names."""
    if facts.topology is None:
        yield Finding(problem=f"{facts.stack}: {facts.problem}")
        return
    for refusal in refusals(facts.topology):
        if _is_about_law(refusal):
            yield Finding(problem=f"{facts.stack}: {refusal}")


def _is_about_law(refusal: Refusal) -> bool:
    return refusal.limit.endswith(" law")
