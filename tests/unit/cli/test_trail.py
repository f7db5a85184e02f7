"""What became of a wish, from journal entries alone: other people's entries say nothing about ours."""

from typing import Any

import pytest

from controller.cli.exits import Exit
from controller.cli.follow import outcome
from controller.cli.trail import Trail


def entry(kind: str, **body: Any) -> dict[str, Any]:
    """One entry as the journal gives it."""
    return {"sequence": 1, "kind": kind, "body": body}


def accepted() -> Trail:
    """A wish that became plan p."""
    trail = Trail(request="w")
    trail.feed(entry("decision", request="w", proposal="switch over to aws", reasons=[]))
    trail.feed(entry("claim", request="w", plan="p", sentence="s"))
    return trail


def test_entries_of_others_are_not_ours() -> None:
    """Another wish, another plan's steps before ours, a decision nobody asked for."""
    trail = Trail(request="w")
    for other in (
        entry("decision", request="v", proposal="x", reasons=[]),
        entry("claim", request="v", plan="q"),
        entry(
            "decision",
            request="",
            proposal="",
            reasons=[{"guard": "r", "verdict": "refused", "value": "", "limit": "", "way_out": ""}],
        ),
        entry("plan.done", plan="q"),
    ):
        assert trail.feed(other) == ()
    assert not trail.decided and not trail.over and outcome(trail) is Exit.UNFINISHED


def test_only_refusals_are_refusals() -> None:
    """Evidence and consents of the same decision are not told as a no."""
    trail = Trail(request="w")
    reasons = [
        {"guard": "health:aws/database", "verdict": "allowed", "value": "healthy", "limit": "", "way_out": ""},
        {"guard": "one-plan", "verdict": "refused", "value": "a plan", "limit": "none", "way_out": "Wait."},
    ]
    assert trail.feed(entry("decision", request="w", proposal="", reasons=reasons)) == (
        "refused by one-plan: a plan; needs none. Wait.",
    )
    assert trail.over and outcome(trail) is Exit.REFUSED


def test_a_wish_without_a_plan_is_done_when_claimed() -> None:
    """A pause or a mode changes the posture and nothing else."""
    trail = Trail(request="w")
    trail.feed(entry("decision", request="w", proposal="pause automation", reasons=[]))
    assert not trail.over
    trail.feed(entry("claim", request="w", sentence="pause automation"))
    assert outcome(trail) is Exit.DONE


def test_a_plan_is_done_when_the_journal_says_so() -> None:
    """Steps, a takeover and an election on the way; the end of another plan is not ours."""
    trail = accepted()
    step = entry("step.cut", plan="p", step={"site": "aws"}, result={"because": "silent"}, took_ms=12.0, doing="cutting")
    assert trail.feed(step) == ("cut aws in 12 ms: silent",)
    assert trail.feed(entry("takeover", plan="p", sentence="azure took it over")) == ("taken over: azure took it over",)
    assert trail.feed(entry("elected", plan="p", winner="aws")) == ("aws is elected",)
    trail.feed(entry("plan.done", plan="q"))
    assert outcome(trail) is Exit.UNFINISHED
    trail.feed(entry("plan.done", plan="p"))
    assert outcome(trail) is Exit.DONE
    assert trail.document()["steps"] == [{"step": "cut", "took_ms": 12.0, "doing": "cutting", "site": "aws", "detail": "silent"}]


def test_a_plan_that_was_replaced_never_ends_by_itself() -> None:
    """A failover took its place: waiting for its end would wait for ever."""
    trail = accepted()
    trail.feed(entry("claim", plan="q", sentence="fail over from azure"))
    assert trail.over and trail.replaced_by == "q" and outcome(trail) is Exit.REPLACED


@pytest.mark.parametrize(
    ("kind", "subject", "winner", "undone"),
    [
        ("switchover", "aws", "aws", False),
        ("switchover", "aws", "azure", True),
        ("failover", "azure", "aws", False),
        ("failover", "azure", "azure", True),
    ],
)
def test_a_move_is_undone_when_another_site_writes_than_was_asked_for(
    kind: str, subject: str, winner: str, *, undone: bool
) -> None:
    """A switchover names who shall write, a failover who shall not."""
    trail = Trail(request="w")
    trail.feed(entry("claim", request="w", plan="p", plan_kind=kind, subject=subject))
    trail.feed(entry("elected", plan="p", winner=winner))
    trail.feed(entry("plan.done", plan="p"))
    assert outcome(trail) is (Exit.UNDONE if undone else Exit.DONE)
    assert trail.document()["winner"] == winner
