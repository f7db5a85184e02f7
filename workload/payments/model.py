"""The values that travel through the service; nothing here acts, waits or looks at a clock."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client asks for. `amount` is in minor units."""

    key: str
    debtor: UUID
    creditor: UUID
    amount: int
    currency: str
    source: UUID | None = None
    """Token of the vault that the money comes from."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is asked, without the key: the same key with another digest is another payment. A source is part of it;
        without one the digest is that of orders from before there were any."""
        asked = b"%b%b%d %b" % (self.debtor.bytes, self.creditor.bytes, self.amount, self.currency.encode())
        return hashlib.sha256(asked + (b"" if self.source is None else b" from " + self.source.bytes)).digest()


class Outcome(StrEnum):
    """What `ledger.pay` or `ledger.hold` decided."""

    CREATED = "created"
    REPLAYED = "replayed"
    HELD = "held"
    """A person has to look at it first."""
    STILL_HELD = "still_held"
    """The key belongs to a payment that waits for a person."""
    REJECTED = "rejected"
    """The key belongs to a payment that a person turned down, for ever."""
    KEY_REUSED = "key_reused"
    UNKNOWN_DEBTOR = "unknown_debtor"
    UNKNOWN_CREDITOR = "unknown_creditor"
    SAME_ACCOUNT = "same_account"
    CURRENCY_MISMATCH = "currency_mismatch"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    BALANCE_LIMIT = "balance_limit"
    UNKNOWN_SOURCE = "unknown_source"
    """No payment came from this token yet. Said to a client, it means that the vault has no such token either."""
    ERASED_SOURCE = "erased_source"
    """Its subject was forgotten, here or in the vault."""


class Status(StrEnum):
    """How far a payment has come."""

    COMPLETED = "completed"
    HELD = "held"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the ledger has it, made or not. Why it was held is no business of whoever asked for it."""

    id: UUID
    debtor: UUID
    creditor: UUID
    amount: int
    currency: str
    epoch: int
    """Reign that admitted it, not necessarily the present one."""
    created_at: datetime
    status: Status = Status.COMPLETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the ledger holds it. `balance` is in minor units."""

    id: UUID
    currency: str
    balance: int
    overdraft_allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The ledger's answer to an order. `payment` is None when the order was refused and nothing was kept of it."""

    outcome: Outcome
    payment: Payment | None


class Verdict(StrEnum):
    """What a reviewer says."""

    APPROVE = "approved"
    REJECT = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Who decided about a held payment, why and when."""

    verdict: Verdict
    who: str
    because: str
    at: datetime
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A payment that is or was held, as reviewers see it. Its id is the payment's, before and after."""

    id: UUID
    key: str
    debtor: UUID
    creditor: UUID
    amount: int
    currency: str
    score: float
    reasons: tuple[str, ...]
    epoch: int
    """Reign that held it."""
    created_at: datetime
    ruling: Ruling | None
    """None: it waits."""


class Reviewed(StrEnum):
    """What `ledger.review` decided. Every outcome that is none of these is a refusal of the payment itself, which stays held."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REPEATED = "repeated"
    """It had been decided so before."""
    ALREADY_APPROVED = "already_approved"
    ALREADY_REJECTED = "already_rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """That somebody was forgotten: what is kept of it, for ever. Whose it was can be checked by whoever knows the subject, and by
    nobody else."""

    id: UUID
    subject_digest: bytes
    """SHA-256 of the subject's sixteen bytes."""
    accounts: int
    """From which the subject's tokens paid."""
    profiles: int
    """Of these accounts, whose habits were known and are forgotten."""
    sources: int
    """Payments of which the token was kept until then; 0 when nothing was held of the subject. Counts grow until it has ended."""
    caller: str
    reason: str
    epoch: int
    """Reign that began it."""
    at: datetime
    """From then on nobody pays from the subject's tokens."""
    ended_at: datetime | None
    """None: some is left to forget, and this is no proof yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The ledger's answer to an erasure. There is a proof also when nothing was ever held of the subject: it keeps it so."""

    is_replayed: bool
    is_unknown: bool
    """Nothing was held of the subject when it was first asked to be forgotten."""
    proof: Erasure

    @property
    def is_complete(self) -> bool:
        """False: it has begun, durably, and has to be asked for again."""
        return self.proof.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """The ledger's answer to a reviewer. `review` is there unless nothing was ever held under that id."""

    outcome: Reviewed | Outcome
    review: Review | None
