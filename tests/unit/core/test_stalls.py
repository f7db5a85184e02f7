"""A plan that stands still in another controller's hands is taken over by one that reaches what it needs, and by nobody else."""

from dataclasses import replace

import pytest

from controller.actions import Patience
from controller.core.decide import State
from controller.core.model import Epoch, Lsn, Position
from controller.core.plans import Phase, PlanKind
from controller.core.policy import Policy
from controller.core.proposals import GiveUp, Running, TakeOver
from controller.core.stalls import LEAVING, PATIENCE, nodes_needed, stalled
from tests.unit.core.worlds import AWS, AZURE, DEAD, GCP, World, decided, everybody, follower, plan, posture, under_way

STUCK = replace(DEAD, vantage=GCP, running=under_way(PlanKind.FAILOVER, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0}))
"""aws's controller owns the failover from azure and cannot cut gcp; gcp's controller reaches both members."""


def _after(world: World, *seconds: float, state: State | None = None) -> object:
    for second in seconds:
        decision = decided(world, seconds=second, state=state)
        state = decision.state
    return decision.proposal


def test_a_plan_that_stands_still_is_taken_over() -> None:
    """After three dwells in which nothing moved; not before, because steps have deadlines of their own."""
    assert _after(STUCK, 0, 5) is None
    taken = _after(STUCK, 0, 7)
    assert isinstance(taken, TakeOver)
    assert "aws gets nowhere" in taken.because


def test_a_plan_that_moves_is_left_alone() -> None:
    """Between the looks a position was read: the patience begins anew."""
    moved = replace(
        STUCK,
        running=under_way(
            PlanKind.FAILOVER,
            weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0},
            positions=(Position(site=AWS, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(7)),),
        ),
    )
    state = decided(STUCK, seconds=0).state
    assert _after(moved, 7, state=state) is None


def test_a_plan_that_changed_hands_is_left_alone() -> None:
    """azure and gcp were patient together and azure was first: gcp gives azure the same time, and does not take it at the next tick."""
    taken = Running(plan=plan(PlanKind.FAILOVER, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0}), owner="azure", owner_alive=True)
    state = decided(STUCK, seconds=0).state
    assert _after(replace(STUCK, running=taken), 7, state=state) is None


@pytest.mark.parametrize(
    "world",
    [
        replace(STUCK, vantage=AWS),
        replace(STUCK, facts={AWS: follower(AWS)}),
        replace(STUCK, facts={AWS: follower(AWS), GCP: follower(GCP, pinned=False)}),
        replace(STUCK, running=None),
        replace(STUCK, running=under_way(PlanKind.RETURN, subject=GCP, phase=Phase.RESEED, seeded_before=0)),
        replace(STUCK, running=under_way(PlanKind.SHRINK, subject=GCP, phase=Phase.CONFIRM, marker=Lsn(1))),
    ],
    ids=[
        "its owner",
        "who does not reach gcp either",
        "gcp refuses everybody",
        "no plan",
        "a copy takes its time",
        "a follower takes its time",
    ],
)
def test_nobody_else_takes_it(world: World) -> None:
    """Taking over what the taker cannot move either, or what is merely slow, would only pass the plan round."""
    assert not isinstance(_after(world, 0, 7, 60), TakeOver)


def test_the_writer_is_tried_and_never_waited_for() -> None:
    """The dead writer of a failover is nobody's stall."""
    assert nodes_needed(plan(PlanKind.FAILOVER), posture()) == {AWS, GCP}
    assert "aws, gcp can be reached" in stalled(STUCK.seen())


def test_a_return_to_a_node_that_fails_again_is_given_up() -> None:
    """Otherwise every shrink, settle and return would wait behind it until somebody mends the node."""
    world = World(
        posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({GCP})),
        words=everybody(AZURE, but=(AZURE,)),
        running=under_way(PlanKind.RETURN, subject=AZURE, phase=Phase.RESEED, seeded_before=0),
    )
    given_up = _after(world, 0)
    assert isinstance(given_up, GiveUp)
    assert given_up.because == "azure is failing"


ATTACHING = replace(
    STUCK,
    posture=posture(epoch=Epoch(5), reign=Epoch(5), writer=AWS, must_cut=frozenset({AWS, GCP})),
    running=under_way(
        PlanKind.FAILOVER,
        phase=Phase.ATTACH,
        winner=AWS,
        siblings=(GCP,),
        positions=tuple(Position(site=site, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(7)) for site in (AWS, GCP)),
    ),
)
"""aws's controller attaches gcp to aws."""


def test_a_sibling_that_may_have_to_be_left_behind_is_waited_for() -> None:
    """Its owner gives the only sibling 15 s. Taken over before that by whoever reaches the winner, the wait would begin anew, for ever."""
    away = replace(ATTACHING, facts={AWS: follower(AWS)})
    assert not isinstance(_after(away, 0, Patience().attach_last.total_seconds()), TakeOver)
    assert isinstance(_after(away, 0, 21), TakeOver), "its owner does not even reach the winner"


def test_a_sibling_that_somebody_else_reaches_is_attached_by_them() -> None:
    """There the owner's own path is broken, and nobody need be left behind for that."""
    taken = _after(ATTACHING, 0, 7)
    assert isinstance(taken, TakeOver)


def test_who_waits_waits_longer_than_any_step() -> None:
    """Otherwise a step that takes its time is begun anew by whoever was patient."""
    policy, patience = Policy(), Patience()
    assert PATIENCE * policy.dwell > max(patience.attach, patience.settle, patience.join, patience.catch_up, patience.cut)
    assert LEAVING * policy.dwell > patience.attach_last
