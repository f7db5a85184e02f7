"""The payments application over a writer whose answers a test decides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from workload.durable.answers import Answers
from workload.durable.evidence import Evidence
from workload.durable.finder import Writer
from workload.durable.settings import Tuning
from workload.payments import app as http
from workload.payments.metrics import Metrics
from workload.payments.model import Order
from workload.payments.screen import Advice
from workload.payments.service import Payments

ID, NEW = UUID(int=7), UUID(int=9)
DEBTOR, CREDITOR = UUID(int=1), UUID(int=2)
AT = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
ORDER = Order(key="k", debtor=DEBTOR, creditor=CREDITOR, amount=31200, currency="EUR")
BODY = {"amount": 31200, "debtor": str(DEBTOR), "creditor": str(CREDITOR), "currency": "EUR"}
REIGN = (3, 11, 1)
HOLD = Advice(hold=True, score=7.25, reasons=("amount 312.00 is 41 times the median of this account",))
PASS = Advice(hold=False, score=0.0, reasons=())


def decided(outcome: str, id: UUID | None = ID) -> Any:
    """What `ledger.pay` or `ledger.hold` answers, and the flush position after it."""
    return (outcome, id, 3, AT, *REIGN), "COMMIT", ("0/10", ["slot"])


def held(**changes: object) -> dict[str, object]:
    """A row of `ledger.held` as PostgreSQL writes it."""
    return {
        "id": str(ID),
        "idempotency_key": "k",
        "debtor": str(DEBTOR),
        "creditor": str(CREDITOR),
        "amount": 31200,
        "currency": "EUR",
        "score": 7,
        "reasons": list(HOLD.reasons),
        "epoch": 3,
        "created_at": "2026-01-02T03:04:05.6789+00:00",
        "state": "held",
        "decided_by": None,
        "decided_because": None,
        "decided_at": None,
        "decided_epoch": None,
        **changes,
    }


def ruled(state: str) -> dict[str, object]:
    """The same, decided."""
    at = "2026-01-02T04:00:00+00:00"
    return held(state=state, decided_by="maria", decided_because="called her", decided_at=at, decided_epoch=4)


def reviewed(outcome: str, row: dict[str, object] | None) -> Any:
    """What `ledger.review` answers, and the flush position after it."""
    return (outcome, row, *REIGN), "COMMIT", ("0/10", ["slot"])


def read(*columns: object) -> Any:
    """What a query of the writer answers."""
    return (*REIGN, "0/10", *columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Who asks."""

    subject: str = "maria"
    scopes: frozenset[str] = frozenset({"payments:review"})


class Desk:
    """Compass, sessions, barrier and screen in one, with the application over them."""

    def __init__(self, answer: Any, *, advice: Advice | None = None, reviewer: Reviewer | None = None) -> None:
        self.writer = Writer(site="azure", epoch=3)
        self.answer = answer
        self.advised = advice
        self.confirmed: list[Evidence] = []
        self.asked = 0
        metrics = Metrics()
        self.answers = Answers(
            compass=self,
            sessions={"azure": self},  # type: ignore[dict-item]
            durability=self,
            tuning=Tuning(),
            meter=metrics,
            monotonic=lambda: 0.0,
        )
        self.payments = Payments(
            answers=self.answers, metrics=metrics, new_id=lambda: NEW, screening=None if advice is None else self
        )
        self.app: FastAPI = http.build(
            self.payments,
            self.answers,
            site="aws",
            metrics=metrics.render,
            situation=dict,
            identify=None if reviewer is None else lambda request: reviewer,
        )

    async def advice(self, order: Order) -> Advice:
        """The screen."""
        assert self.advised is not None
        return self.advised

    @asynccontextmanager
    async def borrow(self, patience: object) -> AsyncIterator["Desk"]:
        """The sessions."""
        yield self

    async def run(self, work: object, deadline: object) -> Any:
        """The session."""
        self.asked += 1
        return self.answer

    async def confirm(self, evidence: Evidence, deadline: object) -> None:
        """The barrier."""
        self.confirmed.append(evidence)
