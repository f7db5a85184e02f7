"""Operators ask: what can be read becomes a proposal under the same guards, everything else is refused in full."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.decide import Decision, State
from controller.core.model import Mode, Part, Pause, Trigger, Verdict
from controller.core.plans import PlanKind
from controller.core.proposals import Failover, Promote, SetMode, SetPause, Switchover
from tests.unit.core.worlds import (
    AWS,
    AZURE,
    DEAD,
    GCP,
    STALE,
    START,
    Asked,
    World,
    decided,
    everybody,
    follower,
    under_way,
    writing,
)


def test_operators_ask_and_get() -> None:
    """Each verb becomes its proposal, through the same guards."""
    switchover = decided(World(), Asked("switchover", {"to": "aws"}))
    assert isinstance(switchover.proposal, Switchover)
    assert (switchover.proposal.to, switchover.request) == (AWS, "r1")
    failover = decided(World(), Asked("failover", {"from": "azure"})).proposal
    assert isinstance(failover, Failover)
    assert failover.trigger is Trigger.OPERATOR
    pause = decided(World(), Asked("pause", {"until": (START + timedelta(hours=1)).isoformat()})).proposal
    assert isinstance(pause, SetPause)
    assert pause.pause == Pause(by="kim", reason="because", since=START, until=START + timedelta(hours=1))
    resumed = decided(World(), Asked("resume")).proposal
    assert isinstance(resumed, SetPause)
    assert resumed.pause is None
    mode = decided(World(), Asked("mode", {"mode": "manual"})).proposal
    assert isinstance(mode, SetMode)
    assert mode.mode is Mode.MANUAL


def test_only_a_replica_that_is_kept_can_be_promoted() -> None:
    """The site is one that the settings name; automation never asks for a promotion, so an operator's word is what it takes."""
    kept = World(policy=replace(World().policy, replicas=frozenset({GCP})))
    wish = decided(kept, Asked("promote", {"site": "gcp"})).proposal
    assert isinstance(wish, Promote)
    assert (wish.site, wish.by) == (GCP, "kim")
    for asked in (Asked("promote", {"site": "aws"}), Asked("promote")):
        refused = decided(kept, asked)
        assert refused.proposal is None
        assert any("gcp" in reason.limit for reason in refused.reasons if reason.verdict is Verdict.REFUSED)


@pytest.mark.parametrize(
    "asked",
    [
        Asked("promote", {"site": "gcp"}),
        Asked("switchover", {"to": "oracle"}),
        Asked("switchover", {}),
        Asked("switchover", {"to": "azure"}),
        Asked("failover", {"from": "gcp"}),
        Asked("failover", {"from": "azure", "waive": "oracle"}),
        Asked("failover", {"from": "azure", "waive": "gcp"}, reason=" "),
        Asked("failover", {"form": "azure"}),
        Asked("switchover", {"to": "aws", "override": "exactly-one-writer"}),
        Asked("pause", {"until": "tomorrow"}),
        Asked("pause", {"until": "2030-01-01T00:00:00"}),
        Asked("pause", {"until": "2020-01-01T00:00:00+00:00"}),
        Asked("mode", {"mode": "reckless"}),
        Asked("dance"),
    ],
    ids=lambda asked: f"{asked.verb} {dict(asked.arguments)}",
)
def test_a_wish_that_cannot_be_is_refused_with_a_way_out(asked: Asked) -> None:
    """Unknown sites, misspelt arguments, overrides of what nobody may override: refused in full, and the request is answered."""
    decision = decided(World(), asked)
    assert decision.proposal is None
    assert decision.request == "r1"
    refused = [reason for reason in decision.reasons if reason.verdict is Verdict.REFUSED]
    assert refused
    assert all(reason.value and reason.limit and reason.way_out for reason in refused)


def test_an_override_of_durability_names_who_is_left_out() -> None:
    """The plan must know whom it may leave uncut, and the record must show it."""
    world = replace(DEAD, words={**DEAD.words, **everybody(GCP, Part.DATABASE)})
    decision = decided(world, Asked("failover", {"from": "azure", "override": "provable-durability"}))
    assert isinstance(decision.proposal, Failover)
    assert decision.proposal.waived == {GCP}


def test_the_oldest_request_is_answered_first() -> None:
    """One request a tick, by time of asking, then by id."""
    late = Asked("resume", id="r0", at=START + timedelta(seconds=1))
    decision = decided(World(), late, Asked("mode", {"mode": "manual"}, id="r9"), Asked("resume", id="r2"))
    assert decision.request == "r2"


@pytest.mark.parametrize("verb", ["switchover", "failover", "pause", "resume", "mode"])
def test_an_old_wish_is_refused_with_a_way_out(verb: str) -> None:
    """Whatever it is: nobody may still want it, and a pause or a resume of yesterday would undo what was said since."""
    arguments = {"switchover": {"to": "aws"}, "failover": {"from": "azure"}, "mode": {"mode": "manual"}}.get(verb, {})
    asked = Asked(verb, arguments)
    assert decided(World(), asked, seconds=60).proposal is not None
    decision = decided(World(), asked, seconds=61)
    assert (decision.proposal, decision.request) == (None, "r1")
    refusal = next(reason for reason in decision.reasons if reason.verdict is Verdict.REFUSED)
    assert "61 s ago" in refusal.value and refusal.limit == "at most 60 s" and "Ask again" in refusal.way_out


