"""Questions to clouds are counted by what became of them, and are otherwise what they were."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from controller.core.model import Group
from controller.counted import Counted, CountedDns
from controller.errors import Denied, Refused, Transient, TrimaranError
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.dns import MemoryDns
from tests.unit.core.worlds import AWS, AZURE

pytestmark = pytest.mark.asyncio

Told = list[tuple[str, str, str, timedelta]]


def counted(told: Told, clock: SteppedClock) -> Counted:
    """Of a provider called aws."""
    return Counted("aws", lambda *said: told.append(said), clock)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Transient("no answer"), "unanswered"),
        (Denied("no"), "denied"),
        (Refused(guard="g", value="v", limit="l", way_out="w"), "refused"),
        (TrimaranError("else"), "failed"),
    ],
)
async def test_an_error_is_counted_and_raised(error: TrimaranError, outcome: str) -> None:
    """By its class; whoever asked gets the very error."""
    told: Told = []

    async def failing() -> None:
        raise error

    with pytest.raises(TrimaranError) as raised:
        await counted(told, SteppedClock()).ask("floor", failing)
    assert raised.value is error
    assert told == [("aws", "floor", outcome, timedelta())]


async def test_a_question_that_was_given_up_is_counted_too() -> None:
    """The plan has another owner: nobody waits for the answer any more, and an API that hangs would otherwise be counted nowhere."""
    told: Told = []
    clock = SteppedClock()
    task = asyncio.create_task(counted(told, clock).ask("steer", lambda: clock.sleep(timedelta(hours=1))))
    await clock.advance(timedelta(seconds=2))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert told == [("aws", "steer", "given-up", timedelta(seconds=2))]


async def test_an_authority_answers_as_before() -> None:
    """Under its own name, with what it holds."""
    told: Told = []
    clock = SteppedClock()
    dns = MemoryDns(clock=clock)
    dns.set_by_hand(Group("payments"), {AWS: 1.0, AZURE: 3.0})
    authority = CountedDns(dns, lambda *said: told.append(said), clock)
    assert authority.name == dns.name
    assert await authority.read() == await dns.read()
    assert [said[:3] for said in told] == [(dns.name, "read", "answered")]
