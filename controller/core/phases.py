"""What a plan does next, and what a result changes. The table says which phases follow which; the two functions below it are the
whole meaning of a plan.

Rules for changing this file: everything that decides how a plan moves lives here; nothing here acts. `ready` names steps that may
run now, in any order and in parallel; `advance` takes one result and answers the next plan and posture, which are written to etcd
together before anything that builds on them may start. A plan only goes forward: undoing one is electing the old writer.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from controller.core.candidates import is_cut, rank_candidates
from controller.core.model import Lsn, Posture, Site
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.steps import (
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Confirmed,
    Cut,
    ExportTail,
    Fence,
    Fenced,
    LeftBehind,
    MarkJoin,
    Open,
    Promotion,
    PromotionState,
    Reached,
    Reseed,
    Result,
    SetAckSet,
    Settle,
    Steer,
    Step,
    Unanswered,
    Verified,
    Verify,
)

TRANSITIONS: dict[PlanKind, tuple[tuple[Phase, str], ...]] = {
    PlanKind.FAILOVER: (
        (Phase.CUT, "stopping every stream of the old reign and reading how far each follower came"),
        (Phase.ATTACH, "making the others follow the new writer from exactly where they stand"),
        (Phase.OPEN, "opening the new writer"),
        (Phase.SETTLE, "waiting until a follower holds the new reign's first transaction"),
        (Phase.VERIFY, "paying a canary through every serving site and comparing ledgers"),
        (Phase.STEER, "waiting for the last authority to answer"),
    ),
    PlanKind.SWITCHOVER: (
        (Phase.FENCE, "closing the writer and waiting for payments under way"),
        (Phase.CATCH_UP, "waiting until the followers hold its last byte"),
        (Phase.CUT, "stopping every stream of the old reign and reading how far each follower came"),
        (Phase.ATTACH, "making the others follow the new writer from exactly where they stand"),
        (Phase.OPEN, "opening the new writer"),
        (Phase.SETTLE, "waiting until a follower holds the new reign's first transaction"),
        (Phase.VERIFY, "paying a canary through every serving site and comparing ledgers"),
    ),
    PlanKind.SETTLE: ((Phase.SETTLE, "waiting until a follower holds the reign's first transaction"),),
    PlanKind.GROW: (
        (Phase.MARK, "committing a join marker"),
        (Phase.JOIN, "waiting until the newcomer holds it, and every member if it can"),
        (Phase.ROW, "counting the newcomer's confirmations"),
    ),
    PlanKind.SHRINK: (
        (Phase.ROW, "no longer counting the member's confirmations"),
        (Phase.CONFIRM, "waiting until a remaining member holds all that was acknowledged"),
    ),
    PlanKind.RETURN: (
        (Phase.FENCE, "closing the returning node"),
        (Phase.EXPORT, "putting what only it has into quarantine"),
        (Phase.RESEED, "copying the writer's ledger to it"),
    ),
    PlanKind.STEER: ((Phase.STEER, "moving traffic"),),
    PlanKind.PROMOTE: (
        (Phase.ASK, "asking the provider to promote its read replica"),
        (Phase.COMPLETE, "waiting until the provider has promoted it"),
    ),
}
"""Phases of each kind in order, each with the sentence an operator reads. Every kind ends in DONE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What one result makes of a plan and its posture."""

    plan: Plan
    posture: Posture


def first_phase(kind: PlanKind) -> Phase:
    """Where a plan of this kind starts."""
    return TRANSITIONS[kind][0][0]


def sentence(plan: Plan) -> str:
    """What the plan is doing, for people."""
    return next((said for phase, said in TRANSITIONS[plan.kind] if phase is plan.phase), "done")


def ready(plan: Plan, posture: Posture) -> tuple[Step, ...]:
    """Steps that may run now. None and not DONE: the plan waits for something a person or a returning node must change."""
    steering: tuple[Step, ...] = ()
    if plan.weights is not None and not plan.steered:
        steering = (Steer(weights=plan.weights),)
    return (*steering, *_of_phase(plan, posture))


def _of_phase(plan: Plan, posture: Posture) -> tuple[Step, ...]:
    writer, reign = posture.writer, posture.reign
    match plan.phase:
        case Phase.DONE | Phase.STEER:
            return ()
        case Phase.FENCE if plan.kind is PlanKind.RETURN:
            return (Fence(site=_subject(plan), reign=reign),)
        case Phase.FENCE:
            return (Cut(site=writer, epoch=plan.epoch, writer=writer, reign=reign),)
        case Phase.CATCH_UP:
            return (_catch_up(plan, posture),)
        case Phase.CUT:
            left = [site for site in sorted(posture.must_cut | {writer}) if not is_cut(plan, site)]
            cuts = tuple(Cut(site=site, epoch=plan.epoch, writer=writer, reign=reign) for site in left)
            asks_writer = is_cut(plan, writer) and plan.level is None and plan.unanswered.issuperset(left)
            return (*cuts, _catch_up(plan, posture)) if asks_writer else cuts
        case Phase.ATTACH:
            return tuple(_attach(plan, posture, sibling) for sibling in plan.siblings)
        case Phase.OPEN:
            return (Open(winner=_winner(plan), epoch=plan.epoch, ack_set=plan.attached),)
        case Phase.SETTLE:
            return (Settle(writer=writer, reign=reign),)
        case Phase.VERIFY:
            serving = frozenset(site for site, share in posture.weights.items() if share > 0)
            return (Verify(writer=writer, epoch=plan.epoch, sites=serving, followers=plan.attached),)
        case Phase.MARK:
            return (MarkJoin(writer=writer, reign=reign, newcomer=_subject(plan)),)
        case Phase.JOIN:
            joined = (posture.must_cut | {_subject(plan)}) - {writer}
            return (AwaitConfirmed(writer=writer, reign=reign, followers=joined, need=len(joined), lsn=_marker(plan)),)
        case Phase.ROW if plan.kind is PlanKind.GROW:
            return (SetAckSet(writer=writer, reign=reign, ack_set=(posture.must_cut | {_subject(plan)}) - {writer}),)
        case Phase.ROW:
            return (SetAckSet(writer=writer, reign=reign, ack_set=posture.must_cut - {_subject(plan), writer}),)
        case Phase.CONFIRM:
            rest = posture.must_cut - {_subject(plan), writer}
            return (AwaitConfirmed(writer=writer, reign=reign, followers=rest, need=min(1, len(rest)), lsn=_marker(plan)),)
        case Phase.EXPORT:
            return (ExportTail(site=_subject(plan), writer=writer, reign=reign),)
        case Phase.RESEED:
            assert plan.seeded_before is not None, "the node was fenced before"
            return (Reseed(site=_subject(plan), writer=writer, reign=reign, seeded_before=plan.seeded_before),)
        case Phase.ASK:
            return (BeginPromotion(site=_subject(plan)),)
        case Phase.COMPLETE:
            return (AwaitPromotion(site=_subject(plan), operation=plan.operation),)
        case _:
            assert_never(plan.phase)


def advance(plan: Plan, posture: Posture, step: Step, result: Result) -> Change:
    """The next plan and posture. A result that no longer matters, because the plan moved on meanwhile, changes nothing."""
    if isinstance(step, Steer):
        steered = replace(plan, steered=True)
        return Change(plan=_finished(steered) if plan.phase is Phase.STEER else steered, posture=posture)
    if step not in _of_phase(plan, posture):
        return Change(plan=plan, posture=posture)
    match step, result:
        case Cut(site=site), Unanswered():
            return elect(replace(plan, unanswered=plan.unanswered | {site}), posture)
        case _, Unanswered():
            return Change(plan=plan, posture=posture)
        case Cut(site=site), Reached(position=position):
            known = replace(plan, positions=(*plan.positions, position), unanswered=plan.unanswered - {site})
            if plan.phase is Phase.FENCE:
                return Change(plan=replace(known, phase=Phase.CATCH_UP), posture=posture)
            return elect(known, posture)
        case CatchUp(), Confirmed(followers=followers):
            return elect(replace(plan, phase=Phase.CUT, level=followers), posture)
        case Attach(sibling=sibling), LeftBehind():
            return _attached(replace(plan, left_behind=plan.left_behind | {sibling}), _without(posture, sibling), sibling)
        case Attach(sibling=sibling), _:
            return _attached(replace(plan, attached=plan.attached | {sibling}), posture, sibling)
        case Open(), Reached(position=position):
            return Change(plan=replace(plan, phase=Phase.SETTLE, marker=position.lsn), posture=posture)
        case Settle(), Confirmed(followers=followers):
            return _settled(plan, posture, followers)
        case MarkJoin(), Reached(position=position):
            return Change(plan=replace(plan, phase=Phase.JOIN, marker=position.lsn), posture=posture)
        case AwaitConfirmed(followers=wanted, need=need), Confirmed(followers=followers):
            joined = plan.kind is PlanKind.GROW and _subject(plan) in followers
            return _confirmed(plan, posture, enough=joined or len(followers & wanted) >= need)
        case SetAckSet(), Reached(position=position) if plan.kind is PlanKind.SHRINK:
            return Change(plan=replace(plan, phase=Phase.CONFIRM, marker=position.lsn), posture=posture)
        case Fence(), Fenced(seeded=seeded):
            return Change(plan=replace(plan, phase=Phase.EXPORT, seeded_before=seeded), posture=posture)
        case ExportTail(), _:
            return Change(plan=replace(plan, phase=Phase.RESEED), posture=posture)
        case Verify(), Verified():
            return Change(plan=_finished(replace(plan, verified=result)), posture=posture)
        case ((BeginPromotion() | AwaitPromotion()), Promotion()):
            return Change(plan=_promoted(plan, result), posture=posture)
        case ((SetAckSet() | Reseed()), _):
            return Change(plan=_finished(plan), posture=posture)
        case _:
            return Change(plan=plan, posture=posture)


def elect(plan: Plan, posture: Posture) -> Change:
    """Elect as soon as somebody is proven. The posture names the winner, and holds it in the must-cut set with its siblings, before
    anything is attached or opened: from here on the winner may be the only place where an earlier epoch's payments are.

    A switchover has time: it waits until every node was read or did not answer, so that nobody is left behind without need, and
    gives the reign back to the old writer when its target did not come level.
    """
    unchanged = Change(plan=plan, posture=posture)
    if plan.phase is not Phase.CUT:
        return unchanged
    left = {site for site in posture.must_cut | {posture.writer} if not is_cut(plan, site)}
    if plan.kind is PlanKind.SWITCHOVER and not left <= plan.unanswered:
        return unchanged
    candidates = rank_candidates(plan, posture)
    if not candidates:
        return unchanged
    winner = candidates[0].site
    siblings = tuple(sorted(position.site for position in plan.positions if position.site != winner))
    level = frozenset(site for site in siblings if _level(plan, posture, site, winner))
    return Change(
        plan=replace(plan, phase=Phase.ATTACH if siblings else Phase.OPEN, winner=winner, siblings=siblings),
        posture=replace(posture, writer=winner, reign=plan.epoch, must_cut=frozenset({winner, *siblings}), level=level),
    )


def _level(plan: Plan, posture: Posture, sibling: Site, winner: Site) -> bool:
    """Both hold exactly the same payments: they stand at the same final position of the same publisher and epoch; or the fenced writer
    says of both that they have its last byte; or both were level in the last election, and that reign's marker reached neither."""
    position, best = plan.position_of(sibling), plan.position_of(winner)
    assert position is not None, "only sites that were read become siblings"
    assert best is not None, "only a site that was read wins"
    at_same_end = position.lsn > 0 and (position.publisher, position.epoch, position.lsn) == (
        best.publisher,
        best.epoch,
        best.lsn,
    )
    still_level = {sibling, winner} <= posture.level and not (position.marked or best.marked)
    return at_same_end or still_level or (_holds_all(plan, sibling) and _holds_all(plan, winner))


