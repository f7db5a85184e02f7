"""`make faults`: every cell of the matrix and every sequence of faults, one lab after the other, to out/faults/report.json and report.html.

Environment: FAULTS and VICTIMS pick cells, separated by commas (`FAULTS=crash,deaf VICTIMS=writer`), SEQUENCES sequences of faults
(`SEQUENCES=flapping,random`; `none` for none); who picks of one only gets none of the other. COUNT (10) and SEED (0) are of the random one.
RESUME=1 keeps what an earlier run left and plays what it lacks, and again what was not as promised. Written after every cell and sequence:
a run that is ended leaves what it has. Exit status 0 when everything
that was asked for is as promised, 1 when something is not or could not be played, 2 for what there is not.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lab.bench_evidence import TROUBLE
from lab.errors import LabError
from lab.laboratory import Say
from lab.matrix.cells import Cell, cells, select
from lab.matrix.judgement import Seen
from lab.matrix.page import page
from lab.matrix.perform import perform
from lab.matrix.play import play
from lab.matrix.report import AS_PROMISED, document, played, unplayed
from lab.matrix.sequel import SequenceSeen
from lab.matrix.sequel_report import played_sequence, unplayed_sequence
from lab.matrix.sequences import Sequence as Rounds
from lab.matrix.sequences import select_sequences, sequences

OUT = Path("out/faults")

COUNT = 10
"""Moves of the random sequence unless more are asked for."""

Player = Callable[[Cell, str, Say], Awaitable[Seen]]
Performer = Callable[[Rounds, str, Say], Awaitable[SequenceSeen]]
Results = dict[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be played."""

    cells: Sequence[Cell] = ()
    sequences: Sequence[Rounds] = ()
    resume: bool = False


async def carry_out(wishes: Wishes, out: Path, *, say: Say, player: Player = play, performer: Performer = perform) -> bool:
    """Play this; answers whether all of it is as promised. Raises OSError when nothing can be written."""
    results, courses = await asyncio.to_thread(_earlier, out) if wishes.resume else ({}, {})
    number, of = 0, len(wishes.cells) + len(wishes.sequences)

    async def play_one(name: str, kept: Results, promised: str, played: Callable[[], Awaitable[Mapping[str, Any]]]) -> None:
        nonlocal number
        number += 1
        if name in kept and kept[name]["verdict"] == AS_PROMISED:
            return
        say(f"{number}/{of} {name}: {promised}")
        kept[name] = one = await played()
        shown = document(_shown(wishes.cells, results), results, _shown_sequences(wishes.sequences, courses), courses)
        await asyncio.to_thread(_write, out, shown)
        say(f"{number}/{of} {name}: {_told(one)}")

    for cell in wishes.cells:
        await play_one(cell.name, results, cell.promise.outcome, partial(_played, cell, say, player))
    for one in wishes.sequences:
        await play_one(one.name, courses, f"{len(one.rounds)} rounds", partial(_performed, one, say, performer))
    found = [results[cell.name] for cell in wishes.cells] + [courses[one.name] for one in wishes.sequences]
    return all(one["verdict"] == AS_PROMISED for one in found)


async def _played(cell: Cell, say: Say, player: Player) -> Mapping[str, Any]:
    began = time.monotonic()
    try:
        seen = await player(cell, f"faults-{cell.fault}-{cell.victim}", say)
    except TROUBLE as error:
        return unplayed(cell, f"{type(error).__name__}: {error}", time.monotonic() - began)
    return played(cell, seen, time.monotonic() - began)


async def _performed(sequence: Rounds, say: Say, performer: Performer) -> Mapping[str, Any]:
    began = time.monotonic()
    try:
        seen = await performer(sequence, f"sequence-{sequence.name}", say)
    except TROUBLE as error:
        return unplayed_sequence(sequence, f"{type(error).__name__}: {error}", time.monotonic() - began)
    return played_sequence(sequence, seen, time.monotonic() - began)


def _shown(wanted: Collection[Cell], results: Collection[str]) -> tuple[Cell, ...]:
    """What was asked for now or played before, in the matrix's order."""
    return tuple(cell for cell in cells() if cell in wanted or cell.name in results)


def _shown_sequences(wanted: Sequence[Rounds], courses: Collection[str]) -> tuple[Rounds, ...]:
    """The same; of one that was played before the report has all that is told."""
    names = {one.name for one in wanted}
    return (*wanted, *(one for one in sequences(0, COUNT) if one.name in courses and one.name not in names))


def _told(one: Mapping[str, Any]) -> str:
    figures = f", {one['answered_by']}, pause {one['pause_s']:.1f} s" if "pause_s" in one else ""
    figures += f", lost {one['lost']}" if "lost" in one else ""
    wrong = "".join(f"\n    {said}" for said in one["wrong"])
    return f"{one['verdict']}{figures}, took {one['took_s']:.0f} s{wrong}"


def _earlier(out: Path) -> tuple[Results, Results]:
    """What an earlier run left, cells and sequences; nothing without one."""
    try:
        said = json.loads((out / "report.json").read_text())
    except FileNotFoundError:
        return {}, {}
    return {one["cell"]: one for one in said["results"]}, {one["sequence"]: one for one in said.get("sequences", ())}


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


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip() for one in environ.get(name, "").split(","))))


def read_wishes(environ: Mapping[str, str]) -> Wishes:
    """What the environment asks for. Raises LabError for what there is not."""
    faults, victims, names = (_listed(environ, name) for name in ("FAULTS", "VICTIMS", "SEQUENCES"))
    known = sequences(_number(environ, "SEED", 0, least=0), _number(environ, "COUNT", COUNT, least=1))
    picked = () if names == ("none",) or (not names and (faults or victims)) else select_sequences(names, known)
    wanted = () if names and names != ("none",) and not faults and not victims else select(faults, victims)
    return Wishes(cells=wanted, sequences=picked, resume=environ.get("RESUME", "") not in ("", "0"))


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environ.get(name, "") or str(default)
    if not text.isdigit() or int(text) < least:
        raise LabError(f"{name}: a number, at least {least}, not {text!r}")
    return int(text)


def main() -> None:
    """See the module."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # a killed server is no news here
    try:
        wishes = read_wishes(os.environ)
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if asyncio.run(carry_out(wishes, OUT, say=say)) else 1)


if __name__ == "__main__":
    main()
