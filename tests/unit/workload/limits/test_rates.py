"""Token buckets: what may pass in the long run and at once, and whose bucket is remembered."""

import pytest

from workload.limits.rates import Clients, Rate, draw

TEN = Rate(per_second=10, burst=5)


def passed(rate: Rate, *moments: float) -> int:
    """How many of those who ask at these moments may pass."""
    full_at, through = 0.0, 0
    for moment in moments:
        drawn = draw(rate, full_at, moment)
        full_at = drawn.full_at
        through += drawn.wait == 0
    return through


def test_a_burst_passes_and_no_more() -> None:
    """Five at once after a rest, the sixth waits for its token."""
    assert passed(TEN, *[100.0] * 20) == 5


@pytest.mark.parametrize("per_second", [3.0, 7.0, 10.0, 333.0])
def test_in_the_long_run_exactly_the_rate_passes(per_second: float) -> None:
    """Asked far more often, it lets pass the burst and then the rate, whatever the fractions."""
    moments = [1000 + number / (10 * per_second) for number in range(int(100 * per_second))]
    assert passed(Rate(per_second=per_second, burst=5), *moments) == pytest.approx(10 * per_second + 5, abs=1)


def test_a_refusal_costs_no_token() -> None:
    """Whoever keeps knocking is let in as soon as a token is there, not later."""
    full_at = 0.0
    for _ in range(5):
        full_at = draw(TEN, full_at, 50.0).full_at
    refused = draw(TEN, full_at, 50.0)
    assert refused.full_at == full_at
    assert refused.wait == pytest.approx(0.1)
    assert draw(TEN, refused.full_at, 50.0 + refused.wait).wait == 0


def test_a_rest_fills_the_bucket_and_no_further() -> None:
    """An hour of silence is worth one burst."""
    assert passed(TEN, *[1.0] * 5, *[3601.0] * 20) == 10


def test_clients_do_not_pay_for_each_other() -> None:
    """One that has used up its rate keeps nobody else out."""
    clients = Clients(TEN, room=10)
    waits = [clients.draw("greedy", 1.0) for _ in range(50)]
    assert waits.count(0.0) == 5
    assert clients.draw("modest", 1.0) == 0


def test_a_flood_of_new_names_does_not_wipe_the_memory_of_the_heavy_one() -> None:
    """A thousand names that nobody has heard of, and the one whose bucket is empty still has to wait."""
    clients = Clients(TEN, room=100)
    for _ in range(5):
        assert clients.draw("heavy", 1.0) == 0
    for number in range(1000):
        clients.draw(f"new {number}", 1.0)
    assert len(clients) == 100
    assert clients.draw("heavy", 1.01) > 0


def test_forgetting_the_least_recently_seen_would_wipe_it() -> None:
    """What the test above guards against happens to a memory that forgets by age alone."""

    class ByAge(Clients):
        def _forget_one(self) -> None:
            eldest = next(iter(self._full_at))
            del self._full_at[eldest]
            self._queue = [one for one in self._queue if one[1] != eldest]

    clients = ByAge(TEN, room=100)
    for _ in range(5):
        clients.draw("heavy", 1.0)
    for number in range(1000):
        clients.draw(f"new {number}", 1.0)
    assert clients.draw("heavy", 1.01) == 0


def test_among_those_whose_buckets_are_full_the_one_unseen_for_longest_is_forgotten() -> None:
    """Nobody is worse off, and the memory goes to those who are there."""
    clients = Clients(TEN, room=2)
    for number, name in enumerate(["first", "second", "first", "third"]):
        clients.draw(name, 10.0 * number)
    assert set(clients._full_at) == {"first", "third"}
