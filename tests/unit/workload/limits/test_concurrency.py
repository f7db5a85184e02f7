"""The limit finds the number of requests that keeps a service just busy, on a model: one processor that everybody shares, 2.5 ms each, and
30 ms of barrier. It does 400 a second, and 13 inside are the fewest that achieve it."""

from datetime import timedelta

import pytest

from tests.unit.workload.limits.modelled import Modelled, steady, wandering
from workload.limits.concurrency import ConcurrencyLimit, Law

FULL, BEST = 400, 13
UNLIMITED = Law(first=100_000, lowest=100_000, highest=100_000)


def overloaded(now: float) -> float:
    """A quarter of what it can do for four seconds, then three times what it can do."""
    return 100 if now < 4 else 1200


def test_it_converges_near_the_best_concurrency() -> None:
    """Three times what the service can do: nearly everything that it can do is done, with few more inside than that takes."""
    found = Modelled(arrivals=overloaded).run(14)
    assert found.worst(4, 14) >= 0.9 * FULL
    assert found.goodput(6, 14) >= 0.985 * FULL
    assert all(BEST <= found.limits[second] <= 1.9 * BEST for second in range(8, 14)), found.limits


def test_those_who_are_served_in_a_surge_are_served_soon() -> None:
    """Five seconds after it began the slowest hundredth take less than twice what they take in calm, waiting at the door included."""
    found = Modelled(arrivals=overloaded).run(14)
    assert found.slow(9, 14) < 2 * found.slow(1, 4)


def test_without_a_limit_the_same_surge_ends_all_service() -> None:
    """The safeguard removed: requests pile up, each is answered after its client is gone, and nothing is achieved any more."""
    found = Modelled(arrivals=overloaded, law=UNLIMITED, room=0).run(10)
    assert found.goodput(7, 10) == 0
    assert found.deepest > 500


@pytest.mark.parametrize("farther", [0.055, 0.08, 0.12])
def test_a_writer_that_moves_farther_away_does_not_make_it_collapse(farther: float) -> None:
    """The barrier takes a round trip more, or three, while the surge lasts. Within three seconds everything that can be done is done."""
    found = Modelled(arrivals=lambda _: 1200, barrier=lambda now: 0.03 if now < 6 else farther).run(16)
    assert found.worst(6, 9) >= 0.45 * FULL
    assert found.worst(9, 16) >= 0.8 * FULL
    assert found.goodput(9, 16) >= 0.93 * FULL


def test_without_looking_up_the_base_a_farther_writer_strangles_it() -> None:
    """The safeguard removed: longer answers are taken for a queue, less and less is let in, and most of the service stands idle."""
    never = Law(renewal=timedelta(days=1))
    calm_first = Modelled(arrivals=lambda now: 100 if now < 3 else 1200, barrier=lambda now: 0.03 if now < 6 else 0.12, law=never)
    assert calm_first.run(16).goodput(12, 16) < 0.5 * FULL


def test_it_comes_back_when_the_writer_does() -> None:
    """Near again, nobody is left waiting in a crowd that was right for a far one."""
    found = Modelled(arrivals=lambda _: 1200, barrier=lambda now: 0.12 if now < 6 else 0.03).run(16)
    assert found.limits[15] <= 2 * BEST
    assert found.goodput(10, 16) >= 0.95 * FULL


def test_a_service_that_becomes_slower_is_asked_for_less() -> None:
    """Half the processor is gone: all that is left is used, and nobody waits for what is not there."""
    found = Modelled(arrivals=lambda _: 1200, work=lambda now: 0.0025 if now < 5 else 0.005).run(16)
    assert found.goodput(8, 16) >= 0.93 * FULL / 2
    assert found.slow(10, 16) < 0.2


def test_a_failover_teaches_it_nothing_that_lasts() -> None:
    """For three seconds nothing is answered at all. Once those who hung in it are gone, it goes on as before."""
    found = Modelled(arrivals=lambda _: 1200, stops=(5, 8)).run(14)
    assert found.goodput(6, 8) == 0
    assert found.worst(9, 14) >= 0.9 * FULL


def test_a_quiet_hour_takes_nothing_away() -> None:
    """How much could be done is not seen while little is asked."""
    found = Modelled(arrivals=lambda _: 20).run(30)
    assert min(found.limits.values()) >= Law().first


def test_a_fixed_limit_is_never_another() -> None:
    """Whoever wants a number gets that number, also while the base would be looked up."""
    found = Modelled(arrivals=lambda _: 1200, law=Law(first=20, lowest=20, highest=20)).run(8)
    assert set(found.limits.values()) == {20} and found.deepest == 20
    assert set(found.lowest.values()) == {20}


