"""Nobody is left behind: what one site's failure means to the others."""

import asyncio

import pytest

from controller.founding.found import await_all


class Unwell(Exception):
    """One site fails."""


async def test_a_failure_is_told_when_everybody_has_ended() -> None:
    """Told at once, it would have the sessions closed that others are still using, and the driver ends the process."""
    ended: list[str] = []

    async def fail() -> None:
        raise Unwell

    async def go_on() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        ended.append("gcp")

    with pytest.raises(Unwell):
        await await_all((fail(), go_on()))
    assert ended == ["gcp"]


async def test_the_same_when_it_is_interrupted() -> None:
    """Ctrl-C: everybody is told to stop, and has stopped before sessions are closed."""
    begun, ended = asyncio.Event(), list[str]()

    async def go_on() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("gcp")

    asking = asyncio.create_task(await_all((go_on(),)))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == ["gcp"]


async def test_answers_come_in_the_order_of_the_questions() -> None:
    """A caller that counts on it would otherwise mix up sites."""

    async def say(what: str, spins: int) -> str:
        for _ in range(spins):
            await asyncio.sleep(0)
        return what

    assert await await_all((say("aws", 2), say("azure", 0))) == ["aws", "azure"]
