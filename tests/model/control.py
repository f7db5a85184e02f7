"""What etcd holds, moved by the code that ships: `claims.claim`, `phases.ready`, `phases.advance`, and through it the election.

Controls are interned like nodes. What no later phase reads is forgotten, and each time that is checked against `ready` itself.
A safeguard of the control plane is removed here, around the product's functions, never inside them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from controller.core.claims import claim
from controller.core.invariants import Breach, epochs_only_grow
from controller.core.model import Epoch, Lsn, Posture, Site, Trigger
from controller.core.phases import advance, ready
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.proposals import Failover, GiveUp, Grow, Proposal, Return, SettleUp, Shrink, Switchover
from controller.core.steps import Cut, Reached, Result, SetAckSet, Step, Unanswered, Verified
from tests.model.node import SITES
from tests.model.safeguards import Rules

SERVICE = "payments"
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_CHOOSING = frozenset({Phase.FENCE, Phase.CATCH_UP, Phase.CUT})
_BY_MARKER = frozenset({Phase.JOIN, Phase.CONFIRM})
_WEIGHTS = dict.fromkeys(SITES, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """Posture and plan, in etcd together."""

    posture: Posture
    plan: Plan | None
    steps: tuple[Step, ...]
    """What the plan's owner may do now."""
    _next: dict[tuple[Step, Result | None, Rules], tuple["Control", tuple[Breach, ...]]] = field(default_factory=dict)


_seen: dict[tuple[object, ...], Control] = {}


def control_of(posture: Posture, plan: Plan | None) -> Control:
    """The one control with these values. A plan that is done is gone."""
    if plan is not None and plan.phase is Phase.DONE:
        plan = None
    kept = None if plan is None else _forgetful(plan)
    key = (
        *(posture.epoch, posture.writer, posture.reign, posture.must_cut, posture.level),
        *(() if kept is None else _key(kept)),
    )
    if key not in _seen:
        steps = ready(kept, posture) if kept is not None else ()
        assert plan is None or steps == ready(plan, posture), "something was forgotten that a phase reads"
        _seen[key] = Control(posture, kept, steps)
    return _seen[key]


def _forgetful(plan: Plan) -> Plan:
    """The plan without what no phase ahead of it reads, and with positions in order of sites."""
    chosen = plan.phase not in _CHOOSING
    wanted = frozenset(plan.siblings) if chosen else frozenset(SITES)
    return replace(
        plan,
        positions=tuple(sorted((one for one in plan.positions if one.site in wanted), key=lambda one: one.site)),
        unanswered=frozenset() if chosen else plan.unanswered,
        level=None if chosen else plan.level,
        left_behind=frozenset(),
        marker=plan.marker if plan.phase in _BY_MARKER else None,
    )


def _key(plan: Plan) -> tuple[object, ...]:
    return (
        *(plan.kind, plan.epoch, plan.subject, plan.phase, plan.positions, plan.unanswered, plan.level),
        *(plan.winner, plan.siblings, plan.attached, plan.marker, plan.seeded_before),
    )


def founded(members: frozenset[Site], writer: Site) -> Control:
    """A reign that began, settled."""
    posture = Posture(
        service=SERVICE, epoch=Epoch(1), writer=writer, reign=Epoch(1), must_cut=members or frozenset({writer}), weights=_WEIGHTS
    )
    return control_of(posture, None)


# ---------------------------------------------------------------------------------------------------- claims


def proposals(control: Control, kinds: frozenset[PlanKind], epochs: int) -> tuple[tuple[PlanKind, str, Proposal], ...]:
    """What a controller may claim, asking no guard but the two that protect data: only members leave the set, and nobody empties a member
    or the writer. Moves replace whatever is under way; upkeep waits for a free moment."""
    posture = control.posture
    found: list[tuple[PlanKind, str, Proposal]] = []
    inside = sorted(posture.must_cut - {posture.writer})
    outside = sorted(set(SITES) - posture.must_cut - {posture.writer})
    if posture.epoch < epochs:
        leave = Failover(site=posture.writer, weights=None, trigger=Trigger.AUTOMATIC, because="")
        found.append((PlanKind.FAILOVER, f"a failover from {posture.writer}", leave))
        found += [
            (PlanKind.SWITCHOVER, f"a switchover to {site}", Switchover(to=site, trigger=Trigger.OPERATOR, because=""))
            for site in inside
        ]
    if control.plan is None:
        found += [(PlanKind.SHRINK, f"to take {site} out of the set", Shrink(site=site, because="")) for site in inside]
        found += [(PlanKind.GROW, f"to take {site} into the set", Grow(site=site, because="")) for site in outside]
        found += [(PlanKind.RETURN, f"to bring {site} back", Return(site=site, because="")) for site in outside]
        if not posture.settled:
            found.append((PlanKind.SETTLE, "to settle the reign", SettleUp(because="")))
    return tuple(one for one in found if one[0] in kinds)


def given_up(control: Control) -> Control | None:
    """Upkeep that is under way ends where it stands; None for what cannot be ended so."""
    if control.plan is None or control.plan.kind not in {PlanKind.SHRINK, PlanKind.RETURN}:
        return None
    return claimed(control, GiveUp(plan=control.plan, because=""), _ANY)


