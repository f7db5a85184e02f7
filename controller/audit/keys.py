"""Ed25519 keys of controllers: one signs, the others' public halves prove. A public key that was retired proves what it signed before."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from controller.coordination.spelling import spelled
from controller.core.heads import Head, SignedHead

LENGTH = 32
"""Bytes of a public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """Who may sign with it, and until when."""

    controller: str
    public: str
    """Base64 of its 32 bytes."""
    until: datetime | None = None
    """Retired: what is signed later, by its own word, is not believed. None: in use."""

    @property
    def id(self) -> str:
        """Its short name."""
        return key_id(b64decode(self.public))


def key_id(public: bytes) -> str:
    """64 bits of its SHA-256: enough to tell keys apart that settings name; nobody is believed for a name."""
    return sha256(public).hexdigest()[:16]


def understood(text: str) -> str:
    """A public key as settings have it. Raises ValueError."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if len(raw) != LENGTH:
        raise ValueError(f"base64 of the {LENGTH} bytes of an Ed25519 public key, as `trimaran audit key` prints it")
    return b64encode(raw).decode("ascii")


class Doubt(StrEnum):
    """Why a signature proves nothing."""

    UNKNOWN_KEY = "unknown key"
    ANOTHERS_KEY = "another's key"
    """The key that it names is not that controller's."""
    RETIRED_KEY = "retired key"
    """Signed after its key was retired."""
    NO_SIGNATURE = "no signature of it"
    """The key that it names did not sign this."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Every public key that is known, by id."""

    keys: Mapping[str, PublicKey] = field(default_factory=dict)

    def doubt(self, signed: SignedHead) -> Doubt | None:
        """Why this head is not its controller's; None: it is."""
        key = self.keys.get(signed.head.key)
        if key is None:
            return Doubt.UNKNOWN_KEY
        if key.controller != signed.head.controller:
            return Doubt.ANOTHERS_KEY
        if not proves(key, signed.head, signed.signature):
            return Doubt.NO_SIGNATURE
        if key.until is not None and signed.head.at > key.until:
            return Doubt.RETIRED_KEY
        return None

    def controllers(self) -> tuple[str, ...]:
        """Those that have a key."""
        return tuple(sorted({key.controller for key in self.keys.values()}))


def ring(keys: Iterable[PublicKey]) -> Ring:
    """These keys together."""
    return Ring({key.id: key for key in keys})


def proves(key: PublicKey, head: Head, signature: str) -> bool:
    """Was this very head signed with the private half?"""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(b64decode(key.public)).verify(b64decode(signature, validate=True), message(head))
    except (InvalidSignature, ValueError, OverflowError):
        return False
    return True


def message(head: Head) -> bytes:
    """What is signed: RFC 8785 of every field and of the purpose. Raises Unspellable for a number beyond 2^53."""
    return spelled(head.signed_text())
