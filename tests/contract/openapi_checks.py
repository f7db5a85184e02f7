"""Checks of ours, beside those of schemathesis, which loads this module."""

from typing import Any

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.core.transport import Response
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case

SHORT = 2000
"""Milliseconds. What is answered to whoever waits no longer than this depends on how busy the machine is."""

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


@schemathesis.check
def only_short_deadlines_are_missed(ctx: CheckContext, response: Response, case: "Case[Any]") -> None:
    """Nothing is out of reach, and nobody hears that it is, but whoever named a deadline that was over before somebody else answered, or
    before its own body was there."""
    if response.status_code in (408, 503, 504):
        told = str(response.request.headers.get("Deadline-Ms", ""))
        assert told.lstrip("-").isdigit() and int(told) < SHORT, f"{response.status_code} within {told or 'no'} milliseconds"
