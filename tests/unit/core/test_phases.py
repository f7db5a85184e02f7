"""What a plan does next: every phase of every kind is reached and left, whatever the steps answer, and nothing goes backwards."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import get_args

import pytest

from controller.core.model import Epoch, Lsn, Position, Posture, Site
from controller.core.phases import TRANSITIONS, Change, advance, elect, first_phase, ready, sentence
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.steps import (
    ASKS_PROVIDER,
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Confirmed,
    Cut,
    Done,
    Fence,
    Fenced,
    Ledgers,
    LeftBehind,
    MarkJoin,
    Open,
    Promotion,
    PromotionState,
    Reached,
    Result,
    SetAckSet,
    Settle,
    Steer,
    Step,
    Unanswered,
    Verified,
    Verify,
)
from tests.unit.core.worlds import AWS, AZURE, GCP, SITES, plan, posture

KINDS = tuple(PlanKind)
kinds = pytest.mark.parametrize("kind", KINDS)
State = tuple[Plan, Posture]
NO_ANSWER = Unanswered(because="silence")


class Known:
    """A plan and posture as a key: both hold mappings."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.text = repr(
            [
                (name, sorted(value) if isinstance(value, frozenset) else value)
                for part in state
                for name in part.__slots__
                for value in (getattr(part, name),)
            ]
        )

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self.text == other.text


def start(kind: PlanKind) -> State:
    """A plan of this kind as it is claimed; the subject is a follower where the kind is about one."""
    subject = {
        PlanKind.FAILOVER: AZURE,
        PlanKind.SWITCHOVER: AWS,
        PlanKind.GROW: GCP,
        PlanKind.SHRINK: GCP,
        PlanKind.RETURN: GCP,
        PlanKind.PROMOTE: GCP,
    }.get(kind)
    claims = kind in {PlanKind.FAILOVER, PlanKind.SWITCHOVER}
    outside = kind in {PlanKind.GROW, PlanKind.RETURN}
    weights = dict.fromkeys(SITES, 1.0) if kind in {PlanKind.STEER, PlanKind.FAILOVER} else None
    must_cut = frozenset({AWS} if outside else {AWS, GCP}) | ({AZURE} if kind is PlanKind.SETTLE else frozenset())
    return (
        plan(kind, phase=first_phase(kind), epoch=Epoch(4 + claims), subject=subject, weights=weights),
        posture(epoch=Epoch(4 + claims), must_cut=must_cut),
    )


def results(step: Step, state: State) -> Iterator[Result]:
    """Everything a step may answer, the best first."""
    match step:
        case Cut(site=site, writer=writer, reign=reign):
            if site == writer:
                yield Reached(position=Position(site=site, publisher=site, epoch=reign, lsn=Lsn(30)))
            else:
                yield Reached(position=Position(site=site, publisher=writer, epoch=reign, lsn=Lsn(20)))
                yield Reached(position=Position(site=site, publisher=writer, epoch=reign, lsn=Lsn(0)))
                yield Reached(position=Position(site=site, publisher=Site("mars"), epoch=Epoch(1), lsn=Lsn(99)))
        case CatchUp(followers=followers) | AwaitConfirmed(followers=followers):
            yield Confirmed(followers=followers)
            yield Confirmed(followers=frozenset(sorted(followers)[:1]))
            yield Confirmed(followers=frozenset())
        case Settle():
            yield Confirmed(followers=state[1].must_cut - {step.writer})
            yield Confirmed(followers=frozenset())
        case Attach():
            yield Done()
            yield LeftBehind(because="no match")
        case Open() | MarkJoin() | SetAckSet():
            yield Reached(position=Position(site=AZURE, publisher=AZURE, epoch=state[0].epoch, lsn=Lsn(40)))
        case Fence():
            yield Fenced(seeded=-1)
        case BeginPromotion() | AwaitPromotion():
            yield Promotion(operation="op-1", state=PromotionState.RUNNING)
            yield Promotion(operation="op-1", state=PromotionState.DONE)
            yield Promotion(operation="op-1", state=PromotionState.FAILED, detail="no room")
        case Verify(sites=sites):
            yield Verified(paid=sites, unpaid={}, ledgers=Ledgers.EQUAL)
            yield Verified(paid=frozenset(), unpaid=dict.fromkeys(sorted(sites), "503"), ledgers=Ledgers.DIFFER)
        case _:
            yield Done()
    yield NO_ANSWER


