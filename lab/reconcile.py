"""What the clients were told against what the ledgers hold. Pure: record lines and ledger rows in, findings out.

Nothing here believes the service, its counters or one database's word for another's. `lost` and `duplicated` are the two ways in
which the promise `no-loss` breaks; `unresolved` is neither, because nobody was told anything.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.record import Acknowledged, Declined, Defect, Failed, Held, Line, Offered


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """One row of ledger.payment."""

    id: str
    key: str
    debtor: str
    creditor: str
    amount: int
    currency: str
    epoch: int
    body_digest: str
    """In hexadecimal."""
    created_at: str
    """In UTC, to the microsecond. The writer's clock sets it once and the stream carries it, so every site holds the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRow:
    """One row of ledger.entry."""

    payment: str
    account: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """One row of ledger.account."""

    id: str
    currency: str
    opening_balance: int
    balance: int
    overdraft_allowed: bool
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRow:
    """One row of ledger.held."""

    id: str
    key: str
    debtor: str
    creditor: str
    amount: int
    currency: str
    epoch: int
    body_digest: str
    score: float
    reasons: tuple[str, ...]
    created_at: str
    state: str
    """`held`, `approved` or `rejected`."""
    decided: str
    """By whom, why, when and in which epoch; empty while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything one site's ledger holds, read in one snapshot."""

    payments: tuple[PaymentRow, ...]
    entries: tuple[EntryRow, ...]
    accounts: tuple[AccountRow, ...]
    held: tuple[HeldRow, ...] = ()

    def digest(self) -> str:
        """SHA-256 over all rows and columns but the entries' ids, whatever the order of rows; equal ledgers, equal digests."""
        rows = sorted(repr(row) for table in (self.payments, self.entries, self.accounts, self.held) for row in table)
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


class Fault(StrEnum):
    """What a finding is about."""

    LOST = "lost"
    """Acknowledged, and not on this ledger under that id and key."""
    ALTERED = "altered"
    """Acknowledged, and on this ledger with another body than the client asked for. Counts as lost."""
    DUPLICATED = "duplicated"
    """One key, more than one payment: on a ledger, or in what the client was told."""
    DENIED = "denied"
    """The client was told that this payment will never be, and it is on this ledger: whoever pays again pays twice."""
    UNBALANCED = "unbalanced"
    """Entries that are not exactly the payment's two, or a balance that is not opening balance plus entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with what was seen."""

    fault: Fault
    site: str | None
    """None: the client's record alone shows it."""
    subject: str
    """Idempotency key, or payment or account id."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The outcome. Counts are of idempotency keys, so a payment missing on two sites is lost once."""

    attempted: int
    acknowledged: int
    declined: int
    lost: int
    duplicated: int
    denied: int = 0
    """Declined for good, and on some ledger all the same."""
    unresolved: int
    """Offered, and neither acknowledged, held nor declined: asked for until the load's deadline, and never told."""
    held: int = 0
    """Told that a person looks at it first, and not acknowledged since."""
    last_words: Mapping[str, int] = field(default_factory=dict)
    """What the last attempts of those came to, and how many of them: the most frequent first."""
    strangers: int
    """Payments on some ledger that this record never offered: canaries, or another run."""
    findings: tuple[Finding, ...]
    digests: Mapping[str, str]
    defects: tuple[str, ...]
    """What the load generator said about itself; a run with any proves less than it seems to."""

    @property
    def ledgers_equal(self) -> bool:
        """Do all sites hold the same? False when no ledger was read."""
        return len(set(self.digests.values())) == 1

    @property
    def balanced(self) -> bool:
        """Is every ledger sound in itself?"""
        return all(finding.fault is not Fault.UNBALANCED for finding in self.findings)


def reconcile(lines: Iterable[Line], ledgers: Mapping[str, Ledger]) -> Reconciliation:
    """Compare one run's record with every site's ledger. Raises ValueError without a ledger: nothing would be proven."""
    if not ledgers:
        raise ValueError("no ledger to compare with")
    offered: dict[str, Offered] = {}
    told: dict[str, set[str]] = defaultdict(set)
    declined: dict[str, Declined] = {}
    failed: dict[str, str] = {}
    held: dict[str, Held] = {}
    defects = []
    for line in lines:
        match line:
            case Offered():
                offered[line.key] = line
            case Acknowledged():
                told[line.key].add(line.payment)
            case Declined():
                declined[line.key] = line
            case Held():
                held[line.key] = line
            case Failed():
                failed[line.key] = line.why
            case Defect():
                defects.append(line.what)
            case _:
                pass
    unresolved = offered.keys() - told.keys() - declined.keys() - held.keys()
    findings = tuple(_findings(ledgers, offered, told, declined, held))
    return Reconciliation(
        attempted=len(offered),
        acknowledged=len(told),
        declined=len(declined.keys() - told.keys()),
        lost=len({finding.subject for finding in findings if finding.fault in (Fault.LOST, Fault.ALTERED)}),
        duplicated=len({finding.subject for finding in findings if finding.fault is Fault.DUPLICATED}),
        denied=len({finding.subject for finding in findings if finding.fault is Fault.DENIED}),
        unresolved=len(unresolved),
        held=len(held.keys() - told.keys()),
        last_words=dict(Counter(failed.get(key, "nothing was answered yet") for key in unresolved).most_common()),
        strangers=len({payment.key for ledger in ledgers.values() for payment in ledger.payments} - offered.keys()),
        findings=findings,
        digests={site: ledger.digest() for site, ledger in sorted(ledgers.items())},
        defects=tuple(defects),
    )


