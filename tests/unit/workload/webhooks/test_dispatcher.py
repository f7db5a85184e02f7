"""The dispatcher's looks: who is sent to, who rests, what is written, and that nobody holds up anybody else."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from tests.unit.workload.webhooks.dispatcher_world import NO, A, B, C, World, look
from workload.durable.errors import NoWriter
from workload.webhooks.model import Due, Look

pytestmark = pytest.mark.asyncio


async def test_every_account_is_told_in_order_and_cursors_follow() -> None:
    """At the look after."""
    world = World({A: 3, B: 2})
    dispatcher = world.dispatcher()
    await look(dispatcher)
    assert [sequence for account, sequence in world.took if account == A] == [1, 2, 3]
    assert world.written == {}
    await look(dispatcher)
    assert world.written == {A: (1, 3), B: (1, 2)}
    assert len(world.took) == 5


async def test_without_the_seat_nothing_is_asked_or_sent() -> None:
    """Another one sends."""
    world = World({A: 1})
    world.is_held = False
    await look(world.dispatcher())
    assert (world.took, world.questions) == ([], [])


async def test_a_seat_that_was_lost_during_the_look_sends_nothing() -> None:
    """The answer was on its way when the seat went."""
    world = World({A: 1})
    dispatcher = world.dispatcher()
    asked = world.due

    async def lose(what: Look) -> Due:
        world.is_held = False
        return await asked(what)

    world.due = lose  # type: ignore[method-assign]
    await look(dispatcher)
    assert world.took == []


async def test_a_hanging_merchant_holds_up_nobody_and_is_sent_one_thing_at_a_time() -> None:
    """It is busy, the others go on."""
    world = World({A: 3, B: 3})
    world.hanging = {A}
    dispatcher = world.dispatcher()
    await look(dispatcher)
    world.events[B] = 6
    await look(dispatcher)
    assert [sequence for account, sequence in world.took if account == A] == [1]
    assert [sequence for account, sequence in world.took if account == B] == [1, 2, 3, 4, 5, 6]
    assert world.questions[-1].busy == {A}
    assert dispatcher.running == 1


async def test_a_failing_merchant_rests_and_has_a_place_among_those_like_it() -> None:
    """While it rests nothing is read for it; afterwards it is looked for by name."""
    world = World({A: 3, B: 3})
    world.replies = {A: NO}
    dispatcher = world.dispatcher(places=5, slow_places=2)
    await look(dispatcher)
    await look(dispatcher)
    last = world.questions[-1]
    assert (last.busy, last.failing, last.slow, last.places, last.slow_places) == ({A}, set(), set(), 5, 2)
    assert list(dispatcher.failing()) == [str(A)]
    world.now = 0.6  # the first pause is a second, and chance left half of it
    world.replies = {}
    await look(dispatcher)
    assert (world.questions[-1].busy, world.questions[-1].failing) == (set(), {A})
    assert [sequence for account, sequence in world.took if account == A] == [1, 1, 2, 3]
    assert dispatcher.failing() == {}


async def test_the_dead_take_no_place_of_the_living() -> None:
    """Places of the failing are full of merchants that hang; somebody who answers is still sent to."""
    world = World({A: 1, B: 1})
    world.replies = {A: NO, B: NO}
    dispatcher = world.dispatcher(places=1, failing_places=1)
    await look(dispatcher)
    await look(dispatcher)
    world.now, world.hanging = 2.0, {A, B}
    await look(dispatcher)
    world.events[C] = 1
    await look(dispatcher)
    assert (C, 1) in world.took
    assert dispatcher.running == 1


async def test_who_is_merely_slow_does_not_wait_behind_the_dead() -> None:
    """A hundred merchants are tried again and hang; one took a second for its last event, and took it."""
    dead = [UUID(int=number) for number in range(100, 200)]
    slow = UUID(int=999)
    world = World(dict.fromkeys([*dead, slow], 1))
    world.replies, world.pace = dict.fromkeys(dead, NO), {slow: 1.01}
    dispatcher = world.dispatcher(places=101, slow_places=1, failing_places=2)
    await look(dispatcher)
    await look(dispatcher)
    assert len(dispatcher.failing()) > 0 and world.written == {slow: (1, 1)}
    world.now, world.hanging, world.events[slow] = 60.0, set(dead), 2
    await look(dispatcher)
    await look(dispatcher)
    assert (slow, 2) in world.took and world.questions[-2].slow == {slow}
    assert dispatcher.running == 2, "the dead had more places than theirs"


async def test_each_of_many_that_fail_is_tried_in_its_turn() -> None:
    """Whoever was tried longest ago first: ten places of a kind are enough for a hundred."""
    dead = [UUID(int=number) for number in range(100, 200)]
    world = World(dict.fromkeys(dead, 1))
    world.replies = dict.fromkeys(dead, NO)
    dispatcher = world.dispatcher(places=100, failing_places=10, longest_pause=timedelta(seconds=1))
    for _ in range(11):
        await look(dispatcher)
        world.now += 1
    assert sorted(account for account, _ in world.took) == sorted(dead * 2)


async def test_cursors_that_could_not_be_written_are_written_later_and_events_not_sent_again() -> None:
    """The link goes down after a success."""
    world = World({A: 2})
    dispatcher = world.dispatcher()
    await look(dispatcher)
    world.is_broken = True
    await look(dispatcher)
    assert world.written == {}
    world.is_broken = False
    world.events[A] = 3
    await look(dispatcher)
    assert world.written == {A: (1, 2)}
    assert world.took == [(A, 1), (A, 2), (A, 3)]


async def test_an_outbox_that_does_not_answer_ends_no_look_badly() -> None:
    """A failover is a few of those."""
    world = World({A: 1})

    async def no_writer(_: Look) -> Due:
        raise NoWriter("no site is known to be the writer")

    world.due = no_writer  # type: ignore[method-assign]
    await look(world.dispatcher())
    assert world.took == []


async def test_a_stop_ends_what_is_under_way_and_writes_the_cursors() -> None:
    """So that a planned restart sends nothing twice."""
    world = World({A: 2})
    async with world.dispatcher().at_work():
        while len(world.trips) < 1:
            await asyncio.sleep(0)
    assert world.written == {A: (1, 2)}
    assert world.left


async def test_parked_endpoints_are_counted() -> None:
    """After the stated time of failures only."""
    world = World({A: 1})
    world.replies = {A: NO}
    dispatcher = world.dispatcher(parked_after=timedelta(seconds=10))
    await look(dispatcher)
    assert dispatcher.parked == 0
    world.now = 11.0
    await look(dispatcher)
    assert dispatcher.parked == 1
