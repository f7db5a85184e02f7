"""One site's traffic against the others': who fails alone, and whose word is too old to say so."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.comparison import alone, traffic_reasons, words
from controller.core.decide import State, decide
from controller.core.explain import explain_decision
from controller.core.model import Aged, Health, Observation, Opinion, Site
from tests.unit.core.worlds import AWS, AZURE, FRESH, GCP, SITES, STALE, World, at, observation, said

FRESHNESS = timedelta(seconds=1)
WELL, FAILING, UNKNOWN = said(Health.HEALTHY), said(Health.FAILING), replace(said(Health.UNKNOWN), successes=0)
EVERYWHERE = dict.fromkeys(SITES, FAILING)
ALONE = {AWS: FAILING, AZURE: WELL, GCP: WELL}


def heard(traffic: Mapping[Site, Opinion], ages: Mapping[Site, timedelta] | None = None) -> dict[Site, Aged[Observation]]:
    """What three vantages published; one that is not named tells of no traffic."""
    given = {site: replace(observation(site, {}), traffic=traffic.get(site)) for site in SITES}
    return {site: Aged(value=one, age=(ages or {}).get(site, FRESH)) for site, one in given.items()}


def test_what_fails_everywhere_is_nobodys_own_fault() -> None:
    """The writer dies: every site's requests fail, and no edge is to blame. One that fails alone is."""
    assert {alone(site, EVERYWHERE)[0] for site in SITES} == {Health.UNKNOWN}
    assert "writer" in alone(AWS, EVERYWHERE)[1]
    health, detail = alone(AWS, {AWS: FAILING, AZURE: WELL, GCP: UNKNOWN})
    assert health is Health.FAILING and "that of azure does well" in detail
    assert alone(AWS, {AWS: FAILING, GCP: UNKNOWN})[0] is Health.UNKNOWN
    assert alone(GCP, {AWS: FAILING})[0] is Health.UNKNOWN, "nothing is known of it"


def test_a_site_whose_last_window_was_bad_does_not_do_well() -> None:
    """The writer has just died: aws was found out one window earlier than azure, which is still called healthy."""
    stumbling = replace(WELL, successes=0, misses=5)
    assert alone(AWS, {AWS: FAILING, AZURE: stumbling, GCP: stumbling})[0] is Health.UNKNOWN


def test_every_site_that_is_told_of_has_a_word_with_its_age() -> None:
    """A vantage without an agent says nothing about its site; silence is no word."""
    found = words(heard({AWS: FAILING, AZURE: WELL}), FRESHNESS)
    assert set(found) == {AWS, AZURE}
    assert (found[AWS].health, found[AZURE].health) == (Health.FAILING, Health.HEALTHY)
    assert found[AWS].age == FRESH


@pytest.mark.parametrize("old", [(AWS,), (AZURE, GCP)])
def test_a_word_that_is_too_old_is_unknown_and_speaks_for_nobody(old: tuple[Site, ...]) -> None:
    """Neither accused by what was said long ago, nor by comparison with those who did well long ago."""
    found = words(heard(ALONE, dict.fromkeys(old, STALE)), FRESHNESS)
    assert found[AWS].health is Health.UNKNOWN
    assert {found[site].health for site in old} == {Health.UNKNOWN}
    assert words(heard(ALONE), FRESHNESS)[AWS].health is Health.FAILING, "when it is fresh, it is failing"


def test_failing_traffic_is_told_beside_a_decision_and_nothing_else_is() -> None:
    """With its evidence, its age, and that it had no vote."""
    (reason,) = traffic_reasons(heard(ALONE), FRESHNESS)
    assert (reason.guard, reason.value, reason.age) == ("health:aws/traffic", "failing", FRESH)
    assert "azure, gcp" in reason.limit and "no vote" in reason.limit
    assert traffic_reasons(heard(EVERYWHERE), FRESHNESS) == () == traffic_reasons(heard({}), FRESHNESS)


def test_explain_tells_of_it() -> None:
    """A decision made meanwhile says so in its sentence; also the decision to do nothing."""
    world = World()
    quiet, meanwhile = (
        decide(State(), replace(world.snapshot(), observations=heard(said_of)), None, (), world.policy, at(0))
        for said_of in ({}, ALONE)
    )
    assert "Aws/traffic is failing" in explain_decision(meanwhile) and "no vote" in explain_decision(meanwhile)
    assert "traffic" not in explain_decision(quiet)
