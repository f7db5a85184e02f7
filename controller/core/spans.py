"""A plan as one trace: from the first missed probe to the last step, whoever carried out which part of it.

1. aws's controller claims a failover and cuts two nodes. 2. It dies; gcp's goes on from the journal. 3. Each tells of what it did itself.
The trace and the place in it follow from the plan's id alone, so both tell of the same trace and nobody has to hand anything over.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.core.plans import Plan

DETECTION = "detection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One thing that took time, below its plan or the plan itself."""

    plan: str
    """The plan's id, which is also on every line of the log about it and in every journal entry."""
    name: str
    began: datetime
    ended: datetime
    whole: bool = False
    """Is it the plan itself, which everything else lies below?"""
    notes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    failure: str = ""
    """Empty: it did what it was for."""

    @property
    def trace(self) -> int:
        """128 bits that are the plan's."""
        return _number(16, "trace", self.plan)

    @property
    def id(self) -> int:
        """64 bits that are its own: a step that is carried out again later is another one, and so is the same step at another site."""
        return (
            _root(self.plan) if self.whole else _number(8, "span", self.plan, self.name, self.ended.isoformat(), repr(self.notes))
        )

    @property
    def parent(self) -> int | None:
        """The plan's, or None for the plan."""
        return None if self.whole else _root(self.plan)


def detection(plan: Plan, *, began: datetime, claimed: datetime) -> Span:
    """From a vantage's first missed probe to the claim of the failover."""
    return Span(plan=plan.id, name=DETECTION, began=began, ended=claimed, notes=_about(plan))


def carried(plan: Plan, *, step: str, took: timedelta, ended: datetime, said: str, left_behind: bool) -> Span:
    """A step with a result. A node that was left behind is a failure of its step, and not of the plan."""
    failure = said if left_behind else ""
    return Span(plan=plan.id, name=step, began=ended - took, ended=ended, notes={**_about(plan), "said": said}, failure=failure)


def over(plan: Plan, *, ended: datetime) -> Span:
    """The plan, from its claim to its end. Never negative: who claimed it and who ended it may have two clocks."""
    notes = {**_about(plan), "reason": plan.reason, "by": plan.by, "trigger": str(plan.trigger)}
    if plan.winner is not None:
        notes["winner"] = plan.winner
    ended = max(plan.started, ended)
    return Span(plan=plan.id, name=plan.kind, began=plan.started, ended=ended, whole=True, notes=notes, failure=plan.failure)


def _about(plan: Plan) -> dict[str, str | int | float | bool]:
    about: dict[str, str | int | float | bool] = {
        "plan": plan.id,
        "service": plan.service,
        "kind": str(plan.kind),
        "epoch": plan.epoch,
    }
    return about if plan.subject is None else {**about, "subject": plan.subject}


def _root(plan: str) -> int:
    return _number(8, "plan", plan)


def _number(size: int, *parts: str) -> int:
    """Never 0, which stands for no id (W3C Trace Context, 3.2.2.3)."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:size]) or 1
