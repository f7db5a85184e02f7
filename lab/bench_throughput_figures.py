"""How many payments a second are sustained, and what each layer costs: the search for the one, and the sums for both. Pure."""

import math
import random
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lab.reconcile_recovery import percentile

PROMISED = 0.25
"""Seconds within which 99 of 100 payments have to be acknowledged."""

FIRST, STEP = 200.0, 1.5
"""Payments a second that are tried first, and how much more or less next, until one rate holds and one does not."""

CLOSE = 1.08
"""So near to each other the rate that held and the one that did not have to come."""

LOWEST = 10.0
"""Below so many a second nothing is looked for."""

BRIEF, LONG = 2.5, 8.0
"""Seconds of a window that looks for a rate, and of one that shows that it is sustained."""

BACK = 0.93
"""How much less is tried when a rate is not sustained for so long: near enough not to be looked for again."""

MOST = 12
"""Windows after which a search ends as it stands: on a machine that others use it could go on for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Payments that were offered for a while at one rate, whatever became of those before: arrivals do not wait for answers."""

    rate: float
    seconds: float
    latencies: Sequence[float]
    """Seconds from when a payment was due until it was acknowledged."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """Payments without an acknowledgement, by what was said instead."""
    unscreened: int = 0
    """Payments that were let pass because nobody screened them in time: cheaper than they should be."""

    @property
    def p99(self) -> float:
        """Of everything that was offered. A payment that failed took for ever: left out, a service that refuses would be the faster."""
        found = percentile([*self.latencies, *[math.inf] * sum(self.failed.values())], 0.99)
        return math.inf if found is None else found

    @property
    def holds(self) -> bool:
        """Is this a rate at which the promise was kept?"""
        return self.p99 <= PROMISED

    @property
    def acknowledged(self) -> float:
        """Payments a second."""
        return len(self.latencies) / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """For the highest rate that holds: up until one does not, halve what lies between, then show that the best is sustained.

    A search of its own for everyone who is compared, one window of each in turn: what the machine does meanwhile happens to all.
    """

    held: float | None = None
    missed: float | None = None
    sustained: Window | None = None
    windows: tuple[Window, ...] = ()

    @property
    def next(self) -> tuple[float, float] | None:
        """Rate and seconds of the window that is wanted next; None: nothing is left to be found."""
        if self.sustained is not None or len(self.windows) == MOST or (self.missed or math.inf) < LOWEST:
            return None
        if self.held is None:
            return (FIRST if self.missed is None else self.missed / STEP), BRIEF
        if self.missed is None:
            return self.held * STEP, BRIEF
        if self.missed / self.held > CLOSE:
            return math.sqrt(self.held * self.missed), BRIEF
        return self.held, LONG

    def after(self, window: Window) -> "Search":
        """What is known with the window that was wanted."""
        known = replace(self, windows=(*self.windows, window))
        if window.seconds < LONG:
            return replace(known, held=window.rate) if window.holds else replace(known, missed=window.rate)
        if window.holds:
            return replace(known, sustained=window)
        return replace(known, held=window.rate * BACK, missed=window.rate)


def arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """When payments are due, in seconds from the start: each without regard to the others, as those of many clients are."""
    due = chance.expovariate(rate)
    while due < seconds:
        yield due
        due += chance.expovariate(rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one window at a moderate rate took."""

    layers: str
    """What was switched on."""
    window: Window
    used: Mapping[str, float]
    """Processor seconds by whom they were used."""

    @property
    def each(self) -> Mapping[str, float]:
        """Milliseconds of processor time a payment, by whom. Raises ValueError when nothing was paid."""
        if not self.window.latencies:
            raise ValueError(f"{self.layers}: nothing was paid: {dict(self.window.failed)}")
        return {who: 1000 * seconds / len(self.window.latencies) for who, seconds in self.used.items()}


