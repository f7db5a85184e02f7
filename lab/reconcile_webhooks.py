"""What merchants received against what the ledgers' outboxes hold. Pure: record lines and rows in, findings out.

Nothing here believes the dispatcher, its counters or its cursors: a cursor is only ever held against it. Duplicates are allowed, because
they carry the id of the first, and are counted; everything else that is counted here, but `sent` and `pending`, must be 0.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.receiver_record import Accepted, Line, Rejected, TurnedAway


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One row of outbox.event."""

    id: str
    account: str
    sequence: int
    payment: str
    body: str
    """SHA-256, in hexadecimal."""
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRows:
    """What one site holds of the outbox, read in one snapshot and before any event was swept."""

    events: tuple[EventRow, ...]
    cursors: Mapping[str, int]
    """By account: highest sequence that is called delivered."""
    creditors: Mapping[str, str]
    """By payment of the ledger: who was paid."""
    endpoints: frozenset[str]
    """Accounts that are to be told, as this site has it."""
    tables: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every table of the outbox, by name, all rows and columns."""

    def digest(self) -> str:
        """SHA-256 over all events and tables. Equal outboxes, equal digests."""
        return hashlib.sha256("\n".join(sorted(map(repr, (*self.events, *self.tables.items())))).encode()).hexdigest()


class Wrong(StrEnum):
    """What a finding is about."""

    LOST = "lost"
    """Called delivered, or overtaken by a later event of its account, or due when all should be through: and no merchant has it."""
    UNRECORDED = "unrecorded"
    """A payment to somebody who is to be told, without an event. Counts as lost."""
    UNREGISTERED = "unregistered"
    """Somebody who is to be told and is not registered here, or the other way round: of payments to whom no event is made."""
    REORDERED = "reordered"
    """First delivered after a later event of its account."""
    UNHELD = "unheld"
    """A merchant was told of a payment that a ledger does not hold."""
    ALTERED = "altered"
    """A merchant was told something else than the ledger holds under that id."""
    UNSIGNED = "unsigned"
    """What came to a merchant and was not rightly signed."""
    GAP = "gap"
    """An account's sequences on one ledger are not 1, 2, 3 and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFinding:
    """One thing that is wrong, with what was seen."""

    wrong: Wrong
    site: str | None
    """None: the merchants' record alone shows it."""
    subject: str
    """Id of an event, of a payment, or an account."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReconciliation:
    """The outcome. Counts are of events, so one that three sites call delivered is lost once."""

    sent: int
    """Events that their merchant accepted at least once."""
    pending: int
    """Not accepted, and nobody says so: still to be sent."""
    lost: int
    duplicated: int
    """Acceptances beyond the first of their event."""
    reordered: int
    unheld: int
    altered: int
    unsigned: int
    gaps: int
    unregistered: int = 0
    """Accounts whose registration some ledger has lost, or made up."""
    turned_away: int = 0
    """Attempts that a merchant's fault sent away unread: without any, nothing was ever tried again."""
    first_of: Mapping[int, float] = field(default_factory=dict)
    """By epoch of the payment: monotonic seconds at which the first webhook of it was accepted."""
    findings: tuple[WebhookFinding, ...]
    digests: Mapping[str, str]

    @property
    def outboxes_equal(self) -> bool:
        """Do all sites hold the same events? False when no outbox was read."""
        return len(set(self.digests.values())) == 1

    @property
    def is_sound(self) -> bool:
        """Was everything kept that is promised of webhooks?"""
        return not self.findings

    @property
    def is_through(self) -> bool:
        """Is nothing left to be sent, and nothing wrong? Then a later look shows the same. What a follower still lacks is wrong, too."""
        return self.is_sound and not self.pending and self.outboxes_equal

    def first_after(self, fault: float, epoch: int) -> float | None:
        """Seconds from a fault (monotonic) to the first webhook of a payment of a later epoch; None: there was none."""
        moments = [t for of, t in self.first_of.items() if of > epoch and t >= fault]
        return min(moments) - fault if moments else None


def reconcile_webhooks(
    lines: Iterable[Line],
    outboxes: Mapping[str, OutboxRows],
    *,
    all_through: bool = False,
    merchants: Collection[str] | None = None,
) -> WebhookReconciliation:
    """Compare the merchants' record, in order of arrival, with every site's outbox. Raises ValueError without an outbox.

    `all_through`: every merchant was well and every event had the time to be delivered, so one that is missing is lost and not pending.
    `merchants`: accounts that are to be told, known from outside; None: as each outbox has it. A failover that loses the registrations
    with a tail makes no more events, and by its own word an outbox without registrations owes nobody anything.
    """
    if not outboxes:
        raise ValueError("no outbox to compare with")
    accepted, findings, turned_away = _received(lines)
    first: dict[str, Accepted] = {}
    for line in accepted:
        first.setdefault(line.id, line)
    findings += _reordered(first.values())
    for site, outbox in sorted(outboxes.items()):
        findings += _lost(site, outbox, first, all_through=all_through)
        findings += _unrecorded(site, outbox, outbox.endpoints if merchants is None else merchants)
        findings += _unregistered(site, outbox, merchants)
        findings += _untrue(site, outbox, accepted)
        findings += _gaps(site, outbox)
    missing = {event.id for outbox in outboxes.values() for event in outbox.events} - first.keys()
    lost = _count(findings, Wrong.LOST)
    return WebhookReconciliation(
        sent=len(first),
        pending=len(missing) - lost,
        lost=lost + _count(findings, Wrong.UNRECORDED),
        duplicated=len(accepted) - len(first),
        reordered=_count(findings, Wrong.REORDERED),
        unheld=_count(findings, Wrong.UNHELD),
        altered=_count(findings, Wrong.ALTERED),
        unsigned=sum(finding.wrong is Wrong.UNSIGNED for finding in findings),
        gaps=_count(findings, Wrong.GAP),
        unregistered=_count(findings, Wrong.UNREGISTERED),
        turned_away=turned_away,
        first_of=_first_of(first, outboxes.values()),
        findings=tuple(findings),
        digests={site: outbox.digest() for site, outbox in sorted(outboxes.items())},
    )


