"""Google's APIs, emulated: Cloud DNS v1, Cloud SQL Admin v1, Cloud Run v2, Cloud KMS v1 and Secret Manager v1, as far as they are asked,
with faults.

Run as `python -m lab.clouds.google --settings FILE`. Prints one JSON line with its port when it can be asked. Paths, methods and bodies
are those of the vendor's published descriptions, and a test compares them. Beside the APIs it has routes of the lab's own under /_lab,
which no fault touches: the name servers read the zone there, because Cloud DNS goes on answering queries while its API is down.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import Field
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map
from werkzeug.routing import Rule as Route
from werkzeug.wrappers import Request, Response

from lab.clouds.faults import BROKEN_PAGE, LONGEST_HANG, PROXY_PAGE, RULES, FaultKind, Faults
from lab.clouds.google_dns import CloudDns
from lab.clouds.google_errors import ApiError
from lab.clouds.google_kms import ROUTES as KMS_ROUTES
from lab.clouds.google_kms import CloudKms
from lab.clouds.google_run import CloudRun
from lab.clouds.google_secrets import ROUTES as SECRET_ROUTES
from lab.clouds.google_secrets import SecretManager
from lab.clouds.google_sql import CloudSql
from lab.clouds.wsgi import Served, answer, reset, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ANSWERS = {
    FaultKind.THROTTLE: ApiError(
        429, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute'."
    ),
    FaultKind.UNAVAILABLE: ApiError(503, "backendError", "The service is currently unavailable."),
    FaultKind.DENY: ApiError(403, "forbidden", "The caller does not have permission"),
    FaultKind.BUSY: ApiError(409, "operationInProgress", "Another operation is already in progress. Try again later."),
}
ZONE = "/dns/v1/projects/<project>/managedZones/<zone>"
SQL = "/v1/projects/<project>"
RUN = "/v2/<path:name>"
ROUTES = (
    ("GET", ZONE, "dns.managedZones.get"),
    ("GET", ZONE + "/rrsets", "dns.resourceRecordSets.list"),
    ("PATCH", ZONE + "/rrsets/<name>/<kind>", "dns.resourceRecordSets.patch"),
    ("POST", ZONE + "/changes", "dns.changes.create"),
    ("GET", ZONE + "/changes", "dns.changes.list"),
    ("GET", ZONE + "/changes/<change>", "dns.changes.get"),
    ("GET", SQL + "/instances/<instance>", "sql.instances.get"),
    ("POST", SQL + "/instances/<instance>/promoteReplica", "sql.instances.promoteReplica"),
    ("GET", SQL + "/operations", "sql.operations.list"),
    ("GET", SQL + "/operations/<operation>", "sql.operations.get"),
    ("GET", "/v2/<path:parent>/services/<service>", "run.projects.locations.services.get"),
    ("PATCH", "/v2/<path:parent>/services/<service>", "run.projects.locations.services.patch"),
    ("GET", "/v2/<path:parent>/operations/<operation>", "run.projects.locations.operations.get"),
)
"""Method, path, and the vendor's own id of the operation: the name that fault rules and counts use."""
PATHS = Map(
    [Route(path, endpoint=operation, methods=[method]) for method, path, operation in (*ROUTES, *KMS_ROUTES, *SECRET_ROUTES)]
)


class Settings(Served):
    """What the emulated Google needs to know."""

    project: str = "lab"
    zones: tuple[str, ...] = ("trimaran.test",)
    """DNS names of the managed zones that exist from the start; the zone of `trimaran.test` is called `trimaran-test`."""
    propagation: float = Field(default=0.05, ge=0)
    """Seconds from an accepted change until it is done and answered by the name servers."""
    health_checks: Mapping[str, str] = {"beacon": "/beacon"}
    """What health checks ask, by the name that a routing policy's `healthCheck` ends with."""
    operation_seconds: float = Field(default=0.2, ge=0)
    """Until a promotion or a change of a service is done."""
    instances: Mapping[str, Mapping[str, Any]] = {}
    """Cloud SQL instances that exist from the start, by name, with fields of the API's; primaries before their replicas."""
    services: Mapping[str, Mapping[str, Any]] = {}
    """Cloud Run services that exist from the start, by full name."""


