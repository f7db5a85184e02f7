"""One controller's private key: made, read and used here, and never shown."""

import os
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from controller.audit.keys import key_id, message
from controller.core.heads import Head, SignedHead

LARGEST = 4096
"""Bytes of a key file that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs heads in one controller's name."""

    controller: str
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> str:
        """The public half, base64, as settings have it."""
        return b64encode(self._public()).decode("ascii")

    @property
    def id(self) -> str:
        """Short name of the key."""
        return key_id(self._public())

    def sign(self, head: Head) -> SignedHead:
        """The head with its signature."""
        return SignedHead(head=head, signature=b64encode(self.private.sign(message(head))).decode("ascii"))

    def _public(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_private(path: Path) -> Ed25519PrivateKey:
    """The key in this file, PEM. Raises OSError, and ValueError for what is no Ed25519 key."""
    with path.open("rb") as opened:
        text = opened.read(LARGEST)
    try:
        found = load_pem_private_key(text, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("an Ed25519 key without a password") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise ValueError(f"an Ed25519 key, not {type(found).__name__.strip('_')}")  # noqa: TRY004  settings tell values that do not fit
    return found


def make_private(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file that only its owner reads. Raises OSError, FileExistsError among them: a key that signed is not replaced."""
    made = Ed25519PrivateKey.generate()
    text = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(text)
    return made
