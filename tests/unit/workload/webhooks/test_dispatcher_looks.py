"""What a dispatcher asks for, how often, and when it stops asking: old events, changed endpoints, everybody or a few, and the seat."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.unit.workload.webhooks.dispatcher_world import NO, SILENCE, A, B, C, World, look
from workload.durable.errors import OutcomeUnknown
from workload.webhooks.dispatcher import Dispatcher
from workload.webhooks.model import Due, Look, Reply, Swept
from workload.webhooks.outbox import BEGINNING

pytestmark = pytest.mark.asyncio


async def test_old_events_are_swept_once_a_minute() -> None:
    """And with the stated retention."""
    world = World({})
    dispatcher = world.dispatcher()
    for world.now in (1.0, 61.0, 62.0, 122.0):
        await look(dispatcher)
    assert world.swept == [(timedelta(days=7), BEGINNING)] * 2


async def test_many_old_events_are_swept_look_by_look_until_none_is_left() -> None:
    """A thousand a minute would be fewer than a busy minute makes; each look goes on where the last one ended."""
    world = World({})
    world.old = 2500
    dispatcher = world.dispatcher()
    for world.now in (61.0, 61.2, 61.4, 61.6, 121.0, 122.0):
        await look(dispatcher)
    assert [since.int for _, since in world.swept] == [0, 1000, 2000, 0]


async def test_a_sweep_that_is_not_answered_waits_a_minute_and_goes_on_where_it_was() -> None:
    """It must not make every look late."""
    world = World({})
    world.old = 2500
    dispatcher = world.dispatcher()
    world.now = 61.0
    await look(dispatcher)
    answered = world.sweep

    async def too_slow(retention: timedelta, since: UUID) -> Swept:
        await answered(retention, since)
        raise OutcomeUnknown("statement timeout")

    world.sweep = too_slow  # type: ignore[method-assign]
    for world.now in (61.2, 61.4, 121.0):
        await look(dispatcher)
    world.sweep = answered  # type: ignore[method-assign]
    world.now = 121.4
    await look(dispatcher)
    assert [since.int for _, since in world.swept] == [0, 1000, 1000]


async def test_nothing_is_sent_by_what_was_read_long_ago() -> None:
    """Each attempt takes 0.4 s: after a second the rest is read anew, so a URL that was changed meanwhile holds."""
    world = World({A: 9})
    world.seconds = 0.4
    dispatcher = world.dispatcher()
    await look(dispatcher)
    assert world.took == [(A, 1), (A, 2), (A, 3)]
    await look(dispatcher)
    assert [sequence for _, sequence in world.took] == [1, 2, 3, 4, 5, 6]


async def test_an_endpoint_that_is_registered_anew_is_tried_at_once() -> None:
    """It rests for ten minutes, is mended, and somebody says so."""
    world = World({A: 1})
    world.replies = {A: NO}
    dispatcher = world.dispatcher(first_pause=timedelta(minutes=10))
    await look(dispatcher)
    world.replies = {}
    await look(dispatcher)
    assert world.took == [(A, 1)]
    world.registrations[A] = UUID(int=99)
    await look(dispatcher)
    await look(dispatcher)
    assert world.took == [(A, 1)] * 2
    assert dispatcher.failing() == {}


async def test_who_is_not_told_any_more_is_not_shown_as_failing() -> None:
    """Disabled while it was parked: no gauge and no page keeps it for the life of the process."""
    world = World({A: 1})
    world.replies = {A: Reply(is_accepted=False, why="answered 410", is_gone=True)}
    dispatcher = world.dispatcher()
    await look(dispatcher)
    assert (dispatcher.parked, list(dispatcher.failing())) == (1, [str(A)])
    world.disabled = {A}
    await look(dispatcher)
    assert (dispatcher.parked, dispatcher.failing()) == (0, {})


async def test_everybody_is_looked_at_now_and_then_and_in_between_who_has_just_been_told() -> None:
    """A hundred thousand merchants that have nothing to be told are not read five times a second."""
    world = World({A: 1, B: 1})
    dispatcher = world.dispatcher()
    for world.now in (0.0, 0.2, 0.4, 1.8, 2.0, 2.2):
        await look(dispatcher)
    assert world.sought == [None, {A, B}, set(), set(), None, set()]


async def test_whoever_takes_the_seat_or_had_too_few_places_looks_at_everybody() -> None:
    """What was paid before it came, or did not find a place, was not paid lately."""
    world = World({A: 1, B: 1, C: 1})
    dispatcher = world.dispatcher(places=2)
    for world.now in (0.0, 0.2, 0.4):
        await look(dispatcher)
    assert world.sought == [None, None, {C}]
    world.is_held = False
    await look(dispatcher)
    world.is_held = True
    await look(dispatcher)
    assert world.sought[3:] == [None]


async def test_a_look_at_everybody_that_is_not_answered_is_not_all_that_is_asked() -> None:
    """With very many merchants it takes longer than a statement may: who was paid lately is told all the same."""
    world = World({A: 1})
    answered, dispatcher = world.due, world.dispatcher()

    async def slow(what: Look) -> Due:
        found = await answered(what)
        if what.also is None:
            raise OutcomeUnknown("statement timeout")
        return found

    world.due = slow  # type: ignore[method-assign]
    for world.now in (0.0, 0.2):
        await look(dispatcher)
    assert (world.sought, world.took) == ([None, set()], [(A, 1)])


async def looks(world: World, dispatcher: Dispatcher, until: float) -> None:
    """One a second."""
    while world.now < until:
        world.now += 1
        await look(dispatcher)


async def test_who_reaches_no_merchant_leaves_the_seat_and_asks_again_later() -> None:
    """Its own way may be broken; another site's dispatcher is given the chance."""
    world = World({A: 1, B: 1, C: 1})
    world.replies = dict.fromkeys((A, B, C), SILENCE)
    dispatcher = world.dispatcher()
    await looks(world, dispatcher, 30)
    assert not world.left
    await looks(world, dispatcher, 35)
    assert world.left and dispatcher.is_away
    world.is_held = True
    asked = len(world.questions)
    await looks(world, dispatcher, 38)
    assert len(world.questions) == asked, "it asked for the seat again before another one could take it"
    world.replies = {}
    await looks(world, dispatcher, 60)
    assert not dispatcher.is_away and world.written == dict.fromkeys((A, B, C), (1, 1))


