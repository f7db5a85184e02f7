"""Problem documents of the vault. None repeats anything that a client sent: it may have put a number anywhere."""

from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from workload import problems
from workload.problems import Problem, render, soon
from workload.vault.callers import NotAllowed
from workload.vault.errors import KeyLost, KeysOutOfReach, SealBroken
from workload.vault.model import Outcome
from workload.vault.numbers import NotANumber

NOTHING: Mapping[str, object] = {"outcome": "nothing-happened"}

FIELDS = ("body", "number", "kind", "subject", "reason", "by", "idempotency-key", "path", "query", "header", "token", "id")
"""Names of ours: all that may be told of where a mistake is. A client's own field name may be a number."""

EXPECTED: Mapping[str, str] = {
    "missing": "a value",
    "extra_forbidden": "no field of another name",
    "json_invalid": "JSON",
    "string_type": "a string",
    "string_too_short": "a longer text",
    "string_too_long": "a shorter text",
    "string_pattern_mismatch": "a text of the documented form",
    "enum": "one of the documented words",
    "uuid_parsing": "a UUID",
    "uuid_type": "a UUID",
    "model_attributes_type": "an object",
}

REFUSALS: Mapping[Outcome, tuple[int, str]] = {
    Outcome.KEY_REUSED: (422, "this Idempotency-Key already belongs to a token with another body, or of another caller"),
    Outcome.UNKNOWN_TOKEN: (404, "there is no such token"),
    Outcome.UNKNOWN_SUBJECT: (404, "nothing was ever kept for this subject"),
    Outcome.UNKNOWN_KEY: (503, "the subject's data key is not in the writer's database; repeat the request"),
    Outcome.ERASED: (410, "the subject was erased; its data key is destroyed for good"),
}


def describe_refusal(outcome: Outcome) -> Problem:
    """A decision against the request."""
    status, detail = REFUSALS[outcome]
    retry_after = soon() if status == 503 else None
    members = NOTHING if status == 503 else {"outcome": "refused"}
    return Problem(status=status, kind=outcome.value.replace("_", "-"), detail=detail, retry_after=retry_after, members=members)


def describe_unread(error: NotANumber) -> Problem:
    """The text is no number of its kind; the rule says which of the documented rules it breaks."""
    detail = f"body.number: expected {error.rule}"
    return Problem(status=422, kind="not-a-number", detail=detail, members={"rule": error.rule, **NOTHING})


def describe_not_allowed(error: NotAllowed) -> Problem:
    """RFC 6750 section 3.1: insufficient_scope."""
    return Problem(status=403, kind="insufficient-scope", detail=str(error), members={"scope": error.scope.value, **NOTHING})


def describe_invalid(error: RequestValidationError) -> Problem:
    """400 when the message itself is wrong, 422 when the body's content is; places and expectations in words of ours."""
    found = [
        {"where": ".".join(_known(item["loc"])), "expected": EXPECTED.get(item["type"], "a documented value")}
        for item in error.errors()
    ]
    malformed = any(item["loc"][0] != "body" or item["type"] == "json_invalid" for item in error.errors())
    kind, status = ("malformed-request", 400) if malformed else ("invalid-content", 422)
    detail = "; ".join(f"{item['where']}: expected {item['expected']}" for item in found)
    return Problem(status=status, kind=kind, detail=detail, members={"errors": found, **NOTHING})


def describe_out_of_reach() -> Problem:
    """Too few clouds opened or wrapped a key in time. What each of them said names accounts and roles, and is for our own people."""
    detail = "the subject's data key was not ready in time: too few key services answered"
    return Problem(status=503, kind="keys-out-of-reach", detail=detail, retry_after=soon(), members=NOTHING)


def describe_unopenable(error: Exception) -> Problem:
    """A key or a seal that cannot be opened, and that repeating will not mend."""
    if isinstance(error, KeyLost):
        detail = "no key service opens the data key any more; people have been told"
        return Problem(status=500, kind="key-lost", detail=detail, members=NOTHING)
    detail = "what is kept does not open with its data key; people have been told"
    return Problem(status=500, kind="seal-broken", detail=detail, members=NOTHING)


def place(request: Request) -> str:
    """Where the request went, as the route is written: without what the client put into it."""
    return str(getattr(request.scope.get("route"), "path", "/"))


def install(app: FastAPI) -> None:
    """Make every failure of `app` a problem document that repeats nothing."""
    problems.install(app)

    async def on_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return render(describe_invalid(error), place(request))

    async def on_unread(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotANumber)
        return render(describe_unread(error), place(request))

    async def on_not_allowed(request: Request, error: Exception) -> Response:
        assert isinstance(error, NotAllowed)
        response = render(describe_not_allowed(error), place(request))
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{error.scope.value}"'
        return response

    async def on_out_of_reach(request: Request, error: Exception) -> Response:
        assert isinstance(error, KeysOutOfReach)
        return render(describe_out_of_reach(), place(request))

    async def on_unopenable(request: Request, error: Exception) -> Response:
        return render(describe_unopenable(error), place(request))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = "not-found" if error.status_code == 404 else "malformed-request"
        problem = Problem(status=error.status_code, kind=kind, detail="this cannot be answered as it was asked", members=NOTHING)
        response = render(problem, place(request))
        response.headers.update(error.headers or {})
        return response

    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(NotANumber, on_unread)
    app.add_exception_handler(NotAllowed, on_not_allowed)
    app.add_exception_handler(KeysOutOfReach, on_out_of_reach)
    app.add_exception_handler(KeyLost, on_unopenable)
    app.add_exception_handler(SealBroken, on_unopenable)
    app.add_exception_handler(HTTPException, on_http)


def _known(location: tuple[object, ...]) -> list[str]:
    return [str(part) if str(part).lower() in FIELDS else "(field)" for part in location]
