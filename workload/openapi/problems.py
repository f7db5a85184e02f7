"""Problem documents (RFC 9457), as an OpenAPI document describes them."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

from workload.openapi.answer import REF, Refusal, Told
from workload.openapi.headers import header
from workload.problems import MEDIA_TYPE, PREFIX

RETRIED = frozenset({429, 503})
"""Statuses that always say when to come back."""

CHALLENGED = frozenset({400, 401, 403})
"""Statuses that say what a token would have to be; 400 and 403 do when it was for the token."""


class Mistake(Told):
    """One thing that is wrong with a request."""

    where: str
    """Path of the field, or `(field)` for one whose name is not repeated."""
    expected: str


class Problem(Told):
    """Why there is no success. What clients compare is `type`; what they may believe is `outcome`."""

    type: str
    """The kind, after `urn:trimaran:problem:`."""
    title: str
    status: int
    detail: str
    """For people; may change."""
    instance: str
    """Where the request went."""
    outcome: Literal["nothing-happened", "refused", "unknown"] | None = None
    """`unknown`: repeat the request with the same Idempotency-Key. Absent: a question was asked, and nothing could happen."""


class Mistakes(Told):
    """What is wrong with a request."""

    errors: list[Mistake] | None = None


class MissingScope(Told):
    """What a token would have to allow."""

    scope: str | None = None


def responses(refusals: Sequence[Refusal]) -> dict[str, dict[str, Any]]:
    """The answers to all of these, one per status."""
    ordered = sorted(dict.fromkeys(refusals), key=lambda one: one.status)
    return {str(status): _response(status, list(group)) for status, group in groupby(ordered, key=lambda one: one.status)}


def _response(status: int, refusals: Sequence[Refusal]) -> dict[str, Any]:
    kinds = sorted({PREFIX + one.kind for one in refusals})
    narrowed = {"properties": {"type": {"enum": kinds}, "status": {"const": status}}}
    members = sorted({one.members.__name__ for one in refusals if one.members is not None})
    whole = [{"$ref": REF.format(model=name)} for name in (Problem.__name__, *members)]
    told = sorted({f"- `{one.kind}`: {one.says}" for one in refusals})
    found: dict[str, Any] = {
        "description": "\n".join(told),
        "content": {MEDIA_TYPE: {"schema": {"allOf": [*whole, narrowed]}}},
    }
    headers = _headers(status)
    return {**found, "headers": headers} if headers else found


def _headers(status: int) -> dict[str, Any]:
    if status in RETRIED:
        return {"Retry-After": header("Retry-After", always=True)}
    if status == 504:
        return {"Retry-After": header("Retry-After", always=False)}
    if status in CHALLENGED:
        return {"WWW-Authenticate": header("WWW-Authenticate", always=status == 401)}
    return {}
