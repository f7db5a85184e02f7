"""Cloud Run's administration, emulated: services whose scaling can be changed, as long-running operations.

A change of the template makes a new revision, one of the service's own scaling does not. An etag that is not the present one is refused.
Source: Cloud Run Admin API v2, services.patch, ServiceScaling and RevisionScaling. No container stands behind it.
"""

import copy
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from lab.clouds.google_errors import ApiError

MASK = frozenset({"scaling.minInstanceCount", "scaling.manualInstanceCount", "template.scaling.minInstanceCount"})
"""What this emulation lets be changed."""
SERVICE = "type.googleapis.com/google.cloud.run.v2.Service"


class CloudRun:
    """All services of one project. The caller sends one request at a time."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        """`seconds`: until an operation is done."""
        self._seconds, self._monotonic = seconds, monotonic
        self._services: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, tuple[float, dict[str, Any]]] = {}

    def place(self, name: str, body: Mapping[str, Any]) -> None:
        """Have a service of this full name (`projects/P/locations/L/services/S`) with these fields of the API's."""
        self._services[name] = {
            "generation": "1",
            "template": {"revision": "r-1", "scaling": {"maxInstanceCount": 100}},
            "scaling": {},
            **copy.deepcopy(dict(body)),
            "name": name,
            "etag": _etag(),
        }

    def get(self, name: str) -> dict[str, Any]:
        """`projects.locations.services.get`."""
        if name not in self._services:
            raise ApiError(404, "notFound", f"Resource '{name.rpartition('/')[2]}' of kind 'SERVICE' was not found.")
        return copy.deepcopy(self._services[name])

    def patch(self, name: str, mask: str, body: Mapping[str, Any], *, effect: bool) -> dict[str, Any]:
        """`projects.locations.services.patch`: only the fields in `mask`."""
        service, fields = self.get(name), [field for field in mask.split(",") if field]
        if "etag" in body and body["etag"] != service["etag"]:
            raise ApiError(409, "aborted", f"Conflict for resource '{name}': the etag is not the present one.")
        if not fields or set(fields) - MASK:
            raise ApiError(400, "badRequest", f"update_mask: '{mask}' is not one of {', '.join(sorted(MASK))}")
        for field in fields:
            _set(service, field.split("."), _count(body, field))
        most = service["template"].get("scaling", {}).get("maxInstanceCount", 100)
        if max(_count(service, field) for field in fields) > most:
            raise ApiError(400, "badRequest", f"the floor is above the ceiling of {most} instances")
        service.update(generation=str(int(service["generation"]) + 1), etag=_etag())
        if any(field.startswith("template.") for field in fields):
            service["template"]["revision"] = f"r-{service['generation']}"
        if effect:
            self._services[name] = service
        operation = f"{name.rpartition('/services/')[0]}/operations/{uuid.uuid4()}"
        self._operations[operation] = self._monotonic() + self._seconds, copy.deepcopy(service)
        return self.get_operation(operation)

    def get_operation(self, name: str) -> dict[str, Any]:
        """`projects.locations.operations.get`."""
        if name not in self._operations:
            raise ApiError(404, "notFound", f"Operation '{name}' was not found.")
        ends, service = self._operations[name]
        if self._monotonic() < ends:
            return {"name": name, "metadata": {"@type": SERVICE}, "done": False}
        return {"name": name, "metadata": {"@type": SERVICE}, "done": True, "response": {"@type": SERVICE, **service}}


def _count(body: Mapping[str, Any], field: str) -> int:
    value: Any = body
    for part in field.split("."):
        value = value.get(part, {}) if isinstance(value, Mapping) else value
    value = 0 if value == {} else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ApiError(400, "badRequest", f"{field}: '{value}' is not a number of instances")
    return value


def _set(body: dict[str, Any], path: list[str], value: int) -> None:
    for part in path[:-1]:
        body = body.setdefault(part, {})
    body[path[-1]] = value


def _etag() -> str:
    return f'"{uuid.uuid4().hex[:16]}"'
