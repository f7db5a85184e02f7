"""When a controller may look at etcd in the pace of its probes: nobody doubts, nobody wants anything, nothing is under way."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.core.model import Aged, Health, Observation, Opinion, Part, Site
from controller.core.plans import Phase
from controller.observe import calm
from controller.ports import Control, Request
from tests.unit.test_observe import AWS, GCP, PLAN, POLICY, POSTURE, seconds

REST = Control(posture=POSTURE, plan=None, ownership=None, observations={}, sessions={}, requests=(), revisions={})
WISH = Request(id="r1", verb="pause", by="kim", reason="", at=datetime(2026, 1, 1, tzinfo=UTC), arguments={})


def word(vantage: Site, health: Health = Health.HEALTHY, *, suspects_itself: bool = False) -> Observation:
    """One vantage about one edge."""
    said = Opinion(health=health, misses=0, successes=0, latency=None, detail="")
    return Observation(vantage=vantage, sequence=1, opinions={GCP: {Part.EDGE: said}}, suspects_itself=suspects_itself)


def heard(one: Observation, age: float = 0.3) -> dict[Site, Aged[Observation]]:
    """aws by itself, and one other."""
    return {AWS: Aged(value=word(AWS), age=seconds(0)), GCP: Aged(value=one, age=seconds(age))}


def test_calm_is_when_nobody_doubts_and_nobody_wants() -> None:
    """A plan that is done is no plan."""
    assert calm(REST, heard(word(GCP)), word(AWS), POLICY)
    assert calm(replace(REST, plan=replace(PLAN, phase=Phase.DONE)), heard(word(GCP)), word(AWS), POLICY)


@pytest.mark.parametrize(
    ("control", "others", "own"),
    [
        (replace(REST, plan=PLAN), heard(word(GCP)), word(AWS)),
        (replace(REST, requests=(WISH,)), heard(word(GCP)), word(AWS)),
        (REST, heard(word(GCP, Health.FAILING)), word(AWS)),
        (REST, heard(word(GCP, Health.UNKNOWN)), word(AWS)),
        (REST, heard(word(GCP, suspects_itself=True)), word(AWS)),
        (REST, heard(word(GCP), age=0.6), word(AWS)),
        (REST, heard(word(GCP)), word(AWS, Health.FAILING)),
        (REST, heard(word(GCP)), word(AWS, suspects_itself=True)),
    ],
    ids=["a plan", "a wish", "an accusation", "unknown", "it suspects itself", "not heard of late", "an own doubt", "own self"],
)
def test_each_of_these_ends_the_calm(control: Control, others: dict[Site, Aged[Observation]], own: Observation) -> None:
    """Whichever is left out, somebody waits for a third of a second longer than they need."""
    assert not calm(control, others, own, POLICY)
