"""When polls come straight back, and when they wait."""

from datetime import timedelta

import pytest

from workload.durable.pace import Pace

LONGEST = timedelta(seconds=0.1)


def ms(number: float) -> timedelta:
    """Milliseconds."""
    return timedelta(milliseconds=number)


@pytest.mark.parametrize(
    ("usual", "age", "patience"),
    [(0, 0, ms(0)), (1, 2, ms(0)), (1, 4, LONGEST), (25, 0, LONGEST), (25, 30, LONGEST)],
    ids=["nothing known", "near", "near, but not this time", "far", "far and late"],
)
def test_only_an_instant_is_not_waited_for(usual: float, age: float, patience: timedelta) -> None:
    """Near followers are asked again and again, far ones are waited for."""
    assert Pace(usual=ms(usual)).patience(ms(age), LONGEST) == patience


def test_the_pace_follows_the_link() -> None:
    """Followers that move away are noticed after one confirmation, ones that come near after a few."""
    pace = Pace(usual=ms(1)).after(ms(25))
    assert pace.patience(ms(0), LONGEST) == LONGEST
    for _ in range(30):
        pace = pace.after(ms(1))
    assert pace.patience(ms(0), LONGEST) == ms(0)
