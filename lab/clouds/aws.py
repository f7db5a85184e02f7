"""AWS's API, emulated: moto behind one wrapper that makes Route 53 behave as the vendor documents, and that can be made to fail.

Run as `python -m lab.clouds.aws --settings FILE`. Prints one JSON line with its port when it can be asked. Beside the API it has
routes of the lab's own under /_lab, which no fault touches: the name servers read the zone there, because Route 53 goes on
answering queries while its API is down.
"""

import argparse
import json
import logging
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53.models import Route53Backend, route53_backends
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from lab.clouds.faults import FaultKind, Faults, Rule
from lab.clouds.route53 import InvalidBatchError, Zones

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

RULES = TypeAdapter(list[Rule])
LONGEST_HANG = 600.0
XMLNS = "https://route53.amazonaws.com/doc/2013-04-01/"
RRSET = re.compile(r"/2013-04-01/hostedzone/([^/]+)/rrset/?$")
CHANGE = re.compile(r"/2013-04-01/change/([^/]+)$")
PROXY_PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Back soon</p></body></html>'
ANSWERS = {
    FaultKind.THROTTLE: (400, "Throttling", "Rate exceeded"),
    FaultKind.UNAVAILABLE: (503, "ServiceUnavailable", "Service is unable to handle request"),
    FaultKind.DENY: (403, "AccessDenied", "not authorized to perform this operation"),
    FaultKind.BUSY: (400, "PriorRequestNotComplete", "The request was rejected because a prior request is still being processed"),
}


class Settings(BaseModel):
    """What one emulated AWS needs to know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=65535)
    """On 127.0.0.1; 0: any free one, see the line printed."""
    zones: tuple[str, ...] = ("trimaran.test",)
    """Hosted zones that exist from the start, empty."""
    propagation: float = Field(default=0.05, ge=0)
    """Seconds from an accepted change until it is INSYNC and answered by the name servers."""


class Aws:
    """The WSGI application. moto's backends know no locks, so requests to it go one at a time."""

    def __init__(self, settings: Settings) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._backend: Route53Backend = route53_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._lock = threading.Lock()
        self._faults = Faults()
        self._requests: Counter[str] = Counter()
        self._zones = Zones(self._backend, settings.propagation, time.monotonic)
        for name in settings.zones:
            self._zones.publish(self._backend.create_hosted_zone(name + ".", private_zone=False).resource_id)
        self._warm()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        if request.path.startswith("/_lab/"):
            return self._lab(request)(environ, start_response)
        operation = _operation(request)
        with self._lock:
            self._requests[operation] += 1
        met = self._faults.meet(operation)
        fault = met.kind
        self._faults.replaced().wait(met.delay)
        if fault is FaultKind.REFUSE:
            _reset(environ)
        if fault is FaultKind.HANG:
            self._faults.replaced().wait(LONGEST_HANG)
            _reset(environ)
        if fault is FaultKind.GARBLE:
            return Response("<html>upstream error</html>", 500, content_type="text/html")(environ, start_response)
        if fault is FaultKind.LIE:
            return Response(PROXY_PAGE, 200, content_type="text/html")(environ, start_response)
        if fault in ANSWERS:
            return _error(*ANSWERS[fault])(environ, start_response)
        response = self._answer(request)
        if fault is FaultKind.LOSE_ANSWER:
            _reset(environ)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if (asked := CHANGE.search(request.path)) and request.method == "GET":
            return self._change(asked[1])
        if (asked := RRSET.search(request.path)) and request.method == "POST":
            return self._change_records(request, asked[1])
        with self._lock:
            return Response.from_app(self._moto, request.environ)

    def _change_records(self, request: Request, zone_id: str) -> Response:
        body = request.get_data()
        environ = {**request.environ, "wsgi.input": BytesIO(body)}
        with self._lock:
            try:
                with self._zones.whole_batch(zone_id, body) as batch:
                    response = Response.from_app(self._moto, environ)
                    batch.accepted = response.status_code == HTTPStatus.OK
            except InvalidBatchError as error:
                return _error(400, "InvalidChangeBatch", str(error))
            if not batch.accepted:
                return response
            return _change_answer("ChangeResourceRecordSetsResponse", self._zones.publish(zone_id), "PENDING")

    def _change(self, change: str) -> Response:
        in_sync = self._zones.in_sync(change)
        if in_sync is None:
            return _error(404, "NoSuchChange", f"A change with id {change} does not exist")
        return _change_answer("GetChangeResponse", change, "INSYNC" if in_sync else "PENDING")

    def _lab(self, request: Request) -> Response:
        if request.path == "/_lab/faults" and request.method == "PUT":
            self._faults.replace(RULES.validate_json(request.get_data()))
            return _json({})
        if request.path == "/_lab/requests":
            with self._lock:
                return _json(dict(self._requests))
        if request.path == "/_lab/zones":
            with self._lock:
                return _json(dict(self._zones.zone_ids()))
        if request.path.startswith("/_lab/zones/"):
            zone_id = request.path.rpartition("/")[2]
            news = self._zones.await_news(zone_id, int(request.args.get("after", 0)), float(request.args.get("wait", 0)))
            if news is None:
                return Response(status=HTTPStatus.NO_CONTENT)
            return _json({"revision": news.revision, "records": [record.model_dump() for record in news.records]})
        return Response(status=HTTPStatus.NOT_FOUND)

    def _warm(self) -> None:
        """moto makes its Flask application on the first request, which takes longer than a controller's deadline."""
        scope = "AWS4-HMAC-SHA256 Credential=warm/20260101/us-east-1/route53/aws4_request, SignedHeaders=host, Signature=0"
        Client(self._moto).get("/2013-04-01/hostedzone", headers={"Authorization": scope})


def _operation(request: Request) -> str:
    if RRSET.search(request.path):
        return "ChangeResourceRecordSets" if request.method == "POST" else "ListResourceRecordSets"
    return "GetChange" if CHANGE.search(request.path) else "other"


def _error(status: int, code: str, message: str) -> Response:
    text = message.replace("&", "&amp;").replace("<", "&lt;")
    body = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    return Response(f'<ErrorResponse xmlns="{XMLNS}">{body}</ErrorResponse>', status, content_type="text/xml")


def _change_answer(element: str, change: str, status: str) -> Response:
    info = f"<ChangeInfo><Id>/change/{change}</Id><Status>{status}</Status><SubmittedAt>{_now()}</SubmittedAt></ChangeInfo>"
    return Response(f'<{element} xmlns="{XMLNS}">{info}</{element}>', content_type="text/xml")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _json(value: object) -> Response:
    return Response(json.dumps(value), content_type="application/json")


def _reset(environ: "WSGIEnvironment") -> None:
    """End the connection with a reset and this request with it."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("by a fault rule")


def serve(settings: Settings) -> BaseWSGIServer:
    """A server that is bound and ready; the caller runs it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return make_server("127.0.0.1", settings.port, Aws(settings), threaded=True)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="lab.clouds.aws")
    parser.add_argument("--settings", type=Path, required=True)
    settings = Settings.model_validate_json(parser.parse_args().settings.read_bytes())
    server = serve(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    print(json.dumps({"ready": True, "port": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
