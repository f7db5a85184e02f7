"""AWS's three wire formats, as far as an emulated API must tell requests apart and refuse them: REST XML, query and JSON."""

import json
import re
import time
from urllib.parse import parse_qs

from werkzeug.wrappers import Request, Response

from lab.clouds.faults import FaultKind

XMLNS = "https://route53.amazonaws.com/doc/2013-04-01/"
RRSET = re.compile(r"/2013-04-01/hostedzone/([^/]+)/rrset/?$")
CHANGE = re.compile(r"/2013-04-01/change/([^/]+)$")

REFUSALS = {
    FaultKind.THROTTLE: (400, "Throttling", "ThrottlingException", "Rate exceeded"),
    FaultKind.UNAVAILABLE: (503, "ServiceUnavailable", "ServiceUnavailableException", "Service is unable to handle request"),
    FaultKind.DENY: (403, "AccessDenied", "AccessDeniedException", "not authorized to perform this operation"),
    FaultKind.BUSY: (
        400,
        "PriorRequestNotComplete",
        "UpdateInProgressException",
        "The request was rejected because a prior request is still being processed",
    ),
}
"""Status, code in XML, code in JSON, message."""


def operation(request: Request, body: bytes) -> str:
    """The vendor's name of what is asked for: `ChangeResourceRecordSets`, `PromoteReadReplica`, `UpdateService`."""
    if target := request.headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    if RRSET.search(request.path):
        return "ChangeResourceRecordSets" if request.method == "POST" else "ListResourceRecordSets"
    if CHANGE.search(request.path):
        return "GetChange"
    return parse_qs(body.decode(errors="replace")).get("Action", ["other"])[0]


def refusal(request: Request, kind: FaultKind) -> Response:
    """What the service says when it does this to a request."""
    status, xml_code, json_code, message = REFUSALS[kind]
    if "X-Amz-Target" in request.headers:
        answer = json.dumps({"__type": json_code, "message": message})
        return Response(answer, status, content_type="application/x-amz-json-1.1")
    return error(status, xml_code, message)


def error(status: int, code: str, message: str) -> Response:
    """An error of REST XML, which the query format shares."""
    text = message.replace("&", "&amp;").replace("<", "&lt;")
    body = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
    return Response(f'<ErrorResponse xmlns="{XMLNS}">{body}</ErrorResponse>', status, content_type="text/xml")


def change_answer(element: str, change: str, status: str) -> Response:
    """What Route 53 says about a change."""
    submitted = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    info = f"<ChangeInfo><Id>/change/{change}</Id><Status>{status}</Status><SubmittedAt>{submitted}</SubmittedAt></ChangeInfo>"
    return Response(f'<{element} xmlns="{XMLNS}">{info}</{element}>', content_type="text/xml")


def no_maintenance() -> Response:
    """RDS with nothing pending; moto does not know the question."""
    result = "<DescribePendingMaintenanceActionsResult><PendingMaintenanceActions/></DescribePendingMaintenanceActionsResult>"
    return Response(
        f'<DescribePendingMaintenanceActionsResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/">{result}'
        "</DescribePendingMaintenanceActionsResponse>",
        content_type="text/xml",
    )
