"""The ack-set protocol over every order of its steps: three sites, three databases, one etcd, any number of controllers."""

from functools import cache

import pytest

from tests.model.safeguards import SOUND
from tests.model.scenarios import SMALL
from tests.model.search import Found, search
from tests.model.test_steps import modelled_phases

STATES = {
    "failover": 10_698,
    "undo": 21_366,
    "second failover": 34_370,
    "late": 21_523,
    "ack set": 13_053,
    "return": 119_280,
    "late return": 9_769,
    "switchover": 6_405,
    "follower in its cloud": 66_235,
    "writer in its cloud": 55_282,
    "writer in its cloud, ack set": 59_973,
}
"""All there are, counted: one more or one less is another protocol, or another model."""


@cache
def explored(name: str) -> Found:
    """Every state of a scenario, by the rules that ship."""
    return search(SMALL[name], SOUND)


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
