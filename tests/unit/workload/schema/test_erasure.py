"""An erasure: one order to every service, and what their answers mean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from workload.schema.erasure import LONGEST_PAUSE, PAUSE, Answer, Eraser, HttpEraser, Order, Outcome, erase, read_order
from workload.schema.errors import Refused

SUBJECT = "0b9d6a44-53f9-4c1f-9d5e-0f6f5b1a7c11"
ORDER = read_order(SUBJECT, "request of the subject", "kim")
DEADLINE, SHORT = timedelta(seconds=2), timedelta(seconds=0.2)


@asynccontextmanager
async def service(
    *answers: web.Response, asked: list[dict[str, object]] | None = None, paused: list[float] | None = None
) -> AsyncIterator[HttpEraser]:
    """A service that gives these answers in turn, and then none. `paused`: seconds between its being asked, which pass at once."""
    left, over = list(answers), asyncio.Event()

    async def forget(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append({"path": request.path, "token": request.headers["Authorization"], **(await request.json())})
        if not left:
            await over.wait()
        return left.pop(0) if left else web.Response()

    async def pause(seconds: float) -> None:
        if paused is not None:
            paused.append(seconds)

    app = web.Application()
    app.router.add_delete("/v1/subjects/{subject}", forget)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession() as http:
            yield HttpEraser(service="vault", url=f"http://{host}:{port}/", token="t0ken", http=http, pause=pause)
    finally:
        over.set()
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
        assert (await vault.erase(ORDER, SHORT)).outcome is outcome


BEGUN = {
    "type": "urn:trimaran:problem:erasure-under-way",
    "detail": "the tokens of 200 payments are forgotten, and some are left",
}


async def test_a_service_that_has_begun_is_asked_until_it_has_ended() -> None:
    """It does as much as a request has time for; the order is one, and so is the proof."""
    asked: list[dict[str, object]] = []
    answers = (web.json_response(BEGUN, status=503), web.json_response(BEGUN, status=503), web.json_response({"proof": "ab12"}))
    async with service(*answers, asked=asked) as payments:
        answer = await payments.erase(ORDER, DEADLINE)
    assert answer.outcome is Outcome.ERASED and len(asked) == 3 and asked[0] == asked[2]


async def test_one_that_does_not_end_in_time_is_unfinished_and_says_how_far_it_is() -> None:
    """Neither erased nor unanswered: the person is told that it has begun, and the operator that it is to be asked for again."""
    async with service(*(web.json_response(BEGUN, status=503) for _ in range(20))) as payments:
        answer = await payments.erase(ORDER, SHORT)
    assert (answer.outcome, answer.detail) == (Outcome.UNFINISHED, BEGUN["detail"])


def turned_away(status: int, retry_after: str | None = "2") -> web.Response:
    """At present nothing can be done."""
    headers = None if retry_after is None else {"Retry-After": retry_after}
    return web.json_response({"type": "urn:trimaran:problem:accounts-busy", "detail": "held"}, status=status, headers=headers)


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
@pytest.mark.parametrize("begun", [0, 1])
async def test_who_is_busy_for_a_moment_is_asked_again(begun: int, status: int) -> None:
    """Before it has begun or between two steps, each of which competes with everybody's payments: the order is one, and so is the
    operator's command."""
    paused: list[float] = []
    answers = (
        *(web.json_response(BEGUN, status=503) for _ in range(begun)),
        turned_away(status),
        turned_away(status),
        web.json_response({"proof": "ab12"}),
    )
    async with service(*answers, paused=paused) as payments:
        assert (await payments.erase(ORDER, DEADLINE)).outcome is Outcome.ERASED
    assert paused == [PAUSE] * begun + [2.0, 2.0]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [("3", 3.0), ("86400", LONGEST_PAUSE), ("0", PAUSE), (None, PAUSE), ("-1", PAUSE), ("Wed, 21 Oct 2026 07:28:00 GMT", PAUSE)],
)
async def test_it_comes_back_when_it_is_told_to_within_bounds(retry_after: str | None, wait: float) -> None:
    """Neither at once, a thousand times a second, nor tomorrow."""
    paused: list[float] = []
    async with service(turned_away(503, retry_after), web.json_response({"proof": "ab12"}), paused=paused) as payments:
        assert (await payments.erase(ORDER, DEADLINE)).outcome is Outcome.ERASED
    assert paused == [wait]


@pytest.mark.parametrize("last", [turned_away(503), turned_away(429), web.json_response({"detail": "a defect"}, status=500)])
async def test_one_that_has_begun_stays_begun_whatever_is_heard_last(last: web.Response) -> None:
    """Told that payments has not answered, nobody would know that the person pays no more, and that it is to be brought to its end."""
    async with service(web.json_response(BEGUN, status=503), last) as payments:
        answer = await payments.erase(ORDER, SHORT)
    assert (answer.outcome, answer.detail) == (Outcome.UNFINISHED, BEGUN["detail"])


async def test_one_that_is_busy_to_the_end_has_not_answered_and_says_why() -> None:
    """Held accounts are another trouble than silence."""
    async with service(turned_away(503), turned_away(503)) as payments:
        answer = await payments.erase(ORDER, SHORT)
    assert (answer.outcome, answer.detail) == (Outcome.UNANSWERED, "503: held")


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
