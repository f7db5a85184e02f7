"""Answers within the time that whoever asks has left; and the proof that the write path works, one attempt for everybody who asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from workload.calls.deadline import Deadlines
from workload.durable.answers import Answers
from workload.durable.errors import Late, NoSession, OutcomeUnknown, Unanswered
from workload.durable.evidence import Evidence, Reign
from workload.durable.finder import Writer
from workload.durable.settings import Tuning
from workload.metrics import ServiceMetrics

pytestmark = pytest.mark.asyncio

CALLERS = 20


class Site:
    """Compass, sessions and barrier of a site whose next answers a test decides."""

    def __init__(self) -> None:
        self.writer: Writer | None = Writer(site="azure", epoch=1)
        self.attempts = 0
        self.works = False
        self.answers = asyncio.Event()
        self.now = 0.0
        self.given: dict[str, float] = {}
        self.took: dict[str, float] = {}
        """Seconds that a step had, and those that it takes."""

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> AsyncIterator[Any]:
        self.attempts += 1
        self._spend("session", patience)
        await self.answers.wait()
        if not self.works:
            raise NoSession("none")
        yield self

    async def run(self, work: object, deadline: timedelta) -> tuple[object, ...]:
        assert self.writer is not None
        self._spend("statement", deadline)
        return (self.writer.epoch, 1, 1, "0/10")

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        self._spend("barrier", deadline)

    def _spend(self, step: str, within: timedelta) -> None:
        self.given[step] = round(within.total_seconds(), 3)
        self.now += self.took.get(step, 0.0)

    def over(self) -> Answers:
        """Answers from it."""
        return Answers(
            compass=self,
            sessions={"azure": self},  # type: ignore[dict-item]
            durability=self,
            tuning=Tuning(),
            meter=ServiceMetrics("payments"),
            monotonic=lambda: self.now,
        )


async def outcomes(site: Site, callers: "list[asyncio.Task[None]]") -> set[type[object]]:
    """Let the site answer, and say what each caller was told."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    site.answers.set()
    told = await asyncio.wait_for(asyncio.gather(*callers, return_exceptions=True), 5)
    site.answers.clear()
    return {type(one) for one in told}


async def test_a_failed_attempt_is_everybodys() -> None:
    """Twenty probes ask while the writer is dead: one attempt, twenty answers at once. Whoever asks afterwards causes a new one."""
    site = Site()
    answers = site.over()
    for attempt in (1, 2):
        callers = [asyncio.create_task(answers.prove_write_path()) for _ in range(CALLERS)]
        assert await outcomes(site, callers) == {NoSession}
        assert site.attempts == attempt


async def test_a_proof_holds_for_a_while_and_for_this_writer_only() -> None:
    """One attempt; no other one until it is old, or somebody else writes."""
    site = Site()
    answers, site.works = site.over(), True
    callers = [asyncio.create_task(answers.prove_write_path()) for _ in range(CALLERS)]
    assert await outcomes(site, callers) == {type(None)}
    await answers.prove_write_path()
    assert site.attempts == 1
    site.writer = Writer(site="azure", epoch=2)
    assert await outcomes(site, [asyncio.create_task(answers.prove_write_path())]) == {type(None)}
    assert site.attempts == 2
    site.now += 2
    assert await outcomes(site, [asyncio.create_task(answers.prove_write_path())]) == {type(None)}
    assert site.attempts == 3


async def test_a_caller_that_hangs_up_ends_it_for_nobody_else() -> None:
    """The first one, whose request began the attempt, is gone; the second one is answered."""
    site = Site()
    answers, site.works = site.over(), True
    first, second = (asyncio.create_task(answers.prove_write_path()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await outcomes(site, [second]) == {type(None)}
    with suppress(asyncio.CancelledError, Unanswered):
        await first
    assert (first.cancelled(), site.attempts) == (True, 1)


async def asked(site: Site, milliseconds: int, question: Callable[[Answers], Awaitable[object]]) -> object:
    """What becomes of a question that is asked on behalf of a request with so much time left."""
    told: list[object] = []
    answers = site.over()
    site.works = True
    site.answers.set()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        told.extend(await asyncio.gather(question(answers), return_exceptions=True))

    scope = {"type": "http", "path": "/", "headers": [(b"deadline-ms", str(milliseconds).encode())]}
    await Deadlines(application, monotonic=lambda: site.now)(scope, None, None)  # type: ignore[arg-type]
    return told[0]


async def admitted(session: Any, site: str, deadline: timedelta) -> tuple[str, Evidence]:
    """Some question, asked of the writer."""
    await session.run(None, deadline)
    return "answered", Evidence(reign=Reign(site=site, epoch=1, system_identifier=1, timeline=1), lsn=16)


async def test_an_answer_is_waited_for_as_long_as_its_caller_waits() -> None:
    """Beyond that a session and a place at the barrier are kept from others, for nobody. The statement alone keeps its own time, because a
    deadline ends the session: callers with a few milliseconds would cost all of them."""
    site = Site()
    assert await asked(site, 60, lambda answers: answers.give(admitted)) == "answered"
    assert site.given == {"session": 0.06, "statement": 0.4, "barrier": 0.06}
    site.took = {"statement": 0.02}
    assert await asked(site, 60, lambda answers: answers.give(admitted)) == "answered"
    assert site.given["barrier"] == 0.04
    assert await asked(site, 20_000, lambda answers: answers.give(admitted)) == "answered"
    assert site.given == {"session": 0.1, "statement": 0.4, "barrier": 0.8}, "and never longer than by itself"


@pytest.mark.parametrize(
    ("slow", "ends", "steps"),
    [("session", Late, ["session"]), ("statement", OutcomeUnknown, ["session", "statement"])],
)
async def test_a_caller_who_is_gone_is_told_what_may_have_happened(slow: str, ends: type[Unanswered], steps: list[str]) -> None:
    """Before the statement nothing has; after it the same key tells."""
    site = Site()
    site.took = {slow: 0.06}
    assert type(await asked(site, 60, lambda answers: answers.give(admitted))) is ends
    assert list(site.given) == steps


async def test_the_proof_for_everybody_is_not_bounded_by_the_first_one_who_asks() -> None:
    """A probe in a hurry would end it for all others."""
    site = Site()
    site.took = {"session": 0.05}
    assert await asked(site, 20, lambda answers: answers.prove_write_path()) is None
    assert site.given["session"] == 0.1
