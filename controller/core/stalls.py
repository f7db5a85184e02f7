"""A plan whose owner lives and gets nowhere, while this controller reaches every node it needs.

Scenario: azure dies; aws's controller claims the failover, but its own path to gcp's database is broken (a firewall, a wrong password).
Its edge sees gcp well, so it does not suspect itself, and it tries to cut gcp for ever. gcp's own controller could do it at once; but an
owner that lives is never replaced, and the only advice left to an operator would be to leave out a healthy member and lose its payments.

The other end of the same question: a plan whose ground is gone is given up, so that nothing waits behind it.

Rules for changing this file: a plan that waits for something that takes its time by right is no stall.
"""

from typing import assert_never

from controller.core.circumstances import Circumstances
from controller.core.model import Health, Posture, Site
from controller.core.phases import ready
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.steps import (
    Attach,
    AwaitConfirmed,
    AwaitPromotion,
    BeginPromotion,
    CatchUp,
    Cut,
    ExportTail,
    Fence,
    MarkJoin,
    Open,
    Reseed,
    SetAckSet,
    Settle,
    Steer,
    Step,
    Verify,
)

PATIENCE = 3
"""Dwells for which a plan stands still before another controller tries: longer than any step's own deadline, but for one."""

LEAVING = 10
"""The same while a sibling that is out of reach from here too may have to be left behind: longer than its owner waits for the only one.

1. aws is elected, gcp dies before it follows, azure is back. 2. aws's controller waits for gcp, as it has to: it is the only one that
could acknowledge. 3. azure's takes over, because aws stands there and can be reached; its own wait begins at the beginning. 4. aws's
takes that over. They did so until gcp came back, and nobody was acknowledged although two sites were well.
"""

_TAKES_ITS_TIME = frozenset({Phase.RESEED, Phase.CONFIRM})
"""A copy, and a follower that has to come level."""


def stalled(now: Circumstances) -> str:
    """What stands still in other hands and could move in ours; empty when nothing does. The text changes when the plan moves, and when
    it changes hands: two controllers that have both been patient would otherwise take it from each other within a tick, and each
    would turn the other's steps away.
    """
    running, posture = now.running, now.posture
    if running is None or not running.owner_alive or running.owner == now.snapshot.vantage:
        return ""
    plan = running.plan
    needed = nodes_needed(plan, posture)
    if not needed or not all(_moves(site, plan, now) for site in needed):
        return ""
    stands = f"{plan.id} stands in phase {plan.phase} with {len(plan.positions)} cut in the hands of {running.owner}"
    return f"{stands}, and {', '.join(sorted(needed))} can be reached from here"


def endured(now: Circumstances) -> int:
    """Dwells for which this stall is looked at before anybody else tries."""
    waits = ready(now.running.plan, now.posture) if now.running is not None else ()
    leaving = any(isinstance(step, Attach) and now.facts(step.sibling) is None for step in waits)
    return LEAVING if leaving else PATIENCE


def _moves(site: Site, plan: Plan, now: Circumstances) -> bool:
    """Could this node do its part if we asked? One that is reached, but stands on a timeline that is not its pinned one, refuses in
    everybody's hands: a plan that waits for a person to leave it uncut was passed round between three controllers for ever."""
    facts = now.facts(site)
    return facts is not None and (facts.pinned or plan.kind is PlanKind.RETURN)


def pointless(plan: Plan, now: Circumstances) -> str:
    """Why upkeep that is under way can be ended, since what it rests on is gone; empty when it cannot. What waits behind it is worth more:
    a shrink waits for the member that remains, that one dies, and the member that came back could confirm everything."""
    if plan.subject is None:
        return ""
    if plan.kind is PlanKind.RETURN and now.database(plan.subject) is Health.FAILING:
        return f"{plan.subject} is failing"
    remaining = now.posture.must_cut - {plan.subject, now.posture.writer}
    lost = bool(remaining) and all(now.database(site) is Health.FAILING for site in remaining)
    if plan.kind is PlanKind.SHRINK and lost and now.database(plan.subject) is Health.HEALTHY:
        return f"{', '.join(sorted(remaining))} would remain and is failing, and {plan.subject} is back"
    return ""


def nodes_needed(plan: Plan, posture: Posture) -> frozenset[Site]:
    """Nodes without which the plan cannot move on from where it stands; nobody when it waits for something else."""
    if plan.phase in _TAKES_ITS_TIME:
        return frozenset()
    return frozenset(site for step in ready(plan, posture) for site in _needed(step, posture))


def _needed(step: Step, posture: Posture) -> frozenset[Site]:
    match step:
        case Cut(site=site):
            return frozenset({site}) & posture.must_cut  # any other is tried, and never waited for
        case Open(winner=site) | Fence(site=site):
            return frozenset({site})
        case ExportTail(site=site, writer=writer):
            return frozenset({site, writer})
        case CatchUp(writer=writer) | Settle(writer=writer) | MarkJoin(writer=writer):
            return frozenset({writer})
        case AwaitConfirmed(writer=writer) | SetAckSet(writer=writer):
            return frozenset({writer})
        case Attach(winner=winner):
            return frozenset({winner})  # a sibling that is out of reach is left behind
        case Steer() | Verify() | Reseed() | BeginPromotion() | AwaitPromotion():
            return frozenset()
        case _:
            assert_never(step)
