"""Median and spread of a stream: where they settle, what moves them, and what does not."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.streaming import WIDEST, Level, deviation, first, forgotten, moved, weighed

MEMORY, NARROWEST = 64.0, 0.01


def after(values: list[float], level: Level | None = None, weight: float = 0.0) -> Level:
    """The level after these values, one after the other."""
    for value in values:
        weight = weighed(weight, 0.0, math.inf, MEMORY)
        level = first(value) if level is None else moved(level, value, weight, NARROWEST)
    assert level is not None
    return level


@pytest.mark.parametrize(("middle", "width"), [(0.0, 0.2), (8.0, 1.0), (-3.0, 2.0)])
def test_it_settles_near_the_median_and_the_median_deviation(middle: float, width: float) -> None:
    """Of normally distributed values, whose median absolute deviation is 0.6745 standard deviations."""
    chance = random.Random(1)
    found = [after([chance.gauss(middle, width) for _ in range(500)]) for _ in range(40)]
    medians, spreads = sorted(level.median for level in found), sorted(level.spread for level in found)
    assert abs(medians[20] - middle) < 0.1 * width
    assert abs(spreads[20] / (0.6745 * width) - 1) < 0.15
    assert max(abs(median - middle) for median in medians) < 0.5 * width


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_how_far_away_one_value_lies_does_not_matter(value: float) -> None:
    """One payment of a billion moves the median no further than any other above it does: a mean would follow it."""
    level = Level(median=5.0, spread=0.5)
    there = moved(level, value, MEMORY, NARROWEST)
    assert abs(there.median - level.median) <= 1.858 * 0.5 / MEMORY + 1e-12
    assert abs(math.log(there.spread / level.spread)) <= 1.167 / MEMORY + 1e-12


def test_a_few_large_values_teach_it_nothing_and_many_do() -> None:
    """Five of a hundred times the usual leave them unusual; a hundred of them are the new usual."""
    chance = random.Random(2)
    usual = after([chance.gauss(5.0, 0.5) for _ in range(300)])
    large = 5.0 + math.log(100)
    assert deviation(after([large] * 5, usual, MEMORY), large, 0.1) > 5
    assert deviation(after([large] * 300, usual, MEMORY), large, 0.1) < 2


@given(st.lists(st.floats(min_value=-50, max_value=50), min_size=1, max_size=200))
def test_the_spread_stays_within_its_bounds(values: list[float]) -> None:
    """Also of values that are all the same, from which it has to find its way out again."""
    assert NARROWEST <= after(values).spread <= WIDEST
    same = after([1.0] * 2000)
    assert same.spread == NARROWEST
    assert after([4.0, -2.0] * 300, same, MEMORY).spread > 1


def test_forgetting_halves_and_ends() -> None:
    """Half after a half-life; a clock that went backwards forgets nothing; never so little that a database calls it an error."""
    assert forgotten(8.0, 10.0, 10.0) == 4.0
    assert forgotten(8.0, -10.0, 10.0) == 8.0
    assert forgotten(1.0, 1e15, 1.0) == 2.0**-60


def test_an_estimate_stands_for_no_more_than_its_memory() -> None:
    """By number and by time."""
    weight = 0.0
    for _ in range(500):
        weight = weighed(weight, 0.0, 10.0, MEMORY)
    assert weight == MEMORY
    assert weighed(weight, 10.0, 10.0, MEMORY) == MEMORY / 2 + 1
