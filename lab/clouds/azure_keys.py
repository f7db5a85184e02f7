"""One Azure key vault, emulated: RSA keys with versions that wrap and unwrap, its challenge to whoever shows no token, its own errors.

As harsh as any report of the real one: a disabled version still wraps, unwraps nothing and is not shown; a deleted key is not found.
Versions are listed in no order that means anything, by pages. Source: Azure Key Vault REST reference 2025-07-01 and "REST API error codes";
"Authentication, requests and responses" (the challenge); wording as quoted in public issues of its clients. No permissions, no HSM.
"""

import base64
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lab.clouds.azure_arm import Answer, ArmError, Document
from lab.clouds.faults import FaultKind

ALGORITHM = "RSA-OAEP-256"
SIZES = (2048, 3072, 4096)
OPERATIONS = ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey")
PAGE = 25
"""Versions in one answer, unless fewer are asked for."""
HTTPS = 443
RETENTION = 90
"""Days that a deleted key can be recovered."""
NAMES = {
    "create": "CreateKey",
    "rotate": "RotateKey",
    "versions": "GetKeyVersions",
    "wrapkey": "WrapKey",
    "unwrapkey": "UnwrapKey",
}
VERBS = {"GET": "Get", "PATCH": "Update", "DELETE": "Delete"}


class VaultError(ArmError):
    """The request is turned away, in the words of Key Vault."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(status, code, message)
        self.inner = inner

    @property
    def body(self) -> Document:
        """As Key Vault words it."""
        error: Document = {"code": self.code, "message": self.message}
        return {"error": error | ({"innererror": {"code": self.inner}} if self.inner else {})}


ERRORS: Mapping[FaultKind, ArmError] = {
    FaultKind.THROTTLE: VaultError(
        429, "Throttled", "Request was not processed because too many requests were received.", "VaultRequestTypeLimitReached"
    ),
    FaultKind.UNAVAILABLE: VaultError(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    FaultKind.DENY: VaultError(403, "Forbidden", "Caller is not authorized to perform action on resource.", "ForbiddenByRbac"),
    FaultKind.BUSY: VaultError(409, "Conflict", "Key is currently being deleted.", "ObjectIsBeingDeleted"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, taken apart."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Document = field(default_factory=dict)
    authorization: str = "Bearer lab"
    origin: str = "https://127.0.0.1:1"
    """Scheme and host as the client wrote them; ids of keys begin with it."""

    @property
    def linked(self) -> str:
        """What links to next pages begin with: the usual port too is written out there (the sample response of Get Key Versions)."""
        return self.origin if urlsplit(self.origin).port else f"{self.origin}:{HTTPS}"

    @property
    def parts(self) -> list[str]:
        """Behind `/keys/`."""
        return [part for part in self.path.split("/")[2:] if part]


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a key."""

    name: str
    created: int
    """Seconds since 1970, as the vault tells it; no two versions of a key have the same."""
    private: rsa.RSAPrivateKey = field(repr=False)
    attributes: Document
    operations: tuple[str, ...] = OPERATIONS
    """What it may be used for."""

    @property
    def enabled(self) -> bool:
        """Is it?"""
        return bool(self.attributes.get("enabled", True))