def _attach(plan: Plan, posture: Posture, sibling: Site) -> Attach:
    """To the level sibling a slot at the winner's end skips nothing; any other is mapped."""
    position = plan.position_of(sibling)
    assert position is not None, "only sites that were read become siblings"
    return Attach(
        sibling=sibling,
        winner=_winner(plan),
        epoch=plan.epoch,
        position=position,
        level=sibling in posture.level,
        last=not plan.attached and plan.siblings == (sibling,),
    )


def _holds_all(plan: Plan, site: Site) -> bool:
    """Does the fenced writer prove that this site has everything: by being it, or by having seen it confirm the last byte?"""
    writer = next((position.site for position in plan.positions if position.site == position.publisher), None)
    return writer is not None and (site == writer or site in (plan.level or frozenset()))


def _attached(plan: Plan, posture: Posture, sibling: Site) -> Change:
    left = tuple(site for site in plan.siblings if site != sibling)
    return Change(plan=replace(plan, siblings=left, phase=plan.phase if left else Phase.OPEN), posture=posture)


def _settled(plan: Plan, posture: Posture, followers: frozenset[Site]) -> Change:
    """A follower holds the marker: the winner's disk is no longer the only proof. Nobody yet: the plan ends all the same, and upkeep
    settles later; a plan that waited here would block the very return that could settle it."""
    followed = replace(posture, must_cut=posture.must_cut - {posture.writer}, level=frozenset())
    settled = followed if followers else posture
    if plan.kind is PlanKind.SETTLE:
        return Change(plan=_finished(plan), posture=settled)
    return Change(plan=replace(plan, phase=Phase.VERIFY), posture=settled)


