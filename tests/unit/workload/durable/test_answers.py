"""The proof that the write path works: one attempt for everybody who asks, whatever becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from workload.durable.answers import Answers
from workload.durable.errors import NoSession, Unanswered
from workload.durable.evidence import Evidence
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

    @asynccontextmanager
    async def borrow(self, patience: timedelta) -> AsyncIterator[Any]:
        self.attempts += 1
        await self.answers.wait()
        if not self.works:
            raise NoSession("none")
        yield self

    async def run(self, work: object, deadline: timedelta) -> tuple[object, ...]:
        assert self.writer is not None
        return (self.writer.epoch, 1, 1, "0/10")

    async def confirm(self, evidence: Evidence, deadline: timedelta) -> None:
        return

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
