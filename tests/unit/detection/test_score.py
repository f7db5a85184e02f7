"""Scores: what is unusual for one account is usual for another, and why is said in words."""

import math
import random
from dataclasses import replace

import pytest

from detection.profile import MEMORY, NARROWEST_AMOUNT, NARROWEST_PACE, Profile, learn
from detection.score import Limits, score, shown

LIMITS = Limits()
DAY = 86_400.0


def habits(middle: float = 1000, width: float = 0.5, gap: float = DAY, payments: int = 200, seed: int = 1) -> Profile:
    """The profile of an account that pays like that."""
    chance, profile = random.Random(seed), None
    for _ in range(payments):
        profile = learn(profile, max(1, round(middle * math.exp(chance.gauss(0, width)))), chance.expovariate(1 / gap))
    assert profile is not None
    return profile


def test_far_too_much_is_held_and_said_in_words() -> None:
    """The reason names the amount and the usual."""
    profile = habits(width=0.2)
    median = math.exp(profile.amount.median)
    found = score(round(41 * median), "EUR", profile, DAY, LIMITS)
    assert found.hold
    assert found.reasons == (f"amount {shown(round(41 * median), 'EUR')} is 41 times the median of this account",)


def test_the_same_amount_is_usual_for_an_account_that_pays_it() -> None:
    """Habits are an account's own."""
    assert score(40_000, "EUR", habits(middle=1000), DAY, LIMITS).hold
    assert not score(40_000, "EUR", habits(middle=30_000), DAY, LIMITS).reasons


def test_less_than_usual_is_nobodys_loss() -> None:
    """Neither a small amount nor a long rest is held."""
    assert score(1, "EUR", habits(), 50 * DAY, LIMITS).score == 0


def test_far_too_many_are_held_before_the_tenth() -> None:
    """Of payments as large as ever, seconds apart, from an account that pays once a day."""
    profile, held = habits(), 0
    for number in range(1, 11):
        idle = DAY if number == 1 else 5.0
        found = score(1000, "EUR", profile, idle, LIMITS)
        if found.hold:
            held = held or number
        profile = learn(profile, 1000, idle)
    assert 3 < held < 10
    assert found.reasons[0].endswith("times what is usual for this account")


@pytest.mark.parametrize("gap", [0.05, 2.0, 60.0, 3600.0])
def test_a_new_account_that_pays_steadily_is_never_held(gap: float) -> None:
    """From its first payment on its pace rises to what it will be; that rise is no burst."""
    chance, profile = random.Random(3), None
    for _ in range(1500):
        idle = chance.expovariate(1 / gap)
        amount = round(1000 * math.exp(chance.gauss(0, 0.5)))
        assert not score(amount, "EUR", profile, idle, LIMITS).hold
        profile = learn(profile, amount, idle)


def test_what_waited_during_an_outage_is_no_burst() -> None:
    """A shop pays every second; ten seconds of payments arrive within one."""
    profile = habits(gap=1.0, payments=1500)
    for _ in range(10):
        assert not score(1000, "EUR", profile, 0.1, LIMITS).hold
        profile = learn(profile, 1000, 0.1)


@pytest.mark.parametrize("width", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("times", [20, 50])
def test_larger_amounts_for_good_are_usual_before_the_memory_is_over(width: float, times: int) -> None:
    """Also of an account that always paid the same. Each held payment costs a reviewer's time, and here each is approved."""
    chance, profile, held = random.Random(5), habits(width=width), 0
    for _ in range(300):
        amount = round(times * 1000 * math.exp(chance.gauss(0, width)))
        held += score(amount, "EUR", profile, DAY, LIMITS).hold
        profile = learn(profile, amount, DAY)
    assert 0 < held < MEMORY


@pytest.mark.parametrize(("before", "after"), [(3600.0, 60.0), (DAY, 10.0)])
def test_more_payments_for_good_are_usual_before_the_memory_is_over(before: float, after: float) -> None:
    """From one an hour to one a minute, from one a day to one in ten seconds, each account as regular as a clock."""
    profile, held = None, 0
    for _ in range(200):
        profile = learn(profile, 1000, before)
    for _ in range(300):
        held += score(1000, "EUR", profile, after, LIMITS).hold
        profile = learn(profile, 1000, after)
    assert held < MEMORY


def test_a_patient_thief_moves_a_steady_accounts_bound_by_little() -> None:
    """Twenty payments, each as large as is not yet held, move what is held by less than a quarter: no spread is learnt that is wider than
    what is assumed anyway."""
    profile = habits(width=0.0)
    before = _least_held(profile)
    for _ in range(20):
        profile = learn(profile, _least_held(profile) - 1, DAY)
    assert _least_held(profile) < 1.25 * before
    assert LIMITS.amount_spread > NARROWEST_AMOUNT and LIMITS.pace_spread > NARROWEST_PACE


def _least_held(profile: Profile) -> int:
    low, high = 1, 10**9
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if score(middle, "EUR", profile, DAY, LIMITS).hold else (middle, high)
    return high


@pytest.mark.parametrize("known", [0, 1, 19])
def test_an_account_that_is_not_known_is_not_judged_and_that_is_said(known: int) -> None:
    """Also one that nobody has seen for a year; after half of one it is still judged."""
    profile = habits(payments=known) if known else None
    found = score(10**9, "EUR", profile, 1.0, LIMITS)
    assert not found.hold and "are needed to judge" in found.reasons[0]
    rested = score(10**9, "EUR", habits(), 365 * DAY, LIMITS)
    assert not rested.hold and "are needed to judge" in rested.reasons[0]
    assert score(10**9, "EUR", habits(), 180 * DAY, LIMITS).hold


def test_an_account_that_always_pays_the_same_may_pay_a_little_more() -> None:
    """The spread that is assumed at least, also where a narrower one was learnt; without it every cent would be an anomaly."""
    profile = habits(width=0.0)
    narrow = replace(profile, amount=replace(profile.amount, spread=0.01))
    assert not score(1500, "EUR", profile, DAY, LIMITS).reasons
    assert not score(1500, "EUR", narrow, DAY, LIMITS).reasons
    assert score(1500, "EUR", narrow, DAY, Limits(amount_spread=1e-9)).hold


def test_a_clock_that_went_backwards_forgets_nothing_and_breaks_nothing() -> None:
    """The new writer's clock is behind the old one's."""
    profile = habits()
    later = learn(profile, 1000, -3600.0)
    assert later.recent == profile.recent + 1 and later.weight <= MEMORY


@pytest.mark.parametrize(
    ("amount", "currency", "text"), [(31200, "EUR", "312.00"), (5, "EUR", "0.05"), (5, "JPY", "5"), (1234, "KWD", "1.234")]
)
def test_amounts_are_shown_as_people_write_them(amount: int, currency: str, text: str) -> None:
    """Minor units by currency."""
    assert shown(amount, currency) == text