def claimed(control: Control, proposal: Proposal, rules: Rules) -> Control:
    """What the claim makes of etcd."""
    made = claim(proposal, control.posture, by="model", at=_AT, running=control.plan)
    posture = made.posture or control.posture
    if isinstance(proposal, Shrink) and not rules.row_first:
        posture = replace(posture, must_cut=posture.must_cut - {proposal.site})
    return control_of(posture, made.plan)


# ---------------------------------------------------------------------------------------------------- results


def advanced(control: Control, step: Step, result: Result, rules: Rules) -> tuple[Control, tuple[Breach, ...]]:
    """What the result makes of etcd, and what is wrong with that."""
    asked = (step, None if isinstance(result, Verified) else result, rules)
    known = control._next.get(asked)
    if known is None:
        assert control.plan is not None, "a step belongs to a plan"
        posture, plan = _advance(control.posture, control.plan, step, result, rules)
        after = control_of(posture, plan)
        known = after, (*epochs_only_grow((control.posture, posture)), *_elected_by_one_epoch(control, plan, rules))
        control._next[asked] = known
    return known


def _advance(posture: Posture, plan: Plan, step: Step, result: Result, rules: Rules) -> tuple[Posture, Plan]:
    for applies, variant in _VARIANTS:
        if applies(plan, step, rules):
            return variant(posture, plan, step, result)
    change = advance(plan, posture, step, result)
    if not rules.settle and change.plan.winner != plan.winner and change.plan.siblings:
        return replace(change.posture, must_cut=change.posture.must_cut - {change.posture.writer}), change.plan
    return change.posture, change.plan


Variant = Callable[[Posture, Plan, Step, Result], tuple[Posture, Plan]]


def _read_one(posture: Posture, plan: Plan, step: Step, result: Result) -> tuple[Posture, Plan]:
    """Without `read_all`: the members that were read are all there are."""
    read = {position.site for position in plan.positions} | {getattr(step, "site", None)}
    narrowed = replace(posture, must_cut=posture.must_cut & read)
    change = advance(plan, narrowed if isinstance(result, Reached) else posture, step, result)
    return (change.posture if change.plan.winner else posture), change.plan


def _grow_backwards(posture: Posture, plan: Plan, step: Step, result: Result) -> tuple[Posture, Plan]:
    """Without `etcd_first`: the row has counted the newcomer since the step before; now etcd is told."""
    change = advance(plan, posture, step, result)
    if plan.phase is Phase.JOIN:
        return posture, change.plan
    assert plan.subject is not None
    return replace(change.posture, must_cut=posture.must_cut | {plan.subject}), change.plan


def _shrink_backwards(posture: Posture, plan: Plan, step: Step, result: Result) -> tuple[Posture, Plan]:
    """Without `row_first`: etcd was told with the claim, now the row follows, and nobody waits for anything."""
    return posture, replace(plan, phase=Phase.DONE)


_VARIANTS: tuple[tuple[Callable[[Plan, Step, Rules], bool], Variant], ...] = (
    (lambda plan, step, rules: not rules.read_all and isinstance(step, Cut), _read_one),
    (
        lambda plan, step, rules: not rules.etcd_first and plan.kind is PlanKind.GROW and plan.phase in {Phase.JOIN, Phase.ROW},
        _grow_backwards,
    ),
    (
        lambda plan, step, rules: not rules.row_first and plan.kind is PlanKind.SHRINK and isinstance(step, SetAckSet),
        _shrink_backwards,
    ),
)


def _elected_by_one_epoch(before: Control, plan: Plan, rules: Rules) -> tuple[Breach, ...]:
    """An election goes by positions of one epoch, from one publisher, and by nobody's empty one.

    The winner is the fenced writer, or was seen by it to hold its last byte, or holds a position of the reign that ends, or was level with
    its writer when that was elected.
    B stands at 7 of A's log in epoch 1 and C at 5 of B's log in epoch 2: 7 is more than 5, and says nothing.
    """
    old = before.posture
    if plan.winner is None or before.plan is None or before.plan.winner is not None:
        return ()
    won = plan.position_of(plan.winner)
    assert won is not None, "only a site that was read wins"
    of_reign = (won.publisher, won.epoch) == (old.writer, old.reign) and won.lsn > Lsn(0)
    if of_reign or won.site in old.level or won.site in (before.plan.level or plan.level or ()) or not rules.markers:
        return ()
    evidence = f"{won.site} elected after {old.writer} by a position of {won.publisher} in epoch {won.epoch}"
    return (Breach(promise="one-epoch", evidence=evidence),)


def nobody_answers(control: Control) -> Control | None:
    """Everybody who is still to be cut was tried, and does not answer; None where that changes nothing."""
    left = [step for step in control.steps if isinstance(step, Cut)]
    if control.plan is None or control.plan.phase is not Phase.CUT or {step.site for step in left} <= control.plan.unanswered:
        return None
    after = control
    for step in left:
        after, _ = advanced(after, step, Unanswered(because=""), _ANY)
        if after.plan is None or after.plan.phase is not Phase.CUT:
            break
    return after


_ANY = Rules()
