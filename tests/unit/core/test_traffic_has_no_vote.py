"""Whatever is said of traffic, the same is done: it is told beside a decision, and no part of one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.comparison import SUBJECT
from controller.core.decide import Decision, State, decide
from controller.core.model import Health, Opinion, Part, Reason, Site, Snapshot
from tests.unit.core.test_decide_properties import worlds
from tests.unit.core.worlds import SITES, Asked, World, at, said

ASKED = (
    (),
    (Asked(verb="switchover", arguments={"to": "aws"}),),
    (Asked(verb="failover", arguments={"from": "azure"}),),
    (Asked(verb="pause"),),
)

opinions = st.none() | st.builds(
    Opinion,
    health=st.sampled_from(list(Health)),
    misses=st.integers(0, 20),
    successes=st.integers(0, 20),
    latency=st.none() | st.just(timedelta(milliseconds=30)),
    detail=st.just("30 of 50 requests failed"),
)
traffic = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(SITES, opinions)),
    st.sampled_from(SITES).map(lambda bad: {site: said(Health.FAILING if site == bad else Health.HEALTHY) for site in SITES}),
)


def hearing(snapshot: Snapshot, told: Mapping[Site, Opinion | None]) -> Snapshot:
    """The same snapshot, but every vantage tells this of its own site's traffic."""
    observations = {
        site: replace(aged, value=replace(aged.value, traffic=told[site])) for site, aged in snapshot.observations.items()
    }
    return replace(snapshot, observations=observations)


def done(world: World, snapshot: Snapshot, asked: tuple[Asked, ...]) -> tuple[Decision, Decision]:
    """The decision now, and after everything has stayed so for longer than any dwell."""
    first = decide(State(), snapshot, world.running, asked, world.policy, at(0))
    return first, decide(first.state, snapshot, world.running, asked, world.policy, at(30))


def is_of_traffic(reason: Reason) -> bool:
    """Is it told only because a site's traffic fails?"""
    return reason.guard.endswith(f"/{SUBJECT}")


def without(decision: Decision) -> Decision:
    """The decision as it would have been told without what is said of traffic."""
    return replace(decision, reasons=tuple(reason for reason in decision.reasons if not is_of_traffic(reason)))


met: set[str] = set()
"""What the worlds led to, to see that they ask something of the rule."""


@settings(max_examples=250, deadline=None, derandomize=True)
@given(worlds(), traffic, st.sampled_from(ASKED))
def compared(world: World, told: Mapping[Site, Opinion | None], asked: tuple[Asked, ...]) -> None:
    """One world's decisions, with and without what is said of traffic."""
    deaf, hearing_it = (done(world, snapshot, asked) for snapshot in (world.snapshot(), hearing(world.snapshot(), told)))
    assert tuple(map(without, hearing_it)) == deaf, "every field: what is done, withheld, remembered, and what is news"
    met.add(type(deaf[1].proposal).__name__)
    if any(map(is_of_traffic, hearing_it[0].reasons)):
        met.add("told")


def test_a_decision_is_the_same_whatever_is_said_of_traffic() -> None:
    """In every world that the other properties are held in, asked and unasked; the worlds reach failovers, drains and repairs."""
    compared()
    assert met >= {"told", "NoneType", "Failover", "DrainOnly", "Switchover"}


def test_the_comparison_would_find_a_vote() -> None:
    """The test above is able to fail: given the same words as voices about an edge, decisions differ."""
    bad = {(vantage, SITES[0], Part.EDGE): Health.FAILING for vantage in SITES}
    voiced, unvoiced = World(words=bad), World()
    assert done(voiced, voiced.snapshot(), ()) != done(unvoiced, unvoiced.snapshot(), ())
