"""`make bench`: many failovers of every fault, as many switchovers, and the price of the barrier; figures to `out/bench`.

Environment: RUNS (20), FAULTS (crash,freeze,partition), ONLY (failover, switchover, barrier; several with commas; empty: all).
Exit status 1 when any run broke a promise; its record, journal and logs are then kept beside the figures. A figure above its goal
does not change the status: it is a number to report, not a promise.
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import uvloop

from lab import bench_barrier, bench_switchover
from lab.bench_failover import POLICY, Series
from lab.bench_figures import table
from lab.errors import LabError
from lab.faults import Fault

OUT = Path("out/bench")
FAULTS = (Fault.CRASH, Fault.FREEZE, Fault.PARTITION)
PARTS = ("failover", "switchover", "barrier")


class WishError(Exception):
    """The environment asks for something that there is not; says what there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be measured."""

    runs: int = 20
    faults: tuple[Fault, ...] = FAULTS
    parts: tuple[str, ...] = PARTS


def read_wishes(environ: Mapping[str, str]) -> Wishes:
    """What the environment asks for. Raises WishError with everything that is wrong."""
    runs, wrong = environ.get("RUNS", "20"), []
    faults, parts = _listed(environ, "FAULTS") or FAULTS, _listed(environ, "ONLY") or PARTS
    if not runs.isdigit() or int(runs) < 1:
        wrong.append(f"RUNS: a number of runs, at least 1, not {runs!r}")
    wrong += [f"FAULTS: any of {', '.join(FAULTS)}, not {fault!r}" for fault in faults if fault not in FAULTS]
    wrong += [f"ONLY: any of {', '.join(PARTS)}, not {part!r}" for part in parts if part not in PARTS]
    if wrong:
        raise WishError("\n".join(wrong))
    return Wishes(runs=int(runs), faults=tuple(map(Fault, faults)), parts=tuple(parts))


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(filter(None, (item.strip() for item in environ.get(name, "").split(","))))


async def measure(wishes: Wishes, out: Path) -> bool:
    """Carry everything out and write `failover.json` after every part, so that an interrupted bench keeps what it has.

    Answers whether every promise was kept.
    """
    document: dict[str, Any] = {"policy": list(POLICY), "machine": {"cores": os.cpu_count()}}
    kept = True
    for name, part in _parts(wishes, out):
        began = time.monotonic()
        say(f"== {name}")
        try:
            document[name] = await part()
        except LabError as error:
            document[name + "_error"] = str(error)
            kept = False
            say(f"{name}: {error}")
        else:
            kept = kept and not any(document[name].get(what, 0) for what in ("lost", "duplicated", "broken", "failed"))
        say(f"== {name} took {time.monotonic() - began:.0f} s")
        document["kept"] = kept
        await asyncio.to_thread(_keep, out / "failover.json", document)
    print(f"\npolicy beside the demo's: {', '.join(POLICY)}\n{table(document)}\n\n{out / 'failover.json'}")
    return kept


def _keep(file: Path, document: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1) + "\n")


def _parts(wishes: Wishes, out: Path) -> list[tuple[str, Callable[[], Awaitable[dict[str, Any]]]]]:
    found: list[tuple[str, Callable[[], Awaitable[dict[str, Any]]]]] = []
    if "failover" in wishes.parts:
        series = [Series(fault=fault, runs=wishes.runs, out=out, say=say) for fault in wishes.faults]
        found += [(str(one.fault), one.carry_out) for one in series]
    if "switchover" in wishes.parts:
        found.append(("switchover", lambda: bench_switchover.carry_out(wishes.runs, out, say)))
    if "barrier" in wishes.parts:
        found.append(("barrier", lambda: bench_barrier.carry_out(say)))
    return found


def say(line: str) -> None:
    """Progress, as it happens."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main() -> None:
    """Exit 0: every promise kept; 1: one was broken; 2: the environment asks for what there is not."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        wishes = read_wishes(os.environ)
    except WishError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    sys.exit(0 if uvloop.run(measure(wishes, OUT)) else 1)


if __name__ == "__main__":
    main()
