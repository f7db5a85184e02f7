"""What one site's ledger holds, as reconciliation reads it, and what can be wrong with it. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
class SourceRow:
    """One row of ledger.source."""

    payment: str
    token: str | None
    """None: the subject was forgotten, and the row says that there was one."""
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRow:
    """One row of ledger.erasure."""

    id: str
    subject: str
    """SHA-256 of the subject's sixteen bytes, in hexadecimal."""
    caller: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerRow:
    """One epoch marker of trimaran.marker: the first transaction of a reign."""

    epoch: int
    site: str
    """Who opened it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """The one row of trimaran.node: what this database says it is."""

    site: str
    role: str
    """`writer`, `follower` or `fenced`."""
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What one site's ledger holds, read in one snapshot: rows that clients were told of, and digests of everything."""

    payments: tuple[PaymentRow, ...]
    entries: tuple[EntryRow, ...]
    accounts: tuple[AccountRow, ...]
    held: tuple[HeldRow, ...] = ()
    sources: tuple[SourceRow, ...] = ()
    erasures: tuple[ErasureRow, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every published table of the ledger, by name, all rows and columns."""
    markers: tuple[MarkerRow, ...] = ()
    node: NodeRow | None = None
    """None: it was not read. This and the markers are no part of the digest: each node has a row of its own."""

    def digest(self) -> str:
        """SHA-256 over all rows and tables, whatever the order of rows; equal ledgers, equal digests."""
        known = (self.payments, self.entries, self.accounts, self.held, self.sources, self.erasures, self.tables.items())
        rows = sorted(repr(row) for table in known for row in table)
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
    REMEMBERED = "remembered"
    """A subject whose erasure was acknowledged is known here all the same, or somebody paid from it afterwards."""
    UNBALANCED = "unbalanced"
    """Entries that are not exactly the payment's two, or a balance that is not opening balance plus entries."""
    OVERDRAWN = "overdrawn"
    """An account that must not be overdrawn was."""
    UNLIKE = "unlike"
    """Two ledgers know something else of one payment or account, in what never changes."""
    FORKED = "forked"
    """An account's payments are another course here than at the writer, and not only less of the same one."""
    SPLIT = "split"
    """A payment that nobody was told of stayed at some sites and not at others."""
    RIVALS = "rivals"
    """One epoch, more than one writer."""
    REVERTED = "reverted"
    """Begun after an answer of a later epoch, and answered in an earlier one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with what was seen."""

    fault: Fault
    site: str | None
    """None: the client's record alone shows it."""
    subject: str
    """Idempotency key, or payment or account id, or an epoch."""
    detail: str
