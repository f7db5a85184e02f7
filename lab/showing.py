"""The demo as a command: runs it, prints the outcome, writes the report, answers the exit status."""

import json as codec
from pathlib import Path

from controller.cli.exits import Exit
from lab.demo import demonstrate, write_report
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import NothingInstalledError
from lab.rehearsal import Course
from lab.report import broken_promises, document
from lab.screen import Screen, open_console, summarize

OFFERED = (Fault.CRASH, Fault.FREEZE, Fault.PARTITION)


async def show_demo(fault: str, out: Path, name: str, rate: float, *, as_json: bool) -> Exit:
    """0 when every promise was kept, 1 when one was broken or the lab failed, 2 for what cannot be, 3 while a lab of this name runs."""
    screen = Screen()
    if fault not in set(OFFERED):
        screen.complain(f"there is no demo of {fault!r}; there are {', '.join(OFFERED)}")
        return Exit.USAGE
    try:
        with screen.working():
            seen = await demonstrate(name, Course(fault=Fault(fault), rate=rate), screen)
            written = write_report(seen, out)
    except NothingInstalledError as error:
        screen.complain(str(error))
        return Exit.USAGE
    except LabError as error:
        screen.complain(str(error))
        return Exit.REFUSED if "already running" in str(error) else Exit.BROKEN
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
