"""Refusals of the emulated Google APIs, in the vendor's error body.

Source: google-api-python-client's reading of it (`errors[].reason` for the older APIs, `status` for the newer), Cloud DNS "Error
messages", and messages quoted in public issues of its clients. Wording that no client reads is ours.
"""

import json

from werkzeug.wrappers import Response

WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """The request is refused; carries what the client is told."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason

    @property
    def response(self) -> Response:
        """As it goes over the wire."""
        text = str(self)
        errors = [{"message": text, "domain": "global", "reason": self.reason}]
        body = {"code": self.code, "message": text, "status": WORDS.get(self.code, "UNKNOWN"), "errors": errors}
        return Response(json.dumps({"error": body}), self.code, content_type="application/json; charset=UTF-8")
