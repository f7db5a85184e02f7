"""Cloud SQL's administration, emulated: instances, and promotions that take time and are told honestly.

A promotion is PENDING, then RUNNING, then DONE, and changes the instance only at its end; a second one meanwhile is 409; of an instance
that is no replica it is 400. Source: Cloud SQL Admin API v1, instances.promoteReplica and Operation. No database stands behind it.
"""

import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lab.clouds.google_errors import ApiError

REPLICA = "READ_REPLICA_INSTANCE"
PRIMARY = "CLOUD_SQL_INSTANCE"


@dataclass(slots=True, kw_only=True)
class Operation:
    """One long-running operation."""

    body: dict[str, Any]
    running: float
    """Monotonic seconds from which it is under way, and at which it ends."""
    ends: float
    effect: Callable[[], None]
    error: str | None
    settled: bool = False


@dataclass(slots=True, kw_only=True)
class Instance:
    """One server, and how its next promotion goes."""

    body: dict[str, Any]
    seconds: float
    error: str | None = None
    """What the promotion fails with; None: it succeeds."""
    operations: list[str] = field(default_factory=list)


class CloudSql:
    """All instances of one project. The caller sends one request at a time."""

    def __init__(self, project: str, monotonic: Callable[[], float]) -> None:
        self._project, self._monotonic = project, monotonic
        self._instances: dict[str, Instance] = {}
        self._operations: dict[str, Operation] = {}

    def place(self, name: str, body: Mapping[str, Any], *, seconds: float, error: str | None = None) -> None:
        """Have an instance with these fields of the API's; `masterInstanceName` makes it a read replica of that one."""
        replica = "masterInstanceName" in body
        self._instances[name] = Instance(
            body={
                "kind": "sql#instance",
                "name": name,
                "project": self._project,
                "databaseVersion": "POSTGRES_18",
                "state": "RUNNABLE",
                "instanceType": REPLICA if replica else PRIMARY,
                **body,
            },
            seconds=seconds,
            error=error,
        )
        if replica and (primary := self._instances.get(str(body["masterInstanceName"]).rpartition(":")[2])):
            primary.body.setdefault("replicaNames", []).append(name)

    def get(self, name: str) -> dict[str, Any]:
        """`instances.get`."""
        self._settle()
        return copy.deepcopy(self._instance(name).body)

    def promote(self, name: str, *, effect: bool) -> dict[str, Any]:
        """`instances.promoteReplica`."""
        self._settle()
        instance = self._instance(name)
        if any(not self._operations[known].settled for known in instance.operations):
            raise ApiError(
                409, "operationInProgress", "Operation failed because another operation was already in progress. Try again later."
            )
        if instance.body["instanceType"] != REPLICA:
            raise ApiError(400, "invalidOperation", f"The instance {name} is not a read replica.")
        now, id = self._monotonic(), str(uuid.uuid4())
        seconds = instance.seconds if effect else 0.0  # what does nothing takes no time
        self._operations[id] = Operation(
            body={
                "kind": "sql#operation",
                "name": id,
                "operationType": "PROMOTE_REPLICA",
                "targetId": name,
                "targetProject": self._project,
                "insertTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            },
            running=now + seconds / 4,
            ends=now + seconds,
            effect=(lambda: self._stand_alone(name)) if effect else lambda: None,
            error=instance.error,
        )
        instance.operations.append(id)
        return self._told(self._operations[id])

    def get_operation(self, id: str) -> dict[str, Any]:
        """`operations.get`."""
        self._settle()
        if id not in self._operations:
            raise ApiError(404, "operationDoesNotExist", "The Cloud SQL instance operation does not exist.")
        return self._told(self._operations[id])

    def list_operations(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """`operations.list`: newest first."""
        self._settle()
        ids = self._instance(asked["instance"]).operations if "instance" in asked else list(self._operations)
        items = [self._told(self._operations[id]) for id in reversed(ids)]
        return {"kind": "sql#operationsList", "items": items[: int(asked.get("maxResults", 100))]}

    def _stand_alone(self, name: str) -> None:
        body = self._instances[name].body
        primary = self._instances.get(str(body.pop("masterInstanceName")).rpartition(":")[2])
        body["instanceType"] = PRIMARY
        if primary is not None:
            primary.body["replicaNames"].remove(name)

    def _settle(self) -> None:
        """Carry out what is due."""
        now = self._monotonic()
        for operation in self._operations.values():
            if not operation.settled and operation.ends <= now:
                operation.settled = True
                if operation.error is None:
                    operation.effect()

    def _told(self, operation: Operation) -> dict[str, Any]:
        if not operation.settled:
            return {**operation.body, "status": "RUNNING" if self._monotonic() >= operation.running else "PENDING"}
        if operation.error is None:
            return {**operation.body, "status": "DONE"}
        error = {"kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": operation.error}
        return {**operation.body, "status": "DONE", "error": {"kind": "sql#operationErrors", "errors": [error]}}

    def _instance(self, name: str) -> Instance:
        if name not in self._instances:
            raise ApiError(404, "instanceDoesNotExist", "The Cloud SQL instance does not exist.")
        return self._instances[name]
