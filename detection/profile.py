"""What is remembered of an account's payments: seven numbers, enough to tell what is unusual for it. Pure.

`ledger.learn` keeps them in the payment's own transaction, by the same arithmetic; whoever changes one changes both.
"""

import math
from dataclasses import dataclass

from detection.streaming import Level, first, forgotten, moved, weighed

MEMORY = 64.0
"""Payments that an account's usual amount and pace stand for: enough for a steady median, few enough to follow a change of habits."""
HABIT_HALF_LIFE = 180 * 86_400.0
"""Seconds without a payment after which an account's habits count half: an account that rested for half a year is still judged, since
those are the ones that thieves like."""
NARROWEST_AMOUNT, NARROWEST_PACE = 0.2, 0.12
"""Least spreads, of logarithms. An account that always paid the same and from now on pays fifty times that is held until its median has
moved: with 0.01 that took 199 payments, each of them a reviewer's work. Below what a score assumes at least (`Limits.amount_spread`,
`pace_spread`), and not all of the way: who pays twenty times as much as is not yet held moves the bound of a steady account by a sixth
with 0.2 and by four times with 0.3, and the first payments of a burst, not yet held, would widen the pace until the rest is not either."""
RECENT_HALF_LIFE = 600.0
"""Seconds after which a payment counts half in `recent`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An account's habits as of its last payment."""

    weight: float
    """Payments that the levels stand for, old ones forgotten; at most `MEMORY`."""
    amount: Level
    """Of the logarithm of the amount in minor units."""
    pace: Level
    """Of the logarithm of `recent`, as it was at each payment."""
    recent: float
    """Payments of late, each counted half after `RECENT_HALF_LIFE`; the last one counts whole."""


def learn(profile: Profile | None, amount: int, idle: float) -> Profile:
    """The profile after one more payment, `idle` seconds after the one before; None is an account that never paid."""
    value = math.log(amount)
    if profile is None:
        return Profile(weight=1.0, amount=first(value), pace=first(0.0), recent=1.0)
    weight = weighed(profile.weight, idle, HABIT_HALF_LIFE, MEMORY)
    recent = next_recent(profile, idle)
    return Profile(
        weight=weight,
        amount=moved(profile.amount, value, weight, NARROWEST_AMOUNT),
        pace=moved(profile.pace, math.log(recent), weight, NARROWEST_PACE),
        recent=recent,
    )


def next_recent(profile: Profile, idle: float) -> float:
    """`recent` with one more payment."""
    return forgotten(profile.recent, idle, RECENT_HALF_LIFE) + 1.0
