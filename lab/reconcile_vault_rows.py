"""What one site's vault holds, as reconciliation reads it, and what can be wrong with it. Pure.

Sealed texts, wraps and digests are here as SHA-256 of what the database holds: they can be compared between sites and open nothing.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyRow:
    """One row of vault.data_key."""

    id: str
    subject: str
    check: str
    epoch: int
    created_at: str
    """In UTC, to the microsecond, as all times here."""


WrapId = tuple[str, str, str]
"""Id of the data key, cloud, SHA-256 of the ciphertext. By the ciphertext alone a wrap that lies in another subject's row, where it opens
nothing, would pass for the one that opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapRow:
    """One row of vault.wrap."""

    data_key: str
    cloud: str
    kek: str
    ciphertext: str

    @property
    def id(self) -> WrapId:
        """What it is told from all others by."""
        return self.data_key, self.cloud, self.ciphertext


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """One row of vault.token."""

    id: str
    key: str
    body: str
    data_key: str
    kind: str
    sealed: str
    hint: str
    epoch: int
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRow:
    """One row of vault.access."""

    id: str
    token: str
    action: str
    caller: str
    reason: str
    epoch: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRow:
    """One row of vault.erasure."""

    id: str
    data_key: str
    subject: str
    clouds: tuple[str, ...]
    wraps: str
    tokens: int
    caller: str
    by: str | None
    reason: str
    epoch: int
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRows:
    """Everything one site's vault holds, read in one snapshot."""

    data_keys: tuple[DataKeyRow, ...] = ()
    wraps: tuple[WrapRow, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    accesses: tuple[AccessRow, ...] = ()
    erasures: tuple[ErasureRow, ...] = ()

    def tables(self) -> tuple[tuple[object, ...], ...]:
        """All five."""
        return self.data_keys, self.wraps, self.tokens, self.accesses, self.erasures


class Harm(StrEnum):
    """What a finding is about."""

    LOST = "lost"
    """A token or a proof that was acknowledged, and is not on this vault under that id and key."""
    ALTERED = "altered"
    """Acknowledged, and something else: of another subject, or a reveal told another number than was entrusted. Counts as lost."""
    DUPLICATED = "duplicated"
    """One idempotency key, more than one token; one subject, more than one data key or proof."""
    DENIED = "denied"
    """The client was told that there is no such token, or that there will be none, and it is on this vault."""
    UNTRACED = "untraced"
    """A number was kept or given out, and the audit trail of this vault does not say to whom and why."""
    REVIVED = "revived"
    """A number was given out or taken in although its subject's erasure had been acknowledged before it was asked for."""
    UNERASED = "unerased"
    """The data key of an erased subject has a wrap left: whoever asks that cloud can open everything again."""
    UNWRAPPED = "unwrapped"
    """A living data key that some cloud cannot open: one cloud less that can serve when others are gone."""
    ORPHANED = "orphaned"
    """A row of something that is not there: a token without its data key can never be opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultFinding:
    """One thing that is wrong, with what was seen. Never a number, never ciphertext."""

    harm: Harm
    site: str | None
    """None: the client's record alone shows it."""
    subject: str
    """Key of a wish, or id of a row."""
    detail: str
