"""What payments answers, for its OpenAPI document. Every id, amount and name in an example is made up."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from workload.openapi import probes
from workload.openapi.answer import Answer, Described, Descriptions, Refusal, Told
from workload.openapi.layers import DURABLE
from workload.payments.model import Status
from workload.payments.problems import REFUSALS, describe_refusal

SAYS = """Payments and the ledger behind them.

A payment is acknowledged once it is on disk in two clouds. Whoever hears `outcome: unknown`, or nothing, repeats the request with the
same Idempotency-Key, for as long as it likes: the payment is made once. All amounts are in minor units of the currency."""

TAGS = {
    "payments": "Making payments, and looking at them.",
    "reviews": "Payments that wait for a person.",
    "erasures": "Forgetting somebody, provably.",
    **probes.TAGS,
}

PAYMENT, ACCOUNT, OTHER = "01890a5d-ac96-774b-bcce-b302099a8057", UUID(int=1), UUID(int=2)
SUBJECT, TOKEN = UUID(int=1), "7c1a9e4e-0f5d-4b5c-9a52-3f1f3a6f7b10"
ORDER = {"amount": 1250, "currency": "EUR", "debtor": str(ACCOUNT), "creditor": str(OTHER)}
MADE = {**ORDER, "id": PAYMENT, "status": "completed", "epoch": 3, "created_at": "2026-01-02T03:04:05.678901+00:00"}
REVIEW = {
    **MADE,
    "status": "held",
    "score": 7.43,
    "reasons": ["amount 410.00 is 41 times the median of this account"],
    "decided": None,
}
DECIDED = {
    **REVIEW,
    "status": "approved",
    "decided": {"by": "reviewer", "reason": "called the account's owner", "at": "2026-01-02T04:00:00+00:00", "epoch": 3},
}
ERASURE = {
    "proof": "01890a5d-ac96-774b-bcce-b302099a8059",
    "subject_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "accounts": 1,
    "profiles": 1,
    "sources": 2,
    "caller": "desk for Jo Doe",
    "reason": "customer request",
    "epoch": 3,
    "erased_at": "2026-01-02T04:00:00+00:00",
}


class PaymentDocument(Told):
    """A payment as the ledger has it."""

    id: UUID
    status: Status
    """`held`: a person looks at it first. `rejected`: it was turned down, and will never be made."""
    amount: int
    currency: str
    debtor: UUID
    creditor: UUID
    epoch: int
    """Reign of the writer that admitted it."""
    created_at: datetime


class AccountDocument(Told):
    """An account as the ledger has it."""

    id: UUID
    currency: str
    balance: int
    """Durable: what it shows is on disk in two clouds."""
    overdraft_allowed: bool


class RulingDocument(Told):
    """Who decided about a held payment."""

    by: str
    reason: str
    at: datetime
    epoch: int


class ReviewDocument(Told):
    """A payment that is or was held, under the payment's own id."""

    id: UUID
    status: Literal["held", "approved", "rejected"]
    amount: int
    currency: str
    debtor: UUID
    creditor: UUID
    score: float
    """Robust standard deviations above what is usual for the debtor."""
    reasons: list[str]
    epoch: int
    created_at: datetime
    decided: RulingDocument | None


class ReviewsDocument(Told):
    """Payments that wait, oldest first. The next page begins after the id of the last one."""

    reviews: list[ReviewDocument]


class ErasureDocument(Told):
    """That somebody was forgotten: all that is kept of it."""

    proof: UUID
    subject_sha256: str
    """Of the sixteen bytes of the subject's id: whoever knows it can check whose erasure this is, and nobody else learns it."""
    accounts: int
    """From which the subject's tokens paid."""
    profiles: int
    """Of these accounts, whose habits were known and are forgotten."""
    sources: int
    """Payments of which the token was kept until then."""
    caller: str
    """Who asked, and for whom."""
    reason: str
    epoch: int
    """Reign of the writer that began it."""
    erased_at: datetime
    """When the last of it was forgotten."""


class EmptyErasure(Told):
    """The proof, of nothing: it keeps out what may be on its way from the subject's tokens."""

    erasure: ErasureDocument | None = None


class UnderWay(Told):
    """How far an erasure has come."""

    forgotten: int | None = None
    """Payments whose tokens are forgotten by now."""


class EarlierRuling(Told):
    """What was decided before."""

    review: ReviewDocument | None = None


class ReadyPaymentsDocument(probes.ReadyDocument):
    """A write has just gone through: the writer took it, and the barrier opened."""

    left_alone: dict[str, list[str]]
    """Sites of other services that are not asked for now."""


class UnreadyPaymentsDocument(probes.UnreadyDocument):
    """The same, when it has not."""

    left_alone: dict[str, list[str]] | None = None


def _refused() -> tuple[Refusal, ...]:
    told = ((describe_refusal(outcome), says) for outcome, says in REFUSALS.items())
    return tuple(Refusal(status=problem.status, kind=problem.kind, says=says) for problem, says in told)


def _unknown(noun: str) -> Refusal:
    return Refusal(status=404, kind=f"unknown-{noun}", says=f"there is no {noun} with this id")


FORBIDDEN = Refusal(status=403, kind="forbidden", says="the caller does not have the scope of this operation")
KEPT = ("Served-By",)

