"""What happened when, from the journal and the clients' record, on one clock. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.core.model import JournalEntry
from lab.record import Acknowledged, Failed, Line, Offered

DETECT = "detect"
PHASES = (DETECT, "decide", "cut", "elect", "attach", "open", "steer", "verify")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened."""

    t: float
    """Seconds since the fault; negative before it."""
    what: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorMoment:
    """One site's floor of running instances that a failover wanted raised."""

    t: float
    """Seconds after the fault when it was asked for."""
    site: str
    before: int | None
    after: int | None
    """None: not raised, or nobody knows."""
    took_ms: float
    because: str
    """Why not; empty when it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """What clients got to see in one slice of time."""

    t: float
    """Start of the slice, seconds since the fault."""
    offered: int
    acknowledged: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When one phase of a failover began and ended, seconds since the fault."""

    name: str
    begin: float
    end: float

    @property
    def ms(self) -> float:
        """Length in milliseconds."""
        return round((self.end - self.begin) * 1000, 1)


def failover_plan(entries: Iterable[JournalEntry], epoch_before: int, kind: str = "failover") -> tuple[JournalEntry, ...]:
    """Entries of the first plan of this kind that claimed an epoch above `epoch_before`, its claim first; empty without one."""
    listed = list(entries)
    for entry in listed:
        if entry.kind == "claim" and entry.body.get("plan_kind") == kind and _int(entry.body.get("epoch")) > epoch_before:
            return tuple(other for other in listed if other.body.get("plan") == entry.body.get("plan"))
    return ()


def spans(plan: Sequence[JournalEntry], fault: datetime) -> tuple[Span, ...]:
    """Phases of one failover, each beginning where the one before it ended, as far as the plan came.

    detect: fault to the claim's decision; its end is negative when the claim was made before the fault, which then is not what the
    failover answered. decide: the claim's write. cut: until every member's position was read. elect: that
    result's write. attach: the sibling on the winner, and its write. open: the winner's transaction. steer and verify run
    beside or after these; steer ends with the last authority's answer, however long floors of instances take. A step's entry is
    stamped when its result is written, so its start is that stamp less what it took.
    """
    moments = {entry.kind: entry for entry in reversed(plan)}
    found: list[Span] = []

    def add(name: str, begin: float | None, end: float | None) -> None:
        if begin is not None and end is not None:
            found.append(Span(name=name, begin=begin, end=end if name == DETECT else max(begin, end)))

    def ended(kind: str) -> float | None:
        return (moments[kind].at - fault).total_seconds() if kind in moments else None

    def began(kind: str) -> float | None:
        starts = [(e.at - fault).total_seconds() - _float(e.body.get("took_ms")) / 1000 for e in plan if e.kind == kind]
        return min(starts, default=None)

    claimed, elected = ended("claim"), ended("elected")
    opening = began("step.open")
    attaching = began("step.attach") if "step.attach" in moments else opening
    cutting = began("step.cut")
    add(DETECT, 0.0, claimed)
    add("decide", claimed, cutting)
    add("cut", cutting, elected)
    add("elect", elected, attaching)
    add("attach", attaching, opening)
    add("open", opening, ended("step.open"))
    add("steer", began("step.steer"), _steered(moments.get("step.steer"), fault))
    add("verify", began("step.verify"), ended("step.verify"))
    return tuple(found)


def floors(plan: Sequence[JournalEntry], fault: datetime) -> tuple[FloorMoment, ...]:
    """What became of every floor of instances that one failover wanted raised."""
    found: list[FloorMoment] = []
    for entry in plan:
        result = entry.body.get("result")
        if entry.kind != "step.steer" or not isinstance(result, Mapping):
            continue
        began = (entry.at - fault).total_seconds() - _float(entry.body.get("took_ms")) / 1000
        for one in result.get("floors", ()):
            names = ("site", "before", "after", "took_ms", "because")
            found.append(FloorMoment(t=round(began, 3), **{name: one[name] for name in names}))
    return tuple(found)


def phases_ms(found: Iterable[Span]) -> dict[str, float | None]:
    """Length of every phase in milliseconds; None for one that was never reached."""
    known = {span.name: span.ms for span in found}
    return {name: known.get(name) for name in PHASES}


def _steered(entry: JournalEntry | None, fault: datetime) -> float | None:
    """When the last authority had answered, or was left behind."""
    if entry is None:
        return None
    ended, result = (entry.at - fault).total_seconds(), entry.body.get("result")
    if not isinstance(result, Mapping) or "told_ms" not in result:
        return ended
    return ended - (_float(entry.body.get("took_ms")) - _float(result["told_ms"])) / 1000


def fenced_at(entries: Iterable[JournalEntry], site: str, fault: datetime) -> float | None:
    """Seconds after the fault when this site was first closed to clients; None: it never was."""
    for entry in entries:
        step = entry.body.get("step")
        if entry.kind == "step.fence" and entry.at > fault and isinstance(step, Mapping) and step.get("site") == site:
            return (entry.at - fault).total_seconds()
    return None


def moments(entries: Iterable[JournalEntry], fault: datetime) -> tuple[Moment, ...]:
    """The journal as a list of what happened; decisions not to act are left out, `explain` tells them."""
    return tuple(
        Moment(t=round((entry.at - fault).total_seconds(), 3), what=what, who=entry.actor)
        for entry in entries
        if (what := _told(entry)) is not None
    )


def bins(lines: Iterable[Line], fault_at: float, width: float = 0.1) -> tuple[Bin, ...]:
    """Offers, acknowledgements and failed attempts per slice of `width` seconds, gaps included."""
    counts: dict[int, list[int]] = {}
    kinds = {Offered: 0, Acknowledged: 1, Failed: 2}
    for line in lines:
        if (column := kinds.get(type(line))) is not None:
            counts.setdefault(int((line.t - fault_at) // width), [0, 0, 0])[column] += 1
    if not counts:
        return ()
    return tuple(
        Bin(t=round(number * width, 6), offered=row[0], acknowledged=row[1], failed=row[2])
        for number in range(min(counts), max(counts) + 1)
        for row in [counts.get(number, [0, 0, 0])]
    )


def _told(entry: JournalEntry) -> str | None:
    body = entry.body
    step = body.get("step")
    details: Mapping[str, object] = step if isinstance(step, Mapping) else {}
    subject = " ".join(str(details[name]) for name in ("site", "sibling", "winner", "newcomer") if name in details)
    match entry.kind:
        case "founded":
            return "service founded"
        case "claim" | "takeover":
            return str(body.get("sentence", entry.kind))
        case "elected":
            return f"elected {body.get('winner')}"
        case "plan.done":
            return f"{body.get('plan_kind')} done"
        case kind if kind.startswith("step."):
            name = kind.removeprefix("step.").replace("_", " ")
            left = ", left behind" if body.get("left_behind") else ""
            return f"{name} {subject}".strip() + f" ({_float(body.get('took_ms')):.0f} ms{left})"
        case _:
            return None


def _int(value: object) -> int:
    return value if isinstance(value, int) else int(str(value or 0))


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
