"""A plan as a value: what was decided, how far it has come, and everything a controller that takes it over must know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.core.model import UNSAID, Epoch, Lsn, Position, Site, Trigger
from controller.core.steps import Verified


class PlanKind(StrEnum):
    """What a plan is for. Only failover and switchover claim an epoch, and only they may replace a plan that is under way."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    SETTLE = "settle"
    GROW = "grow"
    SHRINK = "shrink"
    RETURN = "return"
    STEER = "steer"
    PROMOTE = "promote"
    """A provider-managed read replica becomes a server of its own. The one kind that asks a provider: see `steps.ASKS_PROVIDER`."""


GIVES_WAY = frozenset({PlanKind.PROMOTE})
"""Kinds that only watch a provider, which goes on by itself: upkeep replaces them. An API that hangs for hours would otherwise keep a
dead follower in the must-cut set for as long, and the next failover would wait for it."""


class Phase(StrEnum):
    """Where a plan stands; `phases.TRANSITIONS` says which phases follow which, and what an operator reads about each."""

    FENCE = "fence"
    CATCH_UP = "catch_up"
    CUT = "cut"
    ATTACH = "attach"
    OPEN = "open"
    SETTLE = "settle"
    VERIFY = "verify"
    MARK = "mark"
    JOIN = "join"
    ROW = "row"
    CONFIRM = "confirm"
    EXPORT = "export"
    RESEED = "reseed"
    STEER = "steer"
    ASK = "ask"
    COMPLETE = "complete"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One movement of one service. Replaced as a whole in etcd, in the transaction that journals the step it records."""

    id: str
    service: str
    kind: PlanKind
    epoch: Epoch
    """The claimed epoch, or the present reign for plans that claim none."""
    trigger: Trigger
    reason: str
    by: str
    """Controller or operator who asked for it."""
    started: datetime
    subject: Site | None = None
    """Failover: the site left. Switchover: the site moved to. Grow, shrink, return: the follower. Promote: the replica's. Else None."""
    phase: Phase
    positions: tuple[Position, ...] = ()
    unanswered: frozenset[Site] = frozenset()
    """Sites whose cut was tried and not answered; it is still tried again, but nobody waits for it."""
    level: frozenset[Site] | None = None
    """Followers that the fenced writer saw confirm its last byte; None: the writer was not asked."""
    winner: Site | None = None
    siblings: tuple[Site, ...] = ()
    """Still to be attached to the winner."""
    attached: frozenset[Site] = frozenset()
    left_behind: frozenset[Site] = frozenset()
    marker: Lsn | None = None
    """Grow: join marker on the writer. Shrink: flush position after the row was changed."""
    seeded_before: int | None = None
    """Return: the node's `seeded` when it was fenced."""
    operation: str = ""
    """Promote: the provider's name for what it was asked to do."""
    failure: str = ""
    """Why the plan ended without what it was for; empty while it may still come to it, and when it did."""
    verified: Verified | None = None
    """What the check at the end found; None while there was none."""
    weights: Mapping[Site, float] | None = None
    """Traffic wanted from the start of the plan; None: traffic stays as it is."""
    steered: bool = False
    schemas: Mapping[Site, str] | None = field(default=None, metadata={UNSAID: True})
    """Fingerprint that each node's schema had when the plan was claimed, for plans that elect; a site that is missing is not known. None:
    the plan elects nobody, and controllers of the version before, which do not know this field, can read it."""
    waived: frozenset[Site] = frozenset()
    """Members an operator allowed to be left uncut, by name and on the record: durability is then no longer proven."""

    def position_of(self, site: Site) -> Position | None:
        """What this plan read from a site, or None while it has not been cut."""
        return next((position for position in self.positions if position.site == site), None)