def _confirmed(plan: Plan, posture: Posture, *, enough: bool) -> Change:
    """Grow and shrink meet etcd here: the set in etcd is always a superset of the one in the row, so it grows before the row and
    shrinks after it, and only when what the removed member alone could have acknowledged is held by another one.

    A member that does not reach the join marker is waited for, because a newcomer that wins can only prove positions behind its own
    copy; but it keeps nobody out. B cannot reach the writer, A came back: without A nobody could ever acknowledge again."""
    subject = _subject(plan)
    if not enough:
        return Change(plan=_finished(plan) if plan.kind is PlanKind.GROW else plan, posture=posture)
    if plan.kind is PlanKind.GROW:
        return Change(plan=replace(plan, phase=Phase.ROW), posture=replace(posture, must_cut=posture.must_cut | {subject}))
    left = _without(posture, subject)
    # Nobody left: nothing is acknowledged any more, and only the writer itself can prove what was.
    return Change(plan=_finished(plan), posture=left if left.must_cut else replace(left, must_cut=frozenset({posture.writer})))


def _promoted(plan: Plan, seen: Promotion) -> Plan:
    """The provider's word moves the plan, and its name for the operation is kept: who takes the plan over asks for this one."""
    known = replace(plan, operation=seen.operation)
    match seen.state:
        case PromotionState.RUNNING:
            return replace(known, phase=Phase.COMPLETE)
        case PromotionState.DONE:
            return _finished(known)
        case PromotionState.FAILED:
            return _finished(replace(known, failure=seen.detail or "the provider says that it failed"))
        case _:
            assert_never(seen.state)


def _finished(plan: Plan) -> Plan:
    """Done, once the authorities were told too: an API that hangs is longer about it than a whole failover, and without its answer
    nobody could read afterwards which authority was left behind."""
    steers = plan.weights is not None and not plan.steered
    return replace(plan, phase=Phase.STEER if steers else Phase.DONE)


def _without(posture: Posture, site: Site) -> Posture:
    return replace(posture, must_cut=posture.must_cut - {site}, level=posture.level - {site})


def _subject(plan: Plan) -> Site:
    assert plan.subject is not None, f"a {plan.kind} plan names its site"
    return plan.subject


def _winner(plan: Plan) -> Site:
    assert plan.winner is not None, "only an election leads to this phase"
    return plan.winner


def _marker(plan: Plan) -> Lsn:
    assert plan.marker is not None, "only a marked position leads to this phase"
    return plan.marker


def _catch_up(plan: Plan, posture: Posture) -> CatchUp:
    position = plan.position_of(posture.writer)
    assert position is not None, "the writer was fenced before"
    return CatchUp(writer=posture.writer, reign=posture.reign, followers=posture.must_cut - {posture.writer}, lsn=position.lsn)
