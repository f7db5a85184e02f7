"""`make bench`: many failovers of every fault, as many switchovers, the price of the barrier and of every layer; figures to `out/bench`.

Environment: RUNS (20), FAULTS (crash,freeze,partition), ONLY (failover, switchover, barrier, evacuation, probing, throughput, surge,
detection; several with commas; empty: all), SEED (1): the same seed gives the same course of every run, whatever else is measured.
Exit status 1 when any run broke a promise or could not be carried to its end; its record, journal and logs are then kept beside the
figures. A figure above its goal does not change the status: it is a number to report, not a promise.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import structlog
import uvloop

from lab.bench_barrier import Barrier
from lab.bench_detection_part import Detection
from lab.bench_evacuation import Evacuation
from lab.bench_evidence import TROUBLE
from lab.bench_failover import Series
from lab.bench_figures import table
from lab.bench_ground import POLICY, Labs
from lab.bench_probing import Probing
from lab.bench_surge import Surge
from lab.bench_switchover import Switchovers
from lab.bench_throughput import Throughput
from lab.faults import Fault

OUT, FILE = Path("out/bench"), "failover.json"
FAULTS = (Fault.CRASH, Fault.FREEZE, Fault.PARTITION)
PARTS = ("failover", "switchover", "barrier", "evacuation", "probing", "throughput", "surge", "detection")
ALL = (*map(str, FAULTS), *PARTS[1:])
"""Keys of the document."""

ENDS = (
    "lost",
    "duplicated",
    "revived",
    "unbalanced",
    "astray",
    "broken",
    "failed",
    "aborted",
    "unreconciled",
    "vault_lost",
    "vault_duplicated",
    "vault_revived",
    "vault_unreconciled",
    "webhooks_lost",
)
"""Counts of which none may be above zero."""


class WishError(Exception):
    """The environment asks for something that there is not; says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be measured."""

    runs: int = 20
    faults: tuple[Fault, ...] = FAULTS
    parts: tuple[str, ...] = PARTS
    seed: int = 1


def read_wishes(environ: Mapping[str, str]) -> Wishes:
    """What the environment asks for. Raises WishError with everything that is wrong."""
    runs, seed, wrong = environ.get("RUNS", "20"), environ.get("SEED", "1"), []
    faults, parts = _listed(environ, "FAULTS") or FAULTS, _listed(environ, "ONLY") or PARTS
    if not runs.isdigit() or int(runs) < 1:
        wrong.append(f"RUNS: a number of runs, at least 1, not {runs!r}")
    if not seed.isdigit():
        wrong.append(f"SEED: a whole number, not {seed!r}")
    wrong += [f"FAULTS: any of {', '.join(FAULTS)}, not {fault!r}" for fault in faults if fault not in FAULTS]
    wrong += [f"ONLY: any of {', '.join(PARTS)}, not {part!r}" for part in parts if part not in PARTS]
    if wrong:
        raise WishError("\n".join(wrong))
    return Wishes(runs=int(runs), faults=tuple(map(Fault, faults)), parts=tuple(parts), seed=int(seed))


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, (item.strip() for item in environ.get(name, "").split(","))))


class Part(Protocol):
    """Something that is measured, and that can say at any moment what it has so far."""

    @property
    def name(self) -> str:
        """Its key in the document."""

    async def carry_out(self) -> None:
        """To its end. Raises LabError, TrimaranError or OSError when there is no way on."""

    def figures(self) -> dict[str, Any]:
        """What is known so far."""


async def measure(parts: Iterable[Part], file: Path, measured: Mapping[str, Any]) -> bool:
    """Carry the parts out, one after the other; each replaces its own figures of an earlier bench in `file` and leaves the others'.
    Answers whether every promise was kept. `measured`: where, when and with what; it is kept with each part.

    Its place in the file says "not kept" from its first moment on: a bench that dies half-way, by whatever, must not leave
    yesterday's good word standing for what was tried today.
    """
    document, names = read_document(file), []
    for part in parts:
        began = time.monotonic()
        names.append(part.name)
        say(f"== {part.name}")
        error = "it did not come to its end"
        _put(document, part, error, measured, file)
        try:
            await part.carry_out()
            error = ""
        except TROUBLE as trouble:
            error = f"{type(trouble).__name__}: {trouble}"
            say(f"{part.name}: {error}")
        finally:
            _put(document, part, error, measured, file)
        say(f"== {part.name} took {time.monotonic() - began:.0f} s")
    print(f"\npolicy beside the demo's: {', '.join(POLICY)}\n{table({name: document[name] for name in names})}\n\n{file}")
    return all(document[name]["kept"] for name in names)


def read_document(file: Path) -> dict[str, Any]:
    """Parts that earlier benches measured. Raises WishError when the file is none of a bench: nothing is written over it."""
    try:
        found = json.loads(file.read_text())
        return {name: dict(found[name]) for name in ALL if name in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise WishError(f"{file}: not what a bench wrote ({error}): move it away") from error


def _put(document: dict[str, Any], part: Part, error: str, measured: Mapping[str, Any], file: Path) -> None:
    """The part as it stands, and `kept` for the whole file; written in one step."""
    figures = part.figures()
    kept = not error and not any(figures.get(what) for what in ENDS)
    document[part.name] = {**figures, **({"error": error} if error else {}), "kept": kept, "measured": dict(measured)}
    document["kept"] = all(document[name].get("kept") is True for name in ALL if name in document)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(json.dumps(document, indent=1) + "\n")
    draft.replace(file)


def parts_of(wishes: Wishes, out: Path) -> list[Part]:
    """What is wished for, in the order in which it is measured."""
    found: list[Part] = []
    if "failover" in wishes.parts:
        for fault in wishes.faults:
            labs = Labs(fault=fault, seed=wishes.seed, out=out)
            found.append(Series(fault=fault, runs=wishes.runs, open=labs.open, say=say))
    if "switchover" in wishes.parts:
        found.append(Switchovers(runs=wishes.runs, out=out, say=say))
    if "barrier" in wishes.parts:
        found.append(Barrier(say=say))
    if "evacuation" in wishes.parts:
        found.append(Evacuation(say=say))
    if "probing" in wishes.parts:
        found.append(Probing(say=say))
    if "throughput" in wishes.parts:
        found.append(Throughput(say=say))
    if "surge" in wishes.parts:
        found.append(Surge(say=say))
    if "detection" in wishes.parts:
        found.append(Detection(say=say))
    return found


def circumstances(wishes: Wishes) -> dict[str, Any]:
    """What a reader of a figure must know to measure it again."""
    return {
        "commit": _commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "policy": list(POLICY),
        "runs": wishes.runs,
        "seed": wishes.seed,
    }


def _commit() -> str:
    """The commit of this checkout, `-dirty` when it has been changed since; unknown without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def say(line: str) -> None:
    """Progress, as it happens."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    """Exit 0: every promise kept; 1: one was broken; 2: the environment asks for what there is not."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        wishes = read_wishes(os.environ)
        parts, measured = parts_of(wishes, OUT), circumstances(wishes)
        say(f"order: {', '.join(part.name for part in parts)}; {', '.join(f'{name} {what}' for name, what in measured.items())}")
        sys.exit(0 if uvloop.run(measure(parts, OUT / FILE, measured)) else 1)
    except WishError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
