"""The ack-set protocol over every order of its steps: three sites, three databases, one etcd, any number of controllers."""

from functools import cache

import pytest

from tests.model.node import SITES
from tests.model.repair import Repairs
from tests.model.safeguards import SOUND
from tests.model.scenarios import AZURE, SMALL
from tests.model.search import Found, search
from tests.model.test_steps import modelled_phases
from tests.model.world import Budget, Scenario

STATES = {
    "failover": 10_698,
    "undo": 21_366,
    "second failover": 34_370,
    "late": 21_523,
    "ack set": 13_053,
    "return": 119_280,
    "late return": 9_769,
    "stale ack set": 8_254,
    "switchover": 6_405,
    "follower in its cloud": 66_235,
    "writer in its cloud": 55_282,
    "writer in its cloud, ack set": 59_973,
}
"""All there are, counted: one more or one less is another protocol, or another model."""

RECOVERS = ("failover", "second failover", "late", "ack set", "late return", "stale ack set", "switchover")
"""Where no node went through an in-cloud failover, nothing may ever wait for a person."""


@cache
def explored(name: str) -> Found:
    """Every state of a scenario, by the rules that ship."""
    return search(SMALL[name], SOUND, keep=name in RECOVERS)


@pytest.mark.parametrize("name", SMALL)
def test_every_promise_holds_in_every_state(name: str) -> None:
    """No order of steps breaks one."""
    found = explored(name)
    assert found.breach is None, str(found)
    assert found.states == STATES[name]


def test_every_phase_of_every_plan_is_reached() -> None:
    """A phase that no search came to was not searched."""
    reached = frozenset(phase for name in SMALL for phase in explored(name).phases)
    assert reached == modelled_phases()


@pytest.mark.parametrize("name", RECOVERS)
def test_from_every_state_a_writer_comes_to_acknowledge(name: str) -> None:
    """`always-finishes`: once everybody answers again, plans and upkeep lead there, whatever happened."""
    assert Repairs(SOUND).stuck(explored(name).worlds) == []


def test_only_a_node_on_a_foreign_timeline_is_waited_for() -> None:
    """Where plans and upkeep do not get there, the writer in etcd proves nothing any more, and no follower has settled its reign: only
    a person may leave it out."""
    scenario = Scenario(about="an in-cloud failover of the writer, nobody pays", budget=Budget(in_cloud=(AZURE,)), payments=0)
    found = search(scenario, SOUND, keep=True)
    stuck = Repairs(SOUND).stuck(found.worlds)
    assert (found.states, len(stuck)) == (833, 54)
    for world in stuck:
        posture = world.control.posture
        assert not posture.settled and not world.nodes[SITES.index(posture.writer)].pinned