class Google:
    """The WSGI application. Requests are carried out one at a time."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._lock, self._faults = settings, threading.Lock(), Faults(monotonic)
        self._requests: Counter[str] = Counter()
        self.dns = CloudDns(settings.propagation, settings.health_checks, monotonic)
        self.sql = CloudSql(settings.project, monotonic)
        self.run = CloudRun(settings.operation_seconds, monotonic)
        self.kms = CloudKms(monotonic)
        self.secrets = SecretManager()
        for zone in settings.zones:
            self.dns.found(zone)
        for name, body in settings.instances.items():
            self.sql.place(name, body, seconds=settings.operation_seconds)
        for name, body in settings.services.items():
            self.run.place(name, body)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith("/_lab/"):
            return self._lab(request)(environ, start_response)
        try:
            operation, place = PATHS.bind_to_environ(environ).match()
        except HTTPException:
            operation, place = "other", {}
        with self._lock:
            self._requests[operation] += 1
        met = self._faults.meet(operation)
        met.healed.wait(met.delay)
        if met.kind is FaultKind.HANG:
            met.healed.wait(LONGEST_HANG)
        if met.kind in (FaultKind.REFUSE, FaultKind.HANG):
            reset(environ)
        response = self._faulty(met.kind) or self._answer(request, operation, place, effect=met.kind is not FaultKind.NO_EFFECT)
        if met.kind is FaultKind.LOSE_ANSWER:
            reset(environ)
        return response(environ, start_response)

    def _faulty(self, kind: FaultKind | None) -> Response | None:
        if kind is FaultKind.GARBLE:
            return Response(BROKEN_PAGE, 500, content_type="text/html")
        if kind is FaultKind.LIE:
            return Response(PROXY_PAGE, 200, content_type="text/html")
        return ANSWERS[kind].response if kind in ANSWERS else None

    def _answer(self, request: Request, operation: str, place: Mapping[str, str], *, effect: bool) -> Response:
        try:
            self._admit(request, place)
            with self._lock:
                return answer(self._carry_out(operation, place, request, effect=effect))
        except ApiError as error:
            return error.response

    def _admit(self, request: Request, place: Mapping[str, str]) -> None:
        if not request.headers.get("Authorization", "").removeprefix("Bearer "):
            raise ApiError(401, "required", "Request is missing required authentication credential.")
        if place.get("project", self._settings.project) != self._settings.project:
            raise ApiError(403, "forbidden", f"The caller does not have permission on project '{place['project']}'")

    def _carry_out(self, operation: str, place: Mapping[str, str], request: Request, *, effect: bool) -> dict[str, Any]:
        zone, asked = place.get("zone", ""), request.args
        match operation.split(".")[0], operation.split(".", 1)[-1]:
            case "dns", "managedZones.get":
                return self.dns.get_zone(zone)
            case "dns", "resourceRecordSets.list":
                return self.dns.list_records(zone, asked)
            case "dns", "resourceRecordSets.patch":
                return self.dns.patch_record(zone, place["name"], place["kind"], _body(request), effect=effect)
            case "dns", "changes.create":
                return self.dns.change(zone, _body(request), effect=effect)
            case "dns", "changes.list":
                return self.dns.list_changes(zone, asked)
            case "dns", "changes.get":
                return self.dns.get_change(zone, place["change"])
            case "sql", "instances.get":
                return self.sql.get(place["instance"])
            case "sql", "instances.promoteReplica":
                return self.sql.promote(place["instance"], effect=effect)
            case "sql", "operations.list":
                return self.sql.list_operations(asked)
            case "sql", "operations.get":
                return self.sql.get_operation(place["operation"])
            case "run", "projects.locations.services.get":
                return self.run.get(f"{place['parent']}/services/{place['service']}")
            case "run", "projects.locations.services.patch":
                name = f"{place['parent']}/services/{place['service']}"
                return self.run.patch(name, asked.get("updateMask", ""), _body(request), effect=effect)
            case "run", "projects.locations.operations.get":
                return self.run.get_operation(f"{place['parent']}/operations/{place['operation']}")
            case "cloudkms", _:
                return self.kms.answer(operation, place, asked, _body(request), effect=effect)
            case "secretmanager", _:
                return self.secrets.answer(operation, place, asked, _body(request), effect=effect)
        raise ApiError(404, "notFound", f"The requested URL {request.path} was not found on this server.")

    def _lab(self, request: Request) -> Response:
        path = request.path.removeprefix("/_lab/")
        try:
            if path == "faults" and request.method == "PUT":
                self._faults.replace(RULES.validate_json(request.get_data()))
                return answer({})
            if path == "requests":
                with self._lock:
                    return answer(dict(self._requests))
            if path == "zones":
                return answer(dict(self.dns.zone_ids()))
            if path.startswith("zones/"):
                return self._zone(
                    path.removeprefix("zones/"), int(request.args.get("after", 0)), float(request.args.get("wait", 0))
                )
            if request.method == "PUT" and path.startswith(("instances/", "services/")):
                with self._lock:
                    self._place(path, _body(request))
                return answer({})
        except ApiError as error:
            return error.response
        return Response(status=HTTPStatus.NOT_FOUND)

    def _zone(self, zone: str, after: int, patience: float) -> Response:
        news = self.dns.await_news(zone, after, patience)
        if news is None:
            return Response(status=HTTPStatus.NO_CONTENT)
        return answer({"revision": news.revision, "records": [record.model_dump() for record in news.records]})

    def _place(self, path: str, body: Mapping[str, Any]) -> None:
        """`instances/NAME`: {"instance": the API's fields, "seconds": of its promotion, "error": what that fails with};
        `services/FULL NAME`: the API's fields."""
        kind, _, name = path.partition("/")
        if kind == "services":
            self.run.place(name, body)
        else:
            seconds = float(body.get("seconds", self._settings.operation_seconds))
            self.sql.place(name, body.get("instance", {}), seconds=seconds, error=body.get("error"))


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError as error:
        raise ApiError(400, "parseError", f"Invalid JSON payload received. {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "parseError", "Invalid JSON payload received. Expected an object.")
    return body


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    serve("lab.clouds.google", Settings, Google)


if __name__ == "__main__":
    main()
