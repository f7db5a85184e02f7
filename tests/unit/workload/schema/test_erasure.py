"""An erasure: one order to every service, and what their answers mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from workload.schema.erasure import Answer, Eraser, HttpEraser, Order, Outcome, erase, read_order
from workload.schema.errors import Refused

SUBJECT = "0b9d6a44-53f9-4c1f-9d5e-0f6f5b1a7c11"
ORDER = read_order(SUBJECT, "request of the subject", "kim")
DEADLINE = timedelta(seconds=2)


@asynccontextmanager
async def service(*answers: web.Response, asked: list[dict[str, object]] | None = None) -> AsyncIterator[HttpEraser]:
    """A service that gives these answers in turn."""
    left = list(answers)

    async def forget(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append({"path": request.path, "token": request.headers["Authorization"], **(await request.json())})
        return left.pop(0)

    app = web.Application()
    app.router.add_delete("/v1/subjects/{subject}", forget)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as http:
            yield HttpEraser(service="vault", url=f"http://{host}:{port}/", token="t0ken", http=http)
    finally:
        await runner.cleanup()


async def test_the_order_says_who_and_why_and_bears_the_token() -> None:
    """All that the service needs for its proof."""
    asked: list[dict[str, object]] = []
    proof = {"proof": "ab12", "erased_at": "2026-01-01T00:00:00+00:00"}
    async with service(web.json_response(proof), asked=asked) as vault:
        answer = await vault.erase(ORDER, DEADLINE)
    assert asked == [
        {"path": f"/v1/subjects/{SUBJECT}", "token": "Bearer t0ken", "reason": "request of the subject", "by": "kim"}
    ]
    assert answer == Answer(service="vault", outcome=Outcome.ERASED, proof=proof)


MISSING = {"type": "urn:trimaran:problem:unknown-subject", "detail": "nothing of it was ever held"}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (web.json_response(MISSING, status=404), Outcome.UNKNOWN_SUBJECT),
        (web.json_response({"detail": "Not Found"}, status=404), Outcome.REFUSED),
        (web.json_response({"detail": "no scope"}, status=403), Outcome.REFUSED),
        (web.json_response({"detail": "too many"}, status=429), Outcome.UNANSWERED),
        (web.json_response({"detail": "outcome unknown"}, status=503), Outcome.UNANSWERED),
        (web.json_response({"erased": True}), Outcome.UNANSWERED),
        (web.json_response(["proof"]), Outcome.UNANSWERED),
        (web.Response(text="<html>", content_type="text/html"), Outcome.UNANSWERED),
        (web.Response(status=302, headers={"Location": "/elsewhere"}), Outcome.UNANSWERED),
    ],
    ids=["never held", "no such path", "not allowed", "busy", "unknown", "no proof", "no object", "no document", "elsewhere"],
)
async def test_nothing_but_a_proof_counts_as_erased(answer: web.Response, outcome: Outcome) -> None:
    """A person would be told that their data are gone."""
    async with service(answer) as vault:
        assert (await vault.erase(ORDER, DEADLINE)).outcome is outcome


async def test_silence_is_no_answer() -> None:
    """Neither a refused connection nor one that hangs says what became of the order."""
    async with aiohttp.ClientSession() as http:
        gone = HttpEraser(service="vault", url="http://127.0.0.1:1", token="t", http=http)
        assert (await gone.erase(ORDER, DEADLINE)).outcome is Outcome.UNANSWERED


class Held:
    """A service that answers at once."""

    def __init__(self, service: str, outcome: Outcome) -> None:
        self.service, self._outcome = service, outcome
        self.asked: list[Order] = []

    async def erase(self, order: Order, deadline: timedelta) -> Answer:
        """Answer."""
        self.asked.append(order)
        return Answer(service=self.service, outcome=self._outcome)


async def test_one_that_is_out_of_reach_keeps_no_other_from_erasing() -> None:
    """Both are asked, and both answers are told."""
    vault, payments = Held("vault", Outcome.UNANSWERED), Held("payments", Outcome.ERASED)
    erasers: tuple[Eraser, ...] = (vault, payments)
    answers = await erase(ORDER, erasers, DEADLINE)
    assert [answer.outcome for answer in answers] == [Outcome.UNANSWERED, Outcome.ERASED]
    assert vault.asked == payments.asked == [ORDER]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("Kim Example", "request of the subject"),
        ("4111111111111111", "request of the subject"),
        (SUBJECT, ""),
        (SUBJECT, "card 4111111111111111"),
        (SUBJECT, "ticket 17"),
        (SUBJECT, "x" * 300),
    ],
)
def test_an_order_holds_no_number_and_no_name(subject: str, reason: str) -> None:
    """What is in the reason stays in the proof for ever."""
    with pytest.raises(Refused) as refused:
        read_order(subject, reason, "kim")
    assert "4111111111111111" not in str(refused.value)
