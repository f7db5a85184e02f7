"""Headers that mean the same wherever they stand."""

from collections.abc import Mapping, Sequence
from typing import Any

ANSWERED: Mapping[str, Mapping[str, Any]] = {
    "Served-By": {"description": "Which site answered.", "schema": {"type": "string"}, "example": "aws"},
    "Location": {"description": "Where it can be read.", "schema": {"type": "string", "format": "uri-reference"}},
    "Content-Location": {"description": "Where it can be read again.", "schema": {"type": "string", "format": "uri-reference"}},
    "Idempotent-Replayed": {
        "description": "This was done before; nothing was done now.",
        "schema": {"type": "string", "const": "true"},
    },
    "Cache-Control": {"description": "Nobody keeps this answer.", "schema": {"type": "string", "const": "no-store"}},
    "Retry-After": {
        "description": "Seconds to wait before the request is worth repeating (RFC 9110 section 10.2.3).",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "What a token would have to be (RFC 6750 section 3).",
        "schema": {"type": "string", "pattern": "^Bearer "},
    },
}
"""In answers."""

DEADLINE: Mapping[str, Any] = {
    "name": "Deadline-Ms",
    "in": "header",
    "required": False,
    "description": "Milliseconds for which the client goes on waiting, from when it sent the request. Work that would be too late is"
    " refused with 504 before it is begun; calls to other services get what is left. More than 30000 counts as 30000.",
    "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
    "example": "2000",
}
"""In every request."""

ASKED: Sequence[Mapping[str, Any]] = (
    DEADLINE,
    {
        "name": "Retry-Attempt",
        "in": "header",
        "required": False,
        "description": "How often this request was sent before. Under load, what was sent before goes first.",
        "schema": {"type": "string"},
        "example": "1",
    },
    {
        "name": "Traceparent",
        "in": "header",
        "required": False,
        "description": "The client's trace (W3C Trace Context). One that cannot be read is passed over, as the specification asks.",
        "schema": {"type": "string"},
        "example": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    },
)
"""In requests to everything that stands behind the gate."""


def header(name: str, *, always: bool) -> dict[str, Any]:
    """One of `ANSWERED`, as an answer describes it."""
    return {**ANSWERED[name], "required": always}
