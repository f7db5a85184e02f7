"""What became of a wish, read from the journal entry by entry. Pure.

The journal is the only witness: the controller that took the wish may be gone a moment later, and another one goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One guard's no."""

    guard: str
    value: str
    limit: str
    way_out: str

    def __str__(self) -> str:
        return f"refused by {self.guard}: {self.value}; needs {self.limit}. {self.way_out}".rstrip()


@dataclass(slots=True, kw_only=True)
class Trail:
    """One wish; feed it every entry after the asking."""

    request: str
    refusals: Sequence[Refusal] = ()
    accepted: bool = False
    plan: str = ""
    finished: bool = False
    replaced_by: str = ""
    """Another plan that was claimed before ours was done."""
    kind: str = ""
    subject: str = ""
    """Switchover: the site moved to. Failover: the site left."""
    winner: str = ""
    verified: Mapping[str, Any] | None = None
    """What the check at the plan's end found; None when there was none."""
    failure: str = ""
    """Why the plan ended without what it was for."""
    unheard: str = ""
    """Why nobody tells what becomes of it; empty while somebody does."""
    steps: list[Mapping[str, object]] = field(default_factory=list)

    @property
    def decided(self) -> bool:
        """Has somebody said yes or no?"""
        return self.accepted or bool(self.refusals)

    @property
    def over(self) -> bool:
        """Is there nothing more to wait for?"""
        return bool(self.refusals) or self.finished or bool(self.replaced_by)

    @property
    def undone(self) -> bool:
        """Did the plan end without what it was for? One that cannot prove its target gives the reign back, and a provider may fail."""
        if self.failure:
            return True
        if not self.winner or not self.subject:
            return False
        return (self.winner == self.subject) is not (self.kind == "switchover")

    @property
    def doubt(self) -> str:
        """What the check at the end did not prove; empty when it proved everything, or was not called for."""
        return "" if self.verified is None or self.verified["proven"] else str(self.verified["said"])

    def document(self) -> Mapping[str, object]:
        """Everything, for machines."""
        return {
            "request": self.request,
            "plan": self.plan or None,
            "winner": self.winner or None,
            "verified": self.verified,
            "failure": self.failure or None,
            "replaced_by": self.replaced_by or None,
            "refusals": [asdict(refusal) for refusal in self.refusals],
            "steps": list(self.steps),
        }

    def feed(self, entry: Mapping[str, Any]) -> tuple[str, ...]:
        """Take the next entry; answers what there is to tell about it."""
        kind, body = str(entry["kind"]), entry["body"]
        if body.get("request") == self.request:
            return self._answered(kind, body)
        if not self.plan or self.over:
            return ()
        if body.get("plan") == self.plan:
            return self._moved(kind, body)
        if kind == "claim" and body.get("plan"):
            self.replaced_by = str(body["plan"])
            return (f"replaced by plan {self.replaced_by}: {body.get('sentence', '')}",)
        return ()

    def _answered(self, kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
        if kind == "decision":
            if body.get("proposal"):
                self.accepted = True
                return (f"accepted: {body['proposal']}",)
            self.refusals = tuple(
                Refusal(guard=said["guard"], value=said["value"], limit=said["limit"], way_out=said["way_out"])
                for said in body.get("reasons", ())
                if said["verdict"] == "refused"
            )
            return tuple(map(str, self.refusals))
        if kind == "claim":
            self.accepted = True
            self.plan = str(body.get("plan", ""))
            self.kind, self.subject = str(body.get("plan_kind", "")), str(body.get("subject") or "")
            self.finished = not self.plan
        return ()

    def _moved(self, kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
        if kind == "plan.done":
            self.finished, self.verified = True, body.get("verified")
            self.failure = str(body.get("failure", ""))
            return ()
        if kind == "takeover":
            return (f"taken over: {body.get('sentence', '')}",)
        if kind == "elected":
            self.winner = str(body["winner"])
            return (f"{self.winner} is elected",)
        if not kind.startswith("step."):
            return ()
        step = {"step": kind.removeprefix("step."), "took_ms": body.get("took_ms"), "doing": body.get("doing", "")}
        subject = next((str(body["step"][name]) for name in ("site", "sibling", "winner", "writer") if name in body["step"]), "")
        detail = body["result"].get("because") or body["result"].get("detail") or ""
        self.steps.append({**step, "site": subject, "detail": detail})
        took = f" in {body['took_ms']:g} ms" if isinstance(body.get("took_ms"), int | float) else ""
        return (f"{step['step']} {subject}{took}".rstrip() + (f": {detail}" if detail else ""),)