def test_fast_failures_teach_nothing() -> None:
    """ "No site is known to write" comes at once: neither the service's best time nor its best rate."""
    limit = ConcurrencyLimit(Law(), 0.0)
    for number in range(1000):
        limit.failed(0.001, number / 100)
    assert (limit.limit, limit.best, limit.base) == (Law().first, 0.0, None)


def test_late_failures_make_it_let_in_less() -> None:
    """A service in which everything ends at its deadline is asked for less, down to the lowest, until something is answered."""
    law = Law(first=200)
    limit = ConcurrencyLimit(law, 0.0)
    for number in range(1000):
        limit.failed(0.9, number / 100)
    assert limit.limit == law.lowest


def idle(pause: float, seed: int, law: Law | None = None) -> Modelled:
    """Two hundred a second that take 30 to 60 ms each and share nothing: nine are inside, and nobody needs to be refused."""
    barrier = wandering(0.03, 0.06, seed + 100)
    return Modelled(arrivals=steady(200), barrier=barrier, work=steady(0), pause=pause, seed=seed, law=law or Law()).run(60)


@pytest.mark.parametrize("pause", [0.1, 0.15, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_below_capacity_pauses_cost_nobody_its_service(pause: float, seed: int) -> None:
    """Every four seconds the database stands still for a moment. Whoever waits in that is served after it."""
    assert idle(pause, seed).share_turned_away < 0.002


@pytest.mark.parametrize("careless", [Law(crowd=0.0), Law(lasting=1)])
def test_a_crowd_is_both_slow_and_lasting(careless: Law) -> None:
    """Either half of the safeguard removed, at pauses that outlast everybody's patience: several times as many are sent away."""
    assert idle(0.3, 1, careless).turned_away > 4 * idle(0.3, 1).turned_away


def test_too_few_places_become_more_while_nobody_inside_is_slower() -> None:
    """Places are what is short, not the service: it is asked for more until nobody waits."""
    found = Modelled(arrivals=steady(300), barrier=wandering(0.03, 0.06, 3), work=steady(0), law=Law(first=8))
    assert 0 < found.run(20).latest < 3


def test_what_was_learnt_in_a_crowd_is_forgotten_in_calm() -> None:
    """A crowd at a service with a short barrier is given ten places. A minute later that many would be too few for a pause."""
    surge = Modelled(arrivals=lambda now: 1200 if 4 < now < 9 else 100, barrier=steady(0.01)).run(20)
    assert surge.limits[8] < Law().first / 2 and surge.lowest[19] >= Law().first


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_right_refusals_cost_the_others_nothing(share: float) -> None:
    """Overdrawn accounts and ids of nothing take the same way as payments, and count as much in what the service can do."""
    found = Modelled(arrivals=overloaded, told_no=share).run(14)
    assert found.goodput(6, 14) >= 0.96 * FULL
    assert all(BEST <= found.limits[second] <= 1.9 * BEST for second in range(8, 14)), found.limits


def test_quick_refusals_teach_nothing() -> None:
    """Nobody without a token goes to the writer: neither the service's best time nor its best rate."""
    limit = learnt(Law(), rate=100, took=0.03)
    before = (limit.limit, limit.best, limit.base)
    for number in range(5000):
        limit.refused(0.0005, 1, 10 + number / 1000)
    assert (limit.limit, limit.best, limit.base) == before


def test_who_was_told_no_in_time_is_no_failure() -> None:
    """Among five hundred that were told no, a few late failures are a few."""
    limit = learnt(Law(first=200), rate=100, took=0.03)
    before = limit.limit
    for number in range(500):
        limit.refused(0.03, 5, 10 + number / 1000)
        if number % 30 == 0:
            limit.failed(0.9, 10 + number / 1000)
    assert limit.limit >= before


def test_a_look_never_lets_in_more() -> None:
    """Half of what a far writer's time would need may be more than the highest that is allowed."""
    law = Law(first=64, highest=64)
    limit = learnt(law, rate=2000, took=0.1)
    seen = set()
    for number in range(20000):
        limit.strain()
        limit.answered(0.2, 64, 10 + number / 2000)
        seen.add((limit._period.looking, limit.limit))
    assert {looking for looking, _ in seen} == {True, False} and max(places for _, places in seen) == 64


def learnt(law: Law, *, rate: int, took: float) -> ConcurrencyLimit:
    """After ten quiet seconds."""
    limit = ConcurrencyLimit(law, 0.0)
    for number in range(10 * rate):
        limit.answered(took, 1, number / rate)
    return limit
