"""One incident of a service at a time: how what an entry of the journal gives to tell opens it, goes on with it, or ends it. Pure.

It lasts from the first bad sign to the settled end: while something of weight stands, or the writer is being moved because of it, it is the
same one, and once nothing does, the entry that says so ends it.

Rules for changing this file: `Situation` is kept in etcd between two entries; what is added to it has a default, so that what was kept
before can be read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.core import advice
from controller.core.messages import RANK, Action, Message, Severity, worse
from controller.core.model import JournalEntry

LONGEST_WHY = 1500
"""Characters of a reason; receivers cut longer ones off."""


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
    """It began in a drill, and nothing has come to it since that drill was over that would have opened one by itself."""


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
    drill_until: datetime | None = None
    """When it is over at the latest."""


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


ALL_WELL = Said(title="all is well again", severity=Severity.INFO, then="Nothing more.")


def identity(entry: JournalEntry, service: str) -> str:
    """Of the message of this entry. The digest is in it, because a journal that was begun anew counts from 1 again."""
    return f"{service}-{entry.sequence}-{entry.digest[:12]}"


def placed(
    after: Situation, said: Said | None, entry: JournalEntry, service: str, *, drill: bool
) -> tuple[Situation, Message | None]:
    """What an entry gives to tell, as the message that it is: it opens an incident, goes on with it, ends it, or is beside it."""
    incident, key = after.incident, identity(entry, service)
    if incident is None:
        if said is None or not said.opens:
            return after, _message(said, entry, service, Action.NOTE, key, drill)
        begun = Incident(key=key, opened=entry.at - said.since, worst=said.severity, sites=said.sites, drill=drill)
        return replace(after, incident=begun), _message(said, entry, service, Action.OPEN, key, drill)
    if said is not None:
        incident = replace(
            incident,
            worst=worse(incident.worst, said.severity),
            sites=incident.sites | said.sites,
            drill=incident.drill and (drill or not said.opens),
        )
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
