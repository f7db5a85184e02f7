"""How far each channel has come with telling, whose turn it is, and what became of each message. Pure.

The journal is the queue. A channel's cursor says up to which entry it was told, and is replaced by compare-and-set: of three controllers
one sends. One that dies in between leaves the cursor where it was, and the next sends the same message again, under the same id.

Invariants:
- a cursor moves past a message only with a receipt: accepted, refused for good, or too old to be of use;
- nobody waits for a controller that is gone, or whose own way out is broken: it passes the channel on, and an unmoved cursor is taken.

Rules for changing this file: nothing that a receiver or a settings file keeps secret gets in here, because etcd and the journal keep it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from controller.core.incidents import Situation
from controller.core.messages import Action, Message

RECEIPT = "told"
"""Kind of the journal entry that says who accepted a message."""


class Outcome(StrEnum):
    """What became of a message on one channel."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The receiver says that it will never take it."""
    STALE = "stale"
    """It waited for so long that it was left out; what opens or ends an incident never is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One channel's."""

    outcome: Outcome
    by: str
    """The controller that sent it."""
    at: datetime
    tries: int
    detail: str
    """What the receiver answered, as a status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far one channel has come."""

    sequence: int
    """Entries up to this one were told, or had nothing to tell."""
    digest: str
    """Of that entry: in a journal that was begun anew it is another one."""
    situation: Situation = field(default_factory=Situation)
    holder: str = ""
    """Who tells now; nobody in calm."""
    tries: int = 0
    """Failed, in a row, with the message that is next."""
    passed: tuple[str, ...] = ()
    """Controllers that failed with it and passed it on."""
    rest_s: float = 0.0
    """Seconds for which the receiver wants to be left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Receipts of one message that are not in the journal yet."""

    message: str
    entry: int
    incident: str
    title: str
    first: datetime
    awaited: tuple[str, ...]
    """Channels that it is for."""
    receipts: Mapping[str, Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Everything that is kept in etcd about telling people of one service."""

    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    filings: tuple[Filing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient telling is."""

    deadline: timedelta = timedelta(seconds=3)
    """For one attempt: name, connection, request and answer together."""
    patience: timedelta = timedelta(seconds=6)
    """A holder under whom the cursor has not moved for so long is gone: longer than its attempt and the write after it."""
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(seconds=60)
    stagger: timedelta = timedelta(milliseconds=500)
    """Between the turns of two controllers, so that three do not race for every message."""
    look: timedelta = timedelta(milliseconds=250)
    refusals: int = 3
    """So often a message is shown to a receiver that refuses it, before the next one's turn comes."""
    keep: timedelta = timedelta(hours=1)
    """What is older is not told any more, unless it opens or ends an incident."""
    past: timedelta = timedelta(minutes=10)
    """A channel that is new tells what happened in so short a past."""
    filed_after: timedelta = timedelta(seconds=60)
    """Receipts wait for the last channel, and for a plan under way, for so long at most."""


class Turn(StrEnum):
    """What a controller may do about a channel now."""

    GO_ON = "go on"
    TAKE = "take"
    WAIT = "wait"


def turn(cursor: Cursor, me: str, living: frozenset[str], unmoved: timedelta, pace: Pace) -> Turn:
    """May this controller tell? `unmoved`: for how long it has seen the cursor as it is, on its own monotonic clock.

    Who has failed lets the others try first: azure's resolver is broken, and its controller lives. Were it to go on alone, nobody would be
    told of an outage that two controllers know how to tell of.
    """
    if cursor.holder == me:
        return Turn.GO_ON
    if cursor.holder:
        return Turn.TAKE if unmoved >= pace.patience else Turn.WAIT
    rest = timedelta(seconds=cursor.rest_s)
    if me in cursor.passed:
        others = living - {me} - set(cursor.passed)
        rest = max(rest, pause(cursor, len(living), pace) + (pace.patience if others else timedelta()))
    return Turn.TAKE if unmoved >= rest else Turn.WAIT


def pause(cursor: Cursor, living: int, pace: Pace) -> timedelta:
    """After everybody has failed: doubles with each round of failures."""
    rounds = min(max(cursor.tries // max(living, 1), 1), 30)
    return min(pace.longest_pause, pace.first_pause * (1 << (rounds - 1)))


def taken(cursor: Cursor, me: str) -> Cursor:
    """The cursor in this controller's hands."""
    return replace(cursor, holder=me)


def told_up_to(cursor: Cursor, sequence: int, digest: str, situation: Situation, *, holder: str = "") -> Cursor:
    """The cursor behind this entry; `holder` who goes on with the next."""
    return replace(cursor, sequence=sequence, digest=digest, situation=situation, holder=holder, tries=0, passed=(), rest_s=0.0)


def failed(cursor: Cursor, me: str, living: frozenset[str], rest: timedelta | None) -> Cursor:
    """The cursor after this controller's failure, free for whoever has not tried. A receiver that asks to be left alone is not tried by
    somebody else meanwhile: it counts for all of us."""
    passed = frozenset({*cursor.passed, me})
    if living <= passed:
        passed = living | {me}
    rest_s = rest.total_seconds() if rest is not None else 0.0
    return replace(cursor, holder="", tries=cursor.tries + 1, passed=tuple(sorted(passed)), rest_s=rest_s)


def is_stale(message: Message, now: datetime, pace: Pace) -> bool:
    """Is it too old to be of use? What opens or ends an incident never is: a page that nobody ends stays open for ever."""
    return message.action in {Action.UPDATE, Action.NOTE} and now - message.at > pace.keep


def receipted(
    filings: Sequence[Filing], message: Message, awaited: Sequence[str], channel: str, receipt: Receipt
) -> tuple[Filing, ...]:
    """The filings with one more receipt."""
    known = next((one for one in filings if one.message == message.id), None)
    if known is None:
        known = Filing(
            message=message.id,
            entry=message.entry,
            incident=message.incident,
            title=message.headline,
            first=receipt.at,
            awaited=tuple(sorted(awaited)),
            receipts={},
        )
    filed = replace(known, receipts={**known.receipts, channel: receipt})
    return (*(one for one in filings if one.message != message.id), filed)


def due(filings: Sequence[Filing], now: datetime, pace: Pace) -> tuple[Filing, ...]:
    """What belongs into the journal now: receipts of every channel, or those that there are after a while."""
    return tuple(one for one in filings if set(one.awaited) <= one.receipts.keys() or now - one.first >= pace.filed_after)


def filed(one: Filing) -> Mapping[str, object]:
    """Body of the journal entry: one message with all channels."""
    said = ", ".join(f"{name} {receipt.outcome}" for name, receipt in sorted(one.receipts.items()))
    missing = ", ".join(sorted(set(one.awaited) - one.receipts.keys()))
    return {
        "sentence": f"told of entry {one.entry}: {said}{f'; not yet {missing}' if missing else ''}",
        "message": one.message,
        "entry": one.entry,
        "incident": one.incident,
        "title": one.title,
        "channels": {
            name: {"outcome": str(r.outcome), "by": r.by, "at": r.at.isoformat(), "tries": r.tries, "detail": r.detail}
            for name, r in sorted(one.receipts.items())
        },
    }
