"""The journal, read as what people have to be told: one entry after the other, each at most one message.

Invariants:
- the same entries make the same messages, whoever reads them and wherever it begins to (`Situation` is all that is carried along);
- one incident of a service at a time (`incidents`).

Rules for changing this file: it reads what entries say by field, never by their wording; an entry that it does not know is no message.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from controller.core import advice
from controller.core.conditions import Kind
from controller.core.drilling import DRILL_BEGUN, DRILL_ENDED, DRILL_LASTS, LONGEST_DRILL
from controller.core.explain import DECISION, explain
from controller.core.incidents import LONGEST_WHY, Incident, Said, Situation, Standing, placed
from controller.core.messages import RANK, Message, Severity
from controller.core.model import JournalEntry, Part, Trigger
from controller.core.notices import NOTICE
from controller.core.plans import PlanKind
from controller.core.quarantine import left_for_a_person

CLAIM, TAKEOVER, DONE, ELECTED, EXPORT, REBUILT = "claim", "takeover", "plan.done", "elected", "step.export_tail", "rebuilt"
"""Kinds of entries, as those who write them call them."""

MOVES = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})
"""While one of them is under way, no incident is over."""

OF_THE_SITE = frozenset({Kind.FAILING, Kind.CONTROLLER_SILENT, Kind.ETCD_SILENT})
"""What a dead site brings with it: people who were told that it fails are not told again that it is silent."""

WORTH_AN_END = frozenset({Kind.FAILING, Kind.HELD, Kind.STUCK, Kind.UNACKNOWLEDGED})
"""What is told when it ends although the incident goes on."""


Read = tuple[Situation, Said | None]
Body = Mapping[str, object]


def fold(before: Situation, entry: JournalEntry, service: str) -> tuple[Situation, Message | None]:
    """The situation after one more entry, and what it gives to tell."""
    reader = READERS.get(entry.kind)
    if reader is None:
        return before, None
    after, said = reader(_unless_forgotten(before, entry), entry, service)
    return placed(after, said, entry, service, drill=after.drill != "" or entry.kind == DRILL_ENDED)


def _decision(before: Situation, entry: JournalEntry, service: str) -> Read:
    """Told with the claim that follows it; what it holds back is told by its notice."""
    _, _, told = explain(entry).partition(": ")  # when and by whom stands elsewhere
    return replace(before, why=told[:LONGEST_WHY]), None


def _claim(before: Situation, entry: JournalEntry, service: str) -> Read:
    body = entry.body
    kind = body.get("plan_kind")
    if kind is None:
        return before, _wish(before, body, service)
    plan, subject = _text(body, "plan"), _text(body, "subject")
    moves = kind in MOVES
    after = replace(before, move=plan if moves else "" if _text(body, "replaces") == before.move else before.move)
    if moves:
        after = replace(after, subject=subject, winner="")
    ordered = body.get("trigger") == Trigger.OPERATOR
    if kind == PlanKind.FAILOVER:
        after = replace(after, standing={**after.standing, **_implied(subject)})
    if not ordered and kind not in {PlanKind.FAILOVER, PlanKind.STEER}:
        return after, None
    by = f"{_text(body, 'by')} ordered" if ordered else "automatic"
    epoch = f", epoch {body.get('epoch')}" if moves else ""
    said = Said(
        title=f"{by} {kind}{_about(kind, subject)}{epoch}",
        severity=Severity.CRITICAL if kind == PlanKind.FAILOVER and not ordered else Severity.WARNING,
        why=before.why or _text(body, "sentence"),
        then=advice.FOLLOWS.get(str(kind), "The authorities and edges are told."),
        command=advice.look(service),
        opens=kind == PlanKind.FAILOVER,
        sites=frozenset({subject}) if kind == PlanKind.FAILOVER else frozenset(),
    )
    return after, said


def _about(kind: object, subject: str) -> str:
    return (
        f" {'from' if kind == PlanKind.FAILOVER else 'to' if kind == PlanKind.SWITCHOVER else 'of'} {subject}" if subject else ""
    )


def _implied(subject: str) -> Mapping[str, Standing]:
    """A failover says that its site's database is failing before the notice could, which would come when all is done.

    Without it: the failover is over in two seconds and the incident with it; a second later the notice opens another one, for the same
    dead site.
    """
    key = f"{Kind.FAILING}:{subject}/{Part.DATABASE}"
    said = f"{subject}'s database was left by a failover"
    return {key: Standing(kind=Kind.FAILING, site=subject, severity=Severity.WARNING, said=said)}


def _wish(before: Situation, body: Body, service: str) -> Said | None:
    """What changed the posture alone: a pause, a mode, a drain beside a plan. Of whom an entry does not tell, it was nobody's order."""
    sentence, by = _text(body, "sentence"), _text(body, "by")
    match body.get("sets"):
        case "pause":
            return Said(
                title=f"{by} paused automation",
                severity=Severity.WARNING,
                why=sentence,
                then="Nothing is done by itself until it is resumed or the pause ends; what has begun is finished.",
                command=advice.resume(service),
            )
        case "resume":
            return Said(title=f"{by} let automation go on", severity=Severity.INFO, why=sentence, then="Automation acts again.")
        case "mode":
            return Said(title=f"{by} changed the mode", severity=Severity.WARNING, why=sentence)
        case "weights":
            why = f"{sentence}. {before.why}"
            return Said(
                title="traffic is steered beside a plan", severity=Severity.WARNING, why=why, command=advice.look(service)
            )
        case _:
            return None


