"""Problem documents (RFC 9457): every answer that is not a success has the same shape, ours and the framework's alike."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from workload.durable.errors import Busy, Late, NoSession, NothingHappened, NoWriter, OutcomeUnknown, Rejected, Unanswered
from workload.telemetry.redaction import redact_value

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:trimaran:problem:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem as data."""

    status: int
    kind: str
    """Last part of the type; `type` is what clients compare."""
    detail: str
    retry_after: int | None = None
    """Seconds; whole ones, as HTTP wants."""
    members: Mapping[str, object] = field(default_factory=dict)
    """Our own fields, beside the standard ones."""


def soon(longest: int = 2, chance: Callable[[], float] = random.random) -> int:
    """A Retry-After: whole seconds from one to `longest`, another for each who asks. `chance`: from 0 up to 1.

    1. A site is lost, and for three seconds everybody is told to come back. 2. Told "in one second", all come back in the same second, at
    the two sites that are left. 3. Those that had just found the new writer are busy with refusing.
    """
    return 1 + int(longest * chance())


def render(problem: Problem, instance: str) -> Response:
    """The problem as a response."""
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    document = {
        "type": PREFIX + problem.kind,
        "title": problem.kind.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        **problem.members,
    }
    # A client's own field name, a path and a framework's message may each hold a number that was pasted into the wrong place.
    return Response(json.dumps(redact_value(document)), status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


def describe_unanswered(error: Unanswered) -> Problem:
    """What the client is told; `outcome` says what it may believe, and only `unknown` needs the same key."""
    kind, status = {
        NoWriter: ("no-writer", 503),
        NoSession: ("writer-out-of-reach", 503),
        Busy: ("accounts-busy", 503),
        Late: ("deadline-over", 504),
        OutcomeUnknown: ("outcome-unknown", 503),
        Rejected: ("database-refused", 500),
    }.get(type(error), ("unanswered", 500))
    outcome = "nothing-happened" if isinstance(error, NothingHappened) else "unknown"
    advice = "" if outcome == "nothing-happened" else ". Repeat the request with the same Idempotency-Key to learn what happened"
    members = {"outcome": outcome}
    # While nobody writes, everybody is told so, and all of them come back.
    later = soon(3 if isinstance(error, NoWriter | NoSession) else 2) if status == 503 else None
    return Problem(status=status, kind=kind, detail=f"{error}{advice}", retry_after=later, members=members)


def describe_invalid(error: RequestValidationError) -> Problem:
    """400 when the message itself is wrong (header, JSON syntax, path), 422 when the body's content is."""
    found = [{"where": ".".join(map(str, item["loc"])), "expected": item["msg"]} for item in error.errors()]
    malformed = any(item["loc"][0] != "body" or item["type"] == "json_invalid" for item in error.errors())
    detail = "; ".join(f"{item['where']}: {item['expected']}" for item in found)
    kind, status = ("malformed-request", 400) if malformed else ("invalid-content", 422)
    return Problem(status=status, kind=kind, detail=detail, members={"errors": found, "outcome": "nothing-happened"})


def install(app: FastAPI) -> None:
    """Make every failure of `app` a problem document."""

    async def on_unanswered(request: Request, error: Exception) -> Response:
        assert isinstance(error, Unanswered)
        return render(describe_unanswered(error), request.url.path)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return render(describe_invalid(error), request.url.path)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        response = render(Problem(status=error.status_code, kind=kind, detail=str(error.detail)), request.url.path)
        response.headers.update(error.headers or {})
        return response

    async def on_defect(request: Request, error: Exception) -> Response:
        members = {"outcome": "unknown"}
        return render(Problem(status=500, kind="defect", detail="a defect of this service", members=members), request.url.path)

    app.add_exception_handler(Unanswered, on_unanswered)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_defect)
