"""How many requests may be inside at once, learnt from how they fare. Pure: moments are passed in.

The law is Little's: what is inside is the rate of answers times how long each takes. Inside = (highest rate) x (time that a request
takes when it need not wait for others) keeps the service just busy; everything above it only waits. This is how TCP BBR sizes its window
(Cardwell et al., "BBR: Congestion-Based Congestion Control", ACM Queue 14/5, 2016: bottleneck bandwidth x round-trip propagation
time), and how Apache brpc limits a service (`auto_concurrency_limiter`). Chosen over Netflix' Gradient2, which compares latency with its
own long average: in an overload that lasts, the average follows the latency, and the limit grows without end.

    limit = gain x best x base + room

`best`: highest rate of answers; falls slowly, and only in a crowd: a quiet hour says nothing about what is possible.
`base`: time of a request without a queue; known while the service is far from its limit. In a crowd, that is looked up every
two seconds by letting in half as much for a moment, as BBR does: the one way to tell a slow service from a long queue. A failover that
moves the writer farther away changes `base`, and the limit follows.

Only a crowd lowers the limit: somebody has to wait for a place, *and* whoever is inside takes longer than without a queue, *and* that for
two periods one after the other. A rate that was seen while nobody queued inside is what was asked for, not what is possible: 1. The
database pauses for a moment, thirty are inside, the next one waits. 2. The limit is set to what the *offered* rate needs, 14. 3. That is
no more than half empty ever again, and each pause sends away a dozen that an idle service could have served. So who waits outside while
those inside are as fast as ever finds more places instead, and when the crowd is gone, the limit goes back to where it began.

Failures teach only one thing: when more fail late than are answered, less is let in until that changes. Fast failures ("no site is known
to write") teach nothing: they neither make the service seem fast nor overloaded, and what was learnt stands until somebody writes again.
"""

import statistics
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Bounds of the limit, and how it is learnt. With `lowest`, `first` and `highest` the same it is fixed."""

    first: int = 32
    """Before anything is known."""
    lowest: int = 8
    """Enough to learn from: some answers in every period, however long each takes."""
    highest: int = 256
    gain: float = 1.25
    """Above 1, or a service that could do more would never be asked to. Overloaded, requests take this many times `base`."""
    room: int = 2
    """Beside the product, so that a very fast service is not kept waiting for the next request."""
    period: timedelta = timedelta(seconds=0.25)
    answers: int = 16
    """A period with fewer lasts until it has as many."""
    renewal: timedelta = timedelta(seconds=2)
    """A busy service's `base` is looked up anew this often."""
    fade: float = 1 / 16
    """How far `best` follows a lower rate in one period of a crowd, and how fast a calm limit goes back to `first`."""
    retreat: float = 0.7
    """Factor after a period with more late failures than answers."""
    crowd: float = 1.4
    """Times `base`, from which on those inside are slower than without a queue. Above `gain`, or the law would call its own aim a crowd."""
    lasting: int = 2
    """Periods one after the other, before a crowd counts: a shorter one is a pause, and passes by itself."""
    late: timedelta = timedelta(seconds=0.08)
    """A failure that took longer was waiting for something."""


@dataclass(slots=True)
class _Period:
    """What happened since `began`."""

    began: float
    times: list[float]
    """Seconds that each answer took."""
    late: int = 0
    peak: int = 0
    strained: bool = False
    looking: bool = False
    """Is half as much let in, to see `base`?"""


class ConcurrencyLimit:
    """The limit of one process."""

    def __init__(self, law: Law, now: float) -> None:
        self._law = law
        self._limit = float(law.first)
        self.best = 0.0
        """Highest rate of answers, a second."""
        self.base: float | None = None
        """Seconds that a request takes without a queue; None: not known yet."""
        self._fresh_until = now + law.renewal.total_seconds()
        self._period = _Period(now, [])
        self._crowded = 0
        """Periods one after the other, up to now."""

    @property
    def limit(self) -> int:
        """How many may be inside now."""
        law = self._law
        if self._period.looking and self.base is not None:
            enough = self.best * self.base
            # Half of a few is too little: to be measured, a service has to be doing something.
            fewest = min(law.lowest, int(enough * 0.75))
            return min(int(self._limit), max(1, law.lowest // 2, fewest, int(enough / 2)))
        return int(self._limit)

    def strain(self) -> None:
        """Somebody had to wait, or was sent away, because everything was taken."""
        self._period.strained = True

    def answered(self, took: float, inside: int, now: float) -> None:
        """A request got its answer, `took` seconds after it was let in; `inside`: how many there were, this one included."""
        period = self._period
        if period.looking and now - took < period.began:
            return  # let in when it was still crowded
        period.times.append(took)
        period.peak = max(period.peak, inside)
        self._conclude(now)

    def refused(self, took: float, inside: int, now: float) -> None:
        """A request was answered that it cannot be done (4xx). It held its place like any other if that took as long: a read of nothing and
        an overdrawn account go the same way to the writer. Not counted, they would make the rate small that the limit is made from."""
        if self.base is not None and took >= self.base / 2:
            self.answered(took, inside, now)

    def failed(self, took: float, now: float) -> None:
        """A request ended without an answer."""
        if took > self._law.late.total_seconds():
            self._period.late += 1
            self._conclude(now)

    def _conclude(self, now: float) -> None:
        """Learn from this period if it is over."""
        law, period = self._law, self._period
        if period.looking:
            if len(period.times) + period.late < law.answers // 2:
                return
        elif now - period.began < law.period.total_seconds() or len(period.times) + period.late < law.answers:
            return
        self._period = _Period(now, [])
        if period.late > len(period.times):
            self._limit = max(self._limit * law.retreat, law.lowest)
        elif period.looking:
            self.base, self._fresh_until = statistics.median(period.times), now + law.renewal.total_seconds()
            self._settle()
        else:
            self._learn(period, now)

    def _learn(self, period: _Period, now: float) -> None:
        law, rate, mean = self._law, len(period.times) / (now - period.began), statistics.fmean(period.times)
        base = self.base = self._base_after(period, mean)
        if period.peak <= self._limit / 2:
            self._fresh_until = now + law.renewal.total_seconds()
        is_slower = mean > law.crowd * base
        self._crowded = self._crowded + 1 if period.strained and is_slower else 0
        is_crowd = self._crowded >= law.lasting
        if rate > self.best:
            self.best = rate
        elif is_crowd:
            self.best += (rate - self.best) * law.fade
        if is_crowd:
            self._settle()
            self._period.looking = now >= self._fresh_until and law.lowest < law.highest
        elif not period.strained:
            self._settle(at_least=max(self._limit, min(self._limit * (1 + law.fade), law.first)))
        else:
            self._settle(at_least=self._limit * (1 if is_slower else law.gain))

    def _base_after(self, period: _Period, mean: float) -> float:
        if self.base is None:
            return mean
        if mean < self.base:
            return self.base + (mean - self.base) / 2
        return self.base + (mean - self.base) / 4 if period.peak <= self._limit / 2 else self.base

    def _settle(self, *, at_least: float = 0.0) -> None:
        law = self._law
        wanted = max(law.gain * self.best * (self.base or 0.0) + law.room, at_least)
        self._limit = min(max(wanted, law.lowest), law.highest)
