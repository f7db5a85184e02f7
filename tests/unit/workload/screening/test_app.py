"""The screening service over HTTP: a question in, a score out, the same for the same question."""

from typing import Any

import pytest

from detection.score import Limits
from tests.unit.workload.asgi import ask
from workload.screening.app import build

pytestmark = pytest.mark.asyncio

ORDER = {
    "debtor": "00000000-0000-7000-8000-000000000001",
    "creditor": "00000000-0000-7000-8000-000000000002",
    "amount": 41_000,
    "currency": "EUR",
}
LEVEL = {"median": 6.907755278982137, "spread": 0.3}
"""ln 1000: ten euros."""
PROFILE = {"weight": 64.0, "amount": LEVEL, "pace": {"median": 0.0, "spread": 0.1}, "recent": 1.0, "idle": 86400.0}


class Desk:
    """The application, and what it counted."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.counted: list[str] = []
        self.app = build(limits or Limits(), site="aws", metrics=lambda: b"numbers 1\n", counted=self.counted.append)


async def test_an_unusual_order_is_scored_with_reasons() -> None:
    """Held, why, by whom; counted once."""
    desk = Desk()
    answer = await ask(desk.app, "POST", "/v1/scores", {"order": ORDER, "profile": PROFILE})
    assert answer.status == 200 and answer.headers["served-by"] == "aws"
    assert answer.body["advice"] == "hold" and answer.body["score"] > 6
    assert answer.body["reasons"] == ["amount 410.00 is 41 times the median of this account"]
    assert desk.counted == ["hold"]


async def test_thresholds_are_the_settings() -> None:
    """The same question passes where more is allowed."""
    answer = await ask(Desk(Limits(hold_at=50.0)).app, "POST", "/v1/scores", {"order": ORDER, "profile": PROFILE})
    assert answer.body["advice"] == "pass" and answer.body["reasons"]


async def test_an_account_without_a_profile_passes_and_that_is_said() -> None:
    """Nothing is unusual where nothing is known."""
    answer = await ask(Desk().app, "POST", "/v1/scores", {"order": ORDER})
    assert (answer.status, answer.body["advice"], answer.body["score"]) == (200, "pass", 0)
    assert "are needed to judge" in answer.body["reasons"][0]


@pytest.mark.parametrize(
    "change",
    [
        {"order": {**ORDER, "amount": 0}},
        {"order": {**ORDER, "amount": "12"}},
        {"order": {**ORDER, "currency": "eur"}},
        {"order": {**ORDER, "card": "x"}},
        {"profile": {**PROFILE, "recent": -1}},
        {"profile": {**PROFILE, "weight": 1e9}},
        {"profile": {**PROFILE, "amount": {"median": 1e300, "spread": 0.3}}},
        {"profile": {**PROFILE, "amount": {"median": 1.0, "spread": 0.0}}},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    """422 as a problem document, before the detector sees a number that it would stumble over."""
    answer = await ask(Desk().app, "POST", "/v1/scores", {"order": ORDER, "profile": PROFILE, **change})
    assert (answer.status, answer.body["type"]) == (422, "urn:trimaran:problem:invalid-content")


async def test_it_is_ready_when_it_lives() -> None:
    """It needs nobody."""
    app = Desk().app
    assert (await ask(app, "GET", "/healthz")).status == 200
    assert (await ask(app, "GET", "/readyz")).body == {"ready": True, "site": "aws"}
    assert "numbers" in (await ask(app, "GET", "/metrics")).body


async def test_the_contract_is_published() -> None:
    """What may be asked and what is answered, as OpenAPI."""
    document = (await ask(Desk().app, "GET", "/openapi.json")).body
    assert set(document["paths"]) == {"/v1/scores", "/healthz", "/readyz", "/metrics"}
    score = document["components"]["schemas"]["ScoreBody"]["properties"]
    assert set(score) == {"score", "reasons", "advice"}
