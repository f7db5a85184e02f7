"""What the journal says of the time after a fault: plans that were claimed, and guards that held something back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.core.explain import DECISION
from controller.core.model import JournalEntry, Trigger, Verdict
from controller.core.plans import PlanKind

MOVES = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})
"""Plans that cost a reign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldPlan:
    """One plan as the journal tells it."""

    id: str
    kind: str
    trigger: str
    epoch: int
    claimed_by: str
    claimed: float
    """Seconds after the fault; negative before it."""
    steps: Sequence[tuple[float, str]]
    """What was done of it, with the seconds after the fault at which that was journaled."""
    taken_over_by: Sequence[str]
    ended: float | None
    """Seconds after the fault; None: neither done nor replaced by a later plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Something that would have been done, but for guards."""

    t: float
    """Seconds after the fault when it was first said."""
    what: str
    guards: Sequence[str]


def righted(entries: Iterable[JournalEntry], actor: str, written: range, skew: timedelta | None) -> tuple[JournalEntry, ...]:
    """The same entries on one clock: those that this controller wrote while its clock was wrong are dated back. `written`: sequences of the
    entries from that time."""
    return tuple(
        replace(entry, at=entry.at - skew) if skew and entry.actor == actor and entry.sequence in written else entry
        for entry in entries
    )


def plans(entries: Iterable[JournalEntry], fault: datetime) -> tuple[ToldPlan, ...]:
    """Every plan that was under way at the fault or claimed after it, in order."""
    listed = list(entries)
    found = [
        _plan(entry, [other for other in listed if other.body.get("plan") == entry.body["plan"]], listed, fault)
        for entry in listed
        if entry.kind == "claim" and entry.body.get("plan")
    ]
    return tuple(plan for plan in found if plan.ended is None or plan.ended >= 0)


def _plan(claim: JournalEntry, own: Sequence[JournalEntry], every: Sequence[JournalEntry], fault: datetime) -> ToldPlan:
    body, name = claim.body, str(claim.body["plan"])
    ends = [entry for entry in own if entry.kind == "plan.done"]
    ends += [entry for entry in every if entry.kind == "claim" and entry.body.get("replaces") == name]
    return ToldPlan(
        id=name,
        kind=str(body.get("plan_kind", "")),
        trigger=str(body.get("trigger", "")),
        epoch=int(str(body.get("epoch", 0))),
        claimed_by=claim.actor,
        claimed=_after(claim, fault),
        steps=tuple((_after(entry, fault), _step(entry)) for entry in own if entry.kind.startswith("step.")),
        taken_over_by=tuple(entry.actor for entry in own if entry.kind == "takeover"),
        ended=min((_after(entry, fault) for entry in ends), default=None),
    )


def _step(entry: JournalEntry) -> str:
    step = entry.body.get("step")
    subjects = (
        [str(step[name]) for name in ("site", "sibling", "winner", "newcomer") if name in step]
        if isinstance(step, Mapping)
        else []
    )
    return " ".join([entry.kind.removeprefix("step.").replace("_", " "), *subjects])


def moves(told: Iterable[ToldPlan]) -> tuple[ToldPlan, ...]:
    """Those of them that cost a reign."""
    return tuple(plan for plan in told if plan.kind in MOVES)


def automatic(told: Iterable[ToldPlan]) -> tuple[ToldPlan, ...]:
    """Failovers that nobody asked for and that were claimed after the fault."""
    return tuple(
        plan for plan in told if plan.kind == PlanKind.FAILOVER and plan.trigger == Trigger.AUTOMATIC and plan.claimed >= 0
    )


def withheld(entries: Iterable[JournalEntry], fault: datetime, until: float) -> tuple[Withheld, ...]:
    """What guards held back between the fault and so many seconds after it, each proposal once, as it was first said."""
    found: dict[tuple[str, tuple[str, ...]], Withheld] = {}
    for entry in entries:
        t = _after(entry, fault)
        if entry.kind != DECISION or not 0 <= t <= until or not (what := str(entry.body.get("withheld") or "")):
            continue
        guards = tuple(sorted(set(_refusing(entry.body))))
        found.setdefault((what, guards), Withheld(t=t, what=what, guards=guards))
    return tuple(found.values())


def drained(entries: Iterable[JournalEntry], site: str, fault: datetime) -> float | None:
    """Seconds from the fault to the claim that takes this site's traffic away; None: nobody claimed that."""
    for entry in entries:
        if entry.kind == "claim" and _after(entry, fault) >= 0:
            if entry.body.get("plan_kind") == PlanKind.FAILOVER and entry.body.get("subject") == site:
                return _after(entry, fault)
            if entry.body.get("plan_kind") == PlanKind.STEER or "plan" not in entry.body:
                return _after(entry, fault)
    return None


def _refusing(body: Mapping[str, object]) -> Iterable[str]:
    reasons = body.get("reasons")
    for reason in reasons if isinstance(reasons, list | tuple) else ():
        if isinstance(reason, Mapping) and reason.get("verdict") == Verdict.REFUSED:
            yield str(reason.get("guard", ""))


def _after(entry: JournalEntry, fault: datetime) -> float:
    return round((entry.at - fault).total_seconds(), 3)
