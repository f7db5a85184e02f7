"""How a number is sealed with a data key, and what the same key derives. Pure: keys and randomness are passed in.

AES-256-GCM (NIST SP 800-38D) with a random nonce of 96 bits that stands before the ciphertext. A key seals the few numbers of one
subject, far below the 2^32 that section 8.3 allows with random nonces.

What the seal is bound to travels as associated data: the row's token, kind, subject and data key, and what the text is for. Without
it, whoever may write rows but open none copies the ciphertext of a rich card to a token of his own, and asks for that one.
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from workload.vault.errors import SealBroken
from workload.vault.numbers import Kind, Number

KEY_BYTES = 32
NONCE_BYTES = 12
CHECK_BYTES = 16


class Purpose(StrEnum):
    """What a sealed text is: the one is never taken for the other."""

    NUMBER = "number"
    HINT = "hint"
    """The last four characters: shown without the number being opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The row a seal belongs to."""

    token: UUID
    kind: Kind
    subject: UUID
    data_key: UUID

    def associated(self, purpose: Purpose) -> bytes:
        """Associated data: fields of fixed length first, so that no two bindings read the same."""
        return b"%b%b%b%b/%b" % (
            self.token.bytes,
            self.subject.bytes,
            self.data_key.bytes,
            self.kind.value.encode(),
            purpose.value.encode(),
        )


def seal(material: bytes, nonce: bytes, text: str, binding: Binding, purpose: Purpose) -> bytes:
    """Nonce and ciphertext. The nonce must be random and new. Raises ValueError when key or nonce has another length."""
    _check_lengths(material, nonce)
    return nonce + AESGCM(material).encrypt(nonce, text.encode("ascii"), binding.associated(purpose))


def unseal(material: bytes, sealed: bytes, binding: Binding, purpose: Purpose) -> str:
    """The text. Raises SealBroken when anything was changed or belongs elsewhere."""
    nonce = sealed[:NONCE_BYTES]
    if len(nonce) < NONCE_BYTES:
        raise SealBroken(f"{purpose.value} of token {binding.token}: the ciphertext is too short")
    _check_lengths(material, nonce)
    try:
        return AESGCM(material).decrypt(nonce, sealed[NONCE_BYTES:], binding.associated(purpose)).decode("ascii")
    except InvalidTag as error:
        raise SealBroken(f"{purpose.value} of token {binding.token}: the ciphertext does not belong to this row") from error


def digest(material: bytes, subject: UUID, key: UUID, number: Number) -> bytes:
    """What an idempotency key is bound to: HMAC-SHA256 of the body under a key derived from the data key.

    Never a plain hash: there are few enough card numbers to try them all, and the row would give the number away. The idempotency key is
    part of it, or whoever reads rows sees which of a subject's tokens are of the same number.
    """
    body = b"%b%b%b/%b" % (subject.bytes, key.bytes, number.kind.value.encode(), number.text.encode("ascii"))
    return hmac.digest(_derive(material, b"idempotency"), body, "sha256")


def check(material: bytes, id: UUID) -> bytes:
    """Proof that a key is this data key, which tells nothing about it. Stored beside the wraps.

    A key service that answers 32 wrong bytes would otherwise have its answer seal a number that nobody ever opens again.
    """
    return hmac.digest(_derive(material, b"check"), id.bytes, "sha256")[:CHECK_BYTES]


def is_key(material: bytes, id: UUID, expected: bytes) -> bool:
    """Is this the data key of this id?"""
    return len(material) == KEY_BYTES and hmac.compare_digest(check(material, id), expected)


def context(id: UUID, subject: UUID) -> bytes:
    """What the clouds bind a wrap to: moved to another subject's key, it opens nowhere."""
    return b"trimaran/vault/1" + id.bytes + subject.bytes


def _derive(material: bytes, purpose: bytes) -> bytes:
    # HKDF's second half (RFC 5869 section 3.3): the data key is uniformly random already. One key for one use.
    return HKDFExpand(algorithm=hashes.SHA256(), length=KEY_BYTES, info=b"trimaran/vault/1/" + purpose).derive(material)


def _check_lengths(material: bytes, nonce: bytes) -> None:
    # AESGCM takes shorter keys and longer nonces too: AES-128, and nonces that are hashed.
    if len(material) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError(f"expected a key of {KEY_BYTES} and a nonce of {NONCE_BYTES} bytes")
