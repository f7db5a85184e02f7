"""Which requests are shown. Pure: the time is passed in, chance is in the trace's id.

Decided twice. At the beginning, by the id: every service comes to the same answer, so a sampled trace is whole. At the end, by what became
of it: errors and slow requests are shown too, as far as this process saw them. Both are bounded, because both are worst when there is least
to spare: in an outage every request is an error, and anybody can ask for every request of his to be sampled.
"""

import math
from datetime import timedelta
from enum import StrEnum

from workload.limits.rates import Rate, draw

_CHOSEN_BY = (1 << 64) - 1
"""The low 64 bits of a trace's id decide, as in OpenTelemetry's TraceIdRatioBased."""


class Verdict(StrEnum):
    """Why a request's steps are shown, or are not."""

    SAMPLED = "sampled"
    FAILED = "failed"
    SLOW = "slow"
    UNREMARKABLE = "unremarkable"
    SUPPRESSED = "suppressed"
    """It failed or was slow, as so many others did in the same second."""

    @property
    def is_shown(self) -> bool:
        """Do the request's steps leave this process?"""
        return self in (Verdict.SAMPLED, Verdict.FAILED, Verdict.SLOW)


class Allowance:
    """So many a second, and no more than a second's worth at once."""

    def __init__(self, per_second: float) -> None:
        self._rate = Rate(per_second=per_second, burst=max(per_second, 1))
        self._full_at = -math.inf

    def take(self, now: float) -> bool:
        """One more? `now` in seconds of a clock that never goes back."""
        drawn = draw(self._rate, self._full_at, now)
        self._full_at = drawn.full_at
        return drawn.wait == 0


class Sampling:
    """The rule of one process."""

    def __init__(self, *, ratio: float, slow: timedelta, asked_per_second: float, failed_per_second: float) -> None:
        self._bound = round(ratio * (_CHOSEN_BY + 1))
        self._slow = slow.total_seconds()
        self._asked, self._failed = Allowance(asked_per_second), Allowance(failed_per_second)
        # Of their own: in an outage errors come by the hundred, and the slow answers among them are how it ended.
        self._slowed = Allowance(failed_per_second)

    def chooses(self, trace: int, *, asked: bool, now: float) -> bool:
        """At the beginning: is this trace one of the sampled? `asked`: its caller says so."""
        return trace & _CHOSEN_BY < self._bound or (asked and self._asked.take(now))

    def judge(self, *, sampled: bool, failed: bool, seconds: float, now: float) -> Verdict:
        """At the end."""
        if sampled:
            return Verdict.SAMPLED
        if not failed and seconds < self._slow:
            return Verdict.UNREMARKABLE
        if not (self._failed if failed else self._slowed).take(now):
            return Verdict.SUPPRESSED
        return Verdict.FAILED if failed else Verdict.SLOW
