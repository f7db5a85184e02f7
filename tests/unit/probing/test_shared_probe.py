"""What is asked about a site is asked once, however many services want to know."""

import asyncio
from datetime import timedelta

import pytest

from controller.errors import Denied
from controller.ports import ProbeResult
from controller.probing.shared_probe import SharedProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.probe import Behaviour, MemoryProbe

DEADLINE, KEEP = timedelta(seconds=1), timedelta(milliseconds=100)


async def ask(probe: SharedProbe, clock: SteppedClock, askers: int = 1) -> list[ProbeResult | BaseException]:
    """So many askers at once, letting as much time pass as they need."""
    asking = [asyncio.create_task(probe.measure(DEADLINE)) for _ in range(askers)]
    await clock.advance(timedelta(milliseconds=30))
    return await asyncio.gather(*asking, return_exceptions=True)


async def test_a_thousand_askers_cost_one_question() -> None:
    """All of them get the answer of the one that was asked; later ones ask anew."""
    clock = SteppedClock()
    real = MemoryProbe(clock=clock)
    shared = SharedProbe(real, clock, KEEP)
    answers = await ask(shared, clock, 1000)
    assert real.asked == 1 and all(isinstance(answer, ProbeResult) and answer.ok for answer in answers)
    assert await ask(shared, clock) and real.asked == 1, "within `keep` of the answer"
    await clock.advance(KEEP + timedelta(milliseconds=1))
    real.behaviour = Behaviour.FAILS
    (answer,) = await ask(shared, clock)
    assert real.asked == 2 and isinstance(answer, ProbeResult) and not answer.ok, "an old answer hides no failure"


async def test_an_asker_that_leaves_ends_nothing_for_the_others() -> None:
    """One service's loop is cancelled; the others still hear of the edge."""
    clock = SteppedClock()
    shared = SharedProbe(MemoryProbe(clock=clock), clock, KEEP)
    first, second = (asyncio.create_task(shared.measure(DEADLINE)) for _ in range(2))
    await clock.advance(timedelta(milliseconds=5))
    first.cancel()
    await clock.advance(timedelta(milliseconds=30))
    assert (await second).ok


async def test_what_cannot_be_asked_is_told_to_everybody_and_not_kept() -> None:
    """Denied is no measurement: the next asker asks again."""
    clock = SteppedClock()
    real = MemoryProbe(clock=clock, behaviour=Behaviour.DENIES)
    shared = SharedProbe(real, clock, KEEP)
    assert all(isinstance(answer, Denied) for answer in await ask(shared, clock, 3))
    with pytest.raises(Denied):
        await shared.measure(DEADLINE)
    assert real.asked == 2


async def test_askers_at_every_moment_cost_one_question_for_each_keep() -> None:
    """A hundred services that each ask every quarter of a second, all at other moments: their number buys no question. Without `keep`
    nearly every one of theirs would be asked."""
    interval, keep, length = timedelta(milliseconds=250), timedelta(milliseconds=125), timedelta(seconds=5)
    asked = {}
    for kept in (keep, timedelta(0)):
        clock = SteppedClock()
        real = MemoryProbe(clock=clock)
        shared = SharedProbe(real, clock, kept)

        async def watch(phase: timedelta, shared: SharedProbe = shared, clock: SteppedClock = clock) -> None:
            await clock.sleep(phase)
            while True:
                await shared.measure(DEADLINE)
                await clock.sleep(interval)

        watching = [asyncio.create_task(watch(interval * number / 100)) for number in range(100)]
        await clock.advance(length)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        asked[kept] = real.asked
    assert asked[keep] <= length / keep
    assert asked[timedelta(0)] > 2 * length / keep, "the test would see it"
