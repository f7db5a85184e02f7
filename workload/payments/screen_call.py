"""Screening over HTTP. Only what can be read as advice is advice: any other answer means that nobody screened."""

from datetime import timedelta
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workload.calls.answer import Answered, Question, Unavailable
from workload.payments.model import Order
from workload.payments.screen import Absent, Advice, Habits

PATH = "/v1/scores"
EARLIER = timedelta(milliseconds=3)
"""A call ends so long before whoever asks for it gives up. Were it given up, nobody would hold its silence against the instance that was
asked, and every payment would wait for the same one again."""


class Calls(Protocol):
    """Asks the screening service, by mutual TLS, within the deadline that the question names."""

    async def ask(self, question: Question) -> Answered | Unavailable:
        """Does not raise."""


class Scored(BaseModel):
    """An answer of `POST /v1/scores`, as far as it is used here."""

    model_config = ConfigDict(extra="ignore", strict=True)

    score: Annotated[float, Field(allow_inf_nan=False)]
    """Kept, and shown to reviewers as JSON, which has no other numbers."""
    reasons: list[str]
    advice: str


class CalledScreen:
    """A Screen that is asked over the network. Any of its sites may answer: it keeps nothing."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def advice(self, order: Order, habits: Habits | None, deadline: timedelta) -> Advice | Absent:
        """See `Screen`."""
        within, content = deadline - EARLIER, asked(order, habits)
        question = Question(method="POST", path=PATH, content=content, within=within, idempotent=True, elsewhere=True)
        answer = await self._calls.ask(question)
        if isinstance(answer, Unavailable):
            return Absent(why=f"{answer.reason}: {answer.detail}")
        if answer.status != 200:
            return Absent(why=f"HTTP {answer.status}")
        try:
            scored = Scored.model_validate_json(answer.body)
        except ValidationError as error:
            return Absent(why=f"an answer that cannot be read: {error.error_count()} of its values")
        if scored.advice not in ("pass", "hold"):
            return Absent(why="advice that is neither pass nor hold")
        return Advice(hold=scored.advice == "hold", score=scored.score, reasons=tuple(scored.reasons))


def asked(order: Order, habits: Habits | None) -> dict[str, object]:
    """The body of the question: nothing by which a person could be told, but the accounts' ids. The key stays here."""
    profile = habits and {
        "weight": habits.profile.weight,
        "amount": {"median": habits.profile.amount.median, "spread": habits.profile.amount.spread},
        "pace": {"median": habits.profile.pace.median, "spread": habits.profile.pace.spread},
        "recent": habits.profile.recent,
        "idle": habits.idle,
    }
    return {
        "order": {
            "debtor": str(order.debtor),
            "creditor": str(order.creditor),
            "amount": order.amount,
            "currency": order.currency,
        },
        "profile": profile,
    }
