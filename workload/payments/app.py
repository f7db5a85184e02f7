"""HTTP: turns requests into orders and decisions into responses. No decision is made here."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Header, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from workload import problems
from workload.amounts import WHOLE
from workload.durable.answers import Answers
from workload.durable.errors import Unanswered
from workload.kept import FEW_DIGITS, no_number
from workload.payments import reviews, subjects
from workload.payments.model import Account, Order, Outcome, Payment, Status
from workload.payments.problems import describe_refusal, refuse_without_vault
from workload.payments.service import Payments
from workload.problems import Problem

REPLAYS = frozenset({Outcome.REPLAYED, Outcome.STILL_HELD})

KEY = r"[\x21-\x7e]+$"
IdempotencyKey = Annotated[
    str,
    Header(min_length=1, max_length=255),
    AfterValidator(no_number),
    Field(pattern=f"^{KEY}"),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": f"^{FEW_DIGITS}{KEY}"}),
]

MOST = 10**12 - 1
"""Minor units of one payment: with a digit more, an amount could be taken for a card number, and would be redacted as one."""


class PaymentBody(BaseModel):
    """The body of `POST /v1/payments`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    amount: Annotated[int, Field(strict=True, gt=0, le=MOST), WHOLE]
    """Minor units."""
    debtor: UUID
    creditor: UUID
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """ISO 4217."""
    source: UUID | None = None
    """Token of the vault that the money comes from."""


def build(
    payments: Payments,
    answers: Answers,
    *,
    site: str,
    metrics: Callable[[], bytes],
    situation: Callable[[], Mapping[str, object]],
    identify: reviews.Identify | None = None,
) -> FastAPI:
    """The application. `situation` is what this process sees, shown with readiness. Without `identify` nobody can say who reviews or
    erases, and neither is offered."""
    app = FastAPI(title="Payments", version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    refuse_without_vault(app)
    _add_resources(app, payments, site)
    if identify is not None:
        reviews.install(app, payments, site=site, identify=identify)
        subjects.install(app, payments, site=site, identify=identify)
    _add_probes(app, answers, metrics, situation)
    return app


def _add_resources(app: FastAPI, payments: Payments, site: str) -> None:
    @app.post("/v1/payments", status_code=201)
    async def make_payment(request: Request, body: PaymentBody, idempotency_key: IdempotencyKey) -> Response:
        order = Order(key=idempotency_key, **body.model_dump())
        decision = await payments.pay(order)
        if decision.payment is None or decision.outcome is Outcome.REJECTED:
            return problems.render(describe_refusal(decision.outcome), request.url.path)
        headers = {"Location": f"/v1/payments/{decision.payment.id}", "Served-By": site}
        if decision.outcome in REPLAYS:
            headers["Idempotent-Replayed"] = "true"
        return _document(_show_payment(decision.payment), 201 if decision.payment.status is Status.COMPLETED else 202, headers)

    @app.get("/v1/payments/{id}")
    async def read_payment(request: Request, id: UUID) -> Response:
        payment = await payments.payment(id)
        if payment is None:
            return _missing(request, "payment", id)
        return _document(_show_payment(payment), 200, {"Served-By": site})

    @app.get("/v1/accounts/{id}")
    async def read_account(request: Request, id: UUID) -> Response:
        account = await payments.account(id)
        if account is None:
            return _missing(request, "account", id)
        return _document(_show_account(account), 200, {"Served-By": site})


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
            problem = problems.describe_unanswered(error)
            members = {"ready": False, **situation()}
            unready = Problem(status=503, kind=problem.kind, detail=str(error), retry_after=1, members=members)
            return problems.render(unready, request.url.path)
        return _document({"ready": True, **situation()}, 200)

    @app.get("/metrics")
    async def numbers() -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _missing(request: Request, noun: str, id: UUID) -> Response:
    problem = Problem(status=404, kind=f"unknown-{noun}", detail=f"there is no {noun} {id}")
    return problems.render(problem, request.url.path)


def _document(content: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content), status_code=status, headers=headers, media_type="application/json")


def _show_payment(payment: Payment) -> dict[str, object]:
    return {
        "id": str(payment.id),
        "status": str(payment.status),
        "amount": payment.amount,
        "currency": payment.currency,
        "debtor": str(payment.debtor),
        "creditor": str(payment.creditor),
        "epoch": payment.epoch,
        "created_at": payment.created_at.isoformat(),
    }


def _show_account(account: Account) -> dict[str, object]:
    return {
        "id": str(account.id),
        "currency": account.currency,
        "balance": account.balance,
        "overdraft_allowed": account.overdraft_allowed,
    }
