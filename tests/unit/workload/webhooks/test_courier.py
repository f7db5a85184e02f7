"""One account's events, one after the other; and two senders of the same events, however they interleave."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from workload.webhooks.courier import Carry, Posting, carry
from workload.webhooks.cursors import Cursors
from workload.webhooks.model import Event, Reply, Trip

pytestmark = pytest.mark.asyncio

ACCOUNT = UUID(int=1)
LAST = 12
YES, NO = Reply(is_accepted=True, why="204"), Reply(is_accepted=False, why="answered 500")


def event(sequence: int, delivered: int = 0, epoch: int = 1) -> Event:
    """An event as it was read while the cursor stood at `delivered`."""
    return Event(
        id=UUID(int=1000 * epoch + sequence),
        account=ACCOUNT,
        epoch=epoch,
        sequence=sequence,
        body="{}",
        delivered=delivered,
        url="u",
        secret="s",
        registration=UUID(int=7),
    )


class Merchant:
    """Takes what comes and answers as told."""

    def __init__(self, *replies: Reply) -> None:
        self.took: list[int] = []
        self._replies = list(replies)

    async def __call__(self, sent: Event) -> Reply:
        self.took.append(sent.sequence)
        return self._replies.pop(0) if self._replies else YES


async def go(merchant: Callable[[Event], Awaitable[Reply]], cursors: Cursors, *events: Event, may_go_on: bool = True) -> Trip:
    """One trip."""
    return await carry(events, post=merchant, cursors=cursors, may_go_on=lambda: may_go_on, monotonic=lambda: 0.0)


async def test_events_are_sent_in_order_and_noted_after_their_success() -> None:
    """All of them, and the cursor is at the last."""
    merchant, cursors = Merchant(), Cursors()
    trip = await go(merchant, cursors, event(1), event(2), event(3))
    assert (merchant.took, trip.delivered, trip.failure) == ([1, 2, 3], 3, None)
    assert cursors.unwritten() == {ACCOUNT: (1, 3)}


async def test_a_failure_ends_the_trip_before_the_next_event() -> None:
    """What was accepted is noted; nothing overtakes what was not."""
    merchant, cursors = Merchant(YES, NO), Cursors()
    trip = await go(merchant, cursors, event(1), event(2), event(3))
    assert (merchant.took, trip.delivered, trip.failure, trip.stopped_at) == ([1, 2], 1, NO, 2)
    assert cursors.unwritten() == {ACCOUNT: (1, 1)}


async def test_what_is_known_to_be_delivered_is_not_sent_again() -> None:
    """Though the database does not know it yet."""
    merchant, cursors = Merchant(), Cursors()
    cursors.note(event(2))
    await go(merchant, cursors, event(1), event(2), event(3))
    assert merchant.took == [3]


async def test_what_was_told_of_a_reign_that_was_given_up_keeps_nothing_of_the_next_from_being_sent() -> None:
    """A member was waived that alone had 8 and 9: the next writer's 8 and 9 are other events, and their merchant hears of them."""
    merchant, cursors = Merchant(), Cursors()
    cursors.note(event(9))
    trip = await go(merchant, cursors, event(7, delivered=6), event(8, delivered=6, epoch=2), event(9, delivered=6, epoch=2))
    assert (merchant.took, trip.failure) == ([8, 9], None)
    assert cursors.unwritten() == {ACCOUNT: (2, 9)}


async def test_cursors_that_are_written_and_forgotten_during_a_trip_do_not_stop_it() -> None:
    """The dispatcher writes cursors while couriers are under way."""
    cursors = Cursors()
    took: list[int] = []

    async def merchant(sent: Event) -> Reply:
        took.append(sent.sequence)
        cursors.settle(cursors.unwritten())
        return YES

    trip = await go(merchant, cursors, *(event(sequence, delivered=4) for sequence in range(5, 10)))
    assert (took, trip.failure) == ([5, 6, 7, 8, 9], None)


async def test_a_hole_in_the_outbox_stops_the_account() -> None:
    """Somebody deleted an event by hand: that is told, and not passed over."""
    merchant, cursors = Merchant(), Cursors()
    trip = await go(merchant, cursors, event(1), event(3))
    assert merchant.took == [1]
    assert trip.failure is not None and "event 2 of the account is missing" in trip.failure.why


async def test_who_lost_the_seat_ends_what_it_began_and_no_more() -> None:
    """The attempt under way has its answer noted; the next is another one's."""
    merchant, cursors = Merchant(), Cursors()
    trip = await go(merchant, cursors, event(1), event(2), may_go_on=False)
    assert (merchant.took, trip.delivered) == ([1], 1)


async def interleave(seed: int, courier: Carry) -> list[int]:
    """Three senders that each believe they are alone, answers that are lost, cursors that are lost and late; the first deliveries."""
    chance = random.Random(seed)
    first: list[int] = []
    written = 0

    async def merchant(sent: Event) -> Reply:
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        if chance.random() < 0.2:
            return NO
        if sent.sequence not in first:
            first.append(sent.sequence)
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        return NO if chance.random() < 0.2 else YES

    async def sender() -> None:
        nonlocal written
        cursors = Cursors()
        while written < LAST:
            delivered = max(0, written - chance.randrange(3))  # a writer that was elected without the last cursors
            batch = range(delivered + 1, min(delivered + chance.randrange(2, 7), LAST + 1))
            events = [event(sequence, delivered=delivered) for sequence in batch]
            await courier(events, post=merchant, cursors=cursors, may_go_on=lambda: True, monotonic=lambda: 0.0)
            await asyncio.sleep(0)
            if chance.random() < 0.7:
                noted = cursors.unwritten()
                written = max(written, noted.get(ACCOUNT, (1, 0))[1])
                cursors.settle(noted)

    await asyncio.gather(*(sender() for _ in range(3)))
    return first


async def careless(
    events: Sequence[Event],
    *,
    post: Posting,
    cursors: Cursors,
    may_go_on: Callable[[], bool],
    monotonic: Callable[[], float],
) -> Trip:
    """A courier that goes on after a failure."""
    for one in events:
        if (await post(one)).is_accepted:
            cursors.note(one)
    return Trip(delivered=0, failure=None, slowest=timedelta(0))


@pytest.mark.parametrize("seed", range(100))
async def test_first_deliveries_are_in_order_however_senders_interleave(seed: int) -> None:
    """Duplicates at most; nothing is left out and nothing comes early."""
    assert await interleave(seed, carry) == list(range(1, LAST + 1))


async def test_a_courier_that_goes_on_after_a_failure_reorders_or_loses() -> None:
    """The property above can fail: without the rule it does, in most of the same interleavings."""
    broken = [seed for seed in range(100) if await interleave(seed, careless) != list(range(1, LAST + 1))]
    assert len(broken) > 50


async def test_the_longest_attempt_is_told() -> None:
    """It decides who waits for the places of the slow."""
    now = iter((0.0, 0.2, 1.0, 3.0))
    trip = await carry(
        (event(1), event(2)), post=Merchant(), cursors=Cursors(), may_go_on=lambda: True, monotonic=lambda: next(now)
    )
    assert trip.slowest == timedelta(seconds=2)


async def test_accounts_do_not_share_cursors() -> None:
    """What one account was told says nothing about another."""
    merchant, cursors = Merchant(), Cursors()
    cursors.note(replace(event(9), account=UUID(int=2)))
    await go(merchant, cursors, event(1), replace(event(2), delivered=0))
    assert merchant.took == [1, 2]
