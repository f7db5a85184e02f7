"""Forgetting step by step: how far one request goes, and what its client may believe when it goes no further."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from tests.unit.workload.asgi import Answer, ask
from tests.unit.workload.payments.desk import ID, REIGN, Desk, Reviewer
from workload.calls.deadline import Deadlines
from workload.durable.errors import Busy, NoWriter, OutcomeUnknown, Rejected, Unanswered
from workload.payments.forgetting import SLICE

pytestmark = pytest.mark.asyncio

SUBJECT = UUID(int=6)
PROBLEM = "urn:trimaran:problem:"
PROOF = {
    "id": str(ID),
    "subject_digest": "\\xab",
    "accounts": 1,
    "profiles": 1,
    "caller": "desk",
    "reason": "request of the subject",
    "epoch": 3,
    "at": "2026-01-02T04:00:00+00:00",
}


def step(outcome: str, sources: int, ended_at: str | None = None) -> Any:
    """What `ledger.forget_subject` answers."""
    return (outcome, {**PROOF, "sources": sources, "ended_at": ended_at}, *REIGN), "COMMIT", ("0/10", ["slot"])


ENDED = step("erased", 450, "2026-01-02T04:00:01+00:00")


class Steps(Desk):
    """A desk whose writer answers one thing after the other, each after a while."""

    def __init__(self, *answers: Any, seconds: float = 0.05) -> None:
        super().__init__(answers[0], reviewer=Reviewer(subject="desk"))
        self.left, self.seconds, self.now = list(answers), seconds, 0.0
        self.mosts: list[int] = []
        self.answers._monotonic = lambda: self.now

    async def run(self, work: Any, deadline: object) -> Any:
        """The session."""
        self.asked += 1
        self.now += self.seconds
        self.mosts.append(await _most(work))
        answer = self.left.pop(0)
        if isinstance(answer, Unanswered):
            raise answer
        return answer


class Listening:
    """A connection that only hears what it is asked."""

    def __init__(self) -> None:
        self.most = 0

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[None]:
        """Nothing."""
        yield

    async def execute(self, text: str, values: Sequence[Any] | None = None, **options: object) -> "Listening":
        """Remember."""
        if values is not None:
            self.most = values[-1]
        return self

    @property
    def statusmessage(self) -> str:
        """Of each."""
        return "COMMIT"

    async def fetchone(self) -> None:
        """Nothing."""


async def _most(work: Any) -> int:
    listening = Listening()
    await work(listening)
    return listening.most


async def forget(desk: Desk) -> Answer:
    """The officer's request."""
    return await ask(desk.app, "DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "request of the subject"})


async def test_a_request_goes_on_until_it_is_complete_and_every_step_is_durable() -> None:
    """One proof at the end; each step has passed the barrier before the next."""
    desk = Steps(*(step("begun", number) for number in (0, 8, 72, 272)), ENDED)
    answer = await forget(desk)
    assert (answer.status, answer.body["sources"], answer.body["erased_at"]) == (200, 450, "2026-01-02T04:00:01+00:00")
    assert (desk.asked, len(desk.confirmed), desk.mosts) == (5, 5, [1, 8, 64, SLICE, SLICE])
    assert "payers" not in str(answer.body)


async def test_what_does_not_fit_into_a_request_is_told_as_not_complete() -> None:
    """503 with when to come back and how far it is; no proof is told. Nothing is begun that would come too late."""
    desk = Steps(*(step("begun", 200 * number) for number in range(99)), seconds=0.2)
    answer = await forget(desk)
    assert (answer.status, answer.body["type"], answer.body["outcome"]) == (503, f"{PROBLEM}erasure-under-way", "unknown")
    assert (answer.body["forgotten"], desk.asked) == (200 * (desk.asked - 1), 4)
    assert answer.headers["retry-after"] in ("1", "2") and "proof" not in answer.body


async def test_a_step_that_took_too_long_is_asked_for_again_and_smaller() -> None:
    """On slow disks the same step would end at the same deadline; so would another one as large in the same request."""
    desk = Steps(step("begun", 0), step("begun", 8), Busy("57014"), step("begun", 16), ENDED)
    assert (await forget(desk)).status == 200
    assert desk.mosts == [1, 8, 64, 8, 8]


class Slow(Desk):
    """A writer whose statements have time for so many payments, and for no more."""

    def __init__(self, *, fits: int, payments: int) -> None:
        super().__init__(None, reviewer=Reviewer(subject="desk"))
        self.fits, self.payments, self.is_marked, self.done, self.now = fits, payments, False, 0, 0.0
        self.answers._monotonic = lambda: self.now

    async def run(self, work: Any, deadline: object) -> Any:
        """The session: three quarters of the statement's deadline are the server's."""
        most = await _most(work)
        if self.is_marked and most > self.fits:
            self.now += 0.3
            raise Busy("57014")
        self.now += 0.02 + (0.28 * most / self.fits if self.is_marked else 0)
        self.done, self.is_marked = min(self.payments, self.done + (most if self.is_marked else 0)), True
        return ENDED if self.done == self.payments else step("begun", self.done)


@pytest.mark.parametrize("deadline", [None, 550], ids=["the longest", "a short one"])
@pytest.mark.parametrize("fits", [1, 3, 25, SLICE])
async def test_an_erasure_ends_if_one_payment_fits_into_a_statement(fits: int, deadline: int | None) -> None:
    """Every request that is made of it gets further, also by a process that has never heard of it. The person can neither pay nor be
    proven forgotten until then."""
    desk, done = Slow(fits=fits, payments=60), -1
    app = Deadlines(desk.app, monotonic=lambda: desk.now)
    headers = None if deadline is None else {"Deadline-Ms": str(deadline)}
    for _ in range(1 + desk.payments):
        answer = await ask(app, "DELETE", f"/v1/subjects/{SUBJECT}", {"reason": "request of the subject"}, headers)
        assert desk.done > done
        done = desk.done
        if answer.status == 200:
            break
    assert (answer.status, desk.done) == (200, 60)


@pytest.mark.parametrize("error", [NoWriter("gone"), OutcomeUnknown("lost"), Rejected("no")])
async def test_what_ends_a_request_that_has_begun_takes_nothing_back(error: Unanswered) -> None:
    """Told "nothing happened", an operator would believe that the person still pays."""
    answer = await forget(Steps(step("begun", 0), step("begun", 200), error))
    assert (answer.status, answer.body["type"], answer.body["forgotten"]) == (503, f"{PROBLEM}erasure-under-way", 200)


@pytest.mark.parametrize(
    ("error", "status", "kind"), [(NoWriter("gone"), 503, "no-writer"), (OutcomeUnknown("lost"), 503, "outcome-unknown")]
)
async def test_a_request_that_heard_of_nothing_says_what_it_met(error: Unanswered, status: int, kind: str) -> None:
    """Nobody is told that an erasure has begun of which no word is durable."""
    answer = await forget(Steps(error))
    assert (answer.status, answer.body["type"]) == (status, f"{PROBLEM}{kind}")


async def test_somebody_who_holds_the_accounts_is_waited_for_within_the_request() -> None:
    """And no longer: each of these waits ends at the statement's deadline."""
    desk = Steps(*(Busy("57014") for _ in range(9)), seconds=0.25)
    answer = await forget(desk)
    assert (answer.status, answer.body["type"], desk.asked) == (503, f"{PROBLEM}accounts-busy", 3)
