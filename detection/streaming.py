"""Median and spread of a stream, forgetting exponentially, in two numbers. Pure, and the same in every run.

Each value moves the estimates by a step of fixed size, up or down: a stochastic approximation of a quantile (Robbins and Monro 1951;
L. Tierney, "A space-efficient recursive procedure for estimating a quantile of an unknown distribution", SIAM J. Sci. Stat. Comput. 4,
1983; with steps of constant size Q. Ma, S. Muthukrishnan, M. Sandler, "Frugal streaming for estimating quantiles", 2013). How far away
a value lies does not matter, only on which side: one payment of a billion moves a median as far as one of twice the median does, so a
thief cannot teach an account to be used to large amounts with a few of them. A mean and a variance can be taught.

The steps are those that are best for normally distributed values, in units of the spread; values that grow by factors (amounts,
durations, rates) are given as logarithms. `ledger.learn` does the same in SQL; a test compares the two.
"""

import math
from dataclasses import dataclass

MEDIAN_STEP = 1.858
"""1 / 2f(median) in units of the median absolute deviation, for a normal density f."""
SPREAD_STEP = 1.167
"""The same for the median of the absolute deviations."""

UNKNOWN_SPREAD = 0.7
"""Spread after the first value: about a factor of two, in logarithms."""
WIDEST = 10.0

CONSISTENT = 1.4826
"""Standard deviations per median absolute deviation, for a normal distribution (Iglewicz and Hoaglin, "How to detect and handle
outliers", 1993)."""

LONGEST = 60.0
"""Half-lives after which nothing more is forgotten: 2^-60 of anything is nothing, and a database calls 2^-2000 an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Where a stream's values lie."""

    median: float
    spread: float
    """Median absolute deviation from the median."""


def first(value: float) -> Level:
    """The level after one value."""
    return Level(median=value, spread=UNKNOWN_SPREAD)


def moved(level: Level, value: float, weight: float, narrowest: float) -> Level:
    """The level after one more value; `weight` is how many values it stands for then, this one included, and at least 1.

    `narrowest`: spread below which none is learnt, above 0. Steps are in units of the spread, so it is also how fast a stream of equal
    values is followed when it changes for good: from a spread of nothing no step leads out again.
    """
    away = value - level.median
    spread = level.spread * math.exp(SPREAD_STEP / weight * _sign(abs(away) - level.spread))
    return Level(
        median=level.median + MEDIAN_STEP * level.spread / weight * _sign(away),
        spread=min(max(spread, narrowest), WIDEST),
    )


def forgotten(amount: float, elapsed: float, half_life: float) -> float:
    """What is left of an amount after `elapsed`, in the unit of `half_life`. A clock that went backwards forgets nothing."""
    return float(amount * 2.0 ** -min(max(elapsed, 0.0) / half_life, LONGEST))


def weighed(weight: float, elapsed: float, half_life: float, memory: float) -> float:
    """How many values an estimate stands for after one more: old ones are forgotten by time, and by number beyond `memory`."""
    return min(forgotten(weight, elapsed, half_life), memory - 1.0) + 1.0


def deviation(level: Level, value: float, narrowest: float) -> float:
    """How many robust standard deviations a value lies above the median; below it is negative. `narrowest` is the spread that is
    assumed at least: an account that always paid the same is no reason to suspect a cent more."""
    return (value - level.median) / (CONSISTENT * max(level.spread, narrowest))


def _sign(value: float) -> float:
    return float((value > 0) - (value < 0))
