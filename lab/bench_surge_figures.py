"""What a surge did to those who pay: arrivals and answers second by second, and whether that was a collapse. Pure.

Seconds without an answer count as zero, and a latency of which nobody can speak is infinite: what is missing is never good.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from lab.reconcile_recovery import percentile
from lab.record import Acknowledged, Attempted, Failed, Line, Offered

KEPT = 0.9
"""Share of the best goodput before the surge below which no second after it may fall."""
SLOWER = 2.0
"""How many times the usual p99 latency is normal again."""
BACK = 5.0
"""Seconds after which it has to be."""

REFUSED = ("429 too-many-requests", "503 overloaded", "504 deadline-over")
"""How a failed attempt begins that was sent away at the door."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """One second of a run, as the clients saw it."""

    t: int
    """Its start, seconds since the surge began."""
    offered: int
    """Payments that somebody began to want."""
    attempted: int
    """Requests sent, those of earlier offers among them."""
    acknowledged: int
    refused: int
    """Sent away at the door."""
    failed: int
    """Without an answer that settles them, for any other reason."""
    p50_ms: float | None
    p99_ms: float | None
    """Of the attempts that were acknowledged in it. None: none was."""


COLUMNS = tuple(one.name for one in fields(Second))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One surge against what is promised of it."""

    normal: float
    """Best goodput of a second before the surge."""
    worst: int
    """Goodput of the worst second after it."""
    kept: float
    """One divided by the other."""
    normal_p99_ms: float | None
    p99_ms: float | None
    """Of everything acknowledged from five seconds on."""
    back_after_s: float | None
    """Second from which on p99 was normal in every one to the end; None: in the last it was not."""
    broken: tuple[str, ...]


def curve(lines: Iterable[Line], at: float, *, begin: int, end: int) -> tuple[Second, ...]:
    """Whole seconds from `begin` to `end`, counted from `at` (monotonic seconds, as in the record)."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    latencies: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        second = math.floor(line.t - at)
        match line:
            case Offered():
                counts[second]["offered"] += 1
            case Attempted():
                counts[second]["attempted"] += 1
            case Acknowledged():
                counts[second]["acknowledged"] += 1
                latencies[second].append(line.latency)
            case Failed():
                counts[second]["refused" if line.why.startswith(REFUSED) else "failed"] += 1
            case _:
                pass
    return tuple(
        Second(
            t=second,
            offered=counts[second]["offered"],
            attempted=counts[second]["attempted"],
            acknowledged=counts[second]["acknowledged"],
            refused=counts[second]["refused"],
            failed=counts[second]["failed"],
            p50_ms=_ms(latencies[second], 0.5),
            p99_ms=_ms(latencies[second], 0.99),
        )
        for second in range(begin, end)
    )


def reasons(lines: Iterable[Line], at: float, *, surge: int) -> dict[str, int]:
    """What attempts that failed in the `surge` seconds from `at` on were told, and how many: the most frequent first."""
    return dict(Counter(line.why for line in lines if isinstance(line, Failed) and at <= line.t < at + surge).most_common(10))


def judge(lines: Sequence[Line], at: float, *, since: float, calm: int, surge: int) -> Judged:
    """Every promise about the surge that began at `at`, after `calm` seconds, and lasted `surge` seconds.

    `since`: seconds after `at` from which somebody could write at all; infinite when nobody ever could. Before that nothing can be
    answered, whatever limits there are: how long it takes is another figure. The five seconds begin there too.
    """
    seconds = curve(lines, at, begin=-calm, end=surge)
    before = [one for one in seconds if one.t < 0]
    first = math.inf if math.isinf(since) else max(0, math.ceil(since))
    after = [one for one in seconds if one.t >= first]
    normal = max((one.acknowledged for one in before), default=0)
    worst = min((one.acknowledged for one in after), default=0)
    usual = _ms(_latencies(lines, at - calm, at), 0.99)
    late = _ms(_latencies(lines, at + since + BACK, at + surge), 0.99)
    kept = worst / normal if normal else 0.0
    allowed = math.inf if usual is None else SLOWER * usual
    slow = "of nothing" if late is None else f"{late:.0f} ms"
    back = _back(after, allowed)
    rules = (
        (normal > 0, "nothing was acknowledged before the surge, so nothing can be compared"),
        (len(after) > BACK, f"somebody could write only after {since:.1f} s of {surge}: too late to say anything"),
        (kept >= KEPT, f"goodput fell to {worst} a second, {kept:.2f} of the {normal} before"),
        (
            late is not None and late <= allowed,
            f"p99 from {BACK:.0f} s on is {slow}, {SLOWER:g} x {usual or 0:.0f} ms are allowed",
        ),
    )
    return Judged(
        normal=normal,
        worst=worst,
        kept=round(kept, 3),
        normal_p99_ms=usual,
        p99_ms=late,
        back_after_s=back,
        broken=tuple(said for held, said in rules if not held),
    )


def surge_figures(scenes: Mapping[str, tuple[Judged, Sequence[Second]]]) -> dict[str, object]:
    """Judgements and curves by scene, as plain values."""
    return {
        name: {**asdict(judged), "curve": {key: [getattr(one, key) for one in seconds] for key in COLUMNS}}
        for name, (judged, seconds) in scenes.items()
    }


def surge_rows(part: Mapping[str, object]) -> list[str]:
    """The curves as lines for people."""
    lines: list[str] = []
    for name, one in part.items():
        if not isinstance(one, Mapping) or "curve" not in one:
            continue
        lines.append(
            f"surge, {name}: worst second {one['kept']} of normal, p99 {one['normal_p99_ms']} ms before, {one['p99_ms']} ms from"
            f" {BACK:.0f} s on, back after {one['back_after_s']} s"
        )
        for key, values in one["curve"].items():
            lines.append(f"  {key:13}" + "".join(f"{'-' if value is None else round(value):>6}" for value in values))
    return lines


def _back(after: Sequence[Second], allowed: float) -> float | None:
    back: float | None = None
    for one in reversed(after):
        if one.p99_ms is None or one.p99_ms > allowed:
            break
        back = float(one.t)
    return back


def _latencies(lines: Iterable[Line], begin: float, end: float) -> list[float]:
    return [line.latency for line in lines if isinstance(line, Acknowledged) and begin <= line.t < end]


def _ms(latencies: Sequence[float], share: float) -> float | None:
    found = percentile(latencies, share)
    return None if found is None else round(1000 * found, 1)
