"""Secret Manager, emulated: secrets that are made empty, versions with numbers, the newest told as `latest` in whatever state it is.

Source: Secret Manager REST reference v1 (projects.secrets, projects.secrets.versions): versions are listed newest first, by pages; what is
not there is 404. Projects are named by their id here, also where Google has their number. No permissions, no replicas.
"""

import base64
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.clouds.google_errors import ApiError

SECRETS = "/v1/projects/<project>/secrets"
SECRET = SECRETS + "/<secret>"
VERSION = SECRET + "/versions/<version>"
API = "secretmanager.projects.secrets"
ROUTES = (
    ("POST", SECRETS, f"{API}.create"),
    ("GET", SECRET, f"{API}.get"),
    ("POST", SECRET + ":addVersion", f"{API}.addVersion"),
    ("GET", SECRET + "/versions", f"{API}.versions.list"),
    ("GET", VERSION + ":access", f"{API}.versions.access"),
    ("POST", VERSION + ":disable", f"{API}.versions.disable"),
)
"""Method, path, and the vendor's own id of the operation."""
LONGEST = 65_536
"""Bytes of a version."""


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a secret."""

    content: bytes = field(repr=False)
    state: str = "ENABLED"


class SecretManager:
    """All secrets of one project. The caller sends one request at a time."""

    def __init__(self) -> None:
        self._secrets: dict[str, list[Version]] = {}

    def answer(
        self, operation: str, place: Mapping[str, str], asked: Mapping[str, str], body: Mapping[str, Any], *, effect: bool
    ) -> dict[str, Any]:
        """Carry one operation of ROUTES out, without `effect` as if it had been. Raises ApiError."""
        before = copy.deepcopy(self._secrets)
        try:
            return self._answer(operation.removeprefix(f"{API}."), place, asked, body)
        finally:
            if not effect:
                self._secrets = before

    def _answer(
        self, operation: str, place: Mapping[str, str], asked: Mapping[str, str], body: Mapping[str, Any]
    ) -> dict[str, Any]:
        named = "projects/{project}/secrets/".format_map(place)
        if operation == "create":
            name = named + asked.get("secretId", "")
            if name in self._secrets:
                raise ApiError(409, "alreadyExists", f"Secret [{name}] already exists.")
            self._secrets[name] = []
            return {"name": name}
        name = named + place["secret"]
        if name not in self._secrets:
            raise ApiError(404, "notFound", f"Secret [{name}] not found.")
        versions = self._secrets[name]
        match operation:
            case "get":
                return {"name": name}
            case "addVersion":
                versions.append(Version(content=_payload(body)))
                return _shown(name, versions, len(versions))
            case "versions.list":
                return _listed(name, versions, asked)
        number = _number(name, versions, place["version"])
        version = versions[number - 1]
        match operation:
            case "versions.access":
                if version.state != "ENABLED":
                    message = f"Secret Version [{name}/versions/{number}] is in {version.state} state."
                    raise ApiError(400, "failedPrecondition", message)
                return {"name": f"{name}/versions/{number}", "payload": {"data": base64.b64encode(version.content).decode()}}
            case "versions.disable":
                version.state = "DISABLED"
                return _shown(name, versions, number)
        raise ApiError(404, "notFound", f"{operation} is not emulated")


def _payload(body: Mapping[str, Any]) -> bytes:
    try:
        content = base64.b64decode(str(body["payload"]["data"]), validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise ApiError(400, "badRequest", "Invalid value at 'payload.data' (TYPE_BYTES).") from error
    if not 0 < len(content) <= LONGEST:
        raise ApiError(400, "badRequest", f"The payload is between 1 and {LONGEST} bytes.")
    return content


def _listed(name: str, versions: list[Version], asked: Mapping[str, str]) -> dict[str, Any]:
    begin, most = int(asked.get("pageToken", 0)), int(asked.get("pageSize", 0)) or LONGEST
    numbers = list(range(len(versions), 0, -1))[begin : begin + most]
    found: dict[str, Any] = {"versions": [_shown(name, versions, one) for one in numbers]} if numbers else {}
    more = {"nextPageToken": str(begin + most)} if begin + most < len(versions) else {}
    return {**found, **more, **({"totalSize": len(versions)} if versions else {})}


def _number(name: str, versions: list[Version], which: str) -> int:
    number = len(versions) if which == "latest" else int(which) if which.isdigit() else 0
    if not 0 < number <= len(versions):
        raise ApiError(404, "notFound", f"Secret Version [{name}/versions/{which}] not found.")
    return number


def _shown(name: str, versions: list[Version], number: int) -> dict[str, Any]:
    return {"name": f"{name}/versions/{number}", "state": versions[number - 1].state}