def _findings(
    ledgers: Mapping[str, Ledger],
    offered: Mapping[str, Offered],
    told: Mapping[str, set[str]],
    declined: Mapping[str, Declined],
    held: Mapping[str, Held],
) -> Iterator[Finding]:
    """Everything that is wrong, in the clients' record alone and on every ledger."""
    for key, ids in told.items():
        if len(ids) > 1:
            yield Finding(fault=Fault.DUPLICATED, site=None, subject=key, detail=f"acknowledged as {', '.join(sorted(ids))}")
    for site, ledger in sorted(ledgers.items()):
        yield from _missing(site, ledger, offered, told)
        yield from _duplicated(site, ledger)
        yield from _unheld(site, ledger, offered, held)
        yield from _denied(site, ledger, declined)
        yield from _unbalanced(site, ledger)


def _missing(site: str, ledger: Ledger, offered: Mapping[str, Offered], told: Mapping[str, set[str]]) -> Iterator[Finding]:
    """Acknowledged payments that this ledger lacks, or holds with another id or body."""
    by_id = {payment.id: payment for payment in ledger.payments}
    for key, ids in told.items():
        for payment_id in sorted(ids):
            held, wanted = by_id.get(payment_id), offered.get(key)
            if held is None or held.key != key:
                detail = f"payment {payment_id} is not there" if held is None else f"payment {payment_id} has the key {held.key}"
                yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)
            elif wanted is None:
                yield Finding(
                    fault=Fault.ALTERED, site=site, subject=key, detail="acknowledged, but never offered: no body to compare"
                )
            elif (body := _body(held)) != _body(wanted):
                yield Finding(fault=Fault.ALTERED, site=site, subject=key, detail=f"asked {_body(wanted)}, holds {body}")


def _body(payment: Offered | PaymentRow | HeldRow) -> tuple[str, str, int, str]:
    return payment.debtor, payment.creditor, payment.amount, payment.currency


def _duplicated(site: str, ledger: Ledger) -> Iterator[Finding]:
    """Keys that this ledger holds more than once, and ids that it does; no constraint is taken on trust."""
    for key, times in Counter(payment.key for payment in ledger.payments).items():
        if times > 1:
            yield Finding(fault=Fault.DUPLICATED, site=site, subject=key, detail=f"{times} payments")
    keys_by_id = defaultdict(set)
    for payment in ledger.payments:
        keys_by_id[payment.id].add(payment.key)
    for payment_id, keys in keys_by_id.items():
        if len(keys) > 1:
            yield Finding(
                fault=Fault.DUPLICATED, site=site, subject=min(keys), detail=f"payment {payment_id} has {len(keys)} keys"
            )


def _unheld(site: str, ledger: Ledger, offered: Mapping[str, Offered], held: Mapping[str, Held]) -> Iterator[Finding]:
    """Payments of which the client was told that a person looks at them, and that this ledger lacks, holds otherwise, or made unasked."""
    by_key = {row.key: row for row in ledger.held}
    for key, told in held.items():
        row, wanted = by_key.get(key), offered.get(key)
        if row is None or row.id != told.payment:
            detail = (
                f"held as {told.payment}, which is not there" if row is None else f"held as {told.payment}, there as {row.id}"
            )
            yield Finding(fault=Fault.LOST, site=site, subject=key, detail=detail)
        elif wanted is None or _body(row) != _body(wanted):
            yield Finding(
                fault=Fault.ALTERED, site=site, subject=key, detail=f"asked {wanted and _body(wanted)}, holds {_body(row)}"
            )
    for payment in ledger.payments:
        waiting = by_key.get(payment.key)
        if waiting is not None and (waiting.state != "approved" or waiting.id != payment.id):
            detail = f"payment {payment.id} is made, and {waiting.id} is {waiting.state}"
            yield Finding(fault=Fault.DUPLICATED, site=site, subject=payment.key, detail=detail)


def _denied(site: str, ledger: Ledger, declined: Mapping[str, Declined]) -> Iterator[Finding]:
    """Payments that this ledger holds although the client was told that they are refused for good."""
    for payment in ledger.payments:
        if (told := declined.get(payment.key)) is not None:
            detail = f"{told.site} answered {told.status} {told.why} at attempt {told.attempt}, payment {payment.id} is there"
            yield Finding(fault=Fault.DENIED, site=site, subject=payment.key, detail=detail)


def _unbalanced(site: str, ledger: Ledger) -> Iterator[Finding]:
    """Entries must be each payment's two and nothing else; balances must be what the entries make them."""
    entries: dict[str, list[tuple[str, int]]] = defaultdict(list)
    moved: Counter[str] = Counter()
    for entry in ledger.entries:
        entries[entry.payment].append((entry.account, entry.amount))
        moved[entry.account] += entry.amount
    for payment in ledger.payments:
        found = sorted(entries.pop(payment.id, []))
        if found != sorted([(payment.debtor, -payment.amount), (payment.creditor, payment.amount)]):
            yield Finding(fault=Fault.UNBALANCED, site=site, subject=payment.id, detail=f"entries {found} for {_body(payment)}")
    for payment_id in entries:
        yield Finding(fault=Fault.UNBALANCED, site=site, subject=payment_id, detail="entries without a payment")
    for account in ledger.accounts:
        expected = account.opening_balance + moved.pop(account.id, 0)
        if account.balance != expected:
            yield Finding(fault=Fault.UNBALANCED, site=site, subject=account.id, detail=f"{account.balance}, expected {expected}")
    for account_id, amount in moved.items():
        yield Finding(
            fault=Fault.UNBALANCED, site=site, subject=account_id, detail=f"{amount} moved on an account that is not there"
        )
