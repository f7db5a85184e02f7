"""The own site's traffic is asked for once a second, told to observers of the service it is about, and unknown when nobody answers."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
from structlog.testing import capture_logs

from controller.core.model import Health
from controller.core.traffic import Counts, Limits, Track
from controller.probing.traffic_probe import Reading, TrafficProbe
from controller.providers.memory.clock import SteppedClock
from controller.traffic_watch import TrafficWatch

SECOND = timedelta(seconds=1)
WELL = Track(health=Health.HEALTHY, good=9, detail="30 requests a second")
FAILING = Track(health=Health.FAILING, bad=6, detail="30 of 50 requests failed")


@dataclass(slots=True, kw_only=True)
class ScriptedProbe(TrafficProbe):
    """A probe whose looks a test decides: a track, an error, or None for one that never returns."""

    script: Sequence[Track | Exception | None] = (WELL,)
    looks: int = 0
    deadlines: list[timedelta] = field(default_factory=list)

    async def look(self, deadline: timedelta) -> Track:
        """The next of the script; the last one again and again."""
        self.looks += 1
        self.deadlines.append(deadline)
        match self.script[min(self.looks, len(self.script)) - 1]:
            case Track() as found:
                counts = Counts(answered=self.looks, failed=0, mean=timedelta(0))
                self.last = Reading(service=self.service, counts=counts, taken=self.clock.monotonic())
                self.track = found
            case Exception() as error:
                raise error
            case None:
                await asyncio.Event().wait()
        return self.track


@asynccontextmanager
async def watching(
    *script: Track | Exception | None, service: str = "payments"
) -> AsyncIterator[tuple[TrafficWatch, ScriptedProbe, SteppedClock]]:
    """A watch that runs, over an edge that counts this service."""
    clock = SteppedClock()
    async with aiohttp.ClientSession() as session:
        probe = ScriptedProbe(
            session=session, url="", clock=clock, limits=Limits(), track=Track(), service=service, script=script or (WELL,)
        )
        watch = TrafficWatch(probe=probe, clock=clock)
        task = asyncio.create_task(watch.run())
        try:
            await clock.advance(timedelta(0))
            yield watch, probe, clock
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_the_agent_is_asked_once_a_second_and_never_twice_at_a_time() -> None:
    """As often as it looks itself, each time with a deadline; one that hangs is asked nothing further."""
    async with watching() as (_, probe, clock):
        await clock.advance(10 * SECOND)
        assert probe.looks == 11 and max(probe.deadlines) < SECOND
    async with watching(WELL, None) as (_, probe, clock):
        await clock.advance(10 * SECOND)
        assert probe.looks == 2


async def test_its_word_is_what_was_made_of_the_counters() -> None:
    """Health and evidence, of the service that the edge counts; observers of another service hear nothing."""
    async with watching(FAILING) as (watch, _, _):
        said = watch.word("payments")
        assert said is not None and (said.health, said.misses, said.detail) == (Health.FAILING, 6, FAILING.detail)
        assert watch.word("vault") is None


async def test_whose_requests_are_counted_is_not_known_before_the_agent_told() -> None:
    """Until then every service's observers hear that nothing is known, and why."""
    async with watching(service="") as (watch, _, _):
        assert watch.word("vault") == watch.word("payments") is not None
    clock = SteppedClock()
    async with aiohttp.ClientSession() as session:
        probe = TrafficProbe(session=session, url="", clock=clock, limits=Limits(), track=WELL)
        said = TrafficWatch(probe=probe, clock=clock).word("payments")
    assert said is not None and said.health is Health.UNKNOWN and "not asked yet" in said.detail


async def test_what_a_hanging_look_would_find_is_unknown() -> None:
    """Whatever keeps it from returning: what was found before it is believed for three seconds, and accuses nobody after that."""
    async with watching(FAILING, None) as (watch, _, clock):
        await clock.advance(watch.believed_for)
        said = watch.word("payments")
        assert said is not None and said.health is Health.FAILING
        await clock.advance(SECOND)
        said = watch.word("payments")
        assert said is not None and said.health is Health.UNKNOWN and said.misses == 0 and "4.0 s ago" in said.detail


async def test_words_that_nobody_foresaw_are_unknown_and_end_nothing() -> None:
    """A fault in reading them is told once and is no fault of the site; the next look follows."""
    with capture_logs() as logs:
        async with watching(FAILING, RecursionError("deep"), RecursionError("deep"), WELL) as (watch, probe, clock):
            await clock.advance(SECOND)
            said = watch.word("payments")
            assert said is not None and said.health is Health.UNKNOWN and "RecursionError" in said.detail
            assert probe.last is None, "no window reaches over it"
            await clock.advance(2 * SECOND)
            said = watch.word("payments")
            assert said is not None and said.health is Health.HEALTHY
    assert len([one for one in logs if one["log_level"] == "error"]) == 1


async def test_failing_and_its_end_are_told_once_each_in_the_log() -> None:
    """Not every second, and nothing about what is unknown or well."""
    with capture_logs() as logs:
        async with watching(WELL, Track(), FAILING, FAILING, WELL, WELL) as (_, _, clock):
            await clock.advance(6 * SECOND)
    assert [(one["health"], one["said"]) for one in logs] == [("failing", FAILING.detail), ("healthy", WELL.detail)]
