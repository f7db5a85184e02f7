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
    waited_p99_ms: float | None
    """Of the payments that were wanted in it, from then to their acknowledgement, however many attempts that took. None: of at least
    one in a hundred nobody can say, because it never came or none was wanted."""


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
    """Of payments wanted in the calm seconds before the site was lost, from then to their acknowledgement."""
    p99_ms: float | None
    """Of the attempts acknowledged from five seconds on: what whoever is let in finds."""
    waited_p99_ms: float | None
    """Of the payments wanted from five seconds on, from then to their acknowledgement: what everybody finds. None: as in `Second`."""
    sent_away: int
    """Attempts that were refused at the door in the surge."""
    back_after_s: float | None
    """Second from which on that was normal in every one to the end; None: in the last it was not."""
    harmed: bool
    """Did anything go wrong in the surge itself, whatever went wrong before it?"""
    broken: tuple[str, ...]


def curve(lines: Iterable[Line], at: float, *, begin: int, end: int) -> tuple[Second, ...]:
    """Whole seconds from `begin` to `end`, counted from `at` (monotonic seconds, as in the record)."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    latencies: dict[int, list[float]] = defaultdict(list)
    lines = list(lines)
    waits: dict[int, list[float]] = defaultdict(list)
    for t, wait in waited(lines):
        waits[math.floor(t - at)].append(wait)
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
            waited_p99_ms=_ms(waits[second], 0.99),
        )
        for second in range(begin, end)
    )


def waited(lines: Iterable[Line]) -> tuple[tuple[float, float], ...]:
    """When each payment was wanted, and how many seconds later it was first acknowledged: infinite when it never was.

    Of its last attempt alone, a payment that was refused for eight seconds and then made in 40 ms would have taken 40 ms: a service that
    refuses enough would be fast, whatever its clients wait.
    """
    lines = list(lines)
    made: dict[str, float] = {}
    for line in lines:
        if isinstance(line, Acknowledged):
            made[line.key] = min(line.t, made.get(line.key, math.inf))
    return tuple((line.t, made.get(line.key, math.inf) - line.t) for line in lines if isinstance(line, Offered))


def reasons(lines: Iterable[Line], at: float, *, surge: int) -> dict[str, int]:
    """What attempts that failed in the `surge` seconds from `at` on were told, and how many: the most frequent first."""
    return dict(Counter(line.why for line in lines if isinstance(line, Failed) and at <= line.t < at + surge).most_common(10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """When everything happened, in monotonic seconds and seconds."""

    lost: float
    """A site was lost."""
    at: float
    """All of the surge was there."""
    since: float
    """Seconds after `at` from which somebody could write at all; infinite when nobody ever could."""
    calm: int
    """Seconds before `lost` that count."""
    surge: int
    """Seconds from `at` that count."""
    within: bool = True
    """Can the sites that are left do all that is wanted? Else only those who are let in can be served in time."""


def judge(lines: Sequence[Line], course: Course) -> Judged:
    """Every promise about a surge.

    Before somebody can write nothing can be answered, whatever limits there are: how long that takes is another figure. The five seconds
    begin there too. What is normal was seen before the site was lost: with the first seconds without it, any surge would be normal.
    """
    at, surge, since = course.at, course.surge, course.since
    before = curve(lines, course.lost, begin=-course.calm, end=0)
    first = math.inf if math.isinf(since) else max(0, math.ceil(since))
    after = [one for one in curve(lines, at, begin=0, end=surge) if one.t >= first]
    normal = max((one.acknowledged for one in before), default=0)
    worst = min((one.acknowledged for one in after), default=0)
    usual = _ms([wait for t, wait in waited(lines) if course.lost - course.calm <= t < course.lost], 0.99)
    let_in = _ms(_latencies(lines, at + since + BACK, at + surge), 0.99)
    everybody = _ms([wait for t, wait in waited(lines) if at + since + BACK <= t < at + surge], 0.99)
    late = everybody if course.within else let_in
    kept = worst / normal if normal else 0.0
    allowed = math.inf if usual is None else SLOWER * usual
    slow = "of nothing, or of what never came" if late is None else f"{late:.0f} ms"
    before_it = (
        (normal > 0, "nothing was acknowledged before the surge, so nothing can be compared"),
        (usual is not None, "before the surge payments were not acknowledged, so no time is normal"),
    )
    in_it = (
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
        p99_ms=let_in,
        waited_p99_ms=everybody,
        sent_away=sum(one.refused for one in curve(lines, at, begin=0, end=surge)),
        back_after_s=_back(after, allowed, everybody=course.within),
        harmed=not all(held for held, _ in in_it),
        broken=tuple(said for held, said in (*before_it, *in_it) if not held),
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
            f"surge, {name}: worst second {one['kept']} of normal; p99 from wish to acknowledgement {one['normal_p99_ms']} ms before,"
            f" {one['waited_p99_ms']} ms from {BACK:.0f} s on, of those let in {one['p99_ms']} ms; normal again after"
            f" {one['back_after_s']} s; {one['sent_away']} attempts were sent away"
        )
        for key, values in one["curve"].items():
            lines.append(f"  {key:13}" + "".join(f"{'-' if value is None else round(value):>6}" for value in values))
    return lines


def _back(after: Sequence[Second], allowed: float, *, everybody: bool) -> float | None:
    back: float | None = None
    for one in reversed(after):
        slow = one.waited_p99_ms if everybody else one.p99_ms
        if slow is None or slow > allowed:
            break
        back = float(one.t)
    return back


def _latencies(lines: Iterable[Line], begin: float, end: float) -> list[float]:
    return [line.latency for line in lines if isinstance(line, Acknowledged) and begin <= line.t < end]


def _ms(latencies: Sequence[float], share: float) -> float | None:
    found = percentile(latencies, share)
    return None if found is None or math.isinf(found) else round(1000 * found, 1)
