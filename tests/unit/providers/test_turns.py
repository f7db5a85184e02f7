"""A group is changed by one steering at a time, until the answer to what was sent; groups apart from each other do not wait."""

import asyncio

import pytest

from controller.core.model import Group
from controller.errors import Transient
from controller.providers.turns import Turns

FIRST, SECOND, THIRD = Group("first"), Group("second"), Group("third")


def soon(seconds: float = 5) -> float:
    """On the running loop's clock."""
    return asyncio.get_running_loop().time() + seconds


class Change:
    """Something that was sent and is not answered yet."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def send(self) -> str:
        """Until the answer."""
        return await self.answer


async def steer(turns: Turns, change: Change, *groups: Group) -> str:
    """One change in a turn of its own."""
    async with turns.take(groups, soon()) as turn:
        return await turn.see_through(change.send())


async def settle() -> None:
    """Let everybody go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_group_waits_for_the_turn_before_and_another_one_does_not() -> None:
    """The change of one hangs; the same group is not asked for, and another is, at once."""
    turns, hanging, quick = Turns("memory"), Change(), Change()
    quick.answer.set_result("done")
    older = asyncio.create_task(steer(turns, hanging, FIRST, SECOND))
    await settle()
    same, apart = asyncio.create_task(steer(turns, quick, SECOND)), asyncio.create_task(steer(turns, quick, THIRD))
    await settle()
    assert apart.done() and not same.done()
    hanging.answer.set_result("late")
    assert (await older, await same) == ("late", "done")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_turn_that_was_given_up_ends_with_the_answer_to_what_it_sent(fails: bool) -> None:
    """Its caller is cancelled; whatever the answer, the groups are free after it and not before, and nobody is told of an error late."""
    turns, sent, next_one = Turns("memory"), Change(), Change()
    next_one.answer.set_result("done")
    older = asyncio.create_task(steer(turns, sent, FIRST))
    await settle()
    older.cancel()
    newer = asyncio.create_task(steer(turns, next_one, FIRST))
    await settle()
    assert older.cancelled() and not newer.done()
    sent.answer.set_exception(Transient("lost")) if fails else sent.answer.set_result("done")
    assert await newer == "done"


async def test_whoever_waits_for_a_turn_waits_until_his_time_is_over() -> None:
    """Then it is Transient, and the turn before goes on."""
    turns, hanging = Turns("memory"), Change()
    older = asyncio.create_task(steer(turns, hanging, FIRST))
    await settle()
    with pytest.raises(Transient, match="memory: not asked, an earlier steering"):
        async with turns.take({FIRST}, soon(0.01)):
            raise AssertionError("it is not free")
    hanging.answer.set_result("done")
    assert await older == "done"
    async with turns.take({FIRST}, soon(0.01)):
        pass


async def test_a_turn_that_ends_in_an_error_or_sends_nothing_is_over() -> None:
    """The next one has it at once."""
    turns = Turns("memory")
    with pytest.raises(KeyError):
        async with turns.take({FIRST}, soon()):
            raise KeyError
    async with turns.take({FIRST, SECOND}, soon(0.01)), turns.take({THIRD}, soon(0.01)):
        pass
