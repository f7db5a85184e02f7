"""A proposal becomes a plan: what is written to etcd to claim it, as values.

Rules for changing this file: nothing here judges whether the proposal may be; guards did. One claim is one compare-and-set, so
whatever a claim changes is answered here together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from controller.core.model import Posture, Site
from controller.core.phases import first_phase
from controller.core.plans import Phase, Plan
from controller.core.proposals import (
    DrainOnly,
    Failover,
    GiveUp,
    Grow,
    Promote,
    Proposal,
    Return,
    SetMode,
    SetPause,
    SettleUp,
    Shrink,
    Switchover,
    TakeOver,
    claimed_epoch,
    plan_kind,
    sentence,
    subject_of,
    trigger_of,
    weights_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one compare-and-set writes."""

    posture: Posture | None
    """None: unchanged."""
    plan: Plan | None
    """None: unchanged."""
    takes: bool
    """The writer of this claim becomes the owner of the plan."""
    entry: Mapping[str, object]
    """Body of the journal entry."""


def claim(
    proposal: Proposal,
    posture: Posture,
    *,
    by: str,
    at: datetime,
    running: Plan | None = None,
    schemas: Mapping[Site, str] | None = None,
) -> Claim:
    """Everything a proposal changes when it is claimed by this controller, at this wall-clock time. `running` is the plan under
    way: a new plan replaces it, and a drain beside it changes the posture alone, so that the caretaker tells the authorities and the
    plan goes on. `schemas`: what an election goes by among equals (`schema_guard.claimed_schemas`)."""
    match proposal:
        case SetPause(pause=pause):
            return _posture_only(proposal, replace(posture, pause=pause))
        case SetMode(mode=mode):
            return _posture_only(proposal, replace(posture, mode=mode))
        case TakeOver(plan=plan):
            return Claim(posture=None, plan=plan, takes=True, entry=_entry(proposal, plan))
        case GiveUp(plan=plan):
            ended = replace(plan, phase=Phase.DONE)
            return Claim(posture=None, plan=ended, takes=True, entry=_entry(proposal, plan))
        case DrainOnly(weights=weights) if running is not None:
            return _posture_only(proposal, replace(posture, weights=weights))
        case Failover() | Switchover() | DrainOnly() | Shrink() | Grow() | Return() | SettleUp() | Promote():
            plan = replace(_plan(proposal, posture, by=by, at=at), schemas=schemas)
            wanted = replace(posture, epoch=max(posture.epoch, plan.epoch), weights=plan.weights or posture.weights)
            entry = {**_entry(proposal, plan), "replaces": running.id if running else ""}
            return Claim(posture=wanted if wanted != posture else None, plan=plan, takes=True, entry=entry)
        case _:
            assert_never(proposal)


def _plan(proposal: Proposal, posture: Posture, *, by: str, at: datetime) -> Plan:
    kind, epoch = plan_kind(proposal), claimed_epoch(proposal, posture)
    assert kind is not None, "only proposals that make a plan come here"
    return Plan(
        id=f"{kind}-e{epoch}-{at:%Y%m%dT%H%M%S.%f}-{by}",
        service=posture.service,
        kind=kind,
        epoch=epoch,
        trigger=trigger_of(proposal),
        reason=proposal.because,
        by=getattr(proposal, "by", "") or by,
        started=at,
        subject=subject_of(proposal),
        phase=first_phase(kind),
        weights=weights_of(proposal),
        waived=proposal.waived if isinstance(proposal, Failover) else frozenset(),
    )


def _posture_only(proposal: SetPause | SetMode | DrainOnly, posture: Posture) -> Claim:
    asked = f" ({proposal.by})" if proposal.by else ""
    match proposal:
        case SetPause(pause=pause):
            sets = "pause" if pause else "resume"
        case SetMode():
            sets = "mode"
        case DrainOnly():
            sets = "weights"
        case _:
            assert_never(proposal)
    entry = {"sentence": f"{sentence(proposal)}: {proposal.because}{asked}", "sets": sets, "by": proposal.by}
    return Claim(posture=posture, plan=None, takes=False, entry=entry)


def _entry(proposal: Proposal, plan: Plan) -> Mapping[str, object]:
    return {
        "sentence": f"{sentence(proposal)}, because {proposal.because}",
        "plan": plan.id,
        "plan_kind": plan.kind,
        "trigger": plan.trigger,
        "epoch": plan.epoch,
        "subject": plan.subject,
        "by": plan.by,
    }