def _takeover(before: Situation, entry: JournalEntry, service: str) -> Read:
    said = Said(
        title=f"{entry.actor} took a plan over",
        severity=Severity.WARNING,
        why=_text(entry.body, "sentence"),
        then="It goes on where the journal stands.",
        command=advice.look(service),
    )
    return before, said


def _elected(before: Situation, entry: JournalEntry, service: str) -> Read:
    return replace(before, winner=_text(entry.body, "winner")), None


def _done(before: Situation, entry: JournalEntry, service: str) -> Read:
    """Plans that somebody waits for. Upkeep ends in silence, unless it ends the incident."""
    body = entry.body
    kind, plan = body.get("plan_kind"), _text(body, "plan")
    after = replace(before, move="") if plan == before.move else before
    if failure := _text(body, "failure"):
        return after, Said(
            title=f"the {kind} ended without what it was for",
            severity=Severity.ERROR,
            why=failure,
            then="Nothing more by itself.",
        )
    if kind == PlanKind.RETURN:
        why = f"{_text(body, 'sentence')} ({plan})"
        return after, Said(title="a node follows again", severity=Severity.INFO, why=why, then="It is counted once it is level.")
    if kind not in {PlanKind.FAILOVER, PlanKind.SWITCHOVER, PlanKind.PROMOTE}:
        return after, None
    verified = body.get("verified")
    doubt = isinstance(verified, Mapping) and not verified.get("proven")
    missed = kind == PlanKind.SWITCHOVER and plan == before.move and before.winner not in {"", before.subject}
    now = f", {before.winner} writes" if plan == before.move and before.winner else ""
    return after, Said(
        title=f"{kind} {'given back' if missed else 'done'}{now}{', and not proven' if doubt else ''}",
        severity=Severity.ERROR if doubt or missed else Severity.WARNING if kind == PlanKind.FAILOVER else Severity.INFO,
        why=_text(body, "sentence"),
        then="What was left returns by itself as a follower, once it is well; the writer stays where it is.",
        command=advice.ask_why(service) if doubt or missed else advice.look(service),
    )


def _exported(before: Situation, entry: JournalEntry, service: str) -> Read:
    result, step = entry.body.get("result"), entry.body.get("step")
    detail, site = (_text(one, name) if isinstance(one, Mapping) else "" for one, name in ((result, "detail"), (step, "site")))
    left = left_for_a_person(detail)
    if not left:
        return before, None
    return before, Said(
        title=f"{left} payments of {site} are in quarantine, for a person",
        severity=Severity.ERROR,
        why=f"{detail}. None of them was acknowledged; they are kept at {site} in trimaran.quarantine, and never applied.",
        then="Nothing by itself.",
    )


def _rebuilt(before: Situation, entry: JournalEntry, service: str) -> Read:
    why = _text(entry.body, "sentence")
    return before, Said(title="the control plane was rebuilt", severity=Severity.WARNING, why=why, command=advice.look(service))


