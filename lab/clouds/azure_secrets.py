"""The secrets of one Azure key vault, emulated: versions without names of their own, values shown to whoever may read.

Like the keys beside them (`azure_keys`): versions are listed in no order that means anything, by pages, and without values; a secret that
nobody wrote is not found, whether it or its versions are asked for. Links to next pages name the usual port, ids do not. Source: Azure Key
Vault REST reference 7.4, Set Secret, Get Secret, Get Secret Versions, Update Secret, Delete Secret. No permissions.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.clouds.azure_arm import Answer, Document
from lab.clouds.azure_keys import PAGE, Request, VaultError, challenge

LONGEST = 25_600
"""Characters of a value."""
NAMES = {"PUT": "SetSecret", "GET": "GetSecret", "PATCH": "UpdateSecret", "DELETE": "DeleteSecret"}


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a secret."""

    name: str
    value: str = field(repr=False)
    attributes: Document


class Secrets:
    """All secrets of a vault. The caller sends one request at a time."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now`: seconds since 1970."""
        self._now = now
        self._secrets: dict[str, list[Version]] = {}
        self._deleted: set[str] = set()

    def answer(self, asked: Request, *, effective: bool = True) -> Answer:
        """Carry one request out, without `effective` as if it had been. Raises ArmError before anything is changed."""
        if not asked.authorization.removeprefix("Bearer "):
            return challenge(asked)
        if "api-version" not in asked.query:
            raise VaultError(400, "BadParameter", "api-version must be specified")
        kept = {name: list(versions) for name, versions in self._secrets.items()}, set(self._deleted)
        answer = self._answer(asked)
        if not effective:
            self._secrets, self._deleted = kept
        return answer

    def _answer(self, asked: Request) -> Answer:
        name, *rest = asked.parts or [""]
        match asked.method, rest:
            case "PUT", []:
                return Answer(body=self._set(asked, name))
            case "GET", ["versions"]:
                return Answer(body=self._listed(asked, name))
            case "GET", []:
                newest = self._found(name)[-1]
                if not newest.attributes["enabled"]:
                    raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
                return Answer(body=_shown(asked, name, newest) | {"value": newest.value})
            case "PATCH", [which]:
                version = next((one for one in self._found(name) if one.name == which), None)
                if version is None:
                    raise _not_found(name)
                version.attributes = version.attributes | asked.body.get("attributes", {})
                return Answer(body=_shown(asked, name, version))
            case "DELETE", []:
                gone = self._found(name)[-1]
                del self._secrets[name]
                self._deleted.add(name)
                return Answer(body=_shown(asked, name, gone))
        raise VaultError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _set(self, asked: Request, name: str) -> Document:
        value = asked.body.get("value")
        if not isinstance(value, str) or len(value) > LONGEST:
            raise VaultError(400, "BadParameter", f"The value of a secret is text of at most {LONGEST} characters.")
        if name in self._deleted:
            message = f"Secret {name} is currently in a deleted but recoverable state."
            raise VaultError(409, "Conflict", message, "ObjectIsDeletedButRecoverable")
        versions = self._secrets.setdefault(name, [])
        created = max(int(self._now()), versions[-1].attributes["created"] + 1 if versions else 0)
        attributes = {"enabled": True, **asked.body.get("attributes", {}), "created": created, "updated": created}
        versions.append(Version(name=uuid.uuid4().hex, value=value, attributes=attributes))
        return _shown(asked, name, versions[-1]) | {"value": value}

    def _listed(self, asked: Request, name: str) -> Document:
        versions = sorted(self._found(name), key=lambda version: version.name)
        begin, most = int(asked.query.get("$skiptoken", 0)), min(int(asked.query.get("maxresults", PAGE)), PAGE)
        query = f"api-version={asked.query['api-version']}&$skiptoken={begin + most}&maxresults={most}"
        return {
            "value": [_shown(asked, name, one) for one in versions[begin : begin + most]],
            "nextLink": f"{asked.linked}/secrets/{name}/versions?{query}" if begin + most < len(versions) else None,
        }

    def _found(self, name: str) -> list[Version]:
        if name not in self._secrets:
            raise _not_found(name)
        return self._secrets[name]


def operation(method: str, path: str) -> str:
    """The vendor's own id of what is asked for: `SetSecret`, `GetSecretVersions`. Fault rules and counts use it."""
    return "GetSecretVersions" if path.rstrip("/").endswith("/versions") else NAMES.get(method, f"{method}Secret")


def _shown(asked: Request, name: str, version: Version) -> Document:
    return {"id": f"{asked.origin}/secrets/{name}/{version.name}", "attributes": dict(version.attributes), "tags": {}}


def _not_found(name: str) -> VaultError:
    return VaultError(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
