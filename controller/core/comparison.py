"""What all vantages say of their own sites' traffic, held against each other: is one site failing by itself, or is it the same everywhere?

It has no vote. Only a site's own vantage sees its edge's counters, and nothing is done on the word of one (`quorum-or-hold`). Two edges
that fail do not make it two words about one site: when the writer dies, requests fail at every site, and a vote would drain all of
them for what a failover mends. See `docs/decisions/0015-traffic-is-heard-not-obeyed.md`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core.model import Aged, Health, Observation, Opinion, Reason, Site, Verdict

SUBJECT = "traffic"
"""Beside the parts of a site that are voted on, in evidence and for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What is to be thought of one site's traffic, with the evidence."""

    health: Health
    detail: str
    age: timedelta
    """Of what its own vantage published."""


def words(observations: Mapping[Site, Aged[Observation]], freshness: timedelta) -> Mapping[Site, Word]:
    """By site, of every site whose vantage tells of traffic; a word older than `freshness` is unknown, and speaks for nobody."""
    told = {site: aged for site, aged in sorted(observations.items()) if aged.value.traffic is not None}
    fresh = {site: said for site, aged in told.items() if aged.age <= freshness and (said := aged.value.traffic) is not None}
    found: dict[Site, Word] = {}
    for site, aged in told.items():
        health, detail = alone(site, fresh) if site in fresh else (Health.UNKNOWN, "not heard of lately")
        found[site] = Word(health=health, detail=detail, age=aged.age)
    return found


def alone(site: Site, said: Mapping[Site, Opinion]) -> tuple[Health, str]:
    """What a site's traffic says about that site and no other, with the evidence: failing only while another site's does well.

    The writer dies. Two thirds of the payments of every site end in 503, and each edge, asked for itself, is to blame.
    """
    own = said.get(site)
    if own is None:
        return Health.UNKNOWN, "nothing is known of it"
    if own.health is not Health.FAILING:
        return own.health, own.detail
    well = sorted(other for other, one in said.items() if other != site and one.health is Health.HEALTHY and one.successes > 0)
    if not well:
        return Health.UNKNOWN, f"{own.detail}; but no other site's traffic is known to do well, so it may be the writer's fault"
    return Health.FAILING, f"{own.detail}; that of {', '.join(well)} does well"


def failing(found: Mapping[Site, Word]) -> Iterable[tuple[Site, Word]]:
    """The sites whose traffic speaks against them."""
    return ((site, word) for site, word in found.items() if word.health is Health.FAILING)


def traffic_reasons(observations: Mapping[Site, Aged[Observation]], freshness: timedelta) -> tuple[Reason, ...]:
    """Failing traffic, to be told beside a decision that was made without it."""
    return tuple(
        Reason(
            guard=f"health:{site}/{SUBJECT}",
            verdict=Verdict.ALLOWED,
            value=str(word.health),
            limit=f"{word.detail} (no vote)",
            age=word.age,
        )
        for site, word in failing(words(observations, freshness))
    )
