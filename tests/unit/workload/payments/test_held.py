"""Held payments over HTTP: what a payer is told, and what a reviewer is told, and by whom neither may be asked."""

from typing import Any

import pytest

from tests.unit.workload.asgi import Answer, ask
from tests.unit.workload.payments.desk import (
    AT,
    BODY,
    CREDITOR,
    DEBTOR,
    HOLD,
    ID,
    PASS,
    Desk,
    Reviewer,
    decided,
    held,
    read,
    reviewed,
    ruled,
)

pytestmark = pytest.mark.asyncio

KEY = {"Idempotency-Key": "k"}
PROBLEM = "urn:trimaran:problem:"
APPROVE = {"verdict": "approve", "reason": "called her"}


async def pay(desk: Desk) -> Answer:
    """The payer's request."""
    return await ask(desk.app, "POST", "/v1/payments", BODY, KEY)


async def test_a_held_payment_is_202_and_waits_for_the_barrier() -> None:
    """Its id and its place are told; why it is held is not: whoever tries stolen accounts would learn how to be unseen."""
    desk = Desk(decided("held"), advice=HOLD)
    answer = await pay(desk)
    assert (answer.status, answer.body["status"], answer.body["id"]) == (202, "held", str(ID))
    assert answer.headers["location"] == f"/v1/payments/{ID}" and "idempotent-replayed" not in answer.headers
    assert "times the median" not in str(answer.body)
    (evidence,) = desk.confirmed
    assert evidence.row is None, "no follower's copy of ledger.payment proves a held one"


@pytest.mark.parametrize(
    ("outcome", "status", "said"), [("replayed", 201, "completed"), ("still_held", 202, "held"), ("rejected", 422, None)]
)
@pytest.mark.parametrize("advice", [HOLD, PASS])
async def test_a_repeated_key_is_answered_with_what_became_of_it(
    outcome: str, status: int, said: str | None, advice: Any
) -> None:
    """Whatever screening says of it by now."""
    answer = await pay(Desk(decided(outcome), advice=advice))
    assert (answer.status, answer.body["status"] if said else None) == (status, said)
    if said:
        assert answer.headers["idempotent-replayed"] == "true"
    else:
        assert answer.body["type"] == f"{PROBLEM}rejected"


async def test_without_screening_nothing_is_held() -> None:
    """And nobody is asked."""
    answer = await pay(Desk(decided("created")))
    assert (answer.status, answer.body["status"]) == (201, "completed")


@pytest.mark.parametrize("state", ["held", "rejected", "completed"])
async def test_a_payment_is_read_in_its_present_state(state: str) -> None:
    """Under the same id before and after."""
    desk = Desk(read(ID, DEBTOR, CREDITOR, 31200, "EUR", 3, AT, state))
    answer = await ask(desk.app, "GET", f"/v1/payments/{ID}")
    assert (answer.status, answer.body["status"]) == (200, state)


async def test_the_queue_shows_what_waits_and_why_but_no_key() -> None:
    """Whoever knows a key can repeat it and learns what became of it."""
    desk = Desk(read([held()]), reviewer=Reviewer())
    answer = await ask(desk.app, "GET", f"/v1/reviews?limit=10&after={ID}")
    (review,) = answer.body["reviews"]
    assert (review["status"], review["score"], review["reasons"], review["decided"]) == ("held", 7.0, list(HOLD.reasons), None)
    assert "idempotency_key" not in str(answer.body) and "'k'" not in str(answer.body)
    assert len(desk.confirmed) == 1, "reviewers see durable things too"


@pytest.mark.parametrize(
    ("outcome", "row", "status", "kind"),
    [
        ("approved", ruled("approved"), 200, None),
        ("repeated", ruled("approved"), 200, None),
        ("already_rejected", ruled("rejected"), 409, "already-decided"),
        ("insufficient_funds", held(), 422, "insufficient-funds"),
        ("unknown", None, 404, "unknown-review"),
    ],
)
async def test_a_reviewers_word(outcome: str, row: dict[str, object] | None, status: int, kind: str | None) -> None:
    """Carried out once; a second word hears of the first; what cannot be paid stays held and says why."""
    answer = await ask(Desk(reviewed(outcome, row), reviewer=Reviewer()).app, "POST", f"/v1/reviews/{ID}", APPROVE)
    assert answer.status == status
    if kind:
        assert answer.body["type"] == PROBLEM + kind
    else:
        assert answer.body["decided"] == {"by": "maria", "reason": "called her", "at": "2026-01-02T04:00:00+00:00", "epoch": 4}
        assert ("idempotent-replayed" in answer.headers) == (outcome == "repeated")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/reviews"), ("GET", f"/v1/reviews/{ID}"), ("POST", f"/v1/reviews/{ID}")]
)
async def test_without_the_scope_nothing_is_asked(method: str, path: str) -> None:
    """403 before the ledger hears of it; with the scope it does."""
    desk = Desk(reviewed("approved", ruled("approved")), reviewer=Reviewer(scopes=frozenset({"payments:write"})))
    answer = await ask(desk.app, method, path, APPROVE if method == "POST" else None)
    assert (answer.status, answer.body["type"], desk.asked) == (403, f"{PROBLEM}forbidden", 0)


async def test_without_callers_there_is_no_queue() -> None:
    """A service that cannot tell who asks lets nobody review."""
    assert (await ask(Desk(None).app, "GET", "/v1/reviews")).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {**APPROVE, "reason": ""},
        {**APPROVE, "reason": " \n "},
        {**APPROVE, "reason": "a\x00b"},
        {**APPROVE, "verdict": "hold"},
        {"verdict": "reject"},
    ],
)
async def test_a_word_without_a_reason_is_none(body: dict[str, str]) -> None:
    """It is kept for ever, for whoever asks why."""
    desk = Desk(reviewed("approved", ruled("approved")), reviewer=Reviewer())
    assert (await ask(desk.app, "POST", f"/v1/reviews/{ID}", body)).status == 422
    assert desk.asked == 0


@pytest.mark.parametrize(
    "number",
    [
        "4111 1111 1111 1111",
        "4111111111111111",
        "4111\n1111\n1111\n1111",
        "4111 - 1111 - 1111 - 1111",
        "4111,1111,1111,1111",
        "4111\u20091111\u20091111\u20091111",
        "4111111111111111001",
        "GB82 WEST 1234 5698 7654 32",
    ],
)
async def test_a_reviewer_who_pastes_a_number_is_refused(number: str) -> None:
    """It would be kept for ever beside the payment, where nothing is sealed; and the refusal does not repeat it."""
    desk = Desk(reviewed("approved", ruled("approved")), reviewer=Reviewer())
    answer = await ask(desk.app, "POST", f"/v1/reviews/{ID}", {**APPROVE, "reason": f"he read {number} to me"})
    assert answer.status == 422
    assert number not in repr(answer.body)
    assert desk.asked == 0
