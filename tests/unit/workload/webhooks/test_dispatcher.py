"""The dispatcher's looks: who is sent to, who rests, what is written, and that nobody holds up anybody else."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

import pytest

from workload.durable.errors import NoWriter, OutcomeUnknown
from workload.webhooks.dispatcher import Dispatcher
from workload.webhooks.model import Due, Event, Place, Reply, Swept, Trip
from workload.webhooks.outbox import BEGINNING
from workload.webhooks.settings import Manners

pytestmark = pytest.mark.asyncio

A, B, C = (UUID(int=number) for number in (1, 2, 3))
YES, NO = Reply(is_accepted=True, why="204", is_answer=True), Reply(is_accepted=False, why="answered 500", is_answer=True)
SILENCE = Reply(is_accepted=False, why="no answer within 15 s", is_silence=True)


class World:
    """An outbox, merchants, a seat and a clock."""

    def __init__(self, events: Mapping[UUID, int]) -> None:
        self.events = dict(events)
        self.written: dict[UUID, Place] = {}
        self.replies: dict[UUID, Reply] = {}
        self.hanging: set[UUID] = set()
        self.took: list[tuple[UUID, int]] = []
        self.trips: list[Trip] = []
        self.now = 0.0
        self.is_held = True
        self.is_broken = False
        self.left = False
        self.questions: list[tuple[set[UUID], set[UUID], int, int]] = []
        self.swept: list[tuple[timedelta, UUID]] = []
        self.sought: list[set[UUID] | None] = []
        self.old = 0
        self.registrations: dict[UUID, UUID] = {}
        self.disabled: set[UUID] = set()
        self.seconds = 0.0

    async def due(
        self,
        *,
        busy: Collection[UUID],
        slow: Collection[UUID],
        known: Mapping[UUID, UUID],
        places: int,
        slow_places: int,
        most: int,
        also: Collection[UUID] | None,
    ) -> Due:
        self._answer()
        self.sought.append(None if also is None else set(also))
        self.questions.append((set(busy), set(slow), places, slow_places))
        free = {True: slow_places, False: places}
        found: list[Event] = []
        for account in sorted(self.events):
            delivered = self.written.get(account, (1, 0))[1]
            if account in busy or free[account in slow] <= 0 or self.events[account] <= delivered or account in self.disabled:
                continue
            free[account in slow] -= 1
            last = min(self.events[account], delivered + most)
            found += [self._event(account, sequence, delivered) for sequence in range(delivered + 1, last + 1)]
        outdated = {one for one, known_as in known.items() if one in self.disabled or self.registration(one) != known_as}
        return Due(events=found, outdated=frozenset(outdated))

    def registration(self, account: UUID) -> UUID:
        """The present one."""
        return self.registrations.get(account, account)

    def _event(self, account: UUID, sequence: int, delivered: int) -> Event:
        return Event(
            id=UUID(int=account.int * 1000 + sequence),
            account=account,
            epoch=1,
            sequence=sequence,
            body="{}",
            delivered=delivered,
            url="u",
            secret="s",
            registration=self.registration(account),
        )

    async def advance(self, cursors: Mapping[UUID, Place]) -> None:
        self._answer()
        self.written.update(cursors)

    async def sweep(self, retention: timedelta, since: UUID) -> Swept:
        self._answer()
        self.swept.append((retention, since))
        found, self.old = min(self.old, 1000), max(self.old - 1000, 0)
        return Swept(events=found, until=UUID(int=since.int + found) if found == 1000 else None)

    def _answer(self) -> None:
        if self.is_broken:
            raise OutcomeUnknown("the link is down")

    async def hold(self) -> bool:
        return self.is_held

    def leave(self) -> None:
        self.left, self.is_held = True, False

    async def post(self, event: Event) -> Reply:
        self.took.append((event.account, event.sequence))
        if event.account in self.hanging:
            await asyncio.Event().wait()
        self.now += self.seconds
        return self.replies.get(event.account, YES)

    def travelled(self, trip: Trip) -> None:
        self.trips.append(trip)

    def dispatcher(self, **manners: object) -> Dispatcher:
        """Over it."""
        return Dispatcher(
            self,
            self,
            self.post,
            manners=Manners(**manners),  # type: ignore[arg-type]
            interval=timedelta(seconds=0.01),
            retention=timedelta(days=7),
            meter=self,
            monotonic=lambda: self.now,
            chance=lambda: 0.0,
        )


async def look(dispatcher: Dispatcher) -> None:
    """One look, and time for its couriers."""
    await dispatcher.look()
    for _ in range(50):
        await asyncio.sleep(0)


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

    async def slow(*, also: Collection[UUID] | None, **what: object) -> Due:
        found = await answered(also=also, **what)  # type: ignore[arg-type]
        if also is None:
            raise OutcomeUnknown("statement timeout")
        return found

    world.due = slow  # type: ignore[method-assign, assignment]
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
