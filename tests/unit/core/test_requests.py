"""Operators ask: what can be read becomes a proposal under the same guards, everything else is refused in full."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.core.model import Mode, Part, Pause, Trigger, Verdict
from controller.core.proposals import Failover, SetMode, SetPause, Switchover
from tests.unit.core.worlds import AWS, DEAD, GCP, START, Asked, World, decided, everybody


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


@pytest.mark.parametrize(
    "asked",
    [
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
