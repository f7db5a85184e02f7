"""Each safeguard bears load: with it every promise holds, and without it the search ends in the harm that it names."""

import pytest

from tests.model.safeguards import NAMES, without
from tests.model.scenarios import LARGE, SMALL
from tests.model.search import search

REFUTED = {
    "wait_cut": ("failover", "no-loss", 8),
    "read_all": ("failover", "no-loss", 6),
    "poll_rule": ("ack set", "no-loss", 9),
    "row_first": ("ack set", "no-loss", 7),
    "etcd_first": ("lone member", "no-loss", 11),
    "token": ("stale ack set", "must-cut", 8),
    "settle": ("second failover, two payments", "no-loss", 14),
    "markers": ("second failover", "no-loss", 18),
    "drain": ("switchover", "no-loss", 10),
    "pin_guard": ("writer in its cloud", "no-loss", 4),
    "pin_cut": ("follower in its cloud", "no-loss", 9),
    "pin_barrier": ("writer in its cloud", "no-loss", 9),
    "pin_steps": ("winner in its cloud", "no-loss", 14),
    "pin_waits": ("writer in its cloud, ack set", "no-loss", 11),
    "exact": ("return", "no-loss", 9),
    "fence_writer": ("failover", "no-loss", 10),
    "forward": ("undo", "no-loss", 9),
    "synchronous": ("follower in its cloud", "no-loss", 9),
    "clear_once": ("late return", "must-cut", 13),
    "fence_earlier": ("late", "always-finishes", 6),
}
"""Scenario, promise, and length of the shortest course that breaks it."""

BACKED = {
    "drop_streams": (
        "second failover",
        36_740,
        "whoever follows or opens was cut or emptied before, and no stream that a cut stopped starts again",
    ),
}
"""Removed alone these change no outcome: scenario, number of states, and what stands behind them."""


def test_every_safeguard_is_taken_away_once() -> None:
    """None is listed without being tried."""
    assert REFUTED.keys() | BACKED.keys() == set(NAMES)


@pytest.mark.parametrize("safeguard", REFUTED)
def test_without_a_safeguard_a_promise_breaks(safeguard: str) -> None:
    """The shortest course without it ends in the harm; longer ones are not looked at."""
    name, promise, steps = REFUTED[safeguard]
    found = search((SMALL | LARGE)[name], without(safeguard), promise=promise)
    assert found.breach is not None, f"{found}: nothing needs {safeguard}"
    assert len(found.trace) == steps, str(found)


@pytest.mark.parametrize("safeguard", BACKED)
def test_what_stands_behind_another_safeguard_changes_no_outcome(safeguard: str) -> None:
    """Every promise holds without it; were that to change, it would have become load-bearing and belong to the others."""
    name, states, because = BACKED[safeguard]
    found = search(SMALL[name], without(safeguard))
    assert (found.breach, found.states) == (None, states), because


def test_a_course_is_told_in_sentences() -> None:
    """Whoever reads a failure sees what happened, in order, and what it broke."""
    found = search(SMALL["failover"], without("read_all"), promise="no-loss")
    assert str(found).splitlines() == [
        "  1. payment 1 commits on azure",
        "  2. aws applies and confirms the next transaction of azure in epoch 1",
        "  3. azure ACKNOWLEDGES payment 1 in epoch 1",
        "  4. a controller claims a failover from azure",
        "  5. cut on gcp (epoch 2, reign 1; token 1)",
        "  6. open on gcp (epoch 2, ack_set nobody; token 1)",
        "     no-loss: payment (1, 1, 0) (key 1) is not on gcp",
    ]
