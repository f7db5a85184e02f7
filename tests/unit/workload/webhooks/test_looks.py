"""What a look names and what of its answer is sent: bounded, whoever fails, and no matter what the outbox says."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from tests.unit.workload.webhooks.dispatcher_world import NO, YES, A, B, C
from workload.webhooks.looks import MOST_NAMED, Looks
from workload.webhooks.model import Due, Event, Look, Reply, Trip
from workload.webhooks.settings import Manners
from workload.webhooks.standings import Standings

MANY = [UUID(int=number) for number in range(1000, 1000 + 2 * MOST_NAMED + 500)]


class Desk:
    """Looks over standings, at a time that is passed in."""

    def __init__(self, **manners: int) -> None:
        self.manners = Manners(**manners)  # type: ignore[arg-type]
        self.standings = Standings(self.manners)
        self.looks = Looks(self.manners, self.standings)

    def went(self, account: UUID, reply: Reply, now: float = 0.0, seconds: float = 0.0) -> None:
        """A courier came back from there."""
        trip = Trip(
            delivered=int(reply.is_accepted), failure=None if reply.is_accepted else reply, slowest=timedelta(seconds=seconds)
        )
        self.standings.travelled(account, account, trip, now, 0.5)

    def next(self, now: float, running: Sequence[UUID] = ()) -> Look:
        """The look of that moment."""
        look = self.looks.next(running, now)
        assert look is not None
        return look

    def between(self, now: float) -> Look:
        """One that is not at everybody, beginning with `now`."""
        self.next(now)
        look = self.next(now)
        assert look.also is not None
        return look


def due(*accounts: UUID, outdated: Sequence[UUID] = ()) -> Due:
    """One event for each."""
    events = [
        Event(id=one, account=one, epoch=1, sequence=1, body="{}", delivered=0, url="u", secret="s", registration=one)
        for one in sorted(accounts)
    ]
    return Due(events=events, outdated=frozenset(outdated))


def test_who_rests_is_not_looked_for_and_who_may_be_tried_is_looked_for_by_name() -> None:
    """A failed just now, B long ago."""
    desk = Desk()
    desk.went(B, NO, now=0.0)
    desk.went(A, NO, now=9.9)
    for look in (desk.next(10.0), desk.next(10.0)):
        assert (look.failing, look.busy) == ({B}, {A})
        assert not look.slow and not look.also


def test_a_look_names_a_bounded_number_however_many_fail() -> None:
    """Except, every two seconds, the one at everybody, where each of them has events and would take somebody's place."""
    desk = Desk()
    for account in MANY:
        desk.went(account, NO)
        desk.went(UUID(int=account.int + 1_000_000), YES, seconds=2)
        desk.looks.has_more(account)
    whole, between = desk.next(0.1), desk.next(0.2)
    assert len(whole.busy) == len(whole.slow) == len(MANY)
    assert between.also is not None
    assert {len(between.busy), len(between.slow), len(between.known), len(between.also)} == {MOST_NAMED}
    assert len(desk.between(60.0).failing) == desk.manners.failing_places


def test_registrations_of_very_many_are_asked_about_in_turn() -> None:
    """So that one which is mended and registered anew is tried soon, and no look grows with those that fail."""
    desk = Desk()
    for account in MANY:
        desk.went(account, NO)
    asked: set[UUID] = set()
    for tenth in range(3):
        asked |= desk.next(tenth / 10).known.keys()
    assert asked == set(MANY)


def test_who_comes_though_it_rests_is_not_sent_to_and_named_the_next_time() -> None:
    """It was one of too many to be named."""
    desk = Desk()
    for account in MANY:
        desk.went(account, NO)
    look = desk.between(0.1)
    eldest = MANY[0]
    assert eldest not in look.busy
    assert desk.looks.settle(look, due(eldest, A), ()).keys() == {A}
    assert eldest in desk.next(0.2).busy


def test_no_more_are_sent_to_than_there_are_places_of_their_kind() -> None:
    """A slow one that was not named is answered among the quick."""
    desk = Desk(slow_places=1, places=1)
    look = desk.next(0.0)
    for account in (A, B):
        desk.went(account, YES, seconds=2)
    assert desk.looks.settle(look, due(A, B, C), ()).keys() == {A, C}
    assert desk.looks.settle(look, due(A, B, C), (A,)).keys() == {C}


