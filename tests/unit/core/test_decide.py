"""What is decided, what is not, and that both can be explained."""

from dataclasses import replace
from itertools import permutations

import pytest

from controller.core.decide import Decision
from controller.core.model import Epoch, Health, Mode, Part, Pause, Role, Site, Slot, Trigger, Verdict
from controller.core.plans import PlanKind
from controller.core.policy import Policy
from controller.core.proposals import (
    DrainOnly,
    Failover,
    Grow,
    Return,
    SettleUp,
    Shrink,
    TakeOver,
)
from tests.unit.core.worlds import (
    AWS,
    AZURE,
    DEAD,
    GCP,
    SITES,
    START,
    Asked,
    World,
    decided,
    everybody,
    follower,
    posture,
    under_way,
    writing,
)

MOVED = World(
    posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({GCP})),
    facts={AWS: writing(AWS, reign=5), AZURE: writing(), GCP: follower(GCP, writer=AWS, reign=5)},
    vantage=AWS,
)
"""aws writes since epoch 5; azure is back and still believes in epoch 4."""


def kept(world: World, seconds: float) -> Decision:
    """The decision after the world has stayed as it is for so long."""
    return decided(world, seconds=seconds, state=decided(world).state)


def guards(decision: Decision) -> set[str]:
    """Rules that refused."""
    return {reason.guard for reason in decision.reasons if reason.verdict is Verdict.REFUSED}


def test_nothing_to_do() -> None:
    """A healthy service is left alone, and the decision says what a failover would take."""
    decision = decided(World())
    assert decision.proposal is None
    assert decision.withheld is None
    assert guards(decision) == {"writer-lost"}


def test_a_dead_writers_cloud_is_left() -> None:
    """Failover from azure, its traffic to the others, on the word of two, at once."""
    decision = decided(DEAD)
    assert decision.proposal == Failover(
        site=AZURE, weights={AWS: 1, AZURE: 0, GCP: 1}, trigger=Trigger.AUTOMATIC, because="azure's database is failing"
    )
    assert any("aws says failing" in reason.limit for reason in decision.reasons if reason.guard == "health:azure/database")


@pytest.mark.parametrize("vantage", SITES)
def test_every_controller_decides_alike(vantage: Site) -> None:
    """Whoever sees the same says the same, in whatever order it was heard: etcd decides who was first."""
    one, other = replace(DEAD, vantage=vantage), DEAD
    assert decided(one).proposal == decided(other).proposal
    for order in permutations((AWS, GCP)):
        shuffled = replace(DEAD, facts={site: DEAD.facts[site] for site in order})
        assert decided(shuffled) == decided(DEAD)


def test_a_failing_edge_moves_traffic_not_the_writer() -> None:
    """azure's database is well; only its edge fails: drain, nothing more."""
    decision = decided(World(words=everybody(AZURE, Part.EDGE)))
    assert isinstance(decision.proposal, DrainOnly)
    assert decision.proposal.weights == {AWS: 1, AZURE: 0, GCP: 1}


@pytest.mark.parametrize("health", [Health.UNKNOWN, Health.HEALTHY])
def test_doubt_moves_nothing(health: Health) -> None:
    """One vantage accuses, the other does not know, the third is gone: hold."""
    world = World(
        words={(AWS, AZURE, Part.DATABASE): Health.FAILING, (GCP, AZURE, Part.DATABASE): health}, silent=frozenset({AZURE})
    )
    assert decided(world).proposal is None


def test_without_majority_nothing_is_decided() -> None:
    """A controller cut off from etcd holds, and answers no operator either: it could not write the answer."""
    decision = decided(replace(DEAD, majority=False), Asked("pause"))
    assert decision.proposal is None
    assert decision.request is None
    assert "quorum-or-hold" in guards(decision)


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.MANUAL])
def test_observe_and_manual_only_say_it(mode: Mode) -> None:
    """What would be done is named, with the command that does it."""
    decision = decided(replace(DEAD, posture=posture(mode=mode)))
    assert decision.proposal is None
    assert isinstance(decision.withheld, Failover)
    assert any("failover --from azure" in reason.way_out for reason in decision.reasons if reason.guard == "mode")