MAKE = Described(
    summary="Make a payment, once",
    says="The same key with the same body is answered with what became of the first request. A payment that looks unusual for its debtor"
    " may be held for a person; its id stays, and the same request or its address tell what became of it.",
    tag="payments",
    answers={
        201: Answer(
            says="The payment is made, and durable in two clouds.",
            body=PaymentDocument,
            headers=("Location", *KEPT),
            perhaps=("Idempotent-Replayed",),
            example=MADE,
            links={"read_payment": {"id": "$response.body#/id"}, "read_account": {"id": "$response.body#/debtor"}},
        ),
        202: Answer(
            says="The payment is held, durably: no money moved, and a person decides.",
            body=PaymentDocument,
            headers=("Location", *KEPT),
            perhaps=("Idempotent-Replayed",),
            example={**MADE, "status": "held"},
            links={"read_payment": {"id": "$response.body#/id"}, "read_review": {"id": "$response.body#/id"}},
        ),
    },
    refusals=(
        *_refused(),
        Refusal(status=503, kind="vault-out-of-reach", says="nobody can tell of the source at present; nothing happened"),
        *DURABLE,
    ),
    parameters={"Idempotency-Key": "order-2026-0001"},
    bodies={"12.50 euros": ORDER, "from a card": {**ORDER, "source": TOKEN}},
)

READ_PAYMENT = Described(
    summary="Look at a payment",
    tag="payments",
    answers={200: Answer(says="The payment, made or held.", body=PaymentDocument, headers=KEPT, example=MADE)},
    refusals=(_unknown("payment"), *DURABLE),
    parameters={"id": PAYMENT},
)

READ_ACCOUNT = Described(
    summary="Look at an account",
    tag="payments",
    answers={
        200: Answer(
            says="The account.",
            body=AccountDocument,
            headers=KEPT,
            example={"id": str(ACCOUNT), "currency": "EUR", "balance": 998750, "overdraft_allowed": False},
        )
    },
    refusals=(_unknown("account"), *DURABLE),
    parameters={"id": str(ACCOUNT)},
)

LIST_REVIEWS = Described(
    summary="List what waits for a person",
    tag="reviews",
    answers={200: Answer(says="One page.", body=ReviewsDocument, headers=KEPT, example={"reviews": [REVIEW]})},
    refusals=(FORBIDDEN, *DURABLE),
)

READ_REVIEW = Described(
    summary="Look at one held payment",
    tag="reviews",
    answers={200: Answer(says="The payment, and why it is held.", body=ReviewDocument, headers=KEPT, example=REVIEW)},
    refusals=(FORBIDDEN, _unknown("review"), *DURABLE),
    parameters={"id": PAYMENT},
)

DECIDE = Described(
    summary="Approve or reject a held payment, for ever",
    says="An approval makes the payment in the same transaction. One that cannot be made any more, because the money is gone, is refused"
    " as any payment would be, and stays held.",
    tag="reviews",
    answers={
        200: Answer(
            says="It is decided, durably.",
            body=ReviewDocument,
            headers=KEPT,
            perhaps=("Idempotent-Replayed",),
            example=DECIDED,
        )
    },
    refusals=(
        FORBIDDEN,
        _unknown("review"),
        Refusal(
            status=409,
            kind="already-decided",
            says="it was decided the other way before; `review` says by whom",
            members=EarlierRuling,
        ),
        *_refused(),
        *DURABLE,
    ),
    parameters={"id": PAYMENT},
    bodies={"approval": {"verdict": "approve", "reason": "called the account's owner"}},
)

FORGET = Described(
    summary="Forget somebody",
    says="Forgets which tokens were the subject's and what was learnt of the accounts that they paid from, and turns down what waits for a"
    " person; payments and accounts stay, as the law wants. Nobody pays from these tokens any more. Again answers the same proof. The"
    " vault is asked for itself. What a request has no time for is left to the next one: whoever is told `erasure-under-way` asks again.",
    tag="erasures",
    answers={
        200: Answer(
            says="It is done, and on record in two clouds.",
            body=ErasureDocument,
            headers=KEPT,
            perhaps=("Idempotent-Replayed",),
            example=ERASURE,
        )
    },
    refusals=(
        Refusal(
            status=404,
            kind="unknown-subject",
            says="nothing was ever held here of this subject, and nothing will be",
            members=EmptyErasure,
        ),
        Refusal(
            status=503,
            kind="erasure-under-way",
            says="it has begun, durably, and nobody pays from the subject's tokens any more; some is left to forget: repeat the request",
            members=UnderWay,
        ),
        *DURABLE,
    ),
    parameters={"id": str(SUBJECT)},
    bodies={"request": {"reason": "customer request", "by": "Jo Doe"}},
)

DESCRIPTIONS: Descriptions = {
    ("POST", "/v1/payments"): MAKE,
    ("GET", "/v1/payments/{id}"): READ_PAYMENT,
    ("GET", "/v1/accounts/{id}"): READ_ACCOUNT,
    ("GET", "/v1/reviews"): LIST_REVIEWS,
    ("GET", "/v1/reviews/{id}"): READ_REVIEW,
    ("POST", "/v1/reviews/{id}"): DECIDE,
    ("DELETE", "/v1/subjects/{id}"): FORGET,
    **probes.durable(ReadyPaymentsDocument, UnreadyPaymentsDocument),
}
