"""HTTP: turns requests into orders and decisions into responses. No decision is made here but who may ask.

Every answer says `no-store`: a number in a cache is a number that nobody erases.
"""

import json
from collections.abc import Callable, Mapping
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from workload.durable.answers import Answers
from workload.durable.errors import Unanswered
from workload.kept import Id, Name, Reason
from workload.problems import Problem, describe_unanswered, render
from workload.vault import problems
from workload.vault.callers import Caller, NotAllowed, Scope, WhoCalls
from workload.vault.model import DOES_NOT_PROVE, Grounds, Order, Outcome, Proof, Token
from workload.vault.numbers import Kind, read_number
from workload.vault.service import Vault

LONGEST_NUMBER = 64
"""Characters with separators."""

IdempotencyKey = Annotated[Id, Header()]


class TokenBody(BaseModel):
    """The body of `POST /v1/tokens`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    subject: Id
    """Whose number it is: what an erasure names."""
    kind: Kind
    number: Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_NUMBER)]


class RevealBody(BaseModel):
    """The body of `POST /v1/tokens/{token}/reveal`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Reason


class EraseBody(BaseModel):
    """The body of `DELETE /v1/subjects/{id}`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Reason
    by: Name | None = None
    """The person who wants it, for the record; who asks is known by its token."""


def build(
    vault: Vault,
    answers: Answers,
    *,
    who: WhoCalls,
    site: str,
    metrics: Callable[[], bytes],
    situation: Callable[[], Mapping[str, object]],
) -> FastAPI:
    """The application. `who` tells a request's caller, `situation` what this process sees, shown with readiness."""
    app = FastAPI(title="Vault", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    _add_tokens(app, vault, who, site)
    _add_erasures(app, vault, who, site)
    _add_probes(app, answers, metrics, situation)
    return app


def _add_tokens(app: FastAPI, vault: Vault, who: WhoCalls, site: str) -> None:
    @app.post("/v1/tokens", status_code=201)
    async def keep_number(request: Request, body: TokenBody, idempotency_key: IdempotencyKey) -> Response:
        caller = _allowed(who, request, Scope.TOKENIZE)
        number = read_number(body.kind, body.number.get_secret_value())
        order = Order(key=idempotency_key, subject=body.subject, number=number, caller=caller.subject)
        answer = await vault.tokenize(order)
        if answer.token is None:
            return _refused(request, answer.outcome)
        headers = {"Location": f"/v1/tokens/{answer.token.id}"}
        if answer.outcome is Outcome.REPLAYED:
            headers["Idempotent-Replayed"] = "true"
        return _document(_show_token(answer.token), 201, site, headers)

    @app.post("/v1/tokens/{token}/reveal")
    async def give_number_out(request: Request, token: UUID, body: RevealBody) -> Response:
        caller = _allowed(who, request, Scope.REVEAL)
        answer = await vault.reveal(token, Grounds(caller=caller.subject, reason=body.reason))
        if answer.number is None:
            return _refused(request, answer.outcome)
        content = {"token": str(token), "kind": answer.number.kind.value, "number": answer.number.text}
        return _document(content, 200, site)

    @app.get("/v1/tokens/{token}")
    async def describe_token(request: Request, token: UUID) -> Response:
        caller = _allowed(who, request, Scope.READ)
        answer = await vault.describe(token, caller.subject)
        if answer.token is None:
            return _refused(request, answer.outcome)
        return _document(_show_token(answer.token), 200, site)

    @app.get("/v1/tokens/{token}/subject")
    async def name_subject(request: Request, token: UUID) -> Response:
        _allowed(who, request, Scope.SUBJECT)
        answer = await vault.whose(token)
        if answer.subject is None:
            return _refused(request, answer.outcome)
        return _document({"token": str(token), "subject": str(answer.subject)}, 200, site)


def _add_erasures(app: FastAPI, vault: Vault, who: WhoCalls, site: str) -> None:
    @app.delete("/v1/subjects/{id}")
    async def erase_subject(request: Request, id: UUID, body: EraseBody) -> Response:
        caller = _allowed(who, request, Scope.ERASE)
        answer = await vault.erase(id, Grounds(caller=caller.subject, by=body.by, reason=body.reason))
        if answer.proof is None:
            return _refused(request, answer.outcome)
        headers = {"Content-Location": f"/v1/erasures/{answer.proof.id}"}
        if answer.outcome is Outcome.REPLAYED:
            headers["Idempotent-Replayed"] = "true"
        return _document(_show_proof(answer.proof), 200, site, headers)

    @app.get("/v1/erasures/{id}")
    async def read_proof(request: Request, id: UUID) -> Response:
        _allowed(who, request, Scope.READ)
        proof = await vault.erasure(id)
        if proof is None:
            return render(Problem(status=404, kind="unknown-erasure", detail="there is no such erasure"), problems.place(request))
        return _document(_show_proof(proof), 200, site)


def _add_probes(
    app: FastAPI, answers: Answers, metrics: Callable[[], bytes], situation: Callable[[], Mapping[str, object]]
) -> None:
    @app.get("/healthz")
    async def process_lives() -> Response:
        return _document({"status": "alive"}, 200)

    @app.get("/readyz")
    async def write_path_works(request: Request) -> Response:
        try:
            await answers.prove_write_path()
        except Unanswered as error:
            members = {"ready": False, **situation()}
            kind = describe_unanswered(error).kind
            return render(Problem(status=503, kind=kind, detail=str(error), retry_after=1, members=members), "/readyz")
        return _document({"ready": True, **situation()}, 200)

    @app.get("/metrics")
    async def numbers() -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _allowed(who: WhoCalls, request: Request, scope: Scope) -> Caller:
    caller = who(request)
    if scope.value not in caller.scopes:
        raise NotAllowed(scope)
    return caller


def _refused(request: Request, outcome: Outcome) -> Response:
    return render(problems.describe_refusal(outcome), problems.place(request))


def _document(
    content: Mapping[str, object], status: int, site: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    served = {} if site is None else {"Served-By": site}
    always = {"Cache-Control": "no-store", **served}
    return Response(json.dumps(content), status_code=status, headers={**always, **(headers or {})}, media_type="application/json")


def _show_token(token: Token) -> dict[str, object]:
    return {
        "token": str(token.id),
        "kind": token.kind.value,
        "subject": str(token.subject),
        "last_four": token.last_four,
        "epoch": token.epoch,
        "created_at": token.created_at.isoformat(),
    }


def _show_proof(proof: Proof) -> dict[str, object]:
    return {
        "proof": str(proof.id),
        "subject": str(proof.subject),
        "data_key": str(proof.data_key),
        "clouds": list(proof.clouds),
        "wraps_sha256": proof.wraps_digest.hex(),
        "tokens": proof.tokens,
        "caller": proof.grounds.caller,
        "by": proof.grounds.by,
        "reason": proof.grounds.reason,
        "epoch": proof.epoch,
        "erased_at": proof.erased_at.isoformat(),
        "does_not_prove": DOES_NOT_PROVE,
    }