def _unless_forgotten(before: Situation, entry: JournalEntry) -> Situation:
    """Somebody began a drill on Friday and never wrote down its end. On Sunday a cloud dies, and whoever is paged reads [DRILL] and sleeps
    on: so a drill ends by itself when it was to end."""
    until = before.drill_until
    return replace(before, drill="", drill_until=None) if until is not None and entry.at > until else before


def _drill_begun(before: Situation, entry: JournalEntry, service: str) -> Read:
    name, by = _text(entry.body, "drill") or "drill", _text(entry.body, "by") or entry.actor
    until = min(_moment(entry.body, "until") or entry.at + DRILL_LASTS, entry.at + LONGEST_DRILL)
    said = Said(
        title=f"{by} began the drill {name}",
        severity=Severity.INFO,
        why=_text(entry.body, "sentence"),
        then=f"What is told is marked until it is ended, or {until.isoformat(timespec='seconds')}.",
    )
    return replace(before, drill=name, drill_until=until), said


def _drill_ended(before: Situation, entry: JournalEntry, service: str) -> Read:
    """The drill is over once this has been told."""
    name = _text(entry.body, "drill") or before.drill
    said = Said(title=f"the drill {name} is over", severity=Severity.INFO, why=_text(entry.body, "sentence"))
    return replace(before, drill="", drill_until=None), said


def _notice(before: Situation, entry: JournalEntry, service: str) -> Read:
    listed = [one for one in _items(entry.body.get("begun")) if isinstance(one, Mapping)]
    begun: list[Body] = [one for one in listed if _text(one, "key") not in before.standing]
    ended = [key for key in _items(entry.body.get("ended")) if isinstance(key, str) and key in before.standing]
    stands = {_text(one, "key"): _standing(one) for one in begun}
    after = replace(before, standing={**{key: one for key, one in before.standing.items() if key not in ended}, **stands})
    told = [one for one in begun if not _known(before.incident, stands[_text(one, "key")])]
    if told:
        return after, _begun(told, stands)
    over = [before.standing[key] for key in ended if before.standing[key].kind in WORTH_AN_END]
    if not over:
        return after, None
    title = "no longer: " + "; ".join(_short(one.said) for one in over)
    return after, Said(title=title, severity=Severity.INFO, why=_text(entry.body, "sentence"), command=advice.look(service))


def _begun(told: list[Body], stands: Mapping[str, Standing]) -> Said:
    worst = min((stands[_text(one, "key")] for one in told), key=lambda one: RANK[one.severity])
    first = next(one for one in told if stands[_text(one, "key")] is worst)
    held = max((float(lasted) for one in told if isinstance(lasted := one.get("held_s"), int | float)), default=0.0)
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return Said(
        title=f"{_short(worst.said)}{more}",
        severity=worst.severity,
        why="; ".join(_text(one, "said") for one in told),
        then="It is watched, and told when it is over.",
        command=_text(first, "command"),
        opens=RANK[worst.severity] <= RANK[Severity.WARNING],
        sites=frozenset(one.site for one in stands.values() if one.kind == Kind.FAILING),
        since=timedelta(seconds=held),
    )


def _known(incident: Incident | None, one: Standing) -> bool:
    """Was it told already that this site fails, and does this add nothing worse?"""
    return (
        incident is not None
        and one.kind in OF_THE_SITE
        and one.site in incident.sites
        and RANK[one.severity] >= RANK[incident.worst]
    )


def _standing(one: Body) -> Standing:
    return Standing(
        kind=_text(one, "kind"),
        site=_text(one, "site"),
        severity=Severity(severity) if (severity := _text(one, "severity")) in list(Severity) else Severity.WARNING,
        said=_text(one, "said"),
    )


def _short(said: str) -> str:
    return said.partition(": ")[0][:160]


def _text(body: object, name: str) -> str:
    value = body.get(name) if isinstance(body, Mapping) else None
    return str(value) if value is not None else ""


def _moment(body: object, name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(body, name))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _items(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


READERS: Mapping[str, Callable[[Situation, JournalEntry, str], Read]] = {
    DECISION: _decision,
    CLAIM: _claim,
    TAKEOVER: _takeover,
    ELECTED: _elected,
    DONE: _done,
    EXPORT: _exported,
    REBUILT: _rebuilt,
    DRILL_BEGUN: _drill_begun,
    DRILL_ENDED: _drill_ended,
    NOTICE: _notice,
}
