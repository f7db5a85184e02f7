"""Cloud KMS, emulated: symmetric keys with versions, one of them primary, each enabled, disabled, to be destroyed or destroyed.

A new version wraps only once it is made the primary one; any enabled version unwraps. Key rings exist as soon as they are named. Source:
Cloud KMS REST reference v1 (cryptoKeys, cryptoKeyVersions), "Key states", "Verifying end-to-end data integrity"; the refusals of a
disabled version and of a foreign ciphertext as its clients quote them in public. Ciphertexts are of our own form.
"""

import base64
import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from werkzeug.wrappers import Response

from lab.clouds.google_errors import ApiError
from lab.clouds.wsgi import answer

KEYS = "/v1/projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys"
KEY = KEYS + "/<key>"
VERSION = KEY + "/cryptoKeyVersions/<version>"
API = "cloudkms.projects.locations.keyRings.cryptoKeys"
ROUTES = (
    ("POST", KEYS, f"{API}.create"),
    ("GET", KEY, f"{API}.get"),
    ("POST", KEY + ":encrypt", f"{API}.encrypt"),
    ("POST", KEY + ":decrypt", f"{API}.decrypt"),
    ("POST", KEY + ":updatePrimaryVersion", f"{API}.updatePrimaryVersion"),
    ("POST", KEY + "/cryptoKeyVersions", f"{API}.cryptoKeyVersions.create"),
    ("GET", VERSION, f"{API}.cryptoKeyVersions.get"),
    ("PATCH", VERSION, f"{API}.cryptoKeyVersions.patch"),
    ("POST", VERSION + ":destroy", f"{API}.cryptoKeyVersions.destroy"),
    ("POST", VERSION + ":restore", f"{API}.cryptoKeyVersions.restore"),
)
"""Method, path, and the vendor's own id of the operation."""

ENABLED, DISABLED, SCHEDULED, DESTROYED = "ENABLED", "DISABLED", "DESTROY_SCHEDULED", "DESTROYED"
KEPT = 30 * 86400.0
"""Seconds that a version is kept after its destruction was asked for, unless the key says otherwise."""
LEAST_KEPT = 86400.0
NONCE, FINGERPRINT, MOST = 12, 16, 65536
UNREADABLE = "Decryption failed: verify that 'name' refers to the correct CryptoKey."


