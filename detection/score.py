"""How unusual a payment is for the account it leaves, and why, in words. Pure.

A score is a distance in robust standard deviations, `sqrt(amount^2 + pace^2)`, of what lies above the account's habits: what is
smaller or slower than usual is nobody's loss. It is a ranking, no probability: amounts have heavier tails than a normal
distribution, so what a score means in false alarms has to be measured (`lab/bench_detection.py`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from detection.profile import HABIT_HALF_LIFE, Profile, next_recent
from detection.streaming import deviation, forgotten

NOTABLE = 3.0
"""Deviation from which a finding is put into words and counted; two small ones are no large one."""

WHOLE = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)
"""Currencies without minor units (ISO 4217)."""
THOUSANDTHS = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on a payment is held, and how little is still evidence."""

    hold_at: float = 6.0
    """Score."""
    known: float = 20.0
    """Payments that a profile must stand for; an account with fewer is not judged."""
    amount_spread: float = 0.3
    """Least spread that amounts are assumed to have, in logarithms: 0.3 is 35 %."""
    pace_spread: float = 0.22
    burst: float = 6.0
    """Payments of late below which no pace is unusual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was found; `hold` is advice."""

    score: float
    reasons: tuple[str, ...]
    hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    deviation: float
    words: str


def score(amount: int, currency: str, profile: Profile | None, idle: float, limits: Limits) -> Score:
    """Judge one payment of `amount` minor units, `idle` seconds after the account's last one."""
    known = 0.0 if profile is None else forgotten(profile.weight, idle, HABIT_HALF_LIFE)
    if profile is None or known < limits.known:
        words = f"only {known:.0f} recent payments of this account are known, {limits.known:.0f} are needed to judge"
        return Score(score=0.0, reasons=(words,), hold=False)
    found = sorted(_findings(amount, currency, profile, idle, limits), key=lambda finding: -finding.deviation)
    total = math.hypot(*(finding.deviation for finding in found)) if found else 0.0
    return Score(score=total, reasons=tuple(finding.words for finding in found), hold=total >= limits.hold_at)


def _findings(amount: int, currency: str, profile: Profile, idle: float, limits: Limits) -> Iterator[_Finding]:
    value = math.log(amount)
    above = deviation(profile.amount, value, limits.amount_spread)
    if above >= NOTABLE:
        times = math.exp(value - profile.amount.median)
        words = f"amount {shown(amount, currency)} is {_rounded(times)} times the median of this account"
        yield _Finding(deviation=above, words=words)
    recent = next_recent(profile, idle)
    faster = deviation(profile.pace, math.log(recent), limits.pace_spread)
    if recent >= limits.burst and faster >= NOTABLE:
        usual = math.exp(profile.pace.median)
        words = (
            f"{_rounded(recent)} payments of late (each counts half after 10 minutes),"
            f" {_rounded(recent / usual)} times what is usual for this account"
        )
        yield _Finding(deviation=faster, words=words)


def shown(amount: int, currency: str) -> str:
    """An amount of minor units as people write it, without its currency."""
    digits = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    return f"{amount // 10**digits}.{amount % 10**digits:0{digits}}" if digits else str(amount)


def _rounded(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"
