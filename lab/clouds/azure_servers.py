"""PostgreSQL Flexible Servers, emulated: provider-managed read replicas and their promotion as a long-running operation.

Source: Azure Database for PostgreSQL REST API, "Servers - Update" and "Promote read replicas"; Azure Resource Manager, "Track
asynchronous operations": 202 with `Azure-AsyncOperation`, whose status goes from InProgress to Succeeded or Failed.
"""

import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from lab.clouds.azure_arm import Answer, ArmError, Document, Question, Resources, merged, refuse

SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
REPLICAS = ("AsyncReplica", "GeoAsyncReplica")
FAILING = "trimaran-lab-promotion"
"""Tag of a server whose promotion is to fail; its value is the vendor's message. A tag, so that no route of the lab's is needed."""


@dataclass(slots=True, kw_only=True)
class Operation:
    """One long-running operation."""

    server: str
    due: float
    effective: bool
    """False: it will say Succeeded, and will have done nothing."""
    ended: Document | None = None


class FlexibleServers:
    """Servers, their operations and their maintenance."""

    def __init__(self, resources: Resources, monotonic: Callable[[], float], promotion: float) -> None:
        """`promotion`: seconds from an accepted promotion to its end."""
        self._resources, self._monotonic, self._promotion = resources, monotonic, promotion
        self._operations: dict[str, Operation] = {}
        self.effective = True
        """False while a request is answered whose operation shall end well and change nothing."""

    def settle(self) -> None:
        """End every operation whose time has come."""
        for operation in self._operations.values():
            if operation.ended is None and self._monotonic() >= operation.due:
                operation.ended = self._end(operation)

    def answer(self, asked: Question) -> Answer:
        """Carry one request out. Raises ArmError."""
        if asked.types[:2] == ("locations", "azureasyncoperation"):
            return self._status(asked)
        if asked.types[1:] == ("maintenanceevents",):
            properties = self._resources.get(asked.parent()).get("properties", {})
            return Answer(body={"value": properties.get("labMaintenanceEvents", [])})
        if len(asked.types) > 1:
            raise ArmError(404, "InvalidResourceType", f"{asked.path} is not emulated")
        if asked.collection:
            return Answer(body={"value": [_shown(one) for one in self._resources.under(asked.path)]})
        match asked.method:
            case "GET":
                return Answer(body=_shown(self._resources.get(asked.path)))
            case "PUT":
                return self._create(asked)
            case "PATCH":
                return self._update(asked)
            case "DELETE":
                return Answer(status=200 if self._resources.delete(asked.path) else 204)
        raise ArmError(405, "MethodNotAllowed", f"{asked.method} {asked.path}")

    def _create(self, asked: Question) -> Answer:
        """At once, behind an operation that has ended: how a server comes to be is not what the lab is about."""
        document = deepcopy(asked.body)
        properties = document.setdefault("properties", {})
        source = properties.get("sourceServerResourceId")
        if properties.pop("createMode", None) == "Replica":
            self._resources.get(str(source))
            properties["replicationRole"] = "AsyncReplica"
        elif source is not None:
            raise refuse("sourceServerResourceId goes with createMode Replica.", "InvalidParameterValue")
        properties.setdefault("replicationRole", "None")
        properties.setdefault("state", "Ready")
        properties.setdefault("highAvailability", {"mode": "Disabled", "state": "NotEnabled"})
        document["type"] = SERVER
        return self._accepted(asked, self._resources.put(asked, document), {"status": "Succeeded"})

    def _update(self, asked: Question) -> Answer:
        server = self._resources.get(asked.path)
        if server["properties"]["state"] != "Ready":
            raise ArmError(409, "ServerIsBusy", f"Server {server['name']} is {server['properties']['state']}.")
        body = deepcopy(asked.body)
        replica = (body.get("properties") or {}).pop("replica", None) or {}
        written = merged(server, body)
        mode = replica.get("promoteMode")
        if mode is None:
            return Answer(body=_shown(self._resources.put(asked, written)))
        if mode != "Standalone" or replica.get("promoteOption") not in ("Planned", "Forced"):
            raise refuse(f"promotion as {mode} {replica.get('promoteOption')} is not emulated", "InvalidParameterValue")
        if written["properties"]["replicationRole"] not in REPLICAS:
            raise refuse(f"Server {server['name']} is not a read replica.", "OperationNotAllowedOnNonReplicaServer")
        written["properties"]["state"] = "Updating"
        self._resources.put(asked, written)
        return self._accepted(asked, server)

    def _accepted(self, asked: Question, server: Document, ended: Document | None = None) -> Answer:
        name = str(uuid.uuid4())
        due = self._monotonic() + self._promotion
        self._operations[name] = Operation(server=asked.path, due=due, effective=self.effective, ended=ended)
        place = f"/subscriptions/{asked.subscription}/providers/Microsoft.DBforPostgreSQL/locations/{server.get('location', 'westeurope')}"
        link = f"{asked.origin}{place}/azureAsyncOperation/{name}?api-version={asked.query.get('api-version', '')}"
        return Answer(status=202, headers={"Azure-AsyncOperation": link, "Retry-After": "1"})

    def _status(self, asked: Question) -> Answer:
        name = asked.names[-1]
        operation = self._operations.get(name)
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"The operation {name} was not found.")
        return Answer(body={"name": name, **(operation.ended or {"status": "InProgress"})})

    def _end(self, operation: Operation) -> Document:
        server = self._resources.find(operation.server)
        if server is None:
            return {"status": "Failed", "error": {"code": "ResourceNotFound", "message": "The server is gone."}}
        if not operation.effective:
            return {"status": "Succeeded"}
        message = (server.get("tags") or {}).get(FAILING)
        promoted = {"replicationRole": "None", "sourceServerResourceId": None} if message is None else {}
        self._resources.keep(operation.server, merged(server, {"properties": {"state": "Ready", **promoted}}))
        if message is not None:
            return {"status": "Failed", "error": {"code": "PromotionFailed", "message": message}}
        return {"status": "Succeeded"}


def _shown(server: Document) -> Document:
    """As the vendor shows it: the lab's own notes and write-only fields are left out."""
    shown = deepcopy(server)
    shown["properties"].pop("labMaintenanceEvents", None)
    shown["properties"].pop("administratorLoginPassword", None)
    return shown
