"""Runs seeds, or one of them step by step: python -m tests.simulation --seed 7 --steps."""

import argparse
import sys
from collections import Counter

from tests.simulation.course import play
from tests.simulation.watch import Line


def _print(line: Line) -> None:
    at, kind, text = line
    print(f"{at:9.4f} {kind:8s} {text}")


def main() -> int:
    """The exit status is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the first seed, or the only one")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--steps", action="store_true", help="tell everything that takes effect")
    given = parser.parse_args()
    broken, verdicts = 0, Counter[tuple[str, str]]()
    virtual = real = 0.0
    for seed in range(given.seed, given.seed + given.seeds):
        outcome = play(seed, _print if given.steps else None)
        virtual, real = virtual + outcome.virtual, real + outcome.real
        verdicts.update(outcome.verdicts)
        if given.seeds == 1 or outcome.breaches or outcome.held:
            print(
                f"seed {seed}: {outcome.epochs} epochs, {outcome.paid} acknowledged, held: {outcome.held or 'no'}, {outcome.digest[:12]}"
            )
        if outcome.breaches:
            broken += 1
            for fault in outcome.faults:
                print(f"  {fault}")
            for breach in outcome.breaches[:3]:
                print(f"  BROKEN {breach.promise}: {breach.evidence}")
            print(f"  again, step by step: python -m tests.simulation --seed {seed} --steps")
    print(
        f"{given.seeds} seeds, {broken} broken, {virtual / given.seeds:.1f} virtual and {real / given.seeds:.2f} real seconds per seed"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
