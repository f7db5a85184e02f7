"""The dispatcher's looks: who is sent to, who rests, what is written, and that nobody holds up anybody else."""

import asyncio
from datetime import timedelta

import pytest

from tests.unit.workload.webhooks.dispatcher_world import NO, A, B, C, World, look
from workload.durable.errors import NoWriter
from workload.webhooks.model import Due

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

    async def lose(**what: object) -> Due:
        world.is_held = False
        return await asked(**what)  # type: ignore[arg-type]

    world.due = lose  # type: ignore[assignment, method-assign]
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
    assert world.questions[-1][0] == {A}
    assert dispatcher.running == 1


async def test_a_failing_merchant_rests_and_waits_for_the_places_of_the_slow() -> None:
    """While it rests nothing is read for it; afterwards it competes with those like it only."""
    world = World({A: 3, B: 3})
    world.replies = {A: NO}
    dispatcher = world.dispatcher(places=5, slow_places=2)
    await look(dispatcher)
    await look(dispatcher)
    assert world.questions[-1] == ({A}, {A}, 5, 2)
    assert list(dispatcher.failing()) == [str(A)]
    world.now = 0.6  # the first pause is a second, and chance left half of it
    world.replies = {}
    await look(dispatcher)
    assert world.questions[-1][:2] == (set(), {A})
    assert [sequence for account, sequence in world.took if account == A] == [1, 1, 2, 3]
    assert dispatcher.failing() == {}


async def test_the_dead_take_no_place_of_the_living() -> None:
    """Places of the slow are full of merchants that hang; somebody who answers is still sent to."""
    world = World({A: 1, B: 1})
    world.replies = {A: NO, B: NO}
    dispatcher = world.dispatcher(places=1, slow_places=1)
    await look(dispatcher)
    await look(dispatcher)
    world.now, world.hanging = 2.0, {A, B}
    await look(dispatcher)
    world.events[C] = 1
    await look(dispatcher)
    assert (C, 1) in world.took
    assert dispatcher.running == 1


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

    async def no_writer(**_: object) -> Due:
        raise NoWriter("no site is known to be the writer")

    world.due = no_writer  # type: ignore[assignment, method-assign]
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
