"""What a decision may ask for, as small frozen values. A proposal says what and why; etcd decides who carries it out.

Rules for changing this file: a proposal holds everything a plan needs that is not in the posture, and nothing that a guard or the
executor could read there. The union and the tables below are complete: a new kind of proposal does not type-check until
every guard has an answer for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from controller.core.model import Epoch, Mode, Pause, Posture, Site, Trigger
from controller.core.plans import Plan, PlanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """Leave a writer that is failing: claim the next epoch, cut, elect, open."""

    site: Site
    """The site left."""
    weights: Mapping[Site, float] | None
    """Traffic from the start of the plan; None: it stays as it is."""
    trigger: Trigger
    because: str
    by: str = ""
    """Operator who asked; empty when nobody did."""
    waived: frozenset[Site] = frozenset()
    """Members that may stay uncut, named by an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switchover:
    """Move the writer while everything is healthy; only operators ask for it."""

    to: Site
    trigger: Trigger
    because: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainOnly:
    """Give traffic these weights and leave the writer where it is."""

    weights: Mapping[Site, float]
    trigger: Trigger
    because: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Take a follower out of the ack set, so that a later failover need not cut a node nobody can reach."""

    site: Site
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """Take a streaming follower into the ack set."""

    site: Site
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """Fence a node that belongs to no present reign, keep its tail, and make it a follower again."""

    site: Site
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Have a site's provider make its read replica a server of its own; only operators ask for it."""

    site: Site
    because: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleUp:
    """Wait for a follower to confirm the reign's marker, after a plan that ended before that."""

    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """Go on with a plan whose owner is gone, or stands still and need not, where the journal stands."""

    plan: Plan
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """End upkeep whose ground is gone (`stalls.pointless`), so that nothing waits behind it; what is still needed begins anew."""

    plan: Plan
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPause:
    """Stop automation, or let it go on (None); the posture changes and nothing else."""

    pause: Pause | None
    because: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode:
    """Change how much may happen without a person."""

    mode: Mode
    because: str
    by: str


Proposal = (
    Failover | Switchover | DrainOnly | Shrink | Grow | Return | SettleUp | Promote | TakeOver | GiveUp | SetPause | SetMode
)


class Asked(Protocol):
    """An operator's wish, as `ports.Request` carries it."""

    @property
    def id(self) -> str:
        """The same id twice is the same wish."""

    @property
    def verb(self) -> str:
        """switchover, failover, promote, pause, resume, mode."""

    @property
    def by(self) -> str:
        """Who asked."""

    @property
    def reason(self) -> str:
        """Why, in the operator's words."""

    @property
    def at(self) -> datetime:
        """Wall clock of the asking; the oldest is answered first."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """`to`, `from`, `site`, `until`, `mode`, `waive` (sites), `override` (guards); lists are separated by commas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The plan under way and whether its owner still lives."""

    plan: Plan
    owner: str
    """Controller that carries it out; empty when nobody does."""
    owner_alive: bool


def plan_kind(proposal: Proposal) -> PlanKind | None:
    """The plan a proposal becomes; None for those that make no new plan."""
    match proposal:
        case Failover():
            return PlanKind.FAILOVER
        case Switchover():
            return PlanKind.SWITCHOVER
        case DrainOnly():
            return PlanKind.STEER
        case Shrink():
            return PlanKind.SHRINK
        case Grow():
            return PlanKind.GROW
        case Return():
            return PlanKind.RETURN
        case SettleUp():
            return PlanKind.SETTLE
        case Promote():
            return PlanKind.PROMOTE
        case TakeOver() | GiveUp() | SetPause() | SetMode():
            return None
        case _:
            assert_never(proposal)


def trigger_of(proposal: Proposal) -> Trigger:
    """Who asked for it."""
    match proposal:
        case Failover() | Switchover() | DrainOnly():
            return proposal.trigger
        case Shrink() | Grow() | Return() | SettleUp() | TakeOver() | GiveUp():
            return Trigger.UPKEEP
        case SetPause() | SetMode() | Promote():
            return Trigger.OPERATOR
        case _:
            assert_never(proposal)


def subject_of(proposal: Proposal) -> Site | None:
    """The site a plan is about, as `Plan.subject` defines it."""
    match proposal:
        case Failover() | Shrink() | Grow() | Return() | Promote():
            return proposal.site
        case Switchover():
            return proposal.to
        case TakeOver() | GiveUp():
            return proposal.plan.subject
        case DrainOnly() | SettleUp() | SetPause() | SetMode():
            return None
        case _:
            assert_never(proposal)


def weights_of(proposal: Proposal) -> Mapping[Site, float] | None:
    """The traffic a proposal asks for; None: it stays as it is."""
    return proposal.weights if isinstance(proposal, Failover | DrainOnly) else None


def claims_epoch(proposal: Proposal) -> bool:
    """Does it begin a new reign?"""
    return isinstance(proposal, Failover | Switchover)


def claimed_epoch(proposal: Proposal, posture: Posture) -> Epoch:
    """Epoch its plan carries: the next one for those that claim, else that of the present reign."""
    return Epoch(posture.epoch + 1) if claims_epoch(proposal) else posture.reign


def sentence(proposal: Proposal) -> str:
    """What would be done, as an operator reads it."""
    match proposal:
        case Failover():
            waived = f", leaving {_names(proposal.waived)} uncut" if proposal.waived else ""
            return f"fail over from {proposal.site}{waived}{_traffic(proposal.weights)}"
        case Switchover():
            return f"switch over to {proposal.to}"
        case DrainOnly():
            return f"steer traffic{_traffic(proposal.weights)}"
        case Shrink():
            return f"take {proposal.site} out of the ack set"
        case Grow():
            return f"take {proposal.site} into the ack set"
        case Return():
            return f"bring {proposal.site} back as a follower"
        case Promote():
            return f"have the provider promote the read replica at {proposal.site}"
        case SettleUp():
            return "wait until a follower has confirmed the writer's marker"
        case TakeOver():
            return f"take over plan {proposal.plan.id} ({proposal.plan.kind}) in phase {proposal.plan.phase}"
        case GiveUp():
            return f"give up plan {proposal.plan.id} ({proposal.plan.kind}) in phase {proposal.plan.phase}"
        case SetPause():
            return "pause automation" if proposal.pause else "resume automation"
        case SetMode():
            return f"change the mode to {proposal.mode}"
        case _:
            assert_never(proposal)


def _names(sites: frozenset[Site]) -> str:
    return ", ".join(sorted(sites))


def _traffic(weights: Mapping[Site, float] | None) -> str:
    if weights is None:
        return ""
    return ", traffic " + ", ".join(f"{site} {weights[site]:g}" for site in sorted(weights))
