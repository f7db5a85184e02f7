"""The values that travel through the service; nothing here acts, waits or looks at a clock. None shows a number or a key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from workload.vault.numbers import Kind, Number
from workload.vault.sealing import Binding, context
from workload.vault.wrapping import Wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The one key that seals everything of one subject."""

    id: UUID
    subject: UUID
    material: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedKey:
    """A data key as the database holds it: wrapped, once per cloud, and a check that tells the right key from a wrong one."""

    id: UUID
    subject: UUID
    check: bytes = field(repr=False)
    wraps: tuple[Wrapped, ...]
    is_erased: bool = False

    @property
    def context(self) -> bytes:
        """What every wrap is bound to."""
        return context(self.id, self.subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Who wants something, and why: what the audit trail records beside the token."""

    caller: str
    reason: str
    by: str | None = None
    """The person for whom the caller says that it asks; recorded with erasures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A number to be kept, and the token to be had for it."""

    key: UUID
    """Idempotency key. A UUID with a version and a variant (`workload/kept.py`), so that no client puts a number where it is readable."""
    subject: UUID
    number: Number
    caller: str


class Action(StrEnum):
    """What is to be done with something sealed that the database gives out, as the audit trail records it."""

    DESCRIBE = "describe"
    """Its last characters are shown."""
    REVEAL = "reveal"


class Outcome(StrEnum):
    """What the vault decided."""

    FOUNDED = "founded"
    CREATED = "created"
    REPLAYED = "replayed"
    FOUND = "found"
    KEY_REUSED = "key_reused"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105  a word
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_KEY = "unknown_key"
    """The data key is not in the database that answered: cached here, and lost with a database that held it alone."""
    ERASED = "erased"
    REPLACED = "replaced"
    """Somebody else has put another wrap in the place of the one that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A number as it is written: nothing in it can be read without the data key."""

    binding: Binding
    number: bytes = field(repr=False)
    hint: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is shown."""

    id: UUID
    kind: Kind
    subject: UUID
    epoch: int
    """Reign that admitted it, not necessarily the present one."""
    created_at: datetime
    last_four: str | None = field(repr=False)
    """None when no cloud is in reach that could open it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenized:
    """The answer to an order. `token` is there when the outcome is created or replayed."""

    outcome: Outcome
    token: Token | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A token's row as it was read, still sealed: `sealed` is the number when it is to be revealed, and else the hint."""

    binding: Binding
    sealed: bytes = field(repr=False)
    epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the database answered about a token. `row` is there when the outcome is found."""

    outcome: Outcome
    row: Row | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """The answer to a reveal. `number` is there when the outcome is found."""

    outcome: Outcome
    number: Number | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The answer to a question about a token. `token` is there when the outcome is found."""

    outcome: Outcome
    token: Token | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """The answer to whose a token is. `subject` is there when the outcome is found."""

    outcome: Outcome
    subject: UUID | None = None


DOES_NOT_PROVE = (
    "that copies are gone: logs and backups of the databases hold the wraps until they expire; nor who wrote this record: it is not signed,"
    " and the digest says which wraps are gone to nobody who has kept none"
)
"""Told with every proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """An erasure as it is on record: which wraps were destroyed, who asked, why and when.

    It says that the vault's databases hold no wrap of the data key any more, from the moment a member of the ack set has it. It is as good
    as the database that it stands in: it is neither signed nor chained, and cannot be told from a row that somebody inserted. The digest
    tells which wraps these were to whoever kept a copy, and this design has nobody keep one. It proves nothing about copies: write-ahead
    logs, backups and quarantines hold what they held, and a wrap restored from there opens again until the copy expires or the clouds'
    keys are destroyed. Nor does it reach into the memory of other processes: a key cached there lives on until its age is over, and serves
    nobody, because every use asks the database first.
    """

    id: UUID
    subject: UUID
    data_key: UUID
    clouds: tuple[str, ...]
    """Whose wraps were destroyed."""
    wraps_digest: bytes
    """SHA-256 over the destroyed wraps in order of cloud: cloud, name of the key-encryption key, ciphertext, each after its length
    in four bytes."""
    tokens: int
    """How many tokens can be opened no more."""
    grounds: Grounds
    epoch: int
    erased_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The answer to an erasure. `proof` is there unless the subject is unknown."""

    outcome: Outcome
    proof: Proof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One window of the data keys, looked through for wraps that are missing or old."""

    upto: UUID | None
    """Last data key looked at; None: the end was reached."""
    flawed: tuple[UUID, ...]
    living: int
    """Data keys in the window that are not erased."""
    held: Mapping[tuple[str, str], int]
    """How many of these have a wrap, by cloud and key-encryption key."""
