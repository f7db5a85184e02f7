"""HTTP for reviewers: what waits for a person, and their word about it. Offered only where callers are known."""

import json
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Literal, Protocol, assert_never
from uuid import UUID

from fastapi import FastAPI, Query, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from workload import problems
from workload.kept import FEW_DIGITS, no_number
from workload.payments.model import Outcome, Review, Reviewed, Verdict
from workload.payments.problems import describe_refusal
from workload.payments.service import Payments
from workload.problems import Problem

SCOPE = "payments:review"
FIRST = UUID(int=0)


class Caller(Protocol):
    """Who asks, as whoever checked the caller's token says."""

    @property
    def subject(self) -> str:
        """Kept with what the caller decides."""

    @property
    def scopes(self) -> Collection[str]:
        """What was granted."""


Identify = Callable[[Request], Caller]
"""The caller of a request that was let in."""


TEXT = r"[^\x00]*[^\s\x00][^\x00]*$"
Reason = Annotated[
    str,
    Field(min_length=1, max_length=500, pattern=f"^{TEXT}"),
    AfterValidator(no_number),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 500, "pattern": f"^{FEW_DIGITS}{TEXT}"}),
]


class Word(BaseModel):
    """The body of `POST /v1/reviews/{id}`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    verdict: Literal["approve", "reject"]
    reason: Reason
    """For whoever asks later; kept for ever. No database keeps a zero byte in a text."""


VERDICTS: Mapping[str, Verdict] = {"approve": Verdict.APPROVE, "reject": Verdict.REJECT}


def install(app: FastAPI, payments: Payments, *, site: str, identify: Identify) -> None:
    """Add the review queue to `app`."""
    served = {"Served-By": site}

    @app.get("/v1/reviews")
    async def list_reviews(request: Request, after: UUID = FIRST, limit: Annotated[int, Query(ge=1, le=100)] = 50) -> Response:
        if (problem := _objection(identify(request))) is not None:
            return problems.render(problem, request.url.path)
        waiting = await payments.waiting(after, limit)
        return _document({"reviews": [show(review) for review in waiting]}, served)

    @app.get("/v1/reviews/{id}")
    async def read_review(request: Request, id: UUID) -> Response:
        if (problem := _objection(identify(request))) is not None:
            return problems.render(problem, request.url.path)
        review = await payments.held(id)
        if review is None:
            return problems.render(_unknown(id), request.url.path)
        return _document(show(review), served)

    @app.post("/v1/reviews/{id}", status_code=200)
    async def decide_review(request: Request, id: UUID, body: Word) -> Response:
        caller = identify(request)
        if (problem := _objection(caller)) is not None:
            return problems.render(problem, request.url.path)
        sitting = await payments.review(id, VERDICTS[body.verdict], caller.subject, body.reason)
        if isinstance(sitting.outcome, Outcome):
            return problems.render(describe_refusal(sitting.outcome), request.url.path)
        return _answer(id, sitting.outcome, sitting.review, served, request.url.path)


def _answer(id: UUID, outcome: Reviewed, review: Review | None, served: Mapping[str, str], instance: str) -> Response:
    match outcome:
        case Reviewed.UNKNOWN:
            return problems.render(_unknown(id), instance)
        case Reviewed.ALREADY_APPROVED | Reviewed.ALREADY_REJECTED:
            return problems.render(_final(review), instance)
        case Reviewed.APPROVED | Reviewed.REJECTED | Reviewed.REPEATED:
            assert review is not None
            repeated = {"Idempotent-Replayed": "true"} if outcome is Reviewed.REPEATED else {}
            return _document(show(review), {**served, **repeated})
        case _:
            assert_never(outcome)


def show(review: Review) -> dict[str, object]:
    """A held payment as reviewers see it. The key stays the payer's secret: whoever knows it learns and repeats what is done with it."""
    ruling = review.ruling
    return {
        "id": str(review.id),
        "status": "held" if ruling is None else str(ruling.verdict),
        "amount": review.amount,
        "currency": review.currency,
        "debtor": str(review.debtor),
        "creditor": str(review.creditor),
        "score": round(review.score, 2),
        "reasons": list(review.reasons),
        "epoch": review.epoch,
        "created_at": review.created_at.isoformat(),
        "decided": ruling and {"by": ruling.who, "reason": ruling.because, "at": ruling.at.isoformat(), "epoch": ruling.epoch},
    }


def _objection(caller: Caller) -> Problem | None:
    if SCOPE in caller.scopes:
        return None
    return Problem(status=403, kind="forbidden", detail=f"this needs the scope {SCOPE}", members={"outcome": "nothing-happened"})


def _unknown(id: UUID) -> Problem:
    return Problem(status=404, kind="unknown-review", detail=f"nothing was ever held under {id}")


def _final(review: Review | None) -> Problem:
    assert review is not None and review.ruling is not None
    ruling = review.ruling
    detail = f"{ruling.who} {ruling.verdict} it at {ruling.at.isoformat()}, and that is final"
    return Problem(status=409, kind="already-decided", detail=detail, members={"outcome": "refused", "review": show(review)})


def _document(content: Mapping[str, object], headers: Mapping[str, str]) -> Response:
    return Response(json.dumps(content), headers=headers, media_type="application/json")
