"""`python -m lab.bench_detection [--seed N] [--traffic]`: how often the detector is right, on generated payments with labelled anomalies.

What it prints is true of this traffic and no other: see `bench_detection_world`, and `bench_detection_traffic` for that of sites. What was
held by mistake is approved, as a reviewer would, and becomes part of the account's habits; what was held rightly is rejected and teaches
nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from detection.profile import Profile, learn
from detection.score import Limits, score
from lab.bench_detection_traffic import Sites, of_traffic
from lab.bench_detection_world import Label, Paid, World, generate

CURRENCY = "EUR"


@dataclass(slots=True, kw_only=True)
class Tally:
    """What was held, and what should have been."""

    payments: int = 0
    honest: int = 0
    unjudged: int = 0
    """Of accounts that are not known well enough."""
    held_honest: int = 0
    held_stolen: int = 0
    stolen: int = 0
    incidents: dict[Label, set[int]] = field(default_factory=dict)
    noticed: dict[Label, set[int]] = field(default_factory=dict)
    row: dict[int, int] = field(default_factory=dict)
    """Honest payments held one after the other, by account, up to now."""
    longest_row: int = 0


def judge(offered: Iterator[Paid], limits: Limits) -> Tally:
    """Score every payment as screening does, and keep profiles as the ledger does."""
    tally = Tally()
    profiles: dict[int, tuple[Profile, float]] = {}
    for paid in offered:
        profile, last = profiles.get(paid.account, (None, paid.at))
        found = score(paid.amount, CURRENCY, profile, paid.at - last, limits)
        stolen = paid.label is not Label.HONEST
        _count(tally, paid, hold=found.hold, judged=found.score > 0 or not found.reasons)
        if not (found.hold and stolen):
            profiles[paid.account] = learn(profile, paid.amount, paid.at - last), paid.at
    return tally


def _count(tally: Tally, paid: Paid, *, hold: bool, judged: bool) -> None:
    tally.payments += 1
    tally.unjudged += not judged
    if paid.label is Label.HONEST:
        tally.honest += 1
        tally.held_honest += hold
        tally.row[paid.account] = tally.row.get(paid.account, 0) + 1 if hold else 0
        tally.longest_row = max(tally.longest_row, tally.row[paid.account])
        return
    tally.stolen += 1
    tally.held_stolen += hold
    tally.incidents.setdefault(paid.label, set()).add(paid.incident)
    if hold:
        tally.noticed.setdefault(paid.label, set()).add(paid.incident)


def figures(tally: Tally) -> dict[str, Any]:
    """What is printed. Recall counts incidents: a burst is noticed when any of it is held."""
    held = tally.held_honest + tally.held_stolen
    incidents = {label.value: len(found) for label, found in sorted(tally.incidents.items())}
    noticed = {label.value: len(tally.noticed.get(label, ())) for label in sorted(tally.incidents)}
    return {
        "payments": tally.payments,
        "unjudged": tally.unjudged,
        "held": held,
        "held_honest": tally.held_honest,
        "false_positives_per_10000": round(1e4 * tally.held_honest / tally.honest, 2) if tally.honest else None,
        "longest_row_of_false_positives": tally.longest_row,
        "precision": round(tally.held_stolen / held, 4) if held else None,
        "recall_of_incidents": {label: round(noticed[label] / incidents[label], 4) for label in incidents},
        "incidents": incidents,
        "recall_of_payments": round(tally.held_stolen / tally.stolen, 4) if tally.stolen else None,
    }


def of_payments(world: World, limits: Limits) -> dict[str, Any]:
    """Figures of screening on one generated world."""
    return {"seed": world.seed, "accounts": world.accounts, "hold_at": limits.hold_at, **figures(judge(generate(world), limits))}


def main(argv: Sequence[str]) -> int:
    """Print one line of JSON per seed and threshold."""
    parser = argparse.ArgumentParser(prog="python -m lab.bench_detection", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--hold-at", type=float, nargs="+", default=[Limits().hold_at], metavar="SCORE")
    parser.add_argument("--accounts", type=int, default=World().accounts)
    parser.add_argument("--traffic", action="store_true", help="that of sites instead, with and without their number of requests")
    arguments = parser.parse_args(argv)
    for seed in arguments.seed:
        if arguments.traffic:
            print(json.dumps(of_traffic(Sites(seed=seed))))
            continue
        for threshold in arguments.hold_at:
            print(json.dumps(of_payments(World(seed=seed, accounts=arguments.accounts), Limits(hold_at=threshold))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
