"""What moto's KMS lacks: material that rotates, keys that refuse while disabled or pending deletion, multi-Region keys that open.

In moto 5.2.5 `rotate_key_on_demand` writes a line and changes no key, a disabled key encrypts and decrypts, the ciphertext of a
multi-Region key cannot be opened (its id is longer than the field it is kept in), a ciphertext of another key is AccessDenied. Source: AWS
KMS API reference, Encrypt, Decrypt, RotateKeyOnDemand, KeyMetadata; AWS KMS Developer Guide, "Key states". A key pending deletion is
never deleted here: it would take seven days.
"""

import json
import os
import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from moto.core.exceptions import JsonRESTError
from moto.core.utils import unix_time
from moto.kms.exceptions import AccessDeniedException, InvalidCiphertextException, ValidationException
from moto.kms.models import Key, KmsBackend, kms_backends

NONCE, MOST = 12, 4096
"""Bytes of a nonce; of the longest plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a key encrypts with between two rotations."""

    id: str = field(default_factory=lambda: secrets.token_hex(32))
    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)


class KeyMaterials:
    """The materials of all keys, by the key's id, which replicas of a multi-Region key share. The caller holds moto's lock."""

    def __init__(self) -> None:
        self._materials: defaultdict[str, list[Material]] = defaultdict(lambda: [Material()])

    def install(self) -> None:
        """Have moto's KMS encrypt and rotate like this, for the life of the process."""
        materials, described = self, Key.to_dict

        def encrypt(backend: KmsBackend, key_id: str, plaintext: bytes, encryption_context: Mapping[str, str]) -> Any:
            return materials.encrypt(_key(backend, key_id), plaintext, encryption_context)

        def decrypt(
            backend: KmsBackend, ciphertext_blob: bytes, encryption_context: Mapping[str, str], key_id: str | None = None
        ) -> Any:
            named = None if key_id is None else _key(backend, key_id)
            return materials.decrypt(backend, named, ciphertext_blob, encryption_context)

        def rotate_key_on_demand(backend: KmsBackend, key_id: str) -> str:
            materials.rotate(_key(backend, key_id))
            return key_id

        def to_dict(key: Key) -> dict[str, Any]:
            found: dict[str, Any] = described(key)
            if key.key_spec == "SYMMETRIC_DEFAULT":
                found["KeyMetadata"]["CurrentKeyMaterialId"] = materials.current(key).id
            return found

        for owner, made in ((KmsBackend, encrypt), (KmsBackend, decrypt), (KmsBackend, rotate_key_on_demand), (Key, to_dict)):
            setattr(owner, made.__name__, made)  # classes of moto's: no other way in

    def current(self, key: Key) -> Material:
        """What the key encrypts with."""
        return self._materials[key.id][-1]

    def rotate(self, key: Key) -> None:
        """`RotateKeyOnDemand`, which in the field takes a while."""
        check_usable(key)
        self._materials[key.id] = [*self._materials[key.id], Material()]
        done = {"KeyId": key.id, "KeyMaterialId": self.current(key).id, "RotationDate": unix_time(), "RotationType": "ON_DEMAND"}
        key.rotations.append(done)

    def encrypt(self, key: Key, plaintext: bytes, context: Mapping[str, str]) -> tuple[bytes, str]:
        """`Encrypt`: the ciphertext, which names key and material, and the key's ARN. Raises moto's own errors."""
        check_usable(key)
        if not 1 <= len(plaintext) <= MOST:
            raise ValidationException(f"Value at 'plaintext' failed to satisfy constraint: length between 1 and {MOST}")
        material, nonce = self.current(key), os.urandom(NONCE)
        sealed = AESGCM(material.secret).encrypt(nonce, plaintext, _canonical(context))
        head = f"{key.id}/{material.id}/".encode()
        return bytes([len(head)]) + head + nonce + sealed, str(key.arn)

    def decrypt(self, backend: KmsBackend, named: Key | None, ciphertext: bytes, context: Mapping[str, str]) -> tuple[bytes, str]:
        """`Decrypt`: plain text and the key's ARN. Raises moto's own errors."""
        if named is not None:
            check_usable(named)
        end = 1 + ciphertext[0] if ciphertext else 1
        key_id, _, material_id = ciphertext[1:end].decode(errors="replace").rstrip("/").partition("/")
        if not material_id:
            raise InvalidCiphertextException
        key = backend.keys.get(key_id)
        if named is not None and named is not key:
            raise refusal("IncorrectKeyException", "The key ID in the request does not identify a key that can open this.")
        if key is None:
            raise AccessDeniedException("The ciphertext refers to a customer master key that does not exist.")
        check_usable(key)
        secret = next((one.secret for one in self._materials[key.id] if one.id == material_id), None)
        nonce, sealed = ciphertext[end : end + NONCE], ciphertext[end + NONCE :]
        try:
            return AESGCM(secret or b"").decrypt(nonce, sealed, _canonical(context)), str(key.arn)
        except (InvalidTag, ValueError) as error:
            raise InvalidCiphertextException from error

    @contextmanager
    def unchanged(self, account: str) -> Iterator[None]:
        """Whatever happens to keys in the block is undone behind it: states, rotations, keys that were made."""
        backends = list(kms_backends[account].values())
        before = [(backend, dict(backend.keys)) for backend in backends]
        fields = ("key_state", "enabled", "deletion_date", "rotations", "aliases")
        states = [(key, {name: _copied(getattr(key, name)) for name in fields}) for one in backends for key in one.keys.values()]
        materials = dict(self._materials)
        try:
            yield
        finally:
            for backend, keys in before:
                backend.keys = keys
            for key, state in states:
                for name, value in state.items():
                    setattr(key, name, value)
            self._materials.clear()
            self._materials.update(materials)


def check_usable(key: Key) -> None:
    """Raises what KMS answers unless the key is enabled."""
    if key.key_state == "Disabled":
        raise refusal("DisabledException", f"{key.arn} is disabled.")
    if key.key_state == "PendingDeletion":
        raise refusal("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def refusal(code: str, message: str) -> JsonRESTError:
    """400 with the vendor's code, in moto's own spelling."""
    return JsonRESTError(code, message)


def _key(backend: KmsBackend, key_id: str) -> Key:
    return backend.keys[backend.any_id_to_key_id(key_id)]


def _canonical(context: Mapping[str, str]) -> bytes:
    return json.dumps(sorted(context.items())).encode()


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (dict, list)) else value
