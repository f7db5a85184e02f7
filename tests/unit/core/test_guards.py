"""Each guard alone: a case in which exactly this one refuses, so that without it the harm would go through."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from controller.core.guards import GUARDS, OVERRIDABLE, review
from controller.core.limits import AutomaticFailover
from controller.core.model import Epoch, Health, Mode, Part, Pause, Role, Trigger, Verdict
from controller.core.plans import PlanKind
from controller.core.policy import Freeze, Policy
from controller.core.proposals import (
    DrainOnly,
    Failover,
    Grow,
    Proposal,
    Return,
    SetMode,
    SetPause,
    SettleUp,
    Shrink,
    Switchover,
    TakeOver,
)
from tests.unit.core.worlds import AWS, AZURE, DEAD, GCP, START, World, at, everybody, follower, plan, posture, under_way, writing

AUTO, OPERATOR = Trigger.AUTOMATIC, Trigger.OPERATOR
LEAVE = Failover(site=AZURE, weights={AWS: 1, AZURE: 0, GCP: 1}, trigger=AUTO, because="azure is failing")
MOVE = Switchover(to=AWS, trigger=OPERATOR, because="maintenance", by="kim")
DRAIN_AWS = DrainOnly(weights={AWS: 0, AZURE: 1, GCP: 1}, trigger=AUTO, because="aws's edge is failing")
PAUSED = Pause(by="kim", reason="looking", since=START)
FROZEN = Policy(freezes=(Freeze(start=START, end=START + timedelta(hours=1), reason="year end"),))
RECENT = (AutomaticFailover(epoch=Epoch(4), at=START - timedelta(minutes=9)),)


def refusals(proposal: Proposal, world: World, *overrides: str) -> set[str]:
    """Names of the guards that refuse."""
    return {reason.guard for reason in review(proposal, world.seen(), frozenset(overrides)).refusals}


@dataclass(frozen=True)
class Case:
    """A proposal in a world, and the one guard that refuses it."""

    guard: str
    name: str
    proposal: Proposal
    world: World


ALONE = frozenset({AWS})
OUTSIDE = posture(must_cut=frozenset({AWS}))
"""gcp is no member."""
REFUSED = (
    Case("mode", "failover in traffic-only", LEAVE, replace(DEAD, posture=posture(mode=Mode.TRAFFIC_ONLY))),
    Case("mode", "drain in manual", DRAIN_AWS, World(posture=posture(mode=Mode.MANUAL))),
    Case("mode", "upkeep in observe", Grow(site=GCP, because=""), World(posture=posture(mode=Mode.OBSERVE))),
    Case("pause", "failover while paused", LEAVE, replace(DEAD, posture=posture(pause=PAUSED))),
    Case("pause", "upkeep while paused", SettleUp(because=""), World(posture=posture(pause=PAUSED))),
    Case("quorum-or-hold", "no majority", MOVE, World(majority=False)),
    Case("quorum-or-hold", "one fresh vantage", DRAIN_AWS, World(silent=frozenset({AZURE, GCP}))),
    Case("one-plan", "switchover during failover", MOVE, World(running=under_way(PlanKind.FAILOVER, subject=GCP))),
    Case("one-plan", "the same failover twice", LEAVE, replace(DEAD, running=under_way(PlanKind.FAILOVER))),
    Case("one-plan", "upkeep during upkeep", SettleUp(because=""), World(running=under_way(PlanKind.GROW, subject=GCP))),
    Case(
        "one-plan",
        "takeover from a living owner",
        TakeOver(plan=plan(PlanKind.GROW), because=""),
        World(vantage=AWS, running=under_way(PlanKind.GROW)),
    ),
    Case("freeze-window", "switchover in a freeze", MOVE, World(policy=FROZEN)),
    Case("freeze-window", "return in a freeze", Return(site=GCP, because=""), World(policy=FROZEN, posture=OUTSIDE)),
    Case("provable-durability", "a member would be wiped", Return(site=GCP, because=""), World()),
    Case("provable-durability", "the writer would be wiped", Return(site=AZURE, because=""), World()),
    Case("velocity", "second failover in ten minutes", LEAVE, replace(DEAD, history=RECENT)),
    Case(
        "no-orphan-drain",
        "everybody drained",
        replace(LEAVE, weights=dict.fromkeys((AWS, AZURE, GCP), 0.0)),
        replace(DEAD, policy=Policy(required_capacity=0)),
    ),
    Case(
        "no-orphan-drain",
        "only failing sites keep traffic",
        DRAIN_AWS,
        World(words=everybody(GCP, Part.EDGE) | everybody(AZURE, Part.EDGE), policy=Policy(required_capacity=0)),
    ),
    Case("surviving-capacity", "two small sites", DRAIN_AWS, World(policy=Policy(capacities={AZURE: 0.4, GCP: 0.4}))),
    Case("exactly-one-writer", "leaving a follower", replace(LEAVE, site=GCP), DEAD),
    Case("exactly-one-writer", "switchover to a stranger", MOVE, World(posture=posture(must_cut=frozenset({GCP})))),
    Case("exactly-one-writer", "switchover to the writer", replace(MOVE, to=AZURE), World()),
    Case(
        "exactly-one-writer",
        "two writers in one epoch",
        SettleUp(because=""),
        World(facts={AZURE: writing(), GCP: follower(GCP, role=Role.WRITER)}),
    ),
    Case(
        "provable-durability",
        "a member that cannot be read",
        LEAVE,
        replace(DEAD, words={**DEAD.words, **everybody(GCP, Part.DATABASE)}),
    ),
    Case(
        "provable-durability",
        "the unsettled writer itself",
        LEAVE,
        replace(DEAD, posture=posture(must_cut=frozenset({AWS, AZURE, GCP}))),
    ),
    Case(
        "provable-durability",
        "switchover of an unsettled reign",
        MOVE,
        World(posture=posture(must_cut=frozenset({AWS, AZURE, GCP}))),
    ),
    Case(
        "provable-durability", "shrink to nobody", Shrink(site=GCP, because=""), World(posture=posture(must_cut=frozenset({GCP})))
    ),
    Case(
        "epoch-monotone",
        "etcd restored from the past",
        LEAVE,
        replace(DEAD, facts={AWS: follower(AWS, reign=5), GCP: follower(GCP)}),
    ),
    Case("no-surprise-return", "automatic failover from a healthy writer", LEAVE, World()),
    Case("no-surprise-return", "automatic switchover", replace(MOVE, trigger=AUTO), World()),
    Case(
        "schema",
        "switchover to a node whose migration was forgotten",
        MOVE,
        World(facts={AWS: follower(AWS, schema="s0"), AZURE: writing(), GCP: follower(GCP)}),
    ),
)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.guard}: {case.name}")
def test_exactly_this_guard_refuses(case: Case) -> None:
    """No other guard stands behind it: take it away, and the proposal goes through."""
    assert refusals(case.proposal, case.world) == {case.guard}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.guard}: {case.name}")
def test_every_refusal_names_value_limit_and_way_out(case: Case) -> None:
    """An operator can act on a refusal without reading code."""
    for reason in review(case.proposal, case.world.seen()).refusals:
        assert reason.value
        assert reason.limit
        assert reason.way_out


def test_every_guard_has_a_case() -> None:
    """A guard that no case needs would be unproven."""
    world = World()
    rules = {guard(SettleUp(because=""), world.seen()).guard for guard in GUARDS}
    assert rules == {case.guard for case in REFUSED}


ALLOWED: tuple[tuple[str, Proposal, World], ...] = (
    ("failover from a dead cloud", LEAVE, DEAD),
    ("failover replaces a grow", LEAVE, replace(DEAD, running=under_way(PlanKind.GROW, subject=GCP))),
    ("failover replaces a switchover", LEAVE, replace(DEAD, running=under_way(PlanKind.SWITCHOVER, subject=AWS))),
    (
        "failover goes on when the winner died",
        LEAVE,
        replace(DEAD, history=RECENT, running=under_way(PlanKind.FAILOVER, subject=GCP)),
    ),
    ("failover in a freeze", LEAVE, replace(DEAD, policy=FROZEN)),
    (
        "failover after the window",
        LEAVE,
        replace(DEAD, history=(AutomaticFailover(epoch=Epoch(4), at=START - timedelta(minutes=11)),)),
    ),
    (
        "failover with the lost member waived",
        replace(LEAVE, trigger=OPERATOR, waived=frozenset({GCP})),
        replace(DEAD, words={**DEAD.words, **everybody(GCP, Part.DATABASE)}),
    ),
    ("failover when the writer itself answers", replace(LEAVE, trigger=OPERATOR), World(words=everybody(GCP, Part.DATABASE))),
    (
        "waiving more replaces a failover that is stuck",
        replace(LEAVE, trigger=OPERATOR, waived=frozenset({GCP})),
        replace(DEAD, running=under_way(PlanKind.FAILOVER)),
    ),
    (
        "operator fails over while paused, in any mode, at any speed",
        replace(LEAVE, trigger=OPERATOR),
        replace(DEAD, posture=posture(pause=PAUSED, mode=Mode.MANUAL), history=RECENT),
    ),
    ("operator acts with one vantage left", replace(LEAVE, trigger=OPERATOR), replace(DEAD, silent=frozenset({AZURE, GCP}))),
    ("pause that has ended", LEAVE, replace(DEAD, posture=posture(pause=replace(PAUSED, until=START)))),
    ("switchover while well", MOVE, World()),
    ("switchover replaces upkeep", MOVE, World(running=under_way(PlanKind.RETURN, subject=GCP))),
    ("drain in traffic-only", DRAIN_AWS, World(posture=posture(mode=Mode.TRAFFIC_ONLY))),
    (
        "draining what has failed costs no capacity",
        DRAIN_AWS,
        World(words=everybody(AWS, Part.EDGE), policy=Policy(capacities={AZURE: 0.4, GCP: 0.4})),
    ),
    (
        "an unknown edge may keep the traffic",
        replace(LEAVE, weights={AWS: 1, AZURE: 0, GCP: 0}),
        replace(DEAD, words={**DEAD.words, (GCP, AWS, Part.EDGE): Health.UNKNOWN}),
    ),
    (
        "a half-done plan is finished while paused",
        TakeOver(plan=plan(PlanKind.FAILOVER), because=""),
        World(posture=posture(pause=PAUSED, mode=Mode.MANUAL), running=under_way(PlanKind.FAILOVER, owner_alive=False)),
    ),
    ("shrink with one member left", Shrink(site=GCP, because=""), World(words=everybody(GCP, Part.DATABASE))),
    ("pause and mode always", SetPause(pause=PAUSED, because="", by="kim"), World(running=under_way(PlanKind.FAILOVER))),
    ("mode always", SetMode(mode=Mode.MANUAL, because="", by="kim"), World(facts={AWS: follower(AWS, reign=9)})),
)


@pytest.mark.parametrize(("name", "proposal", "world"), ALLOWED, ids=[case[0] for case in ALLOWED])
def test_no_guard_stands_in_the_way(name: str, proposal: Proposal, world: World) -> None:
    """What is safe is not refused."""
    assert refusals(proposal, world) == set(), name


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.guard}: {case.name}")
def test_only_named_guards_can_be_overridden(case: Case) -> None:
    """An override reaches the guard it names, and only those a person may wish away; it stays on the record."""
    everything = frozenset(guard(SettleUp(because=""), World().seen()).guard for guard in GUARDS)
    left = {reason.guard for reason in review(case.proposal, case.world.seen(), everything).refusals}
    assert left == {case.guard} - OVERRIDABLE
    others = everything - {case.guard}
    assert {reason.guard for reason in review(case.proposal, case.world.seen(), others).refusals} == {case.guard}


def test_an_override_is_recorded() -> None:
    """The refusal that was overridden is still told, as overridden."""
    world = World(policy=Policy(capacities={AZURE: 0.4, GCP: 0.4}))
    reviewed = review(replace(DRAIN_AWS, trigger=OPERATOR), world.seen(), frozenset({"surviving-capacity"}))
    overridden = [reason for reason in reviewed.reasons if reason.value.startswith("overridden: ")]
    assert [(reason.guard, reason.verdict) for reason in overridden] == [("surviving-capacity", Verdict.ALLOWED)]


def test_an_unpinned_writers_log_proves_nothing() -> None:
    """The writer answers, but on another timeline than its pinned one: a member that cannot be read stops the failover."""
    facts = {AWS: follower(AWS), AZURE: writing(pinned=False), GCP: follower(GCP)}
    world = World(words=everybody(GCP, Part.DATABASE), facts=facts)
    assert refusals(LEAVE, world) == {"provable-durability"}
    assert refusals(LEAVE, replace(world, words={})) == set()


def test_the_velocity_refusal_says_when() -> None:
    """The way out names the command, and the moment at which automation may act again."""
    world = replace(DEAD, history=RECENT)
    (reason,) = review(LEAVE, world.seen()).refusals
    assert "failover --from azure" in reason.way_out
    assert (START + timedelta(minutes=1)).isoformat() in reason.way_out
    assert not review(LEAVE, world.seen(61)).refusals
    assert at(61).wall == START + timedelta(seconds=61)
