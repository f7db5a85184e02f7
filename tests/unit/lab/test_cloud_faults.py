"""Fault rules of the emulated clouds: which request meets what, for how many of them, and at which rate."""

import pytest
from pydantic import ValidationError

from lab.clouds.faults import FaultKind, Faults, Met, Rule


class Clock:
    """Set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def faults(*rules: Rule, clock: Clock | None = None) -> Faults:
    """These rules in force."""
    made = Faults(clock or Clock())
    made.replace(list(rules))
    return made


def test_a_rule_hits_its_operation_so_many_times() -> None:
    """Then the next rule has its turn."""
    given = faults(Rule(kind=FaultKind.DENY, operation="Change", count=1), Rule(kind=FaultKind.HANG, operation="Change", count=1))
    assert [given.meet(operation).kind for operation in ("List", "Change", "Change", "Change")] == [
        None,
        FaultKind.DENY,
        FaultKind.HANG,
        None,
    ]


def test_delays_add_to_what_comes_after_them() -> None:
    """A slow API may also lose its answer."""
    given = faults(
        Rule(kind=FaultKind.DELAY, seconds=0.25),
        Rule(kind=FaultKind.DELAY, seconds=0.5, count=1),
        Rule(kind=FaultKind.LOSE_ANSWER, count=1),
    )
    assert given.meet("x") == Met(kind=FaultKind.LOSE_ANSWER, delay=0.75)
    assert given.meet("x") == Met(kind=None, delay=0.25)


def test_requests_above_the_rate_are_throttled_and_do_not_count() -> None:
    """Five in any second; whoever is turned away and comes back a second later is heard."""
    clock = Clock()
    given = faults(Rule(kind=FaultKind.THROTTLE_ABOVE, rate=5), clock=clock)
    assert [given.meet("x").kind for _ in range(8)] == [None] * 5 + [FaultKind.THROTTLE] * 3
    clock.now += 0.5
    assert given.meet("x").kind is FaultKind.THROTTLE
    clock.now += 0.5
    assert [given.meet("x").kind for _ in range(6)] == [None] * 5 + [FaultKind.THROTTLE]


def test_who_hangs_is_let_go_when_the_rules_change() -> None:
    """And nobody else; nor does whoever is let go of wait for the rules after those that he met."""
    given = faults(Rule(kind=FaultKind.HANG))
    before = given.meet("x").healed
    assert not before.is_set()
    given.replace([Rule(kind=FaultKind.HANG)])
    assert before.is_set()
    assert not given.meet("x").healed.is_set()


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "delay"},
        {"kind": "throttle_above"},
        {"kind": "deny", "seconds": 1},
        {"kind": "delay", "seconds": 1, "rate": 5},
        {"kind": "delay", "seconds": 0},
        {"kind": "nonsense"},
    ],
)
def test_a_rule_that_says_too_little_or_too_much_is_refused(rule: dict[str, object]) -> None:
    """A fault that does nothing would prove nothing."""
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)
