"""Checks of ours, beside those of schemathesis, which loads this module."""

from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case

NOT_UNDERSTOOD = ("malformed-request", "bad-request", "invalid-content", "not-found")


@schemathesis.check
def what_the_document_allows_is_understood(ctx: CheckContext, response: Response, case: "Case[Any]") -> None:
    """Whoever keeps to the document may be refused, but is never told that the request itself is wrong.

    The check of schemathesis for this goes by the status alone, and 422 says both.
    """
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or response.status_code < 400:
        return
    kind = str(response.json().get("type", "")).rpartition(":")[2]
    assert kind not in NOT_UNDERSTOOD, f"{kind} for a request that the document allows: {response.text}"