def following(state: State) -> Iterator[tuple[Step, Result, State]]:
    """Every way a plan may go on from here."""
    for step in ready(*state):
        for result in results(step, state):
            change = advance(*state, step, result)
            yield step, result, (change.plan, change.posture)


@cache
def reachable(kind: PlanKind) -> Mapping[Known, tuple[Known, ...]]:
    """Every state a plan of this kind can come to, with those that follow it."""
    graph: dict[Known, tuple[Known, ...]] = {}
    todo = [Known(start(kind))]
    while todo:
        known = todo.pop()
        if known not in graph:
            graph[known] = tuple(dict.fromkeys(Known(state) for _, _, state in following(known.state)))
            todo += graph[known]
    return graph


def steps_of(kind: PlanKind) -> set[Step]:
    """Every step that a plan of this kind may call for; Steer and Verify are left out where they hold mappings."""
    return {step for known in reachable(kind) for step in ready(*known.state) if not isinstance(step, Steer)}


@kinds
def test_every_phase_of_every_kind_is_reached(kind: PlanKind) -> None:
    """The table names exactly the phases that a plan can be in, and DONE behind them."""
    assert {known.state[0].phase for known in reachable(kind)} == {phase for phase, _ in TRANSITIONS[kind]} | {Phase.DONE}


@kinds
def test_every_phase_before_the_end_calls_for_a_step(kind: PlanKind) -> None:
    """Nothing waits for nobody: whatever was answered so far, there is something to do, or to try again."""
    for known in reachable(kind):
        if known.state[0].phase is not Phase.DONE:
            assert ready(*known.state), known.text
        else:
            assert _steering_only(ready(*known.state))


def _steering_only(steps: tuple[Step, ...]) -> bool:
    return all(isinstance(step, Steer) for step in steps)


@kinds
def test_the_end_can_be_reached_from_everywhere(kind: PlanKind) -> None:
    """`always-finishes`: no sequence of answers leads to a state from which no answers lead out."""
    graph = reachable(kind)
    ends = {known for known in graph if known.state[0].phase is Phase.DONE}
    assert ends
    before = len(ends) - 1
    while before < len(ends):
        before = len(ends)
        ends |= {known for known, nexts in graph.items() if not ends.isdisjoint(nexts)}
    assert ends == set(graph)


@kinds
def test_a_plan_only_goes_forward(kind: PlanKind) -> None:
    """In the order of the table; epoch and reign never fall, and no phase is entered twice."""
    order = [phase for phase, _ in TRANSITIONS[kind]] + [Phase.DONE]
    for known, nexts in reachable(kind).items():
        for after in nexts:
            assert order.index(after.state[0].phase) >= order.index(known.state[0].phase)
            assert after.state[1].reign >= known.state[1].reign
            assert after.state[1].epoch == known.state[1].epoch


@kinds
def test_nobody_is_ever_left_who_must_be_cut(kind: PlanKind) -> None:
    """An empty must-cut set would let anybody be elected from nothing."""
    for known in reachable(kind):
        assert known.state[1].must_cut, known.text


@kinds
def test_an_answer_that_is_missing_moves_no_phase_by_itself(kind: PlanKind) -> None:
    """Except for a switchover and a failover that go on with those who did answer."""
    for known in reachable(kind):
        for step, result, (after, _) in following(known.state):
            if result is NO_ANSWER and not isinstance(step, Cut | Steer):
                assert after == known.state[0]


@kinds
def test_a_result_that_no_longer_matters_changes_nothing(kind: PlanKind) -> None:
    """A late answer of a step that the plan does not call for any more, by whatever way it came here."""
    every = steps_of(kind)
    for known in list(reachable(kind))[:300]:
        state = known.state
        wanted = ready(*state)
        for step in every:
            if step not in wanted:
                for result in results(step, state):
                    assert advance(*state, step, result) == Change(plan=state[0], posture=state[1])


@kinds
def test_a_result_of_another_kind_of_step_changes_nothing(kind: PlanKind) -> None:
    """A done that should have been a position is no position."""
    for known in list(reachable(kind))[:300]:
        for step in ready(*known.state):
            if isinstance(step, Cut | CatchUp | Open | MarkJoin | AwaitConfirmed | Fence | Settle):
                assert advance(*known.state, step, Done()) == Change(plan=known.state[0], posture=known.state[1])