class KeyVault:
    """The keys of one vault. The caller sends one request at a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._now = now
        self._keys: dict[str, list[Version]] = {}
        self._deleted: dict[str, list[Version]] = {}

    def answer(self, asked: Request, *, effective: bool = True) -> Answer:
        """Carry one request out, without `effective` as if it had been. Raises ArmError before anything is changed."""
        if not asked.authorization.removeprefix("Bearer "):
            return challenge(asked)
        if "api-version" not in asked.query:
            raise VaultError(400, "BadParameter", "api-version must be specified")
        kept = {name: list(versions) for name, versions in self._keys.items()}, dict(self._deleted)
        attributes = [(version, dict(version.attributes)) for versions in self._keys.values() for version in versions]
        answer = self._deleted_key(asked) if asked.path.startswith("/deletedkeys") else self._key(asked)
        if not effective:
            self._keys, self._deleted = kept
            for version, before in attributes:
                version.attributes = before
        return answer

    def _key(self, asked: Request) -> Answer:
        name, *rest = asked.parts or [""]
        match asked.method, rest:
            case "POST", ["create"]:
                return self._create(asked, name, asked.body)
            case "POST", ["rotate"]:
                newest = self._found(name)[-1]
                like = {"kty": "RSA", "key_size": newest.private.key_size, "key_ops": newest.operations}
                return self._create(asked, name, like)
            case "DELETE", []:
                self._deleted[name] = self._found(name)
                del self._keys[name]
                return Answer(body=self._deleted_bundle(asked, name))
            case "GET", ["versions"]:
                return Answer(body=self._listed(asked, name))
            case "GET", [] | [_]:
                version = self._version(name, rest)
                if not version.enabled:
                    raise disabled("get")
                return Answer(body=bundle(asked, name, version))
            case "PATCH", [] | [_]:
                version = self._version(name, rest)
                version.attributes = version.attributes | asked.body.get("attributes", {}) | {"updated": int(self._now())}
                return Answer(body=bundle(asked, name, version))
            case "POST", [*which, "wrapkey" | "unwrapkey" as operation] if len(which) <= 1:
                version = self._version(name, which)
                if (permitted := operation.replace("key", "Key")) not in version.operations:
                    raise VaultError(403, "Forbidden", f"Operation {permitted} is not permitted on this key.")
                found = self._wrap(version, asked.body) if operation == "wrapkey" else unwrap(version, asked.body)
                return Answer(body={"kid": kid(asked, name, version), "value": spelled(found)})
        raise VaultError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _deleted_key(self, asked: Request) -> Answer:
        name, *rest = asked.parts or [""]
        if name not in self._deleted:
            raise not_found(name, "DeletedKeyNotFound")
        match asked.method, rest:
            case "GET", []:
                return Answer(body=self._deleted_bundle(asked, name))
            case "DELETE", []:
                del self._deleted[name]
                return Answer(status=204)
            case "POST", ["recover"]:
                self._keys[name] = self._deleted.pop(name)
                return Answer(body=bundle(asked, name, self._keys[name][-1]))
        raise VaultError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _create(self, asked: Request, name: str, body: Document) -> Answer:
        size = body.get("key_size") or SIZES[0]
        if body.get("kty") != "RSA" or size not in SIZES:
            raise VaultError(400, "BadParameter", f"only RSA keys of {SIZES} bits are emulated")
        if name in self._deleted:
            message = f"Key {name} is currently in a deleted but recoverable state."
            raise VaultError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        versions = self._keys.setdefault(name, [])
        created = max(int(self._now()), versions[-1].created + 1 if versions else 0)
        private = rsa.generate_private_key(public_exponent=65537, key_size=size)
        given = {"enabled": True, **body.get("attributes", {}), "created": created, "updated": created}
        permitted = tuple(body.get("key_ops") or OPERATIONS)
        versions.append(Version(name=uuid.uuid4().hex, created=created, private=private, attributes=given, operations=permitted))
        return Answer(body=bundle(asked, name, versions[-1]))

    def _listed(self, asked: Request, name: str) -> Document:
        versions = sorted(self._found(name), key=lambda version: version.name)
        begin, most = int(asked.query.get("$skiptoken", 0)), min(int(asked.query.get("maxresults", PAGE)), PAGE)
        more = begin + most < len(versions)
        query = f"api-version={asked.query['api-version']}&$skiptoken={begin + most}&maxresults={most}"
        return {
            "value": [{"kid": kid(asked, name, one), "attributes": one.attributes} for one in versions[begin : begin + most]],
            "nextLink": f"{asked.linked}/keys/{name}/versions?{query}" if more else None,
        }

    def _found(self, name: str) -> list[Version]:
        if name not in self._keys:
            raise not_found(name, "KeyNotFound")
        return self._keys[name]

    def _version(self, name: str, which: list[str]) -> Version:
        """The one that is named, else the newest."""
        versions = self._found(name)
        for version in reversed(versions):
            if not which or version.name == which[0]:
                return version
        raise not_found(f"{name}/{which[0]}", "KeyNotFound")

    def _wrap(self, version: Version, body: Document) -> bytes:
        begins, ends = version.attributes.get("nbf") or 0, version.attributes.get("exp") or float("inf")
        if not begins <= self._now() < ends:
            raise VaultError(403, "Forbidden", "Operation wrapKey is not allowed on an expired or not yet valid key.")
        try:
            return version.private.public_key().encrypt(received(body), oaep())
        except ValueError as error:
            raise VaultError(400, "BadParameter", "The value is too long for this key.") from error

    def _deleted_bundle(self, asked: Request, name: str) -> Document:
        dates = {"deletedDate": int(self._now()), "scheduledPurgeDate": int(self._now()) + RETENTION * 86400}
        return bundle(asked, name, self._deleted[name][-1]) | {"recoveryId": f"{asked.origin}/deletedkeys/{name}", **dates}


def operation(method: str, path: str) -> str:
    """The vendor's own id of what is asked for: `WrapKey`, `GetKeyVersions`. Fault rules and counts use it."""
    last = path.rstrip("/").rpartition("/")[2]
    if path.startswith("/deletedkeys"):
        return "RecoverDeletedKey" if method == "POST" else {"GET": "GetDeletedKey"}.get(method, "PurgeDeletedKey")
    return NAMES.get(last) or f"{VERBS.get(method, method)}Key"


