"""The demo as a command: runs it, prints the outcome, writes the report, answers the exit status."""

import json as codec
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from controller.cli.exits import Exit
from lab.demo import demonstrate, discard_report, write_report
from lab.errors import LabError
from lab.faults import OF_AUTHORITIES, Fault, UnknownTargetError, parse
from lab.laboratory import FOREIGN
from lab.rehearsal import Course
from lab.report import Rehearsal, broken_promises, document
from lab.screen import Screen, exit_of, open_console, summarize

BESIDE = OF_AUTHORITIES | {Fault.ISSUER_DOWN}
"""What can be lost beside a site."""

OFFERED = (Fault.CRASH, Fault.FREEZE, Fault.PARTITION)


Demonstration = Callable[[str, Course, Screen], Awaitable[Rehearsal]]


def read_beside(texts: Iterable[str]) -> tuple[tuple[Fault, str], ...]:
    """Faults of authorities or of the issuer, each as FAULT@PLACE and at most one at a place. Raises UnknownTargetError."""
    found: dict[str, Fault] = {}
    for text in texts:
        fault, _, at = text.partition("@")
        kind, place = parse(fault, at or None)
        if kind not in BESIDE:
            raise UnknownTargetError(f"{fault} is no fault beside a site's; there are {', '.join(sorted(BESIDE))}")
        if place in found:
            raise UnknownTargetError(f"{place} is given twice")
        found[place] = kind
    return tuple((fault, place) for place, fault in found.items())


async def show_demo(
    fault: str,
    out: Path,
    name: str,
    rate: float,
    beside: Sequence[str] = (),
    *,
    as_json: bool,
    demonstrate: Demonstration = demonstrate,
) -> Exit:
    """0 when every promise was kept, 1 when one was broken or the lab failed, 2 for what cannot be, 3 while a lab of this name runs.

    A report of an earlier demo is gone from the beginning: whoever reads one reads this run's.
    """
    screen = Screen()
    if fault not in set(OFFERED):
        screen.complain(f"there is no demo of {fault!r}; there are {', '.join(OFFERED)}")
        return Exit.USAGE
    try:
        course = Course(fault=Fault(fault), rate=rate, beside=read_beside(beside))
    except UnknownTargetError as error:
        screen.complain(str(error))
        return Exit.USAGE
    try:
        discard_report(out)
    except OSError as error:
        screen.complain(f"the report of an earlier demo cannot be removed: {error}")
        return Exit.BROKEN
    try:
        with screen.working():
            seen = await demonstrate(name, course, screen)
    except LabError as error:
        screen.complain(str(error))
        return exit_of(error)
    except FOREIGN as error:
        screen.complain(f"the lab failed: {screen.last}: {error!r}")
        return Exit.BROKEN
    try:
        written = write_report(seen, out)
    except OSError as error:
        screen.complain(f"the report cannot be written to {out}: {error}")
        return Exit.BROKEN
    said = document(seen)
    if as_json:
        print(codec.dumps(said, indent=2))
    else:
        console = open_console()
        summarize(console, said)
        console.print(f"Report: {written.html} and {written.json}")
    return Exit.BROKEN if broken_promises(seen) else Exit.DONE
