"""Generated payments with labelled anomalies: the same for the same world, whoever judges them. Pure.

Nothing in it is made so that a detector can be right. Honest accounts pay sums that no habit foretells, without an upper bound; some always
pay the same; some change their habits for good. Thieves take from hardly more than usual to very much more. So no threshold is right about
all of it, and what a detector gets wrong here can be seen.
"""

import heapq
import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

DAY, MINUTE = 86_400.0, 60.0


class Label(StrEnum):
    """What a payment is."""

    HONEST = "honest"
    AMOUNT = "amount"
    """One payment above the account's habits."""
    BURST = "burst"
    """One of many within minutes, each of a usual amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The traffic that is generated. Ranges of factors are drawn from by their logarithm."""

    seed: int = 1
    accounts: int = 200
    days: float = 60.0
    anomalies: float = 0.5
    """Incidents per account, on average; none before an account is known."""
    rent: float = 0.01
    """Part of the honest payments that is large: 5 times an account's median and more."""
    tail: float = 1.5
    """Pareto's exponent of these: of all that are 5 times the median or more, one in eight is 20 times, one in ninety 100 times."""
    spree: float = 0.01
    """Part of the honest payments that is followed by two to five others within minutes."""
    steady: float = 0.2
    """Part of the accounts that always pay the same amount, but for those large ones."""
    changes: float = 0.3
    """Part of the accounts that pay differently for good from some day on: larger or smaller amounts, more or fewer payments."""
    change: tuple[float, float] = (2.0, 50.0)
    """Times as much, or as many."""
    burst: tuple[int, int] = (10, 30)
    excess: tuple[float, float] = (5.0, 200.0)
    """How many times the account's median a stolen amount is."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Paid:
    """One payment that is offered."""

    at: float
    account: int
    amount: int = field(compare=False)
    label: Label = field(compare=False)
    incident: int = field(compare=False, default=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Habits:
    per_day: float
    middle: float
    """Median amount."""
    width: float
    """Standard deviation of its logarithm."""

    def usual(self, chance: random.Random) -> int:
        return max(1, round(self.middle * math.exp(chance.gauss(0.0, self.width))))

    def pause(self, chance: random.Random, at: float) -> float:
        """Three payments by day for one by night."""
        by_day = math.sin(2 * math.pi * at / DAY) > 0
        return chance.expovariate(self.per_day * (1.5 if by_day else 0.5) / DAY)


def generate(world: World) -> Iterator[Paid]:
    """All payments of all accounts in order of time; the same for the same world."""
    chance = random.Random(world.seed)
    numbers = iter(range(sys.maxsize))
    return heapq.merge(*(sorted(_account(world, number, chance, numbers)) for number in range(world.accounts)))


def _account(world: World, number: int, chance: random.Random, incidents: Iterator[int]) -> Iterator[Paid]:
    """Payments of one account: from one in two days to thirty a day, amounts from cents to thousands, more or less varied."""
    width = 0.0 if chance.random() < world.steady else chance.uniform(0.2, 1.0)
    habits = _Habits(per_day=_between(chance, (0.5, 30.0)), middle=_between(chance, (300.0, 50_000.0)), width=width)
    turn = chance.uniform(0.3, 0.7) * world.days * DAY if chance.random() < world.changes else math.inf
    at = chance.random() * DAY
    while at < world.days * DAY:
        if at >= turn:
            habits, turn = _changed(world, habits, chance), math.inf
        amount = (
            round(habits.middle * 5 * chance.paretovariate(world.tail)) if chance.random() < world.rent else habits.usual(chance)
        )
        yield Paid(at=at, account=number, amount=amount, label=Label.HONEST)
        if chance.random() < world.spree:
            for _ in range(chance.randint(2, 5)):
                later = at + chance.random() * 10 * MINUTE
                yield Paid(at=later, account=number, amount=habits.usual(chance), label=Label.HONEST)
        at += habits.pause(chance, at)
    while chance.random() < world.anomalies / (1 + world.anomalies):
        yield from _incident(world, number, habits, chance, next(incidents))


def _changed(world: World, habits: _Habits, chance: random.Random) -> _Habits:
    """More or less, at equal chances, of either."""
    times = _between(chance, world.change) ** chance.choice((1, -1))
    if chance.random() < 0.5:
        return replace(habits, middle=max(habits.middle * times, 1.0))
    return replace(habits, per_day=habits.per_day * times)


def _incident(world: World, number: int, habits: _Habits, chance: random.Random, incident: int) -> Iterator[Paid]:
    """One theft from an account, after its habits changed if they do."""
    at = chance.uniform(0.75, 1.0) * world.days * DAY
    if chance.random() < 0.5:
        amount = round(habits.middle * _between(chance, world.excess))
        yield Paid(at=at, account=number, amount=amount, label=Label.AMOUNT, incident=incident)
        return
    for _ in range(chance.randint(*world.burst)):
        at += chance.uniform(2, 20)
        yield Paid(at=at, account=number, amount=habits.usual(chance), label=Label.BURST, incident=incident)


def _between(chance: random.Random, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return math.exp(chance.uniform(math.log(low), math.log(high)))