def challenge(asked: Request) -> Answer:
    """401, with where to get a token and for what: the domain that this vault's host is part of, as clients check."""
    domain = asked.origin.partition("://")[2].partition(".")[2]
    office = f"https://login.microsoftonline.com/{uuid.UUID(int=1)}"
    error = VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
    header = f'Bearer authorization="{office}", resource="https://{domain}"'
    return Answer(status=401, body=error.body, headers={"WWW-Authenticate": header})


def unwrap(version: Version, body: Document) -> bytes:
    """`UnwrapKey`, which no window of time binds. Raises VaultError."""
    value = received(body)
    if not version.enabled:
        raise disabled("unwrapKey")
    try:
        return version.private.decrypt(value, oaep())
    except ValueError as error:
        raise VaultError(400, "BadParameter", "Error occurred while decoding OAEP padding.") from error


def received(body: Document) -> bytes:
    """The value that was sent. Raises VaultError for another algorithm, or a value that is no base64url."""
    if body.get("alg") != ALGORITHM:
        raise VaultError(400, "BadParameter", f"Property 'alg' has invalid value '{body.get('alg')}'; {ALGORITHM} is emulated.")
    value = str(body.get("value", ""))
    if not value or set(value) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="):
        raise VaultError(400, "BadParameter", "Content of 'value' is not base64url.")
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))


def bundle(asked: Request, name: str, version: Version) -> Document:
    """One version with its public key, as the vault tells it."""
    numbers = version.private.public_key().public_numbers()
    n, e = (spelled(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e))
    key = {"kid": kid(asked, name, version), "kty": "RSA", "key_ops": [*version.operations], "n": n, "e": e}
    return {"key": key, "attributes": dict(version.attributes), "tags": {}}


def kid(asked: Request, name: str, version: Version) -> str:
    """Id of a version."""
    return f"{asked.origin}/keys/{name}/{version.name}"


def spelled(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def oaep() -> padding.OAEP:
    """RFC 8017 with SHA-256 and no label."""
    return padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


def disabled(operation_name: str) -> VaultError:
    """What a disabled version answers."""
    return VaultError(403, "Forbidden", f"Operation {operation_name} is not allowed on a disabled key.", "KeyDisabled")


def not_found(name: str, code: str) -> VaultError:
    """404."""
    return VaultError(404, code, f"A key with (name/id) {name} was not found in this key vault.")
