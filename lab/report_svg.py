"""Pictures of a rehearsal as inline SVG. Colours come from the page's style sheet, so that they follow light, dark and print. Pure."""

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from lab.timeline import Bin, Span

WIDTH, LEFT, RIGHT = 960, 52, 16
ROW = 26
"""Height of one phase's row."""


class Scale:
    """Seconds to horizontal positions."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, max(end, begin + 0.001)

    def x(self, t: float) -> float:
        """Position of a moment, kept inside the picture."""
        share = (min(max(t, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 2)

    def ticks(self, wanted: int = 10) -> list[float]:
        """Round numbers, about this many."""
        raw = (self.end - self.begin) / wanted
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
        first = math.ceil(self.begin / step)
        return [round(number * step, 6) for number in range(first, math.floor(self.end / step) + 1)]


def throughput(slices: Sequence[Bin], marks: Iterable[tuple[float, str]], expected: float) -> str:
    """Acknowledged payments and failed attempts per slice, with moments marked. `expected`: offers per slice."""
    if not slices:
        return ""
    width = slices[1].t - slices[0].t if len(slices) > 1 else 0.1
    scale, height, top, base = Scale(slices[0].t, slices[-1].t + width), 300, 44, 262
    highest = max([expected * 1.5, *(max(one.acknowledged, one.failed) for one in slices)])

    def y(count: float) -> float:
        return round(base - (base - top) * count / highest, 2)

    parts = [_axis(scale, base)]
    parts += [f'<text class="tick" x="{LEFT - 6}" y="{y(n) + 4}" text-anchor="end">{n:g}</text>' for n in _levels(highest)]
    parts += [f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(n)}" y2="{y(n)}"/>' for n in _levels(highest)]
    parts.append(f'<path class="acknowledged" d="{_steps(scale, slices, width, y, base)}"/>')
    for one in slices:
        if one.failed:
            x, wide = scale.x(one.t), max(scale.x(one.t + width) - scale.x(one.t) - 0.6, 0.8)
            parts.append(
                f'<rect class="failed" x="{x}" y="{y(one.failed)}" width="{wide:.2f}" height="{base - y(one.failed):.2f}"/>'
            )
    parts.append(f'<line class="expected" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(expected)}" y2="{y(expected)}"/>')
    parts += _marks(scale, marks, top, base)
    label = f"per {width * 1000:.0f} ms"
    parts.append(f'<text class="tick" x="{LEFT}" y="{base + 34}">seconds after the fault; payments {label}</text>')
    return _svg(height, "Payments acknowledged and attempts failed over time", parts)


def phases(found: Sequence[Span], first_acknowledged: float | None) -> str:
    """One bar per phase of the failover, on a common axis, up to the first payment of the new epoch."""
    if not found:
        return ""
    end = max([span.end for span in found] + ([first_acknowledged] if first_acknowledged is not None else []))
    scale, top = Scale(0, end * 1.12), 28
    base = top + ROW * len(found)
    parts = [_axis(scale, base)]
    for number, span in enumerate(found):
        y, x = top + ROW * number, scale.x(span.begin)
        wide = max(scale.x(span.end) - x, 1.5)
        parts.append(f'<rect class="phase" x="{x}" y="{y + 4}" width="{wide:.2f}" height="{ROW - 9}" rx="2"/>')
        parts.append(f'<text class="name" x="{LEFT - 6}" y="{y + 17}" text-anchor="end">{escape(span.name)}</text>')
        parts.append(f'<text class="value" x="{x + wide + 5:.2f}" y="{y + 17}">{span.ms:.0f} ms</text>')
    if first_acknowledged is not None:
        parts += _marks(scale, [(first_acknowledged, f"first payment in the new epoch, {first_acknowledged:.2f} s")], top, base)
    parts.append(f'<text class="tick" x="{LEFT}" y="{base + 34}">seconds after the fault</text>')
    return _svg(base + 42, "Phases of the failover", parts)


def _steps(scale: Scale, slices: Sequence[Bin], width: float, y: Callable[[float], float], base: int) -> str:
    path = [f"L{scale.x(one.t)} {y(one.acknowledged)}H{scale.x(one.t + width)}" for one in slices]
    return "".join([f"M{scale.x(slices[0].t)} {base}", *path, f"V{base}Z"])


def _axis(scale: Scale, base: int) -> str:
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>']
    for tick in scale.ticks():
        x = scale.x(tick)
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{base}" y2="{base + 5}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{base + 18}" text-anchor="middle">{tick:g}</text>')
    return "".join(parts)


def _marks(scale: Scale, marks: Iterable[tuple[float, str]], top: int, base: int) -> list[str]:
    """Vertical lines with their names above; neighbours take turns between two heights, and a name
    that would run into the next line, or out of the picture, stands to the left of its own."""
    parts, named = [], sorted(marks)
    for number, (t, name) in enumerate(named):
        x, y = scale.x(t), top - 8 - 16 * (1 - number % 2 if top > 40 else 0)
        crowded = number % 2 == 1 and number + 1 < len(named) and scale.x(named[number + 1][0]) - x < 7 * len(name) < x - LEFT
        anchor, shift = ("end", -4) if crowded or x > WIDTH * 0.72 else ("start", 4)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{y - 8}" y2="{base}"/>')
        parts.append(f'<text class="mark" x="{x + shift}" y="{y}" text-anchor="{anchor}">{escape(name)}</text>')
    return parts


def _levels(highest: float) -> list[float]:
    step = next((step for step in (1, 2, 5, 10, 20, 50, 100) if highest / step <= 6), 200)
    return [float(step * number) for number in range(int(highest // step) + 1)]


def _svg(height: int, title: str, parts: Iterable[str]) -> str:
    inside = "".join(parts)
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>{inside}</svg>'