async def test_who_has_the_seat_back_and_reads_that_another_site_told_them_leaves_it_again() -> None:
    """Its way was broken and still is. Its own failures with them count no longer: with pauses of minutes it would find out in minutes,
    and with those of a third time never."""
    world = World({A: 1, B: 1, C: 1})
    world.replies = dict.fromkeys((A, B, C), SILENCE)
    dispatcher = world.dispatcher()
    await looks(world, dispatcher, 35)
    assert world.left
    for told in (1, 2, 3):
        world.written, world.events = dict.fromkeys((A, B, C), (1, told)), dict.fromkeys((A, B, C), told + 1)
        world.now, world.is_held, world.left = 300.0 * told, True, False
        await look(dispatcher)
        world.now += 0.5  # nobody looks exactly 30 s after an attempt
        await looks(world, dispatcher, world.now + 31)
        assert world.left


async def test_a_seat_that_is_back_at_the_next_look_has_forgotten_nobody() -> None:
    """It broke while a look at a backlog was under way. What that look answered is not sent, and is asked for again."""
    world = World({A: 40})
    dispatcher, answered = world.dispatcher(), world.due
    await look(dispatcher)
    assert dispatcher.running == 0 and len(world.took) == 20

    async def lose(what: Look) -> Due:
        world.is_held = False
        return await answered(what)

    world.now, world.due = 0.2, lose  # type: ignore[method-assign]
    await look(dispatcher)
    world.now, world.due, world.is_held = 0.4, answered, True  # type: ignore[method-assign]
    await look(dispatcher)
    assert world.sought == [None, {A}, None]
    assert len(world.took) == 40


@pytest.mark.parametrize("why", ["an answer", "too few", "their own fault"])
async def test_who_has_no_reason_to_doubt_its_way_stays(why: str) -> None:
    """One merchant answers, if only with an error; or only two are silent; or no URL of theirs may be called."""
    world = World({A: 1, B: 1, C: 1})
    match why:
        case "an answer":
            world.replies = {A: SILENCE, B: SILENCE, C: SILENCE}
            world.events[UUID(int=4)] = 1
            world.replies[UUID(int=4)] = NO
        case "too few":
            del world.events[C]
            world.replies = {A: SILENCE, B: SILENCE}
        case _:
            world.replies = dict.fromkeys((A, B, C), Reply(is_accepted=False, why="refused: 127.0.0.1"))
    await looks(world, world.dispatcher(longest_pause=timedelta(seconds=8)), 200)
    assert not world.left
