"""One key in each cloud's key service, by which the vault's data keys are wrapped, made as the infrastructure program makes it.

Pure, but for `found_aws`, which needs the answer to its first call for the second.
"""

from collections.abc import Iterator
from typing import Any

from lab.estate import REGION
from lab.zones import PROJECT, Order

NAME = "vault"
ALIAS = f"alias/{NAME}"
"""At AWS."""
GOOGLE_RING = f"projects/{PROJECT}/locations/{REGION}/keyRings/trimaran"
GOOGLE_KEY = f"{GOOGLE_RING}/cryptoKeys/{NAME}"
"""Its full name."""
AZURE_VERSION = "2025-07-01"
BITS = 3072


def found_aws(kms: Any) -> str:
    """Make the key with a client of the vendor's, and answer its alias."""
    made = kms.create_key(Description=NAME, KeyUsage="ENCRYPT_DECRYPT", KeySpec="SYMMETRIC_DEFAULT")
    kms.create_alias(AliasName=ALIAS, TargetKeyId=made["KeyMetadata"]["KeyId"])
    return ALIAS


def for_azure() -> Iterator[Order]:
    """The key of this name in the vault, whose address is that of the emulated API."""
    path = f"/keys/{NAME}/create?api-version={AZURE_VERSION}"
    yield Order(method="POST", path=path, body={"kty": "RSA", "key_size": BITS, "key_ops": ["wrapKey", "unwrapKey"]})


def for_google() -> Iterator[Order]:
    """The key, in a ring that is there."""
    path = f"/v1/{GOOGLE_RING}/cryptoKeys?cryptoKeyId={NAME}"
    yield Order(method="POST", path=path, body={"purpose": "ENCRYPT_DECRYPT"})
