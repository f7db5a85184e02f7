"""AWS's API, emulated: moto behind one wrapper that makes Route 53 behave as the vendor documents, and that can be made to fail.

Run as `python -m lab.clouds.aws --settings FILE`. Prints one JSON line with its port when it can be asked. Beside the API it has
routes of the lab's own under /_lab, which no fault touches: the name servers read the zone there, because Route 53 goes on
answering queries while its API is down.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import Route53Backend, route53_backends
from pydantic import Field
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from lab.clouds import aws_wire
from lab.clouds.ecs import without_effect
from lab.clouds.faults import BROKEN_PAGE, LONGEST_HANG, PROXY_PAGE, RULES, FaultKind, Faults
from lab.clouds.kms import KeyMaterials
from lab.clouds.rds import Promotions
from lab.clouds.route53 import Zones
from lab.clouds.route53_rules import InvalidBatchError
from lab.clouds.secrets_manager import told_by_stage, untouched
from lab.clouds.wsgi import Served, answer, reset, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WARMED = {"route53": "us-east-1", **dict.fromkeys(("rds", "ecs", "monitoring", "kms", "secretsmanager"), "us-east-1")}


class Settings(Served):
    """What one emulated AWS needs to know."""

    zones: tuple[str, ...] = ("trimaran.test",)
    """Hosted zones that exist from the start, empty."""
    propagation: float = Field(default=0.05, ge=0)
    """Seconds from an accepted change until it is INSYNC and answered by the name servers."""
    promotion: float = Field(default=2.0, ge=0)
    """Seconds that RDS needs for the promotion of a read replica."""


class Aws:
    """The WSGI application. moto's backends know no locks, so requests to it go one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._backend: Route53Backend = route53_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._lock = threading.Lock()
        self._faults = Faults()
        self._requests: Counter[str] = Counter()
        self._zones = Zones(self._backend, settings.propagation, time.monotonic)
        self._promotions = Promotions(settings.promotion, time.monotonic)
        self._promotions.install()
        self._keys = KeyMaterials()
        self._keys.install()
        for name in settings.zones:
            self._zones.publish(self._backend.create_hosted_zone(name + ".", private_zone=False).resource_id)
        self._warm()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith("/_lab/"):
            return self._lab(request)(environ, start_response)
        body = request.get_data()
        operation = aws_wire.operation(request, body)
        with self._lock:
            self._requests[operation] += 1
        met = self._faults.meet(operation)
        met.healed.wait(met.delay)
        match met.kind:
            case FaultKind.REFUSE:
                reset(environ)
            case FaultKind.HANG:
                met.healed.wait(LONGEST_HANG)
                reset(environ)
            case FaultKind.GARBLE:
                response = Response(BROKEN_PAGE, 500, content_type="text/html")
            case FaultKind.LIE:
                response = Response(PROXY_PAGE, 200, content_type="text/html")
            case FaultKind.LOSE_ANSWER:
                self._answer(request, operation, body)
                reset(environ)
            case None | FaultKind.NO_EFFECT as kind:
                response = self._answer(request, operation, body, idle=kind is not None)
            case kind:
                response = aws_wire.refusal(request, kind)
        return response(environ, start_response)

    def _answer(self, request: Request, operation: str, body: bytes, *, idle: bool = False) -> Response:
        """`idle`: answered as if it had been carried out."""
        if operation == "GetChange":
            return self._change(request.path.rpartition("/")[2])
        if operation == "ChangeResourceRecordSets" and (asked := aws_wire.RRSET.search(request.path)):
            return self._change_records(request, asked[1], body, idle=idle)
        if operation == "DescribePendingMaintenanceActions":
            return aws_wire.no_maintenance()
        with self._lock, ExitStack() as stack:
            self._promotions.settle()
            self._promotions.idle = idle
            stack.enter_context(told_by_stage(DEFAULT_ACCOUNT_ID))
            if idle:
                stack.enter_context(without_effect(DEFAULT_ACCOUNT_ID))
                stack.enter_context(self._keys.unchanged(DEFAULT_ACCOUNT_ID))
                stack.enter_context(untouched(DEFAULT_ACCOUNT_ID))
            return Response.from_app(self._moto, {**request.environ, "wsgi.input": BytesIO(body)})

    def _change_records(self, request: Request, zone_id: str, body: bytes, *, idle: bool) -> Response:
        environ = {**request.environ, "wsgi.input": BytesIO(body)}
        with self._lock:
            try:
                with self._zones.whole_batch(zone_id, body) as batch:
                    response = Response.from_app(self._moto, environ)
                    batch.accepted = response.status_code == HTTPStatus.OK and not idle
            except InvalidBatchError as error:
                return aws_wire.error(400, error.code, str(error))
            if response.status_code != HTTPStatus.OK:
                return response
            return aws_wire.change_answer("ChangeResourceRecordSetsResponse", self._zones.publish(zone_id), "PENDING")

    def _change(self, change: str) -> Response:
        in_sync = self._zones.in_sync(change)
        if in_sync is None:
            return aws_wire.error(404, "NoSuchChange", f"A change with id {change} does not exist")
        return aws_wire.change_answer("GetChangeResponse", change, "INSYNC" if in_sync else "PENDING")

    def _lab(self, request: Request) -> Response:
        if request.path == "/_lab/faults" and request.method == "PUT":
            self._faults.replace(RULES.validate_json(request.get_data()))
            return answer({})
        if request.path == "/_lab/requests":
            with self._lock:
                return answer(dict(self._requests))
        if request.path == "/_lab/zones":
            with self._lock:
                return answer(dict(self._zones.zone_ids()))
        if request.path.startswith("/_lab/zones/"):
            zone_id = request.path.rpartition("/")[2]
            news = self._zones.await_news(zone_id, int(request.args.get("after", 0)), float(request.args.get("wait", 0)))
            if news is None:
                return Response(status=HTTPStatus.NO_CONTENT)
            return answer({"revision": news.revision, "records": [record.model_dump() for record in news.records]})
        return Response(status=HTTPStatus.NOT_FOUND)

    def _warm(self) -> None:
        """moto makes a Flask application for each service on its first request, which takes longer than a controller's deadline."""
        for service, region in WARMED.items():
            scope = f"AWS4-HMAC-SHA256 Credential=warm/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=0"
            Client(self._moto).get("/2013-04-01/hostedzone" if service == "route53" else "/", headers={"Authorization": scope})


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    serve("lab.clouds.aws", Settings, Aws)


if __name__ == "__main__":
    main()