def test_a_slow_one_that_found_no_place_is_looked_for_again() -> None:
    """It has more to be told, and was not paid lately. A quick one that does not come has nothing."""
    desk = Desk(slow_places=1)
    for account in (A, B):
        desk.went(account, YES, seconds=2)
    for account in (A, B, C):
        desk.looks.has_more(account)
    look = desk.next(0.0)
    assert desk.looks.settle(look, due(A), ()).keys() == {A}
    again = desk.next(0.1, running=(A,))
    assert again.also == {B}
    desk.looks.settle(again, due(), (A,))
    last = desk.next(0.2)
    assert last.also == {B}
    desk.looks.settle(last, due(), ())
    assert desk.next(0.3).also == set()


def test_a_failing_one_that_has_nothing_to_be_told_is_forgotten() -> None:
    """Another site's dispatcher told it everything: it is not asked for, counted or shown for the life of the process."""
    desk = Desk()
    desk.went(A, NO)
    desk.went(B, NO)
    look = desk.next(10.0)
    desk.looks.settle(look, due(B), ())
    assert list(desk.standings.failing(10.0)) == [str(B)]
    assert desk.standings.known(9).keys() == {B}


def test_slowness_that_is_long_past_is_forgotten() -> None:
    """Whoever was slow once and was not told anything since is in no look after the longest pause; a failing one stays."""
    desk = Desk()
    desk.went(A, YES, seconds=2)
    desk.went(B, NO)
    longest = desk.manners.longest_pause.total_seconds()
    assert desk.next(longest).slow == {A}
    assert desk.next(longest + 3).slow == set()
    assert desk.standings.known(9).keys() == {B}


def test_who_is_sent_to_is_not_chosen_again() -> None:
    """One account, one courier: its order rests on it."""
    desk = Desk()
    desk.went(A, NO)
    look = desk.next(10.0, running=(A, B))
    assert (look.failing, look.busy) == (set(), {A, B})
    assert desk.looks.settle(look, due(B, C), (A, B)).keys() == {C}, "whatever the outbox says"


def test_who_is_registered_anew_is_looked_for_by_name() -> None:
    """Its events are old, and it rests no more."""
    desk = Desk()
    desk.went(A, NO)
    look = desk.next(0.1)
    assert look.known == {A: A}
    desk.looks.settle(look, due(outdated=(A,)), ())
    again = desk.next(0.2)
    assert (again.also, again.busy) == ({A}, set())


def test_who_comes_unasked_loses_no_turn() -> None:
    """A is paid all the time and was tried before B; with one place it is A's turn."""
    desk = Desk(failing_places=1)
    desk.went(A, NO, now=0.0)
    desk.went(B, NO, now=0.5)
    desk.looks.settle(desk.next(0.6), due(A), ())
    assert desk.next(10.0).failing == {A}


def test_without_a_free_place_nothing_is_asked() -> None:
    """Of any kind."""
    desk = Desk(places=1, slow_places=1, failing_places=1)
    desk.went(A, NO)
    desk.went(B, YES, seconds=2)
    assert desk.looks.next((A, B, C), 10.0) is None
    assert desk.looks.next((A, B), 10.0) is not None


def test_who_comes_back_while_a_look_is_under_way_is_looked_for_by_the_next() -> None:
    """It was busy when everybody was asked for, and has more to be told than was read."""
    desk = Desk()
    look = desk.next(0.0, running=(A,))
    desk.looks.has_more(A)
    desk.looks.settle(look, due(), ())
    assert desk.next(0.1).also == {A}


def test_who_is_sent_to_is_not_taken_for_somebody_who_has_nothing() -> None:
    """It is registered anew while an attempt is under way: looks leave it out meanwhile, and its backlog is not of what was paid lately."""
    desk = Desk()
    look = desk.next(0.0, running=(A,))
    desk.looks.settle(look, due(outdated=(A,)), (A,))
    look = desk.next(0.1, running=(A,))
    assert not look.also
    desk.looks.settle(look, due(), (A,))
    assert desk.next(0.2).also == {A}