def test_every_step_is_called_for_by_some_phase() -> None:
    """No step is dead."""
    called = {type(step) for kind in KINDS for known in reachable(kind) for step in ready(*known.state)}
    assert called == set(get_args(Step))


@kinds
def test_no_plan_but_a_promotion_asks_a_provider(kind: PlanKind) -> None:
    """`static-stability`: whatever is answered on the way, no step of any other kind needs a provider's API."""
    asking = any(isinstance(step, ASKS_PROVIDER) for step in steps_of(kind))
    assert asking is (kind is PlanKind.PROMOTE)


@kinds
def test_every_phase_has_a_sentence_for_people(kind: PlanKind) -> None:
    """And the end has one too."""
    said = {sentence(known.state[0]) for known in reachable(kind)}
    assert len(said) == len(TRANSITIONS[kind]) + 1
    assert "done" in said


# ------------------------------------------------------------------------------------------------ what a posture holds


def _to(kind: PlanKind, phase: Phase) -> State:
    """A plan of this kind in this phase, by the best answers."""
    state = start(kind)
    while state[0].phase is not phase:
        step = next(step for step in ready(*state) if not isinstance(step, Steer) or kind is PlanKind.STEER)
        change = advance(*state, step, next(results(step, state)))
        state = (change.plan, change.posture)
    return state


def test_an_election_holds_the_winner_and_its_siblings_before_anything_is_opened() -> None:
    """From the election on the winner may be the only place where an earlier payment is."""
    made, wanted = _to(PlanKind.FAILOVER, Phase.ATTACH)
    assert made.winner is not None
    assert wanted.writer == made.winner
    assert wanted.reign == made.epoch
    assert wanted.must_cut == {made.winner, *made.siblings}


def test_the_winner_leaves_the_set_when_a_sibling_holds_the_marker() -> None:
    """And not before."""
    state = _to(PlanKind.FAILOVER, Phase.SETTLE)
    (step,) = [step for step in ready(*state) if isinstance(step, Settle)]
    nobody = advance(*state, step, Confirmed(followers=frozenset()))
    assert state[1].writer in nobody.posture.must_cut
    assert nobody.plan.phase is Phase.VERIFY
    somebody = advance(*state, step, Confirmed(followers=frozenset({GCP})))
    assert somebody.posture.must_cut == state[1].must_cut - {state[1].writer}


def test_a_sibling_left_behind_neither_counts_nor_must_be_cut() -> None:
    """It holds nothing that the winner lacks, and acknowledges nothing."""
    state = _to(PlanKind.FAILOVER, Phase.ATTACH)
    step = next(step for step in ready(*state) if isinstance(step, Attach))
    change = advance(*state, step, LeftBehind(because="no match"))
    assert step.sibling not in change.posture.must_cut
    assert step.sibling in change.plan.left_behind
    assert step.sibling not in change.plan.attached


def test_etcd_grows_before_the_row_and_shrinks_after_it() -> None:
    """At every moment the set in etcd names everybody whose confirmation may count."""
    grown = _to(PlanKind.GROW, Phase.ROW)
    assert GCP in grown[1].must_cut
    (row,) = [step for step in ready(*grown) if isinstance(step, SetAckSet)]
    assert row.ack_set == {AWS, GCP}
    shrunk = _to(PlanKind.SHRINK, Phase.CONFIRM)
    assert GCP in shrunk[1].must_cut, "the row is changed, and nobody has confirmed yet"
    (wait,) = [step for step in ready(*shrunk) if isinstance(step, AwaitConfirmed)]
    assert (wait.followers, wait.need) == ({AWS}, 1)
    assert advance(*shrunk, wait, Confirmed(followers=frozenset())).posture == shrunk[1]
    assert advance(*shrunk, wait, Confirmed(followers=frozenset({AWS}))).posture.must_cut == {AWS}


def test_a_newcomer_that_does_not_reach_the_marker_is_not_counted() -> None:
    """The plan ends; upkeep may try again. A member that did not reach it keeps nobody out."""
    state = _to(PlanKind.GROW, Phase.JOIN)
    (wait,) = [step for step in ready(*state) if isinstance(step, AwaitConfirmed)]
    assert wait.followers == {AWS, GCP}
    assert advance(*state, wait, Confirmed(followers=frozenset({state[0].subject}))).plan.phase is Phase.ROW
    for some in (wait.followers - {state[0].subject}, frozenset[Site]()):
        change = advance(*state, wait, Confirmed(followers=some))
        assert change.plan.phase is Phase.DONE
        assert change.posture == state[1]


