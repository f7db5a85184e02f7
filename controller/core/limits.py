"""How often automation may move the writer, and the small memory that this takes.

Rules for changing this file: forgetting must err towards holding still. This is the one place where a decision reads a wall
clock that another controller wrote; a clock that runs ahead only makes the guard hold longer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.core.model import Epoch, JournalEntry, Trigger
from controller.core.plans import Plan, PlanKind
from controller.core.policy import Moment, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomaticFailover:
    """One failover nobody asked for: the epoch it claimed, and when on the wall clock."""

    epoch: Epoch
    at: datetime


def remembered(history: tuple[AutomaticFailover, ...], plan: Plan | None) -> tuple[AutomaticFailover, ...]:
    """The history with this plan in it, if it is an automatic failover; each epoch is counted once."""
    if plan is None or plan.kind is not PlanKind.FAILOVER or plan.trigger is not Trigger.AUTOMATIC:
        return history
    if any(past.epoch == plan.epoch for past in history):
        return history
    return (*history, AutomaticFailover(epoch=plan.epoch, at=plan.started))


def recalled(entries: Iterable[JournalEntry]) -> tuple[AutomaticFailover, ...]:
    """What a controller that just started must know: the automatic failovers of the journal, each at its first entry.

    Reads what a claim journals (`plan_kind`, `trigger`, `epoch`), whatever kind the entry has.
    """
    first: dict[Epoch, AutomaticFailover] = {}
    wanted = (str(PlanKind.FAILOVER), str(Trigger.AUTOMATIC))
    for entry in entries:
        epoch = entry.body.get("epoch")
        if (entry.body.get("plan_kind"), entry.body.get("trigger")) == wanted and isinstance(epoch, int):
            first.setdefault(Epoch(epoch), AutomaticFailover(epoch=Epoch(epoch), at=entry.at))
    return tuple(first[epoch] for epoch in sorted(first))


def merged(*histories: Iterable[AutomaticFailover]) -> tuple[AutomaticFailover, ...]:
    """Several memories as one: each epoch once, at its latest time, in order."""
    latest: dict[Epoch, AutomaticFailover] = {}
    for past in (past for history in histories for past in history):
        known = latest.get(past.epoch)
        if known is None or past.at > known.at:
            latest[past.epoch] = past
    return tuple(latest[epoch] for epoch in sorted(latest))


def within_window(history: tuple[AutomaticFailover, ...], policy: Policy, now: Moment) -> tuple[AutomaticFailover, ...]:
    """Those that count against the limit at this moment. One dated in the future counts: its writer's clock was ahead."""
    return tuple(past for past in history if past.at > now.wall - policy.velocity_window)


def allowed_again(history: tuple[AutomaticFailover, ...], policy: Policy, now: Moment) -> datetime | None:
    """When the next automatic failover is allowed; None when it is allowed now, or never will be (a limit of 0)."""
    counting = sorted(past.at for past in within_window(history, policy, now))
    if len(counting) < policy.automatic_failovers or policy.automatic_failovers == 0:
        return None
    return counting[-policy.automatic_failovers] + policy.velocity_window
