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

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is asked, without the key: the same key with another digest is another payment."""
        return hashlib.sha256(
            b"%b%b%d %b" % (self.debtor.bytes, self.creditor.bytes, self.amount, self.currency.encode())
        ).digest()


class Outcome(StrEnum):
    """What `ledger.pay` decided."""

    CREATED = "created"
    REPLAYED = "replayed"
    KEY_REUSED = "key_reused"
    UNKNOWN_DEBTOR = "unknown_debtor"
    UNKNOWN_CREDITOR = "unknown_creditor"
    SAME_ACCOUNT = "same_account"
    CURRENCY_MISMATCH = "currency_mismatch"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    BALANCE_LIMIT = "balance_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the ledger holds it."""

    id: UUID
    debtor: UUID
    creditor: UUID
    amount: int
    currency: str
    epoch: int
    """Reign that admitted it, not necessarily the present one."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as the ledger holds it. `balance` is in minor units."""

    id: UUID
    currency: str
    balance: int
    overdraft_allowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The ledger's answer to an order. `payment` is there when the outcome is created or replayed."""

    outcome: Outcome
    payment: Payment | None
