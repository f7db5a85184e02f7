"""How long an endpoint rests, and when it is parked."""

from datetime import timedelta

import pytest

from workload.webhooks.model import Kind, Reply, Trip
from workload.webhooks.settings import Manners
from workload.webhooks.standing import GOOD, Standing, show

MANNERS = Manners()
NO = Reply(is_accepted=False, why="answered 500")
SECOND = timedelta(seconds=1)


def trip(delivered: int = 0, failure: Reply | None = NO, slowest: timedelta = timedelta(0)) -> Trip:
    """What became of one."""
    return Trip(delivered=delivered, failure=failure, slowest=slowest)


def fail(times: int, chance: float = 0.999999, reply: Reply = NO) -> Standing:
    """After so many failures in a row at moment 0."""
    standing = GOOD
    for _ in range(times):
        standing = standing.after(trip(failure=reply), 0.0, MANNERS, chance)
    return standing


def test_pauses_double_up_to_the_longest() -> None:
    """1 s, 2 s, 4 s and so on, ten minutes at most."""
    pauses = [round(fail(times).rests_until) for times in (1, 2, 3, 9, 10, 11, 100)]
    assert pauses == [1, 2, 4, 256, 512, 600, 600]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 2.0), (0.5, 3.0)])
def test_jitter_spreads_the_second_half_of_a_pause(chance: float, expected: float) -> None:
    """Those that failed together do not come back together."""
    assert fail(3, chance).rests_until == pytest.approx(expected)


def test_a_success_forgives_everything() -> None:
    """The next failure is a first one again."""
    assert fail(9).after(trip(delivered=1, failure=None), 10.0, MANNERS, 0.5) == GOOD
    assert fail(9).after(trip(delivered=1), 10.0, MANNERS, 0.5).failures == 1


def test_a_trip_that_asked_nothing_changes_nothing() -> None:
    """Everything it carried was delivered already."""
    standing = fail(3)
    assert standing.after(trip(failure=None), 10.0, MANNERS, 0.5) == standing


def test_whoever_failed_or_was_slow_uses_places_of_its_kind() -> None:
    """Until it answers quickly again."""
    slow = GOOD.after(trip(delivered=1, failure=None, slowest=SECOND), 5.0, MANNERS, 0.5)
    late = GOOD.after(trip(delivered=1, slowest=SECOND), 5.0, MANNERS, 0.5)
    assert [one.kind for one in (GOOD, fail(1), slow, late)] == [Kind.QUICK, Kind.FAILING, Kind.SLOW, Kind.FAILING]
    assert slow.tried_at == late.tried_at == 5.0
    assert slow.after(trip(delivered=1, failure=None), 0.0, MANNERS, 0.5) == GOOD


def test_what_the_endpoint_asks_for_is_granted_within_bounds() -> None:
    """Retry-After lengthens a pause, up to the longest, and never shortens it."""
    asked = {
        seconds: fail(1, reply=Reply(is_accepted=False, why="", retry_after=timedelta(seconds=seconds)))
        for seconds in (0, 30, 9999)
    }
    assert {seconds: round(standing.rests_until) for seconds, standing in asked.items()} == {0: 1, 30: 30, 9999: 600}


def test_long_failure_parks_and_is_shown() -> None:
    """After a day it is tried once an hour, and people see why."""
    standing = fail(5)
    day = MANNERS.parked_after.total_seconds()
    assert not standing.is_parked(day - 1, MANNERS)
    parked = standing.after(trip(), day, MANNERS, 0.999999)
    assert parked.is_parked(day, MANNERS)
    assert round(parked.rests_until - day) == 3600
    shown = show(parked, day, MANNERS)
    assert (shown["parked"], shown["why"], shown["failures"]) == (True, "answered 500", 6)


def test_an_endpoint_that_says_it_is_gone_is_parked_at_once() -> None:
    """410: it wants nothing more; its events wait for a person."""
    gone = fail(1, reply=Reply(is_accepted=False, why="answered 410", is_gone=True))
    assert gone.is_parked(0.0, MANNERS)
    assert round(gone.rests_until) == 3600
