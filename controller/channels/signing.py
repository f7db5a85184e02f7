"""Signatures of the Standard Webhooks specification (version 1.0.0, symmetric scheme `v1`: HMAC-SHA256), so that its libraries verify them.

The payments workload signs what merchants get in the same form; the two share no code, because neither knows the other.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""Bytes of a secret, as the specification wants them."""

EXPECTED = f"{PREFIX} and then {SHORTEST} to {LONGEST} bytes in base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One secret."""

    key: bytes = field(repr=False)

    def sign(self, id: str, stamp: int, body: bytes) -> str:
        """`v1,` and the signature in base64."""
        digest = hmac.new(self.key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"


def read_signer(secret: str) -> Signer:
    """What signs with this secret. Raises ValueError, which does not name it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        raise ValueError(EXPECTED) from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(EXPECTED)
    return Signer(key=key)


def signed(signers: Sequence[Signer], id: str, moment: datetime, body: bytes) -> Mapping[str, str]:
    """The headers that let a receiver verify this attempt; one signature for each secret, so that secrets can be changed in peace.

    `moment` is the attempt's and not the message's: receivers refuse what is older than five minutes, so that an attempt that somebody kept
    cannot be replayed for ever.
    """
    stamp = int(moment.astimezone(UTC).timestamp())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": " ".join(signer.sign(id, stamp, body) for signer in signers),
    }
