"""Runs seeds, or one of them step by step: python -m tests.simulation --seed 7 --steps."""

import argparse
import os
import sys
from contextlib import nullcontext

from tests.simulation.ablations import named
from tests.simulation.course import USUAL, Outcome, play
from tests.simulation.search import search, told
from tests.simulation.watch import Line


def _print(line: Line) -> None:
    at, kind, text = line
    print(f"{at:9.4f} {kind:8s} {text}", flush=True)


def _tell(outcome: Outcome) -> None:
    if outcome.breaches:
        print(told(outcome), flush=True)


def _one(seed: int, without: str, *, steps: bool) -> Outcome:
    row = named(without) if without else None
    with row.apart() if row else nullcontext():
        outcome = play(seed, _print if steps else None, row.setting(taken=True) if row else USUAL)
    held = f", waits for a person: {outcome.held}" if outcome.held else ""
    print(f"seed {seed}: {outcome.digest[:16]}, {outcome.epochs} epochs, {outcome.paid} acknowledged{held}")
    return outcome


def main() -> int:
    """The exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed, or the only one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="for more than one seed")
    parser.add_argument("--steps", action="store_true", help="tell everything that takes effect")
    parser.add_argument("--without", default="", help="a safeguard, as tests/simulation/ablations.py names it, to be taken away")
    given = parser.parse_args()
    if given.seeds == 1:
        outcome = _one(given.seed, given.without, steps=given.steps)
        _tell(outcome)
        return 1 if outcome.breaches else 0
    found = search(given.seed, given.seeds, processes=given.processes, tell=_tell)
    print(found)
    for outcome in found.held:
        print(f"waits for a person: seed {outcome.seed}, {outcome.held}")
    print(f"never reached: {', '.join(found.missing) or 'nothing'}")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