def test_a_pause_ends_within_a_year() -> None:
    """A slip of the pen, such as the year 9999, is refused; no end at all is a choice."""
    fits = Asked("pause", {"until": (START + timedelta(days=365)).isoformat()})
    assert isinstance(decided(World(), fits).proposal, SetPause)
    for until in ((START + timedelta(days=365, seconds=1)).isoformat(), "9999-12-31T23:59:59-12:00"):
        decision = decided(World(), Asked("pause", {"until": until}))
        assert decision.proposal is None and any("365 days" in reason.limit for reason in decision.reasons)


def test_a_failover_that_is_due_does_not_wait_behind_requests() -> None:
    """One request is answered per tick; payers must not wait for twenty of them. The oldest is answered once it has begun."""
    waiting = [Asked("resume", id=f"r{number}") for number in range(20)]
    decision = decided(DEAD, *waiting)
    assert isinstance(decision.proposal, Failover) and decision.request is None
    begun = replace(DEAD, running=under_way(PlanKind.FAILOVER))
    assert decided(begun, *waiting).request == "r0"


def test_a_waiting_pause_is_answered_before_everything() -> None:
    """Also before a failover that is due, and before older requests."""
    late = Asked("pause", id="r9", at=START + timedelta(seconds=1))
    decision = decided(DEAD, Asked("resume", id="r0"), late)
    assert isinstance(decision.proposal, SetPause) and decision.request == "r9"


def test_a_failover_that_no_guard_allows_holds_up_no_request() -> None:
    """Manual mode: the operator's own failover is the very thing that is waited for."""
    manual = replace(DEAD, posture=replace(DEAD.posture, mode=Mode.MANUAL))
    decision = decided(manual, Asked("failover", {"from": "azure"}))
    assert isinstance(decision.proposal, Failover) and decision.request == "r1"


HELD_UP = World(ages={AWS: STALE, AZURE: STALE})
"""gcp's controller was stopped for a while, and has not seen anybody say anything since."""
JUST_BEGUN = World(silent=frozenset({AWS, AZURE}))
"""It has not seen anybody's word change yet."""
SLOW = World(facts={AWS: follower(AWS), AZURE: writing()})
"""gcp's node was asked, and its answer is on the way."""
UNWELL = World(words=everybody(AWS, Part.DATABASE))
LOOK = 0.1


def listening(world: World, wish: Asked, seconds: float, state: State | None = None, begin: float = 0) -> Decision:
    """The last of its decisions, a look every tenth of a second for so long."""
    looks = [begin + LOOK * number for number in range(round(seconds / LOOK) + 1)]
    for look in looks[:-1]:
        state = decided(world, wish, seconds=look, state=state).state
    return decided(world, wish, seconds=looks[-1], state=state)


@pytest.mark.parametrize("world", [HELD_UP, JUST_BEGUN])
def test_who_has_not_heard_refuses_nothing_at_its_first_look(world: World) -> None:
    """All is well, and the words that say so are fresh a look later; until then nothing is answered, and nothing is journaled as an
    answer."""
    wish = Asked("switchover", {"to": "aws"})
    first = decided(world, wish)
    assert (first.proposal, first.request) == (None, None)
    second = decided(World(), wish, seconds=LOOK, state=first.state)
    assert isinstance(second.proposal, Switchover)
    assert second.request == "r1"


def test_a_node_that_is_still_being_asked_is_waited_for() -> None:
    """Of its schema nothing is known, and a switchover there would be refused for that; its answer is a moment away."""
    wish = Asked("switchover", {"to": "gcp"})
    first = decided(SLOW, wish)
    assert (first.proposal, first.request) == (None, None)
    assert isinstance(decided(World(), wish, seconds=LOOK, state=first.state).proposal, Switchover)


@pytest.mark.parametrize("world", [HELD_UP, JUST_BEGUN])
def test_a_refusal_waits_no_longer_than_a_word_stays_fresh(world: World) -> None:
    """Whoever is silent for longer is not well, and an operator is owed an answer."""
    wish, freshness = Asked("switchover", {"to": "aws"}), World().policy.freshness.total_seconds()
    assert listening(world, wish, freshness - LOOK).request is None
    late = listening(world, wish, freshness)
    assert (late.proposal, late.request) == (None, "r1")
    assert any(reason.guard == "exactly-one-writer" and reason.verdict is Verdict.REFUSED for reason in late.reasons)


def test_time_in_which_it_was_held_up_is_no_listening() -> None:
    """Stopped a second time between its first look and its second: words are as old as before, and it has heard nothing more."""
    wish = Asked("switchover", {"to": "aws"})
    again = decided(HELD_UP, wish, seconds=5, state=decided(HELD_UP, wish).state)
    assert again.request is None
    assert listening(HELD_UP, wish, 1, state=again.state, begin=5.1).request == "r1"


def test_what_needs_nobody_else_and_what_cannot_be_read_waits_for_nobody() -> None:
    """A pause is set by who was held up too; a slip of the pen is told at once."""
    assert isinstance(decided(HELD_UP, Asked("pause")).proposal, SetPause)
    assert decided(HELD_UP, Asked("switchover", {"to": "oracle"})).request == "r1"


def test_when_everybody_is_heard_a_refusal_is_told_at_once() -> None:
    """It would be the same a second later."""
    assert decided(UNWELL, Asked("switchover", {"to": "aws"})).request == "r1"
