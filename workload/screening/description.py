"""What screening answers, for its OpenAPI document. Every id and amount in an example is made up."""

from typing import Literal
from uuid import UUID

from workload.openapi import probes
from workload.openapi.answer import Answer, Described, Descriptions, Told

SAYS = """Says how unusual a payment is for its debtor. It keeps nothing: whoever asks sends the debtor's habits along, and the same
question is always answered the same."""

TAGS = {"scores": "Judging orders.", **probes.TAGS}

LEVEL = {"median": 6.907755278982137, "spread": 0.3}
QUESTION = {
    "order": {"debtor": str(UUID(int=1)), "creditor": str(UUID(int=2)), "amount": 41000, "currency": "EUR"},
    "profile": {"weight": 64.0, "amount": LEVEL, "pace": {"median": 0.0, "spread": 0.1}, "recent": 1.0, "idle": 86400.0},
}
STRANGER = {"order": QUESTION["order"]}


class ScoreDocument(Told):
    """How unusual the payment is for its debtor."""

    score: float
    """Robust standard deviations above what is usual; 0 when there is nothing notable."""
    reasons: list[str]
    """In words, the weightiest first; also why an account is not judged."""
    advice: Literal["pass", "hold"]


class ReadyToScore(Told):
    """It needs nobody: alive is ready."""

    ready: Literal[True]
    site: str


SCORE = Described(
    summary="Judge one order",
    tag="scores",
    answers={
        200: Answer(
            says="The judgement.",
            body=ScoreDocument,
            headers=("Served-By",),
            example={"score": 8.3, "reasons": ["amount 410.00 is 41 times the median of this account"], "advice": "hold"},
        )
    },
    bodies={"much more than usual": QUESTION, "a debtor that never paid": STRANGER},
)

READY = Described(summary="Can scores be asked?", tag="probes", answers={200: Answer(says="They can.", body=ReadyToScore)})

DESCRIPTIONS: Descriptions = {
    ("POST", "/v1/scores"): SCORE,
    ("GET", "/healthz"): probes.LIVES,
    ("GET", "/readyz"): READY,
    ("GET", "/metrics"): probes.METRICS,
}