def test_traffic_only_drains_and_asks() -> None:
    """The promotion waits for a person; traffic does not."""
    decision = decided(replace(DEAD, posture=posture(mode=Mode.TRAFFIC_ONLY)))
    assert isinstance(decision.proposal, DrainOnly)
    assert decision.proposal.weights == {AWS: 1, AZURE: 0, GCP: 1}
    assert isinstance(decision.withheld, Failover)


def test_the_velocity_memory_is_learned_from_the_plan_under_way() -> None:
    """An automatic failover seen running counts afterwards, when its plan is long gone."""
    state = decided(replace(DEAD, running=under_way(PlanKind.FAILOVER))).state
    again = decided(DEAD, seconds=60, state=state)
    assert isinstance(again.withheld, Failover)
    assert isinstance(again.proposal, DrainOnly), "traffic is not held back with the writer"
    assert "velocity" in guards(again)
    assert isinstance(decided(DEAD, seconds=601, state=state).proposal, Failover)


def test_a_failover_under_way_is_not_started_again() -> None:
    """While azure is being left, its failing database is no news; its edge is drained beside the plan unless the plan does that."""
    beside = decided(replace(DEAD, running=under_way(PlanKind.FAILOVER)))
    assert isinstance(beside.proposal, DrainOnly)
    assert isinstance(beside.withheld, Failover | None)
    steering = decided(replace(DEAD, running=under_way(PlanKind.FAILOVER, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0})))
    assert steering.proposal is None


def test_a_dead_winner_is_left_too() -> None:
    """aws was elected and its database died before anything was settled elsewhere: a further epoch, not limited by velocity."""
    world = World(
        posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({GCP, AZURE})),
        words=everybody(AWS, Part.DATABASE),
        running=under_way(PlanKind.FAILOVER, subject=AZURE, winner=AWS),
    )
    decision = decided(world)
    assert isinstance(decision.proposal, Failover)
    assert decision.proposal.site == AWS


def test_a_winner_that_has_just_come_back_is_not_left() -> None:
    """aws's database was away, came back and was elected. That everybody accused it before it answered is no reason to elect another one;
    its next silence is, at once."""
    world = World(
        posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({GCP, AZURE})),
        words=everybody(AWS, Part.DATABASE),
        running=under_way(PlanKind.FAILOVER, subject=AZURE, winner=AWS),
        answered=frozenset((vantage, AWS) for vantage in SITES),
    )
    assert decided(world).proposal is None
    silent = decided(replace(world, answered=frozenset({(AWS, AWS)}))).proposal
    assert isinstance(silent, Failover)
    assert silent.site == AWS


def test_a_writer_that_answers_again_is_not_left_when_a_pause_ends() -> None:
    """azure's database was away in a pause. Whatever held automation back ends a moment after azure is back: nothing is wrong any more."""
    back = replace(World(words=everybody(AZURE, Part.DATABASE)), answered=frozenset((vantage, AZURE) for vantage in SITES))
    assert decided(back).proposal is None


def test_a_member_that_answers_again_does_not_hold_a_failover_back() -> None:
    """azure dies when aws has just come back: a cut would be answered at once, and nobody waits until aws is forgiven."""
    words = {**everybody(AZURE, but=(AZURE,)), **everybody(AWS, Part.DATABASE)}
    back = replace(DEAD, words=words, answered=frozenset((vantage, AWS) for vantage in SITES))
    assert isinstance(decided(back).proposal, Failover)
    silent = decided(replace(back, answered=frozenset()))
    assert isinstance(silent.withheld, Failover)
    assert "provable-durability" in guards(silent)


def test_an_unsettled_winner_needs_an_operator() -> None:
    """The dead winner may hold the only copy: automation refuses, names it, and an operator may waive it by name."""
    world = World(
        posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({AWS, GCP, AZURE})),
        words=everybody(AWS, Part.DATABASE),
        running=under_way(PlanKind.FAILOVER, subject=AZURE, winner=AWS),
    )
    decision = decided(world)
    assert decision.proposal is None
    assert "provable-durability" in guards(decision)
    waived = decided(world, Asked("failover", {"from": "aws", "waive": "aws"}))
    assert isinstance(waived.proposal, Failover)
    assert waived.proposal.waived == {AWS}


