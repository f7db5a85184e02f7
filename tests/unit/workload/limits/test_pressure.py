"""When those who are sent away come back: spread, and over a longer time the more they are."""

import pytest

from workload.limits.pressure import Pressure, retry_after_wait


def pressed(times: int, longest: float = 8) -> Pressure:
    """So many were sent away at second 10."""
    pressure = Pressure(longest=longest)
    for _ in range(times):
        pressure.add(10.0)
    return pressure


@pytest.mark.parametrize("times", [1, 40, 200])
def test_even_a_few_do_not_come_back_together(times: int) -> None:
    """A hundred a second and less, where four hundred are served: the shortest window that HTTP's whole seconds can say, half and half."""
    seen = [pressed(times).retry_after(10.0, 400, chance / 10) for chance in range(10)]
    assert seen == [1] * 5 + [2] * 5


def test_many_are_spread_over_the_time_that_serving_them_takes() -> None:
    """Four hundred, a hundred a second: from one to four seconds, evenly."""
    pressure = pressed(400)
    seen = [pressure.retry_after(10.0, 100, chance / 1000) for chance in range(1000)]
    assert {second: seen.count(second) for second in set(seen)} == pytest.approx({1: 250, 2: 250, 3: 250, 4: 250}, abs=2)


def test_nobody_is_sent_farther_than_the_longest() -> None:
    """However many there are."""
    assert pressed(100_000).retry_after(10.0, 10, 0.999) == 8


def test_pressure_passes() -> None:
    """Ten seconds later the window is as short as ever."""
    assert pressed(400).window(10.0, 100) == pytest.approx(4)
    assert pressed(400).window(20.0, 100) == 2


def test_a_clients_own_wait_is_never_too_short() -> None:
    """Back at the moment that was named, its token is there."""
    for wait in (0.001, 0.4, 1.0, 7.3):
        for chance in (0.0, 0.5, 0.999):
            assert max(wait, 1) <= retry_after_wait(wait, chance) <= 2 * wait + 2
