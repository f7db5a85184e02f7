"""Screening may be gone, slow or mad: every payment has advice in time, and what nobody screened is counted."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.workload.payments.desk import HOLD, ORDER, PASS
from workload.calls.answer import Answered, Question, Reason, Unavailable
from workload.durable.errors import NoSession
from workload.payments.model import Order
from workload.payments.screen import Absent, Advice, Default, Habits, NearProfiles, Screening, ScreenMetrics, habits
from workload.payments.screen_call import EARLIER, CalledScreen

pytestmark = pytest.mark.asyncio

ROW = (64.0, 6.9, 0.3, 0.0, 0.1, 1.5, 86400.0)
SHORT = timedelta(milliseconds=300)


class Room:
    """Screen and profiles whose answers a test decides."""

    def __init__(self, said: Any, known: Any = None) -> None:
        self.said, self.known = said, known
        self.given: Habits | None = None

    async def advice(self, order: Order, habits: Habits | None, deadline: timedelta) -> Advice | Absent:
        self.given = habits
        return await _become(self.said)

    async def of(self, account: UUID, deadline: timedelta) -> Habits | Absent | None:
        assert account == ORDER.debtor, "the habits are those of who pays"
        return await _become(self.known)


async def _become(said: Any) -> Any:
    if isinstance(said, Exception):
        raise said
    return await said() if callable(said) else said


async def for_ever() -> None:
    """Says nothing."""
    await asyncio.Event().wait()


def screening(room: Room, default: Default = Default.PASS) -> tuple[Screening, Callable[[], str]]:
    """Screening over that room, and what was counted."""
    registry = CollectorRegistry()
    made = Screening(screen=room, profiles=room, meter=ScreenMetrics(registry), default=default, deadline=SHORT)
    return made, lambda: generate_latest(registry).decode()


@pytest.mark.parametrize(("said", "word"), [(HOLD, "hold"), (PASS, "pass")])
async def test_what_screening_says_is_done(said: Advice, word: str) -> None:
    """And counted under its own word."""
    known = habits(ROW)
    room = Room(said, known)
    made, counted = screening(room)
    assert await made.advice(ORDER) == said
    assert room.given == known
    assert f'payments_screened_total{{said="{word}"}} 1.0' in counted()


GONE = [
    (Absent(why="open"), None),
    (for_ever, None),
    (RuntimeError("a defect"), None),
    (HOLD, Absent(why="the profile was not read")),
    (HOLD, for_ever),
    (HOLD, RuntimeError("a defect")),
]


@pytest.mark.parametrize(("said", "known"), GONE)
@pytest.mark.parametrize("default", list(Default))
async def test_without_screening_the_default_holds_and_is_counted(said: Any, known: Any, default: Default) -> None:
    """Gone, silent or broken, screen or profile: within the deadline, with the reason."""
    made, counted = screening(Room(said, known), default)
    async with asyncio.timeout(5):
        advice = await made.advice(ORDER)
    assert advice.hold is (default is Default.HOLD)
    assert advice.reasons[0].startswith("not screened: ") and made.trouble
    assert 'payments_screened_total{said="absent"} 1.0' in counted()


async def test_an_account_that_never_paid_is_screened_too() -> None:
    """Without habits; that is for screening to judge."""
    room = Room(PASS, None)
    made, _ = screening(room)
    assert await made.advice(ORDER) == PASS and room.given is None


class Line:
    """A service that answers what a test decides."""

    def __init__(self, answer: Answered | Unavailable) -> None:
        self.answer = answer
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answered | Unavailable:
        self.asked.append(question)
        return self.answer


def answered(body: bytes, status: int = 200) -> Answered:
    """An answer of the screening service."""
    return Answered(status=status, body=body, headers={}, site="aws")


async def test_a_score_is_read_as_advice_and_the_key_is_not_sent() -> None:
    """The question holds the order and the habits; the key stays where it is."""
    line = Line(answered(b'{"score": 7.5, "reasons": ["much"], "advice": "hold", "later": 1}'))
    assert await CalledScreen(line).advice(ORDER, habits(ROW), SHORT) == Advice(hold=True, score=7.5, reasons=("much",))
    (question,) = line.asked
    assert (question.path, question.within, question.idempotent, question.elsewhere) == (
        "/v1/scores",
        SHORT - EARLIER,
        True,
        True,
    )
    assert question.content is not None and question.content["profile"]["idle"] == 86400.0
    assert "key" not in str(question.content)


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(reason=Reason.OPEN, detail="rests"),
        answered(b"{}"),
        answered(b"no json"),
        answered(b'{"score": 1.0, "reasons": [], "advice": "approve"}'),
        answered(b'{"score": "high", "reasons": [], "advice": "hold"}'),
        answered(b'{"score": NaN, "reasons": [], "advice": "hold"}'),
        answered(b'{"score": Infinity, "reasons": [], "advice": "hold"}'),
        answered(b'{"score": 1.0, "reasons": [], "advice": "hold"}', 422),
    ],
)
async def test_what_cannot_be_read_as_advice_is_none(answer: Answered | Unavailable) -> None:
    """Nobody screened then; a guess would hold or pass what nobody judged."""
    assert isinstance(await CalledScreen(Line(answer)).advice(ORDER, None, SHORT), Absent)


class Pool:
    """Sessions of the database beside the service."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.ended = 0

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> Any:
        if isinstance(self.answer, NoSession):
            raise self.answer
        try:
            yield self
        finally:
            self.ended += 1

    async def run(self, work: object, deadline: timedelta) -> Any:
        return await _become(self.answer)


async def test_habits_are_read_beside_the_service() -> None:
    """A row, or none for an account that never paid."""
    assert await NearProfiles(Pool(ROW), SHORT).of(ORDER.debtor, SHORT) == habits(ROW)  # type: ignore[arg-type]
    assert await NearProfiles(Pool(None), SHORT).of(ORDER.debtor, SHORT) is None  # type: ignore[arg-type]


async def test_a_database_that_cannot_be_asked_is_no_account_without_habits() -> None:
    """The difference is between "not judged" and "not screened"."""
    found = await NearProfiles(Pool(NoSession("none free")), SHORT).of(ORDER.debtor, SHORT)  # type: ignore[arg-type]
    assert isinstance(found, Absent) and "none free" in found.why


async def test_a_slow_read_is_left_alone_and_keeps_its_session() -> None:
    """The caller goes on at its deadline; the session is not shut under the read, and is given back when that ends."""
    gate = asyncio.Event()

    async def slowly() -> tuple[float, ...]:
        await gate.wait()
        return ROW

    pool = Pool(slowly)
    near = NearProfiles(pool, timedelta(seconds=5))  # type: ignore[arg-type]
    assert isinstance(await near.of(ORDER.debtor, SHORT), Absent)
    assert pool.ended == 0
    gate.set()
    while not pool.ended:
        await asyncio.sleep(0)
