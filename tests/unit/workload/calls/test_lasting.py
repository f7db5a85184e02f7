"""Work that outlives who asked for it: done once, for everybody who waits, and never for ever."""

import asyncio
from datetime import timedelta

import pytest

from workload.calls.deadline import ending, ends_at
from workload.calls.lasting import Lasting

pytestmark = pytest.mark.asyncio

BLINK, SOON = timedelta(milliseconds=5), timedelta(seconds=5)


class Slow:
    """Work that takes until it is told."""

    def __init__(self) -> None:
        self.go, self.begun, self.end = asyncio.Event(), 0, 0.0

    async def carry_out(self) -> str:
        """The answer."""
        self.begun += 1
        self.end = ends_at() or 0.0
        await self.go.wait()
        return "key"


class Lost(Exception):
    """It may be there again later."""


class Crowded(Exception):
    """One too many."""


def lasting(longest: timedelta = SOON, most: int = 8) -> Lasting[str]:
    """By a clock that stands."""
    return Lasting(longest=longest, monotonic=lambda: 100.0, most=most, crowded=Crowded, expected=(Lost,))


async def test_who_leaves_ends_nothing_and_the_next_has_the_answer() -> None:
    """Begun once. Ended with its first asker, the call would begin anew for each, and be too late for each."""
    found, slow = lasting(), Slow()
    with pytest.raises(TimeoutError):
        await found.join("s", slow.carry_out, BLINK)
    leaving = asyncio.create_task(found.join("s", slow.carry_out, SOON))
    await asyncio.sleep(0)
    leaving.cancel()
    next_one = asyncio.create_task(found.join("s", slow.carry_out, SOON))
    await asyncio.sleep(0)
    slow.go.set()
    assert (await next_one, slow.begun, len(found)) == ("key", 1, 0)


async def test_it_has_its_own_time_and_not_its_first_askers() -> None:
    """What the first had left is no measure for those who come after it."""
    found, slow = lasting(), Slow()
    slow.go.set()
    with ending(100.001):
        await found.join("s", slow.carry_out, SOON)
    assert slow.end == 105.0


async def test_it_ends_whoever_waits() -> None:
    """A service that never answers holds nothing for ever."""
    found, slow = lasting(longest=BLINK), Slow()
    with pytest.raises(TimeoutError):
        await found.join("s", slow.carry_out, SOON)
    assert len(found) == 0


async def test_no_more_are_under_way_than_may_be() -> None:
    """One more is refused at once; who waits for one that is under way is not."""
    found, slow = lasting(most=1), Slow()
    with pytest.raises(TimeoutError):
        await found.join("s", slow.carry_out, BLINK)
    with pytest.raises(Crowded, match="1 of its kind"):
        await found.join("t", slow.carry_out, SOON)
    slow.go.set()
    assert await found.join("s", slow.carry_out, SOON) == "key"


async def test_what_goes_wrong_is_everybodys_and_the_next_begins_anew() -> None:
    """What is lost is told to all who waited; it may be there again later."""
    found, told = lasting(), [Lost("none opens"), None]

    async def open_it() -> str:
        error = told.pop(0)
        await asyncio.sleep(0)
        if error is not None:
            raise error
        return "key"

    both = await asyncio.gather(*(found.join("s", open_it, SOON) for _ in range(2)), return_exceptions=True)
    assert [type(one) for one in both] == [Lost, Lost]
    assert await found.join("s", open_it, SOON) == "key"