def _received(lines: Iterable[Line]) -> tuple[list[Accepted], list[WebhookFinding], int]:
    """What merchants took, what was wrong with what they did not, and how often they were not well."""
    accepted: list[Accepted] = []
    findings: list[WebhookFinding] = []
    turned_away = 0
    for line in lines:
        match line:
            case Accepted():
                accepted.append(line)
            case Rejected():
                findings.append(WebhookFinding(wrong=Wrong.UNSIGNED, site=None, subject=line.account, detail=line.why))
            case TurnedAway():
                turned_away += 1
    return accepted, findings, turned_away


def _first_of(first: Mapping[str, Accepted], outboxes: Iterable[OutboxRows]) -> Mapping[int, float]:
    epochs = {event.id: event.epoch for outbox in outboxes for event in outbox.events}
    found: dict[int, float] = {}
    for id, line in first.items():
        if (epoch := epochs.get(id)) is not None:
            found[epoch] = min(line.t, found.get(epoch, line.t))
    return found


def _count(findings: Iterable[WebhookFinding], wrong: Wrong) -> int:
    """How many things this went wrong with, each once, however many sites show it."""
    return len({finding.subject for finding in findings if finding.wrong is wrong})


def _reordered(first: Iterable[Accepted]) -> Iterator[WebhookFinding]:
    """First deliveries that came after a later event of their account, or beside another one of the same sequence."""
    highest: dict[str, int] = {}
    for line in first:
        before = highest.get(line.account, 0)
        if line.sequence <= before:
            detail = f"{line.account}: {line.sequence} came after {before}"
            yield WebhookFinding(wrong=Wrong.REORDERED, site=None, subject=line.id, detail=detail)
        highest[line.account] = max(before, line.sequence)


def _lost(site: str, outbox: OutboxRows, first: Mapping[str, Accepted], *, all_through: bool) -> Iterator[WebhookFinding]:
    """Events of this outbox that their merchant will never hear of, or should have heard of by now."""
    overtaken: dict[str, int] = {}
    for line in first.values():
        overtaken[line.account] = max(line.sequence, overtaken.get(line.account, 0))
    for event in outbox.events:
        if event.id in first:
            continue
        if event.sequence <= outbox.cursors.get(event.account, 0):
            detail = f"{event.account}: {event.sequence} is called delivered"
        elif event.sequence < overtaken.get(event.account, 0):
            detail = f"{event.account}: {overtaken[event.account]} arrived, {event.sequence} did not"
        elif all_through:
            detail = f"{event.account}: {event.sequence} did not arrive"
        else:
            continue
        yield WebhookFinding(wrong=Wrong.LOST, site=site, subject=event.id, detail=detail)


def _unrecorded(site: str, outbox: OutboxRows, merchants: Collection[str]) -> Iterator[WebhookFinding]:
    """Payments to somebody who is to be told, without an event."""
    told = {event.payment for event in outbox.events}
    for payment, creditor in outbox.creditors.items():
        if creditor in merchants and payment not in told:
            detail = f"no event tells {creditor} of it"
            yield WebhookFinding(wrong=Wrong.UNRECORDED, site=site, subject=payment, detail=detail)


def _unregistered(site: str, outbox: OutboxRows, merchants: Collection[str] | None) -> Iterator[WebhookFinding]:
    """Accounts of whose registration this site knows something else than whoever made it."""
    if merchants is None:
        return
    for account in sorted(outbox.endpoints ^ frozenset(merchants)):
        detail = "is registered, though nobody asked for it" if account in outbox.endpoints else "is not registered any more"
        yield WebhookFinding(wrong=Wrong.UNREGISTERED, site=site, subject=account, detail=detail)


def _untrue(site: str, outbox: OutboxRows, accepted: Iterable[Accepted]) -> Iterator[WebhookFinding]:
    """What merchants were told, at any time, and this ledger does not say, or says otherwise: every duplicate carries the same content."""
    by_id = {event.id: event for event in outbox.events}
    for line in accepted:
        event = by_id.get(line.id)
        if event is None or line.payment not in outbox.creditors:
            detail = f"{line.account} was told of payment {line.payment}, sequence {line.sequence}"
            yield WebhookFinding(wrong=Wrong.UNHELD, site=site, subject=line.id, detail=detail)
        elif (told := (line.account, line.sequence, line.payment, line.body)) != (
            held := (event.account, event.sequence, event.payment, event.body)
        ):
            yield WebhookFinding(wrong=Wrong.ALTERED, site=site, subject=line.id, detail=f"told {told}, holds {held}")


def _gaps(site: str, outbox: OutboxRows) -> Iterator[WebhookFinding]:
    """Accounts whose sequences have a hole or are taken twice."""
    sequences: dict[str, list[int]] = {}
    for event in outbox.events:
        sequences.setdefault(event.account, []).append(event.sequence)
    for account, found in sequences.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            detail = f"{len(found)} events, sequences from {min(found)} to {max(found)}"
            yield WebhookFinding(wrong=Wrong.GAP, site=site, subject=account, detail=detail)