def test_the_last_member_leaves_the_writer_as_the_only_proof() -> None:
    """Nothing is acknowledged any more, and only the writer itself proves what was."""
    made, wanted = start(PlanKind.SHRINK)
    state = (made, replace(wanted, must_cut=frozenset({GCP})))
    while state[0].phase is not Phase.DONE:
        step = ready(*state)[0]
        change = advance(*state, step, next(results(step, state)))
        state = (change.plan, change.posture)
    assert state[1].must_cut == {AZURE}


def test_a_failover_does_not_wait_for_the_writer_and_a_switchover_does() -> None:
    """Two members prove the election; a planned move leaves nobody behind who only was slow."""
    both = tuple(Position(site=site, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(20)) for site in (AWS, GCP))
    made, wanted = start(PlanKind.FAILOVER)
    assert elect(replace(made, positions=both), wanted).plan.winner == AWS
    moved, wanted = _to(PlanKind.SWITCHOVER, Phase.CUT)
    one = replace(moved, positions=(*moved.positions, both[0]), level=frozenset({AWS, GCP}))
    assert elect(one, wanted).plan.phase is Phase.CUT
    assert elect(replace(one, unanswered=frozenset({GCP})), wanted).plan.winner == AWS


def test_the_fenced_writer_is_asked_once_the_others_have_not_answered() -> None:
    """A member that cannot be cut stops an election by members; the writer that answers is proof enough."""
    made, wanted = start(PlanKind.FAILOVER)
    writer = Position(site=AZURE, publisher=AZURE, epoch=Epoch(4), lsn=Lsn(30))
    waiting = replace(made, positions=(writer,))
    assert all(isinstance(step, Cut | Steer) for step in ready(waiting, wanted))
    silent = replace(waiting, unanswered=frozenset({AWS, GCP}))
    assert any(isinstance(step, CatchUp) for step in ready(silent, wanted))
    assert {step.site for step in ready(silent, wanted) if isinstance(step, Cut)} == {AWS, GCP}, "they are still asked"


def test_traffic_is_steered_beside_any_phase_and_once() -> None:
    """The drain starts with the plan and blocks nothing."""
    made, wanted = start(PlanKind.FAILOVER)
    made = replace(made, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0})
    first, *rest = ready(made, wanted)
    assert isinstance(first, Steer)
    assert rest
    steered = advance(made, wanted, first, Done()).plan
    assert (steered.phase, steered.steered) == (made.phase, True)
    assert not any(isinstance(step, Steer) for step in ready(steered, wanted))


@pytest.mark.parametrize("kind", [PlanKind.FAILOVER, PlanKind.SWITCHOVER])
def test_what_the_check_found_stays_with_the_plan(kind: PlanKind) -> None:
    """Whatever is still to be done after it, and whoever does it: the end of the plan tells whether the move was proven."""
    found = Verified(paid=frozenset(), unpaid={AWS: "503"}, ledgers=Ledgers.NOT_COMPARED, because="silent")
    made = plan(kind, phase=Phase.VERIFY, winner=AWS, weights={AWS: 1.0, AZURE: 0.0, GCP: 1.0})
    (check,) = (step for step in ready(made, posture()) if isinstance(step, Verify))
    assert advance(made, posture(), check, found).plan.verified == found


def test_a_promotion_is_followed_by_the_name_that_the_provider_gave_it() -> None:
    """Whoever takes the plan over asks for this very operation; a provider that fails ends the plan, and says why."""
    state = start(PlanKind.PROMOTE)
    (begin,) = ready(*state)
    begun = advance(*state, begin, Promotion(operation="op-7", state=PromotionState.RUNNING))
    assert ready(begun.plan, begun.posture) == (AwaitPromotion(site=GCP, operation="op-7"),)
    (wait,) = ready(begun.plan, begun.posture)
    failed = advance(begun.plan, begun.posture, wait, Promotion(operation="op-7", state=PromotionState.FAILED, detail="no room"))
    assert (failed.plan.phase, failed.plan.failure) == (Phase.DONE, "no room")
    done = advance(begun.plan, begun.posture, wait, Promotion(operation="op-7", state=PromotionState.DONE))
    assert (done.plan.phase, done.plan.failure) == (Phase.DONE, "")
    assert done.posture == state[1], "what a provider does to its replica moves no writer"
