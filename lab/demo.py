"""`trimaran demo`: three clouds, one of them dies under load, and a report of what became of every payment."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from lab.faults import Fault
from lab.laboratory import laboratory
from lab.rehearsal import Course, rehearse
from lab.report import Rehearsal, document
from lab.report_page import page
from lab.screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where the report lies."""

    json: Path
    html: Path


async def demonstrate(name: str, course: Course, screen: Screen) -> Rehearsal:
    """One rehearsal on a lab of its own, which is gone afterwards. Raises LabError."""
    began = time.monotonic()
    screen.say(f"three clouds on this machine; then {_announced(course.fault)} of the one that writes")
    async with laboratory(name, say=screen.say) as lab:
        started = time.monotonic() - began
        screen.say(f"the lab is up after {started:.1f} s")
        seen = await rehearse(lab, course, screen.say, started)
        screen.say("taking the lab down")
    return seen


def write_report(seen: Rehearsal, out: Path) -> Written:
    """report.json and report.html, each replaced in one step. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    written = _written(out)
    for path, text in ((written.json, json.dumps(document(seen), indent=2) + "\n"), (written.html, page(seen))):
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    return written


def discard_report(out: Path) -> None:
    """Remove what an earlier demo left there: after a run that fails, its `kept` would pass for this one's. Raises OSError."""
    written = _written(out)
    for path in (written.json, written.html):
        path.unlink(missing_ok=True)


def _written(out: Path) -> Written:
    return Written(json=out / "report.json", html=out / "report.html")


def _announced(fault: Fault) -> str:
    return f"a {fault}"
