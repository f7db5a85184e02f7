"""The ways of payments in the report and on its page. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from html import escape
from typing import Any

from lab.spans import Row, waterfall
from lab.ways import Way, Ways

MOST_STEPS = 60
"""Lines of one way. A payment that was attempted for half a minute has hundreds; the page says how many it left out."""


def ways_said(found: Ways) -> dict[str, Any]:
    """The report's part. Its keys are read by other programs: none is renamed or removed."""
    return {
        "spans": found.told,
        "followed": found.followed,
        "slowest_s": None if found.slowest is None else round(found.slowest, 3),
        "lacking": list(found.lacking),
        "payments": [_said(way) for way in found.shown],
    }


def ways_shown(said: Mapping[str, Any]) -> str:
    """The same for the page."""
    parts = [f'<p class="broken">{escape(one)}.</p>' for one in said["lacking"]]
    for way in said["payments"]:
        tries = "at the first attempt" if way["attempts"] == 1 else f"after {way['attempts']} attempts"
        text = f"{way['what']}: {way['took_s'] * 1000:.0f} ms, answered through {way['site']} {tries}. Trace {way['trace']}."
        left = f" {way['left_out']} more steps are left out." if way["left_out"] else ""
        lines = [Row(**line) for line in way["steps"]]
        parts.append(f'<p>{escape(text[0].upper() + text[1:] + left)}</p><div class="scroll">{waterfall(lines)}</div>')
        if way["attempts"] > 1 and (last := _answered(lines)):
            parts.append(f'<p class="soft">Of it the attempt that was answered:</p><div class="scroll">{waterfall(last)}</div>')
    slowest = (
        "" if said["slowest_s"] is None else f" The slowest of the failover, followed or not, took {said['slowest_s']:.2f} s."
    )
    note = f"Services told of {said['followed']:,} payments, in {said['spans']:,} steps.{slowest}"
    return "".join(parts) + f'<p class="soft">{escape(note)}</p>'


def _answered(lines: Sequence[Row]) -> list[Row]:
    """The last attempt by itself: beside minutes of waiting nobody sees its milliseconds."""
    begins = [number for number, line in enumerate(lines) if line.depth == 1]
    last = lines[begins[-1] :] if begins else []
    return [replace(line, depth=line.depth - 1, begin_ms=line.begin_ms - last[0].begin_ms) for line in last]


def _said(way: Way) -> dict[str, Any]:
    # The end says how it was answered: of too many steps those in front are left out, but for the payment itself.
    first, rest = way.lines[:1], way.lines[1:]
    kept = (*first, *rest[max(len(rest) - MOST_STEPS, 0) :])
    return {
        "what": way.what,
        "key": way.key,
        "trace": way.trace,
        "took_s": round(way.took, 4),
        "attempts": way.attempts,
        "site": way.site,
        "missing": list(way.missing),
        "left_out": len(way.lines) - len(kept),
        "steps": [{**asdict(line), "begin_ms": round(line.begin_ms, 3), "took_ms": round(line.took_ms, 3)} for line in kept],
    }
