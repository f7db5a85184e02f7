"""Why somebody is turned away, as a named kind, and how HTTP says it.

A refusal never repeats anything of what was shown: a token in an answer or a log is a token for whoever reads it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from starlette.responses import Response

from workload.problems import Problem, render, soon


class Kind(StrEnum):
    """What was wrong; the last part of the problem's type."""

    NO_TOKEN = "no-token"  # noqa: S105
    MALFORMED = "malformed-credentials"
    """More than one Authorization header, or one that cannot be read."""
    UNKNOWN_TOKEN = "unknown-token"  # noqa: S105
    """No access token, or none of this issuer: another shape, key or signature."""
    WRONG_ALGORITHM = "wrong-algorithm"
    """Signed in a way that is not configured, or not the way its key is for: `none`, a MAC made with a public key."""
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_AUDIENCE = "wrong-audience"
    """Meant for another service."""
    WRONG_CERTIFICATE = "wrong-certificate"
    """Shown by somebody who does not hold the key of the certificate that the token is bound to."""
    MISSING_SCOPE = "missing-scope"
    KEYS_UNKNOWN = "keys-unknown"
    """This process has no keys of the issuer, or only ones that are too old: not the caller's fault."""


ANSWERS: Mapping[Kind, tuple[int, str | None]] = {
    Kind.NO_TOKEN: (401, None),
    Kind.MALFORMED: (400, "invalid_request"),
    Kind.MISSING_SCOPE: (403, "insufficient_scope"),
    Kind.KEYS_UNKNOWN: (503, None),
}
"""Status and error code where they are not 401 and `invalid_token` (RFC 6750 section 3.1; a wrong certificate too: RFC 8705 section 3)."""


class AccessRefused(Exception):
    """Nothing is done for this caller; the message says why, in our own words only."""

    def __init__(self, kind: Kind, detail: str, scope: str | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.scope = scope
        """The one that would be needed."""

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return ANSWERS.get(self.kind, (401, None))[0]

    def challenge(self, realm: str) -> str:
        """The WWW-Authenticate header (RFC 6750 section 3)."""
        _, code = ANSWERS.get(self.kind, (401, "invalid_token"))
        fields = {"realm": realm}
        if code is not None:
            # Quotes, backslashes and control characters may not stand there, and would let a text end the field.
            fields |= {"error": code, "error_description": re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "", self.detail)}
        if self.scope is not None:
            fields["scope"] = self.scope
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in fields.items())


def answer(refused: AccessRefused, *, realm: str, instance: str) -> Response:
    """The refusal as a problem document, with its challenge when another token would help."""
    retry_after = soon() if refused.status == 503 else None
    problem = Problem(
        status=refused.status,
        kind=refused.kind.value,
        detail=refused.detail,
        retry_after=retry_after,
        members={"outcome": "nothing-happened"},
    )
    response = render(problem, instance)
    if refused.status != 503:
        response.headers["WWW-Authenticate"] = refused.challenge(realm)
    return response