class PreconditionError(ApiError):
    """400 as well, but with the word and the details by which a client knows that it is the key's state."""

    def __init__(self, version: str, state: str) -> None:
        super().__init__(400, "failedPrecondition", f"{version} is not enabled, current state is: {state}.")
        self.violation = {"type": f"KEY_{state}", "subject": version}

    @property
    def response(self) -> Response:
        """As it goes over the wire."""
        detail = {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": [self.violation]}
        error = {"code": self.code, "message": str(self), "status": "FAILED_PRECONDITION", "details": [detail]}
        response = answer({"error": error})
        response.status_code = self.code
        return response


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a key."""

    name: str
    created: str
    state: str = ENABLED
    secret: bytes | None = field(default_factory=lambda: os.urandom(32), repr=False)
    ends: float | None = None
    """Monotonic seconds of its destruction."""

    @property
    def body(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "name": self.name,
            "state": self.state,
            "protectionLevel": "SOFTWARE",
            "algorithm": "GOOGLE_SYMMETRIC_ENCRYPTION",
            "createTime": self.created,
        }


@dataclass(slots=True, kw_only=True)
class Key:
    """One key."""

    name: str
    created: str
    kept: float
    versions: dict[str, Version] = field(default_factory=dict)
    primary: str = "1"

    @property
    def body(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "name": self.name,
            "purpose": "ENCRYPT_DECRYPT",
            "createTime": self.created,
            "primary": self.versions[self.primary].body,
            "destroyScheduledDuration": f"{self.kept:.0f}s",
        }


class CloudKms:
    """All keys of one project. The caller sends one request at a time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._keys: dict[str, Key] = {}

    def answer(
        self, operation: str, place: Mapping[str, str], asked: Mapping[str, str], body: Mapping[str, Any], *, effect: bool
    ) -> dict[str, Any]:
        """Carry one operation of ROUTES out, without `effect` as if it had been. Raises ApiError."""
        self._settle()
        before = copy.deepcopy(self._keys)
        try:
            return self._answer(operation.removeprefix(f"{API}."), place, asked, body)
        finally:
            if not effect:
                self._keys = before

    def _answer(
        self, operation: str, place: Mapping[str, str], asked: Mapping[str, str], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        ring = "projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/".format_map(place)
        if operation == "create":
            return self._create(ring + asked.get("cryptoKeyId", ""), body)
        key = self._keys.get(ring + place["key"])
        if key is None:
            raise ApiError(404, "notFound", f"CryptoKey {ring}{place['key']} not found.")
        match operation:
            case "get":
                return key.body
            case "encrypt":
                return encrypt(key, body)
            case "decrypt":
                return decrypt(key, body)
            case "updatePrimaryVersion":
                key.primary = self._version(key, str(body.get("cryptoKeyVersionId", ""))).name.rpartition("/")[2]
                return key.body
            case "cryptoKeyVersions.create":
                return self._add(key).body
        version = self._version(key, place["version"])
        change_state(version, operation, asked, body, self._monotonic() + key.kept)
        return version.body

    def _create(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if name in self._keys:
            raise ApiError(409, "alreadyExists", f"CryptoKey {name} already exists.")
        kept = float(str(body.get("destroyScheduledDuration", f"{KEPT}s")).removesuffix("s"))
        if body.get("purpose") != "ENCRYPT_DECRYPT" or kept < LEAST_KEPT or name.endswith("/"):
            raise ApiError(400, "badRequest", "A key needs an id, the purpose ENCRYPT_DECRYPT, and a day until destruction.")
        self._keys[name] = Key(name=name, created=_now(), kept=kept)
        self._add(self._keys[name])
        return self._keys[name].body

    def _add(self, key: Key) -> Version:
        number = str(len(key.versions) + 1)
        key.versions[number] = Version(name=f"{key.name}/cryptoKeyVersions/{number}", created=_now())
        return key.versions[number]

    @staticmethod
    def _version(key: Key, number: str) -> Version:
        if number not in key.versions:
            raise ApiError(404, "notFound", f"CryptoKeyVersion {key.name}/cryptoKeyVersions/{number} not found.")
        return key.versions[number]

    def _settle(self) -> None:
        """Destroy what was scheduled for it, once its time has come."""
        for version in [version for key in self._keys.values() for version in key.versions.values()]:
            if version.ends is not None and version.ends <= self._monotonic():
                version.state, version.secret, version.ends = DESTROYED, None, None


def change_state(version: Version, operation: str, asked: Mapping[str, str], body: Mapping[str, Any], ends: float) -> None:
    """`cryptoKeyVersions.patch`, `.destroy` and `.restore`; `.get` changes nothing. Raises ApiError.

    `ends`: monotonic seconds of a destruction that is asked for now.
    """
    match operation.rpartition(".")[2]:
        case "patch":
            wanted = body.get("state")
            if asked.get("updateMask") != "state" or wanted not in (ENABLED, DISABLED):
                raise ApiError(400, "badRequest", f"update_mask: only `state`, to {ENABLED} or {DISABLED}")
            if version.state not in (ENABLED, DISABLED):
                raise PreconditionError(version.name, version.state)
            version.state = str(wanted)
        case "destroy":
            if version.state not in (ENABLED, DISABLED):
                raise PreconditionError(version.name, version.state)
            version.state, version.ends = SCHEDULED, ends
        case "restore":
            if version.state != SCHEDULED:
                raise PreconditionError(version.name, version.state)
            version.state, version.ends = DISABLED, None


def encrypt(key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
    """`cryptoKeys.encrypt` with the primary version. Raises ApiError."""
    plaintext, verified = _received(body, "plaintext")
    context, context_verified = _received(body, "additionalAuthenticatedData")
    version = key.versions[key.primary]
    nonce = os.urandom(NONCE)
    sealed = AESGCM(_secret(version)).encrypt(nonce, plaintext, context)
    ciphertext = _fingerprint(key.name) + int(key.primary).to_bytes(4, "big") + nonce + sealed
    verification = {"verifiedPlaintextCrc32c": verified, "verifiedAdditionalAuthenticatedDataCrc32c": context_verified}
    return {"name": version.name, "protectionLevel": "SOFTWARE", **_told("ciphertext", ciphertext), **verification}


def decrypt(key: Key, body: Mapping[str, Any]) -> dict[str, Any]:
    """`cryptoKeys.decrypt` with the version that the ciphertext names. Raises ApiError."""
    ciphertext, _ = _received(body, "ciphertext")
    context, _ = _received(body, "additionalAuthenticatedData")
    end = FINGERPRINT + 4
    number = str(int.from_bytes(ciphertext[FINGERPRINT:end], "big"))
    if ciphertext[:FINGERPRINT] != _fingerprint(key.name) or number not in key.versions:
        raise ApiError(400, "badRequest", UNREADABLE)
    secret = _secret(key.versions[number])
    try:
        plaintext = AESGCM(secret).decrypt(ciphertext[end : end + NONCE], ciphertext[end + NONCE :], context)
    except (InvalidTag, ValueError) as error:
        raise ApiError(400, "badRequest", UNREADABLE) from error
    return {"usedPrimary": number == key.primary, "protectionLevel": "SOFTWARE", **_told("plaintext", plaintext)}


def crc32c(data: bytes) -> int:
    """CRC-32C bit by bit, apart from whatever a client reckons it with. RFC 3720, appendix B.4."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0x82F63B78 if value & 1 else value >> 1
    return value ^ 0xFFFFFFFF


def _secret(version: Version) -> bytes:
    if version.state != ENABLED or version.secret is None:
        raise PreconditionError(version.name, version.state)
    return version.secret


def _received(body: Mapping[str, Any], field_name: str) -> tuple[bytes, bool]:
    """What the client sent, and whether it was compared with a checksum."""
    try:
        data = base64.b64decode(str(body.get(field_name, "")), validate=True)
    except ValueError as error:
        raise ApiError(400, "badRequest", f"Invalid value at '{field_name}' (TYPE_BYTES), Base64 decoding failed.") from error
    checksum = body.get(f"{field_name}Crc32c")
    if len(data) > MOST or (not data and field_name != "additionalAuthenticatedData"):
        raise ApiError(400, "badRequest", f"{field_name}: between 1 and {MOST} bytes.")
    if checksum is not None and str(crc32c(data)) != str(checksum):
        name = "additional_authenticated_data" if field_name.startswith("additional") else field_name
        raise ApiError(400, "badRequest", f"The checksum in field {name}_crc32c did not match the data in field {name}.")
    return data, checksum is not None


def _told(field_name: str, data: bytes) -> dict[str, str]:
    return {field_name: base64.b64encode(data).decode(), f"{field_name}Crc32c": str(crc32c(data))}


def _fingerprint(name: str) -> bytes:
    return sha256(name.encode()).digest()[:FINGERPRINT]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