def sustained_figures(found: Mapping[str, Search], ceiling: str) -> dict[str, Any]:
    """What everyone sustained, and as a share of what `ceiling` did; nothing is made of a search that did not come to its end."""
    best = {name: search.sustained for name, search in found.items()}
    top = best.get(ceiling)
    return {
        name: {
            "per_second": None if window is None else round(window.acknowledged, 1),
            "p50_ms": None if window is None else _ms(percentile(window.latencies, 0.5)),
            "p99_ms": None if window is None else _ms(window.p99),
            "failed": {} if window is None else dict(window.failed),
            "unscreened": None if window is None else window.unscreened,
            "of_ceiling": None if window is None or top is None else round(window.acknowledged / top.acknowledged, 3),
            "windows": [
                {
                    "rate": round(one.rate, 1),
                    "seconds": one.seconds,
                    "acknowledged": len(one.latencies),
                    "p99_ms": _ms(one.p99),
                    "failed": dict(one.failed),
                    "unscreened": one.unscreened,
                }
                for one in found[name].windows
            ],
        }
        for name, window in best.items()
    }


def cost_figures(costs: Sequence[Cost], before: Mapping[str, str]) -> dict[str, Any]:
    """What each set of layers costs a payment, in milliseconds of processor time: medians of the rounds, and how far these lie apart.

    `before`: the layers with which each is compared; `added` is the median of the differences within one round, because rounds differ.
    """
    rounds = {name: [one for one in costs if one.layers == name] for name in dict.fromkeys(one.layers for one in costs)}
    found = {}
    for name, ours in rounds.items():
        whole = [sum(one.each.values()) for one in ours]
        latencies = [latency for one in ours for latency in one.window.latencies]
        than = [sum(one.each.values()) for one in rounds.get(before.get(name, ""), ())]
        pairs = [ours - theirs for ours, theirs in zip(whole, than, strict=False)]
        found[name] = {
            "rounds": len(ours),
            "cpu_ms": {who: round(statistics.median(one.each.get(who, 0.0) for one in ours), 3) for who in _everybody(ours)},
            "cpu_ms_together": round(statistics.median(whole), 3),
            "from_ms": round(min(whole), 3),
            "to_ms": round(max(whole), 3),
            "added_ms": round(statistics.median(pairs), 3) if pairs else None,
            "p50_ms": _ms(percentile(latencies, 0.5)),
            "p99_ms": _ms(percentile(latencies, 0.99)),
            "unscreened": sum(one.window.unscreened for one in ours),
            "failed": dict(sum((Counter(one.window.failed) for one in ours), Counter())),
        }
    return found


def _everybody(costs: Sequence[Cost]) -> Sequence[str]:
    return list(dict.fromkeys(who for one in costs for who in one.used))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else round(1000 * seconds, 1)


def throughput_rows(part: Mapping[str, Any]) -> list[str]:
    """Everything as lines for people."""
    lines = [f"throughput: acknowledged payments a second at p99 <= {1000 * PROMISED:.0f} ms, writer's site, 25 ms round trip"]
    for name, one in part.get("sustained", {}).items():
        share = "" if one["of_ceiling"] is None else f", {one['of_ceiling']} of the ceiling"
        failed = "".join(f", {number} x {why}" for why, number in one["failed"].items())
        failed += f", {one['unscreened']} of them not screened" if one["unscreened"] else ""
        lines.append(f"  {name:22} {one['per_second']} a second, p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms{share}{failed}")
    if costs := part.get("layers"):
        lines.append(
            f"layers at {part['rate']:g} payments a second, processor ms a payment (median; of all processes but who pays)"
        )
        for name, one in costs.items():
            added = "-" if one["added_ms"] is None else f"{one['added_ms']:+.2f}"
            whole = f"{one['cpu_ms_together']:5.2f} ({one['from_ms']:.2f} to {one['to_ms']:.2f})"
            by = ", ".join(f"{who} {ms:.2f}" for who, ms in one["cpu_ms"].items() if ms >= 0.005)
            lines.append(f"  {name:22} {whole} {added:>6}, p50 {one['p50_ms']} ms: {by}")
    return lines
