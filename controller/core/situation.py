"""The journal, read as what people have to be told: one entry after the other, each at most one message.

Invariants:
- the same entries make the same messages, whoever reads them and wherever it begins to (`Situation` is all that is carried along);
- one incident of a service at a time, from its first bad sign to the settled end: while something of weight stands, or the writer is being
  moved because of it, it is the same one, and once nothing does, the entry that says so ends it.

Rules for changing this file: it reads what entries say by field, never by their wording; an entry that it does not know is no message.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.core import advice
from controller.core.conditions import Kind
from controller.core.explain import DECISION, explain
from controller.core.messages import RANK, Action, Message, Severity, worse
from controller.core.model import JournalEntry, Part, Trigger
from controller.core.notices import NOTICE
from controller.core.plans import PlanKind
from controller.core.quarantine import left_for_a_person

CLAIM, TAKEOVER, DONE, ELECTED, EXPORT, REBUILT = "claim", "takeover", "plan.done", "elected", "step.export_tail", "rebuilt"
DRILL_BEGUN, DRILL_ENDED = "drill.begun", "drill.ended"
"""Kinds of entries, as those who write them call them."""

LONGEST_WHY = 1500
"""Characters of a reason; receivers cut longer ones off."""

MOVES = frozenset({PlanKind.FAILOVER, PlanKind.SWITCHOVER})
"""While one of them is under way, no incident is over."""

OF_THE_SITE = frozenset({Kind.FAILING, Kind.CONTROLLER_SILENT, Kind.ETCD_SILENT})
"""What a dead site brings with it: people who were told that it fails are not told again that it is silent."""

WORTH_AN_END = frozenset({Kind.FAILING, Kind.HELD, Kind.STUCK, Kind.UNACKNOWLEDGED})
"""What is told when it ends although the incident goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A condition that stands, by the journal."""

    kind: str
    site: str
    severity: Severity
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """The one that is open."""

    key: str
    opened: datetime
    worst: Severity
    sites: frozenset[str]
    """Whose failing was told."""
    drill: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the entries so far come to."""

    incident: Incident | None = None
    standing: Mapping[str, Standing] = field(default_factory=dict)
    move: str = ""
    """Id of the plan that moves the writer."""
    subject: str = ""
    winner: str = ""
    why: str = ""
    """The latest decision as a sentence."""
    drill: str = ""
    """The drill that is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one entry gives to tell, before it is known whether it opens, goes on or ends something."""

    title: str
    severity: Severity
    why: str = ""
    then: str = ""
    command: str = ""
    opens: bool = False
    sites: frozenset[str] = frozenset()
    since: timedelta = timedelta()
    """Before the entry."""


Read = tuple[Situation, Said | None]
Body = Mapping[str, object]


def fold(before: Situation, entry: JournalEntry, service: str) -> tuple[Situation, Message | None]:
    """The situation after one more entry, and what it gives to tell."""
    reader = READERS.get(entry.kind)
    if reader is None:
        return before, None
    after, said = reader(before, entry, service)
    return _placed(after, said, entry, service)


def identity(entry: JournalEntry, service: str) -> str:
    """Of the message of this entry. The digest is in it, because a journal that was begun anew counts from 1 again."""
    return f"{service}-{entry.sequence}-{entry.digest[:12]}"


def _placed(after: Situation, said: Said | None, entry: JournalEntry, service: str) -> tuple[Situation, Message | None]:
    incident, key, drill = after.incident, identity(entry, service), after.drill != "" or entry.kind == DRILL_ENDED
    if incident is None:
        if said is None or not said.opens:
            return after, _message(said, entry, service, Action.NOTE, key, drill)
        begun = Incident(key=key, opened=entry.at - said.since, worst=said.severity, sites=said.sites, drill=drill)
        return replace(after, incident=begun), _message(said, entry, service, Action.OPEN, key, drill)
    if said is not None:
        incident = replace(incident, worst=worse(incident.worst, said.severity), sites=incident.sites | said.sites)
    if _over(after):
        ended = replace(said or ALL_WELL, severity=incident.worst, since=entry.at - incident.opened, title=_ended(said))
        return replace(after, incident=None), _message(ended, entry, service, Action.RESOLVE, incident.key, incident.drill)
    if said is not None:
        said = replace(said, since=entry.at - incident.opened)
    return replace(after, incident=incident), _message(said, entry, service, Action.UPDATE, incident.key, incident.drill)


def _over(after: Situation) -> bool:
    """Does nothing of weight stand any more, and is the writer where it is to stay?"""
    return not after.move and all(RANK[one.severity] > RANK[Severity.WARNING] for one in after.standing.values())


def _ended(said: Said | None) -> str:
    return f"over: {said.title}" if said is not None else "over: all is well again"


def _message(said: Said | None, entry: JournalEntry, service: str, action: Action, incident: str, drill: bool) -> Message | None:
    if said is None:
        return None
    return Message(
        id=identity(entry, service),
        service=service,
        action=action,
        incident=incident,
        severity=said.severity,
        title=said.title,
        at=entry.at,
        since=entry.at - said.since,
        why=said.why[:LONGEST_WHY],
        then=said.then,
        command=said.command or advice.ask_why(service),
        drill=drill,
        entry=entry.sequence,
    )


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


def _drill_begun(before: Situation, entry: JournalEntry, service: str) -> Read:
    name, by = _text(entry.body, "drill") or "drill", _text(entry.body, "by") or entry.actor
    said = Said(title=f"{by} began the drill {name}", severity=Severity.INFO, why=_text(entry.body, "sentence"))
    return replace(before, drill=name), said


def _drill_ended(before: Situation, entry: JournalEntry, service: str) -> Read:
    """The drill is over once this has been told."""
    name = _text(entry.body, "drill") or before.drill
    said = Said(title=f"the drill {name} is over", severity=Severity.INFO, why=_text(entry.body, "sentence"))
    return replace(before, drill=""), said


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


def _items(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


ALL_WELL = Said(title="all is well again", severity=Severity.INFO, then="Nothing more.")

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
