"""Signatures of the Standard Webhooks specification (version 1.0.0, symmetric scheme `v1`: HMAC-SHA256), made by its own library."""

import base64
import binascii
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog
from standardwebhooks import Webhook

log = structlog.get_logger()

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as the specification wants them."""

Signers = tuple[Webhook, ...]


class SecretsError(Exception):
    """The secrets cannot be used. The message names the entry and what is expected, never a secret."""


class UnknownSecret(Exception):
    """An endpoint names a secret that is not in the file."""


def sign(signers: Signers, id: UUID, moment: datetime, body: str) -> Mapping[str, str]:
    """The headers that let a receiver verify this attempt; one signature for each secret, so that secrets can be changed in peace.

    `moment` is the attempt's, not the event's: receivers refuse what is older than five minutes, so that an attempt that somebody kept
    cannot be replayed for ever. It must be aware; ValueError otherwise.
    """
    if moment.tzinfo is None:
        raise ValueError("the moment of an attempt needs a time zone")
    stamp = moment.astimezone(UTC)
    return {
        "webhook-id": str(id),
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": " ".join(signer.sign(str(id), stamp, body) for signer in signers),
    }


class Secrets:
    """The merchants' secrets, as a file of this process. They are in no database, log or message."""

    def __init__(self, path: Path) -> None:
        """Raises SecretsError."""
        self._path = path
        self._changed_at = _changed_at(path)
        self._signers = read_secrets(path)

    def of(self, name: str) -> Signers:
        """What signs for endpoints that use this name, the newest first. Raises UnknownSecret."""
        if name not in self._signers:
            raise UnknownSecret(f"there is no secret {name}")
        return self._signers[name]

    def refresh(self) -> None:
        """Read the file again when it changed. One that cannot be used leaves what was read before in force, and is told of."""
        try:
            changed_at = _changed_at(self._path)
            if changed_at == self._changed_at:
                return
            self._changed_at = changed_at
            self._signers = read_secrets(self._path)
            log.info("secrets read", names=len(self._signers))
        except SecretsError as error:
            log.warning("secrets kept as they were", why=str(error))


def read_secrets(path: Path) -> Mapping[str, Signers]:
    """The file's content, checked as a whole. Raises SecretsError."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SecretsError(f"{path}: expected a readable file: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Its message may quote the line, and the line may be a secret.
        raise SecretsError(f"{path}: expected TOML") from None
    return {name: _signers(path, name, secrets) for name, secrets in content.items()}


def _signers(path: Path, name: str, secrets: object) -> Signers:
    if not isinstance(secrets, list) or not secrets:
        raise SecretsError(f"{path}: {name}: expected a list of one or more secrets")
    return tuple(_signer(path, name, secret) for secret in secrets)


def _signer(path: Path, name: str, secret: object) -> Webhook:
    """Strict where the library is not: it skips whatever is not base64, and signs with what is left."""
    expected = f"{path}: {name}: expected {PREFIX} and then {SHORTEST} to {LONGEST} bytes in base64"
    if not isinstance(secret, str) or not secret.startswith(PREFIX):
        raise SecretsError(expected)
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretsError(expected) from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise SecretsError(f"{expected}, not {len(key)}")
    return Webhook(key)


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise SecretsError(f"{path}: expected a readable file: {error.strerror}") from error
