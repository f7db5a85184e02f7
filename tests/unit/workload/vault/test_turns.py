"""Turns at a key service, in a time that passes by itself: waited for while calls end, and not behind one that hangs."""

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest

from tests.unit.workload.vault.clouds_double import Cloud, Tally
from workload.vault import sealing
from workload.vault.clouds import Clouds
from workload.vault.errors import KeysOutOfReach
from workload.vault.turns import MOST, TURN
from workload.vault.wrapping import Wrapped

T = TypeVar("T")

KEY = bytes(range(32))
CONTEXT = sealing.context(UUID(int=1), UUID(int=2))
DEADLINE, GRACE = timedelta(seconds=2), timedelta(seconds=0.1)


class Skipping(asyncio.SelectorEventLoop):
    """A loop that waits for nobody: whenever nothing is to be done, it is the moment of the next alarm."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(Impatient(self))

    def time(self) -> float:
        """Seconds that were skipped."""
        return self.now


class Impatient(selectors.SelectSelector):
    """Nothing is ready but what is ready now."""

    def __init__(self, loop: Skipping) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> Any:
        """Never waits."""
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self.loop.now += timeout
        return ready


def run(course: Coroutine[Any, Any, T]) -> T:
    """The whole course, without its time."""
    with asyncio.Runner(loop_factory=Skipping) as runner:
        return runner.run(course)


@dataclass(slots=True)
class Far(Cloud):
    """A key service that is so far away, and is asked which key wraps before it is asked to wrap."""

    away: float = 0.0
    told: list[float] = field(default_factory=list)
    """The deadlines of wraps, in seconds."""

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        self.told.append(deadline.total_seconds())
        await asyncio.sleep(2 * self.away)
        return await Cloud.wrap(self, key, context, deadline)

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        await asyncio.sleep(self.away)
        return await Cloud.unwrap(self, wrapped, context, deadline)


def far(away: float) -> tuple[Far, Far, Far]:
    """One of each."""
    return Far("aws", away=away), Far("azure", away=away), Far("gcp", away=away)


async def found(asked: Clouds, deadline: timedelta = DEADLINE, minimum: int = 2) -> int | float:
    """Wraps of a new key; or seconds after which it was refused, negative."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        return len(await asked.wrap(KEY, CONTEXT, minimum=minimum, deadline=deadline, grace=GRACE))
    except KeysOutOfReach:
        return began - loop.time()


@pytest.mark.parametrize("away", [0.03, 0.1, 0.25])
def test_new_subjects_at_once_wait_their_turn_wherever_the_clouds_are(away: float) -> None:
    """More than there are turns, in one moment: the clouds are all well, and nobody is told that they are out of reach."""

    async def course() -> list[int | float]:
        asked = Clouds(far(away), Tally())
        return await asyncio.gather(*(found(asked) for _ in range(30)))

    assert run(course()) == [3] * 30


def test_a_call_is_told_what_waiting_has_left_of_its_deadline() -> None:
    """An adapter's thread would outlast whoever waits for it."""
    clouds = far(0.1)

    async def course() -> None:
        asked = Clouds(clouds, Tally())
        await asyncio.gather(*(found(asked) for _ in range(MOST + 1)))

    run(course())
    assert [round(seconds, 6) for seconds in clouds[0].told] == [2.0] * MOST + [1.7]


def test_nobody_waits_for_a_turn_beyond_the_calls_own_deadline() -> None:
    """Calls end all the time, and there are too many before this one."""

    async def course() -> tuple[dict[str, str], float]:
        asked, hour = Clouds(far(0.25), Tally()), timedelta(hours=1)
        before = [asyncio.create_task(found(asked, hour)) for _ in range(4 * MOST)]
        await asyncio.sleep(0)
        said = await asked.current(DEADLINE), asyncio.get_running_loop().time()
        await asyncio.gather(*before)
        return said

    assert run(course()) == ({}, pytest.approx(DEADLINE.total_seconds()))


def test_nobody_queues_up_behind_a_cloud_that_hangs() -> None:
    """Its turns are all taken, for as long as they may be: the first to come is told when it stands still, the next at once, and the
    other clouds have theirs."""
    clouds, hour = far(0.1), timedelta(hours=1)
    clouds[0].hangs = True

    async def course() -> tuple[float, float]:
        asked = Clouds(clouds, Tally())
        held = [asyncio.create_task(found(asked, hour, 3)) for _ in range(MOST)]
        await asyncio.sleep(0)
        first, second = await found(asked, hour, 3), await found(asked, hour, 3)
        for one in held:
            one.cancel()
        await asyncio.gather(*held, return_exceptions=True)
        return first, second

    first, second = run(course())
    assert -2 * TURN.total_seconds() < first < 0 and second == 0
    assert clouds[0].asked.count("wrap") == MOST


def test_one_call_that_hangs_beside_others_that_end_is_no_standstill() -> None:
    """A packet was lost."""
    clouds, hour = far(0.1), timedelta(hours=1)

    async def course() -> list[int | float]:
        asked = Clouds(clouds, Tally())
        clouds[0].hangs = True
        held = asyncio.create_task(found(asked, hour, 3))
        await asyncio.sleep(0.9)
        clouds[0].hangs = False
        well = await asyncio.gather(*(found(asked, hour, 3) for _ in range(10 * MOST)))
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        return well

    assert run(course()) == [3] * (10 * MOST)


def test_a_call_that_is_given_up_is_no_answer() -> None:
    """It ends at its deadline, at a cloud that hangs as before: whoever comes then is told at once."""
    clouds = far(0.0)
    clouds[0].hangs = True

    async def course() -> float:
        asked, held = Clouds(clouds, Tally()), []
        for _ in range(MOST):
            held.append(asyncio.create_task(found(asked, DEADLINE, 3)))
            await asyncio.sleep(0.1)  # so that they end one after the other
        await asyncio.sleep(DEADLINE.total_seconds() - 0.1 * MOST + 0.05)
        held.append(asyncio.create_task(found(asked, DEADLINE, 3)))
        await asyncio.sleep(0)
        told = await found(asked, DEADLINE, 3)
        await asyncio.gather(*held)
        return told

    assert -0.01 < run(course()) <= 0
