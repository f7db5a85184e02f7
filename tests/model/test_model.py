"""The ack-set protocol over every order of its steps: three sites, three databases, one etcd, any number of controllers."""

import pytest

from tests.model.safeguards import SOUND, without
from tests.model.scenarios import SMALL
from tests.model.search import search

STATES = {
    "failover": 10_698,
    "second failover": 34_370,
    "ack set": 13_053,
    "follower in its cloud": 40_973,
    "writer in its cloud": 34_880,
}

REFUTED = {
    "wait_cut": ("failover", "no-loss", 8),
    "read_all": ("failover", "no-loss", 6),
    "fence_writer": ("failover", "no-loss", 10),
    "pin_guard": ("writer in its cloud", "no-loss", 4),
}
"""Scenario, promise, and length of the shortest course that breaks it."""


@pytest.mark.parametrize("name", STATES)
def test_every_promise_holds_in_every_state(name: str) -> None:
    """All states there are, counted: one more or one less is another protocol, or another model."""
    found = search(SMALL[name], SOUND)
    assert found.breach is None, str(found)
    assert found.states == STATES[name]


@pytest.mark.parametrize("safeguard", REFUTED)
def test_without_a_safeguard_a_promise_breaks(safeguard: str) -> None:
    """Each one bears load: the shortest course without it ends in the harm."""
    scenario, promise, steps = REFUTED[safeguard]
    found = search(SMALL[scenario], without(safeguard), promise=promise)
    assert found.breach is not None, f"{found}: nothing needs {safeguard}"
    assert len(found.trace) == steps, str(found)
