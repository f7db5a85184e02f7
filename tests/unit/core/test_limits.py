"""The velocity memory: what counts, for how long, and that doubt errs towards holding still."""

import json
from dataclasses import replace
from datetime import timedelta

from controller.core.limits import AutomaticFailover, allowed_again, merged, recalled, remembered, within_window
from controller.core.model import Epoch, JournalEntry, Trigger
from controller.core.plans import PlanKind
from controller.core.policy import Policy, contradictions
from tests.unit.core.worlds import SITES, START, at, plan

POLICY = Policy()


def past(epoch: int, minutes: float) -> AutomaticFailover:
    """A failover so many minutes before the start."""
    return AutomaticFailover(epoch=Epoch(epoch), at=START - timedelta(minutes=minutes))


def test_only_automatic_failovers_are_remembered_and_each_once() -> None:
    """Operators' failovers and other plans cost nothing; the same plan seen at every tick counts once."""
    failover = plan(PlanKind.FAILOVER)
    once = remembered((), failover)
    assert once == (AutomaticFailover(epoch=Epoch(5), at=START),)
    assert remembered(once, failover) == once
    assert remembered((), replace(failover, trigger=Trigger.OPERATOR)) == ()
    assert remembered((), plan(PlanKind.SWITCHOVER)) == ()
    assert remembered((), None) == ()


def test_the_window_closes_after_its_length() -> None:
    """Ten minutes later it no longer counts."""
    assert within_window((past(5, 9.9),), POLICY, at(0)) == (past(5, 9.9),)
    assert within_window((past(5, 10),), POLICY, at(0)) == ()


def test_a_failover_dated_in_the_future_counts() -> None:
    """Its writer's clock was ahead; forgetting it would allow a second one at once."""
    assert within_window((past(5, -30),), POLICY, at(0)) == (past(5, -30),)


def test_when_it_is_allowed_again() -> None:
    """The oldest of the last `automatic_failovers` has to leave the window."""
    history = (past(5, 8), past(6, 3))
    assert allowed_again((), POLICY, at(0)) is None
    assert allowed_again(history, POLICY, at(0)) == START + timedelta(minutes=7)
    assert allowed_again(history, replace(POLICY, automatic_failovers=2), at(0)) == START + timedelta(minutes=2)
    assert allowed_again(history, replace(POLICY, automatic_failovers=3), at(0)) is None


def test_memories_merge_by_epoch_at_the_latest_time() -> None:
    """The journal and this controller's own memory may both know a failover; the later date holds longer."""
    assert merged((past(6, 1), past(5, 9)), (past(5, 8),)) == (past(5, 8), past(6, 1))


def test_the_default_policy_contradicts_nothing() -> None:
    """The settings of the lab can all be meant."""
    assert contradictions(POLICY, frozenset(SITES)) == () == contradictions(POLICY, frozenset())


def test_every_contradiction_is_told_at_once() -> None:
    """One edit mends them all."""
    wrong = replace(
        POLICY, vantages=1, minimum_serving=0, probe_patience=timedelta(seconds=1), successes_to_forgive=2, misses_to_drain=1
    )
    assert [name for name, _ in contradictions(wrong, frozenset(SITES))] == [
        "probe_patience",
        "misses_to_drain",
        "successes_to_forgive",
        "vantages",
        "minimum_serving",
    ]


def test_facts_of_long_ago_are_never_fresh() -> None:
    """With a freshness of an hour, a vantage that fell silent an hour ago would still accuse."""
    old = timedelta(seconds=11)
    assert [name for name, _ in contradictions(replace(POLICY, freshness=old, dwell=old), frozenset(SITES))] == ["freshness"]


def test_a_restarted_controller_recalls_the_journal() -> None:
    """Without it, a controller that crashed and came back would forget the failover it made a minute ago, and make another."""
    given: dict[str, object] = {"plan_kind": PlanKind.FAILOVER, "trigger": Trigger.AUTOMATIC, "epoch": Epoch(5)}
    bodies: list[dict[str, object]] = [
        given,
        given | {"trigger": Trigger.OPERATOR, "epoch": 6},
        given | {"plan_kind": PlanKind.GROW, "epoch": 7},
        {"sentence": "gcp was cut", "epoch": 5},
        given,
    ]
    entries = [
        JournalEntry(sequence=n, at=START + timedelta(seconds=n), actor="aws", kind="any", body=json.loads(json.dumps(body)))
        for n, body in enumerate(bodies)
    ]
    assert recalled(entries) == (AutomaticFailover(epoch=Epoch(5), at=START),)
