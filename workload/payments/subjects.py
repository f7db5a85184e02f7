"""HTTP for whoever carries out erasures: a person's data go, and a proof that they did stays. See `workload/schema/erasure.py`."""

import json
from uuid import UUID

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict

from workload import problems
from workload.kept import Name, Reason
from workload.payments.model import Erasure
from workload.payments.reviews import Identify
from workload.payments.service import Payments
from workload.problems import Problem, soon


class EraseBody(BaseModel):
    """The body of `DELETE /v1/subjects/{id}`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Reason
    """Words, such as `request of the subject`. No digits: it stays for ever, and must not hold a number."""
    by: Name | None = None
    """The person who wants it, for the record, and never the one whom it is about: it stays for ever, readable. Who asks is known by its
    token."""


def install(app: FastAPI, payments: Payments, *, site: str, identify: Identify) -> None:
    """Add erasures to `app`."""

    @app.delete("/v1/subjects/{id}")
    async def forget_subject(request: Request, id: UUID, body: EraseBody) -> Response:
        caller = identify(request).subject
        told = caller if body.by is None else f"{caller} for {body.by}"
        forgotten = await payments.forget(id, told, body.reason)
        if not forgotten.is_complete:
            return problems.render(_under_way(forgotten.proof), request.url.path)
        if forgotten.is_unknown:
            return problems.render(_unknown(forgotten.proof), request.url.path)
        replayed = {"Idempotent-Replayed": "true"} if forgotten.is_replayed else {}
        headers = {"Served-By": site, **replayed}
        return Response(json.dumps(show(forgotten.proof)), headers=headers, media_type="application/json")


def _under_way(begun: Erasure) -> Problem:
    """Whoever hears this asks again: the proof is told when nothing is left, and a request does as much as it has time for."""
    detail = (
        "the erasure has begun, for good: nobody pays from this subject's tokens any more. The tokens of"
        f" {begun.sources} payments are forgotten, and some are left: repeat the request"
    )
    members = {"outcome": "unknown", "forgotten": begun.sources}
    return Problem(status=503, kind="erasure-under-way", detail=detail, retry_after=soon(), members=members)


def _unknown(proof: Erasure) -> Problem:
    """Whoever mistyped a subject is told so; and nobody will pay from a token of it, which somebody may be about to do."""
    detail = "nothing was ever held here of this subject, and nothing will be"
    return Problem(status=404, kind="unknown-subject", detail=detail, members={"erasure": show(proof)})


def show(proof: Erasure) -> dict[str, object]:
    """A proof as it is shown. Who was forgotten is told by a digest alone."""
    return {
        "proof": str(proof.id),
        "subject_sha256": proof.subject_digest.hex(),
        "accounts": proof.accounts,
        "profiles": proof.profiles,
        "sources": proof.sources,
        "caller": proof.caller,
        "reason": proof.reason,
        "epoch": proof.epoch,
        "erased_at": None if proof.ended_at is None else proof.ended_at.isoformat(),
    }