def test_a_plan_without_owner_is_taken_over() -> None:
    """Its session is gone: go on where the journal stands, even while paused."""
    paused = posture(pause=Pause(by="kim", reason="looking", since=START))
    world = World(posture=paused, running=under_way(PlanKind.FAILOVER, subject=GCP, owner_alive=False))
    assert isinstance(decided(world).proposal, TakeOver)
    assert decided(replace(world, running=under_way(PlanKind.FAILOVER, subject=GCP))).proposal is None


def test_a_lost_writer_comes_before_an_orphaned_repair() -> None:
    """The grow whose owner died with azure is replaced, not finished first."""
    decision = decided(replace(DEAD, running=under_way(PlanKind.GROW, subject=GCP, owner_alive=False)))
    assert isinstance(decision.proposal, Failover)


def test_traffic_that_nobody_else_can_carry_does_not_hold_the_writer_back() -> None:
    """The others are too small for all traffic while azure's edge is well: the writer moves, the traffic stays."""
    world = World(words=everybody(AZURE, Part.DATABASE), policy=Policy(capacities={AWS: 0.3, GCP: 0.3, AZURE: 0.4}))
    decision = decided(world)
    assert isinstance(decision.proposal, Failover)
    assert decision.proposal.weights is None


def test_traffic_that_is_elsewhere_already_is_not_steered_again() -> None:
    """azure had been drained before it died: the failover asks no authority for anything."""
    drained = posture(weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0})
    decision = decided(replace(DEAD, posture=drained))
    assert isinstance(decision.proposal, Failover)
    assert decision.proposal.weights is None


def test_the_last_serving_site_is_not_drained() -> None:
    """Every edge fails at once: traffic stays as it is, and the refusal says so."""
    words = everybody(AWS, Part.EDGE) | everybody(AZURE, Part.EDGE) | everybody(GCP, Part.EDGE)
    decision = decided(World(words=words))
    assert decision.proposal is None
    assert "no-orphan-drain" in guards(decision)


def test_traffic_comes_back_after_the_dwell_the_writer_never() -> None:
    """azure is healthy again: its traffic returns after two seconds, in that order of caution; no switchover is proposed."""
    drained = replace(MOVED.posture, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0}, must_cut=frozenset({GCP, AZURE}))
    facts = {**MOVED.facts, AZURE: follower(AZURE, writer=AWS, reign=5)}
    world = replace(MOVED, posture=drained, facts=facts)
    assert decided(world).proposal is None
    assert "dwell" in guards(decided(world))
    decision = kept(world, 2)
    assert isinstance(decision.proposal, DrainOnly)
    assert decision.proposal.weights == {AWS: 1, AZURE: 1, GCP: 1}
    back = replace(world, posture=replace(drained, weights=dict.fromkeys(SITES, 1.0)))
    assert kept(back, 3600).proposal is None


def test_a_site_drained_on_purpose_stays_drained() -> None:
    """No healthy probe brings back what an operator took out."""
    drained = posture(weights={AWS: 1.0, AZURE: 1.0, GCP: 0.0}, drained=frozenset({GCP}))
    assert kept(World(posture=drained), 60).proposal is None


def test_a_condition_must_hold_without_a_break() -> None:
    """A dwell that was interrupted begins anew."""
    world = World(words=everybody(GCP, Part.DATABASE))
    state = decided(world).state
    state = decided(World(), seconds=1, state=state).state
    assert decided(world, seconds=2.5, state=state).proposal is None
    state = decided(world, seconds=2.5, state=state).state
    assert isinstance(decided(world, seconds=4.5, state=state).proposal, Shrink)


def test_a_dead_member_leaves_the_ack_set() -> None:
    """gcp cannot be cut any more: while azure is well it is taken out, so that a later failover need not wait for it."""
    assert kept(World(words=everybody(GCP, Part.DATABASE)), 2).proposal == Shrink(site=GCP, because="gcp is failing")


