"""The bench of a site's traffic: what it is made of, and that the number of requests has a part in the judgement."""

from collections import Counter
from dataclasses import replace

from controller.core.traffic import Limits
from lab.bench_detection_part import out_of_bounds
from lab.bench_detection_traffic import Kind, Outcome, Sites, observe, of_traffic, told

SMALL = Sites(seed=1, sites=6)
NEVER = Limits(failing=2.0, slower=1e9)


def test_the_same_seed_makes_the_same_traffic() -> None:
    """Of all kinds of stretches; another seed makes another."""
    first = observe(replace(SMALL, sites=2), Limits())
    assert first == observe(replace(SMALL, sites=2), Limits()) != observe(replace(SMALL, sites=2, seed=2), Limits())
    assert set(first.stretches) == set(Kind)


def test_faults_are_found_and_crowds_are_not_accused_because_the_requests_are_counted() -> None:
    """Within bounds; and without the number of requests more than one crowd in four is called a fault of its site."""
    found = of_traffic(SMALL)
    assert list(out_of_bounds([], found)) == []
    assert found["crowds"] > 10 and found["false_in_crowds"]["slow"] == 0
    deaf = found["without_volume"]
    assert deaf["false_in_crowds"]["slow"] > found["crowds"] / 4
    assert deaf["recall"] == found["recall"], "and no fault is missed for it"
    unsettled = told(observe(SMALL, replace(Limits(), settles=0)))
    assert unsettled["false_in_crowds"]["slow"] > 1, "what is left of a crowd in the mean is what makes the rest of them"


def test_a_judgement_that_never_accuses_finds_nothing() -> None:
    """Figures can be bad."""
    found = told(observe(SMALL, NEVER))
    assert found["recall"] == {"slow": 0.0, "failing": 0.0} and found["found_after_s"] is None
    assert len(list(out_of_bounds([], found))) == 2


def test_figures_count_what_was_accused() -> None:
    """One of two faults, one of four crowds, for shedding."""
    outcome = Outcome(sites=1, seconds=7200, accused_in_calm=3, shed=1, delays=[7])
    outcome.stretches, outcome.accused = Counter({Kind.SLOW: 2, Kind.CROWD: 4}), Counter({Kind.SLOW: 1, Kind.CROWD: 1})
    found = told(outcome)
    assert (found["site_hours"], found["false_in_calm"], found["false_in_crowds"]) == (2.0, 3, {"slow": 0, "shedding": 1})
    assert (found["recall"], found["found_after_s"]) == ({"slow": 0.5, "failing": None}, 7)
