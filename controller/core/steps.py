"""Effects as data. A step says what is to happen, never how; `execute` carries it out and hands back its result.

Rules for changing this file: every step is idempotent and safe after a lost answer; a step never carries the ownership token
(the executor presents the one it holds at that moment); a result is everything a later step may rely on, because a controller
that takes the plan over knows nothing but the journal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, assert_never

from controller.core.model import Epoch, Lsn, Position, Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Stop this node's part in every reign before `epoch` and read how far it came; a writer is fenced and drained."""

    step: Literal["cut"] = "cut"
    site: Site
    epoch: Epoch
    writer: Site
    reign: Epoch
    """The reign whose position is wanted, and its writer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUp:
    """Wait on the fenced writer until its followers have confirmed its last byte; answers who did."""

    step: Literal["catch_up"] = "catch_up"
    writer: Site
    reign: Epoch
    followers: frozenset[Site]
    lsn: Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """Make the sibling follow the winner from exactly where it stands, without a copy."""

    step: Literal["attach"] = "attach"
    sibling: Site
    winner: Site
    epoch: Epoch
    position: Position
    level: bool
    """Proven to hold exactly what the winner holds: a new slot at the winner's end is exact."""
    last: bool
    """Nobody else is attached or may be: without this one nobody can acknowledge, so it is waited for longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Make the winner the writer of `epoch`, with these followers as its ack set, and commit the epoch marker."""

    step: Literal["open"] = "open"
    winner: Site
    epoch: Epoch
    ack_set: frozenset[Site]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Wait until a follower has confirmed the epoch marker, so that the winner's disk is no longer the only proof."""

    step: Literal["settle"] = "settle"
    writer: Site
    reign: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Steer:
    """Give every reachable authority these weights; an unreachable one is noted and reconciled later."""

    step: Literal["steer"] = "steer"
    weights: Mapping[Site, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Pay a canary through every serving site and compare ledger digests of the closed epochs."""

    step: Literal["verify"] = "verify"
    writer: Site
    epoch: Epoch
    sites: frozenset[Site]
    followers: frozenset[Site]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkJoin:
    """Commit a join marker on the writer; answers its position, which the newcomer and every member must reach."""

    step: Literal["mark_join"] = "mark_join"
    writer: Site
    reign: Epoch
    newcomer: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitConfirmed:
    """Wait on the writer until `need` of these followers have confirmed the position."""

    step: Literal["await_confirmed"] = "await_confirmed"
    writer: Site
    reign: Epoch
    followers: frozenset[Site]
    need: int
    lsn: Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAckSet:
    """Write the ack set into the writer's node row; answers the flush position read after that commit."""

    step: Literal["set_ack_set"] = "set_ack_set"
    writer: Site
    reign: Epoch
    ack_set: frozenset[Site]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Close a returning node for good before anything on it is touched."""

    step: Literal["fence"] = "fence"
    site: Site
    reign: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTail:
    """Put transactions that only the old writer has into its quarantine, sorted by what the present writer knows of them."""

    step: Literal["export_tail"] = "export_tail"
    site: Site
    writer: Site
    reign: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseed:
    """Empty the node's ledger and copy the writer's; the node follows the writer afterwards."""

    step: Literal["reseed"] = "reseed"
    site: Site
    writer: Site
    reign: Epoch
    seeded_before: int
    """The node's `seeded` when it was fenced: a copy that began later is this plan's own and is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginPromotion:
    """Ask the site's provider to make its read replica a server of its own; answers the provider's name for what it began."""

    step: Literal["begin_promotion"] = "begin_promotion"
    site: Site


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitPromotion:
    """Ask the provider how far the promotion is that this plan began."""

    step: Literal["await_promotion"] = "await_promotion"
    site: Site
    operation: str


Step = (
    Cut
    | CatchUp
    | Attach
    | Open
    | Settle
    | Steer
    | Verify
    | MarkJoin
    | AwaitConfirmed
    | SetAckSet
    | Fence
    | ExportTail
    | Reseed
    | BeginPromotion
    | AwaitPromotion
)

ASKS_PROVIDER = (BeginPromotion, AwaitPromotion)
"""Steps that cannot be done without the provider's own API: the exemption from `static-stability`, by name. Only plans of kind
`promote` have them, and only operators ask for those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step's effect stands and needs no further value."""

    result: Literal["done"] = "done"
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What became of one site's floor of running instances that was to be raised. A `because`: it was not, or nobody knows."""

    site: Site
    before: int | None
    after: int | None
    took_ms: float
    because: str = ""

    def __str__(self) -> str:
        if self.because:
            return f"{self.site}: floor not raised ({self.because})"
        return f"{self.site}: floor {self.before} -> {self.after} ({self.took_ms:.0f} ms)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """Every authority was told the weights, or left behind; beside that, sites that are to serve were asked for more instances."""

    result: Literal["steered"] = "steered"
    told: tuple[str, ...]
    told_ms: float
    """Until the last authority had answered or was left behind. Floors may have taken longer, and held back nobody."""
    floors: tuple[Floor, ...] = ()

    def __str__(self) -> str:
        return "; ".join((*self.told, *map(str, self.floors))) or "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The step's effect stands at this position of the node it ran on."""

    result: Literal["reached"] = "reached"
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """The node is closed, and this is the token under which it was seeded last."""

    result: Literal["fenced"] = "fenced"
    seeded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """Which followers had confirmed when the wait ended; fewer than wanted is an answer, not an error."""

    result: Literal["confirmed"] = "confirmed"
    followers: frozenset[Site]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftBehind:
    """The sibling cannot be attached with proof, so it is left for a reseed."""

    result: Literal["left_behind"] = "left_behind"
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The node could not be asked; whether the step's effect stands is unknown."""

    result: Literal["unanswered"] = "unanswered"
    because: str


class Ledgers(StrEnum):
    """What comparing the ledgers of the closed epochs found."""

    EQUAL = "equal"
    DIFFER = "differ"
    NOT_COMPARED = "not compared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was checked at the end of a move; a check that could not be made proves nothing."""

    result: Literal["verified"] = "verified"
    paid: frozenset[Site]
    unpaid: Mapping[Site, str]
    """Serving sites that did not take the canary payment, and what they answered."""
    ledgers: Ledgers
    differing: frozenset[Site] = frozenset()
    because: str = ""
    """Why the ledgers were not compared."""

    @property
    def proven(self) -> bool:
        """Does every serving site take payments, and has every attached follower what the writer has?"""
        return not self.unpaid and self.ledgers is Ledgers.EQUAL

    def __str__(self) -> str:
        paid = f"canary paid at {', '.join(sorted(self.paid)) or 'no site'}"
        unpaid = "".join(f", not at {site} ({self.unpaid[site]})" for site in sorted(self.unpaid))
        about = ", ".join(sorted(self.differing)) or self.because
        return f"{paid}{unpaid}; ledgers {self.ledgers}{f' ({about})' if about else ''}"


class PromotionState(StrEnum):
    """How far a provider is with a promotion."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A provider's long-running promotion of its read replica, as it stands."""

    result: Literal["promotion"] = "promotion"
    operation: str
    """Opaque, and fit for the journal: whoever holds it can ask for the promotion after a crash."""
    state: PromotionState
    detail: str = ""


Result = Unanswered | Done | Steered | Fenced | Reached | Confirmed | LeftBehind | Verified | Promotion


def describe(step: Step, result: Result) -> str:
    """One step and what came of it, for people."""
    names = ("site", "sibling", "winner", "writer", "newcomer")
    about = " ".join(dict.fromkeys(str(getattr(step, name)) for name in names if hasattr(step, name)))
    match result:
        case Unanswered(because=because):
            came = f"no answer ({because})"
        case Done(detail=detail):
            came = detail or "done"
        case Fenced():
            came = "closed"
        case Reached(position=position):
            came = f"at {position.lsn >> 32:X}/{position.lsn & 0xFFFFFFFF:X} of {position.publisher} in epoch {position.epoch}"
        case Confirmed(followers=followers):
            came = f"confirmed by {', '.join(sorted(followers)) or 'nobody'}"
        case Verified() | Steered():
            came = str(result)
        case LeftBehind(because=because):
            came = f"left behind: {because}"
        case Promotion(state=state, detail=detail):
            came = f"{state}{f' ({detail})' if detail else ''}"
        case _:
            assert_never(result)
    return f"{step.step.replace('_', ' ')} {about}: {came}".replace(" :", ":")