@pytest.mark.parametrize("broken", ["unpinned", "fenced", "slot lost", "unsubscribed"])
def test_a_member_that_confirms_nothing_leaves_the_ack_set(broken: str) -> None:
    """What the node and the writer say about a member counts as much as whether it answers."""
    facts = {
        "unpinned": {GCP: follower(GCP, pinned=False)},
        "fenced": {GCP: follower(GCP, role=Role.FENCED)},
        "unsubscribed": {GCP: follower(GCP, subscriptions=())},
        "slot lost": {AZURE: writing(slots=tuple(lost_for_gcp(slot) for slot in writing().slots))},
    }[broken]
    assert isinstance(kept(World(facts={**World().facts, **facts}), 2).proposal, Shrink)


def lost_for_gcp(slot: Slot) -> Slot:
    """gcp's slot was invalidated."""
    return replace(slot, lost=slot.name.endswith("gcp"))


def test_the_old_writer_is_brought_back_then_grown() -> None:
    """azure still believes in epoch 4: return it; once it streams epoch 5, take it into the ack set."""
    returning = kept(MOVED, 2).proposal
    assert isinstance(returning, Return)
    assert returning.site == AZURE
    streaming = replace(MOVED, facts={**MOVED.facts, AZURE: follower(AZURE, writer=AWS, reign=5)})
    growing = kept(streaming, 2).proposal
    assert isinstance(growing, Grow)
    assert growing.site == AZURE


def test_a_node_nobody_heard_from_is_left_alone() -> None:
    """Stale or missing facts are unknown: nobody is wiped on an old word."""
    without = replace(MOVED, facts={site: facts for site, facts in MOVED.facts.items() if site != AZURE})
    assert kept(without, 60).proposal is None


def test_an_unsettled_reign_settles_before_anything_is_wiped() -> None:
    """azure might hold the only other copy of a payment until gcp has confirmed the marker."""
    unsettled = replace(MOVED, posture=replace(MOVED.posture, must_cut=frozenset({AWS, GCP})))
    assert isinstance(kept(unsettled, 2).proposal, SettleUp)
    alone = replace(MOVED, posture=replace(MOVED.posture, must_cut=frozenset({AWS})))
    assert isinstance(kept(alone, 2).proposal, Return)


def test_upkeep_is_left_to_the_controller_beside_the_writer() -> None:
    """The others wait one stagger more each, so that they do not race for every repair."""
    for vantage, seconds in ((AWS, 2), (AZURE, 3), (GCP, 4)):
        world = replace(MOVED, vantage=vantage)
        assert kept(world, seconds - 0.1).proposal is None
        assert isinstance(kept(world, seconds).proposal, Return)


def test_no_repair_while_the_writer_is_not_well() -> None:
    """Every repair rests on the writer."""
    words = {(GCP, AWS, Part.DATABASE): Health.UNKNOWN, (AZURE, AWS, Part.DATABASE): Health.UNKNOWN}
    assert kept(replace(MOVED, words=words), 60).proposal is None


def test_a_writer_off_its_timeline_is_left_after_the_dwell() -> None:
    """azure's own cloud failed it over: its barrier is closed, nobody can pay, and its log proves nothing any more."""
    world = World(facts={**World().facts, AZURE: writing(pinned=False)})
    assert decided(world).proposal is None
    assert isinstance(kept(world, 2).proposal, Failover)


def test_only_news_is_worth_the_journal() -> None:
    """The same refusal at every tick is told once; a change is told again."""
    manual = replace(DEAD, posture=posture(mode=Mode.MANUAL))
    first = decided(manual)
    assert first.news
    second = decided(manual, seconds=0.25, state=first.state)
    assert not second.news
    assert decided(DEAD, seconds=0.5, state=second.state).news


def test_a_plan_under_way_is_all_that_happens() -> None:
    """Repairs and steering wait for it, and their dwell begins when it has ended: what was seen a moment before may be mended by it."""
    busy = replace(MOVED, running=under_way(PlanKind.STEER, subject=None))
    state = decided(busy).state
    state = decided(busy, seconds=5, state=state).state
    ended = decided(MOVED, seconds=5, state=state)
    assert ended.proposal is None
    assert isinstance(decided(MOVED, seconds=9, state=ended.state).proposal, Return)
