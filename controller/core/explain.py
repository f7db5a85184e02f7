"""Decisions and journal entries as sentences: why something was done, why it was not, and what would make it happen.

Rules for changing this file: every sentence can be written from the journal alone, long afterwards. What a guard refused is told
with what it saw, what it needs, and the way out. An entry of a kind this file does not know is still told in full.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from controller.core.decide import Decision
from controller.core.guards import OVERRIDDEN
from controller.core.model import JournalEntry, Reason, Verdict
from controller.core.proposals import sentence

DECISION = "decision"
"""Kind of a journal entry whose body comes from `record`."""


def record(decision: Decision) -> Mapping[str, object]:
    """A decision as the body of a journal entry: plain values only, everything that `explain` needs."""
    return {
        "proposal": sentence(decision.proposal) if decision.proposal else "",
        "because": getattr(decision.proposal, "because", ""),
        "withheld": sentence(decision.withheld) if decision.withheld else "",
        "request": decision.request or "",
        "reasons": [_plain(reason) for reason in decision.reasons],
    }


def explain(entry: JournalEntry) -> str:
    """One journal entry as one paragraph: when, who, what, why."""
    told = _decision(entry.body) if entry.kind == DECISION else _told(entry.kind, entry.body)
    return f"{entry.at.isoformat(timespec='milliseconds')} {entry.actor}: {told}"


def explain_decision(decision: Decision) -> str:
    """A decision that has not been journaled, in the same words."""
    return _decision(record(decision))


def explain_reason(reason: Reason) -> str:
    """One reason as one sentence."""
    return _reason(_plain(reason))


def _plain(reason: Reason) -> Mapping[str, object]:
    return {
        "guard": reason.guard,
        "verdict": str(reason.verdict),
        "value": reason.value,
        "limit": reason.limit,
        "way_out": reason.way_out,
        "age_s": _seconds(reason.age),
    }


def _seconds(age: timedelta | None) -> float | None:
    return None if age is None else round(age.total_seconds(), 3)


def _decision(body: Mapping[str, object]) -> str:
    reasons = [item for item in _sequence(body.get("reasons")) if isinstance(item, Mapping)]
    evidence = [_reason(reason) for reason in reasons if _is_evidence(reason)]
    refusals = [_reason(reason) for reason in reasons if reason.get("verdict") == Verdict.REFUSED]
    consents = [str(reason.get("guard")) for reason in reasons if _is_consent(reason)]
    proposal, withheld = str(body.get("proposal") or ""), str(body.get("withheld") or "")
    asked = f"asked by request {body['request']}, " if body.get("request") else ""
    parts = [f"{asked}decided to {proposal}" if proposal else f"{asked}decided to do nothing"]
    if proposal and body.get("because"):
        parts[0] += f", because {body['because']}"
    if withheld:
        parts.append(f"would {withheld}, but for the refusals below")
    parts.extend(evidence)
    parts.extend(refusals)
    parts.extend(f"{item.get('guard')} was {item.get('value')}" for item in reasons if _is_overridden(item))
    if proposal and consents:
        parts.append(f"consented: {', '.join(consents)}")
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def _is_evidence(reason: Mapping[str, object]) -> bool:
    return str(reason.get("guard", "")).startswith("health:")


def _is_consent(reason: Mapping[str, object]) -> bool:
    return reason.get("verdict") == Verdict.ALLOWED and not _is_evidence(reason) and not _is_overridden(reason)


def _is_overridden(reason: Mapping[str, object]) -> bool:
    return str(reason.get("value", "")).startswith(OVERRIDDEN)


def _reason(reason: Mapping[str, object]) -> str:
    guard, value, limit = (str(reason.get(name, "")) for name in ("guard", "value", "limit"))
    age = f" ({reason['age_s']:g} s old)" if isinstance(reason.get("age_s"), int | float) else ""
    if _is_evidence(reason):
        return f"{guard.removeprefix('health:')} is {value}{age}: {limit}"
    if reason.get("verdict") == Verdict.REFUSED:
        way_out = f". {reason['way_out']}" if reason.get("way_out") else ""
        return f"{guard} holds: {value}{age}; needs {limit}{way_out}".rstrip(".")
    return f"{guard} consents: {value}{age}; within {limit}"


def _told(kind: str, body: Mapping[str, object]) -> str:
    said = body.get("sentence")
    if isinstance(said, str) and said:
        return f"{kind}: {said}"
    return f"{kind}: {_listed(body)}" if body else kind


def _listed(value: object) -> str:
    match value:
        case Mapping():
            return ", ".join(f"{name} {_nested(item)}" for name, item in value.items())
        case str():
            return value
        case Sequence() | set() | frozenset():
            return ", ".join(_nested(item) for item in value) or "none"
        case None:
            return "none"
        case _:
            return str(value)


def _nested(value: object) -> str:
    return f"({_listed(value)})" if isinstance(value, Mapping) else _listed(value)


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
