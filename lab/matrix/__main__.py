"""`make faults`: every cell of the matrix, one lab after the other, to out/faults/report.json and report.html.

Environment: FAULTS and VICTIMS pick cells, separated by commas (`FAULTS=crash,deaf VICTIMS=writer`); RESUME=1 keeps what an earlier run
left and plays what it lacks, and again what was not as promised. Written after every cell: a run that is ended leaves what it has. Exit
status 0 when every cell that was asked for is as promised, 1 when one is not or could not be played, 2 for a cell that there is not.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.bench_evidence import TROUBLE
from lab.errors import LabError
from lab.laboratory import Say
from lab.matrix.cells import Cell, cells, select
from lab.matrix.judgement import Seen
from lab.matrix.page import page
from lab.matrix.play import play
from lab.matrix.report import AS_PROMISED, document, played, unplayed

OUT = Path("out/faults")

Player = Callable[[Cell, str, Say], Awaitable[Seen]]


async def carry_out(wanted: Sequence[Cell], out: Path, *, resume: bool, say: Say, player: Player = play) -> bool:
    """Play these cells; answers whether all of them are as promised. Raises OSError when nothing can be written."""
    results = await asyncio.to_thread(_earlier, out) if resume else {}
    for number, cell in enumerate(wanted, 1):
        if cell.name in results and results[cell.name]["verdict"] == AS_PROMISED:
            continue
        say(f"{number}/{len(wanted)} {cell.name}: {cell.promise.outcome}")
        results[cell.name] = one = await _played(cell, say, player)
        await asyncio.to_thread(_write, out, document(_shown(wanted, results), results))
        say(f"{number}/{len(wanted)} {cell.name}: {_told(one)}")
    return all(results[cell.name]["verdict"] == AS_PROMISED for cell in wanted)


async def _played(cell: Cell, say: Say, player: Player) -> Mapping[str, Any]:
    began = time.monotonic()
    try:
        seen = await player(cell, f"faults-{cell.fault}-{cell.victim}", say)
    except TROUBLE as error:
        return unplayed(cell, f"{type(error).__name__}: {error}", time.monotonic() - began)
    return played(cell, seen, time.monotonic() - began)


def _shown(wanted: Collection[Cell], results: Collection[str]) -> tuple[Cell, ...]:
    """What was asked for now or played before, in the matrix's order."""
    return tuple(cell for cell in cells() if cell in wanted or cell.name in results)


def _told(one: Mapping[str, Any]) -> str:
    figures = f", {one['answered_by']}, pause {one['pause_s']:.1f} s, lost {one['lost']}" if "pause_s" in one else ""
    wrong = "".join(f"\n    {said}" for said in one["wrong"])
    return f"{one['verdict']}{figures}, took {one['took_s']:.0f} s{wrong}"


def _earlier(out: Path) -> dict[str, Mapping[str, Any]]:
    """What an earlier run left; nothing without one."""
    try:
        return {one["cell"]: one for one in json.loads((out / "report.json").read_text())["results"]}
    except FileNotFoundError:
        return {}


def _write(out: Path, said: Mapping[str, Any]) -> None:
    """Both files, each replaced in one step."""
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("report.json", json.dumps(said, indent=1) + "\n"), ("report.html", page(said))):
        draft = out / f".{name}.new"
        draft.write_text(text, encoding="utf-8")
        draft.replace(out / name)


def say(line: str) -> None:
    """Progress, as it happens."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def _listed(name: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip() for one in os.environ.get(name, "").split(","))))


def main() -> None:
    """See the module."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a killed server is no news here
    try:
        wanted = select(_listed("FAULTS"), _listed("VICTIMS"))
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    kept = asyncio.run(carry_out(wanted, OUT, resume=os.environ.get("RESUME", "") not in ("", "0"), say=say))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
