"""`python -m lab.bench_detection [--seed N]`: how often the detector is right, on generated payments with labelled anomalies.

What it prints is true of this traffic and no other: accounts with habits of their own, days and nights, heavy tails (a rent among
groceries), short sprees that are no theft; and among them the two anomalies that screening is for, far too much at once, and far too
many. What was held by mistake is approved, as a reviewer would, and becomes part of the account's habits; what was held rightly is
rejected and teaches nothing.
"""

import argparse
import heapq
import json
import math
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from detection.profile import Profile, learn
from detection.score import Limits, score

DAY, MINUTE = 86_400.0, 60.0
CURRENCY = "EUR"


class Label(StrEnum):
    """What a payment is."""

    HONEST = "honest"
    AMOUNT = "amount"
    """One payment far above the account's habits."""
    BURST = "burst"
    """One of many within minutes, each of a usual amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The traffic that is generated."""

    seed: int = 1
    accounts: int = 200
    days: float = 60.0
    anomalies: float = 0.5
    """Incidents per account, on average; none before an account is known."""
    rent: float = 0.01
    """Part of the honest payments that is 5 to 15 times an account's median."""
    spree: float = 0.01
    """Part of the honest payments that is followed by two to five others within minutes."""
    burst: tuple[int, int] = (10, 30)
    excess: tuple[float, float] = (20.0, 200.0)
    """How many times the account's median a stolen amount is."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Paid:
    """One payment that is offered."""

    at: float
    account: int
    amount: int = field(compare=False)
    label: Label = field(compare=False)
    incident: int = field(compare=False, default=-1)


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


def generate(world: World) -> Iterator[Paid]:
    """All payments of all accounts in order of time; the same for the same world."""
    chance = random.Random(world.seed)
    numbers = iter(range(sys.maxsize))
    return heapq.merge(*(sorted(_account(world, number, chance, numbers)) for number in range(world.accounts)))


def _account(world: World, number: int, chance: random.Random, incidents: Iterator[int]) -> Iterator[Paid]:
    """Payments of one account: from one in two days to thirty a day, amounts from cents to thousands, more or less varied."""
    per_day = math.exp(chance.uniform(math.log(0.5), math.log(30)))
    middle, width = math.exp(chance.uniform(math.log(300), math.log(50_000))), chance.uniform(0.2, 1.0)

    def usual() -> int:
        return max(1, round(middle * math.exp(chance.gauss(0.0, width))))

    at = chance.random() * DAY
    while at < world.days * DAY:
        large = chance.random() < world.rent
        yield Paid(at=at, account=number, amount=round(middle * chance.uniform(5, 15)) if large else usual(), label=Label.HONEST)
        if chance.random() < world.spree:
            for _ in range(chance.randint(2, 5)):
                yield Paid(at=at + chance.random() * 10 * MINUTE, account=number, amount=usual(), label=Label.HONEST)
        at += _pause(chance, per_day, at)
    while chance.random() < world.anomalies / (1 + world.anomalies):
        at, incident = chance.uniform(0.6, 1.0) * world.days * DAY, next(incidents)
        if chance.random() < 0.5:
            amount = round(middle * chance.uniform(*world.excess))
            yield Paid(at=at, account=number, amount=amount, label=Label.AMOUNT, incident=incident)
        else:
            for _ in range(chance.randint(*world.burst)):
                at += chance.uniform(2, 20)
                yield Paid(at=at, account=number, amount=usual(), label=Label.BURST, incident=incident)


def _pause(chance: random.Random, per_day: float, at: float) -> float:
    """Three payments by day for one by night."""
    by_day = math.sin(2 * math.pi * at / DAY) > 0
    return chance.expovariate(per_day * (1.5 if by_day else 0.5) / DAY)


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
        return
    tally.stolen += 1
    tally.held_stolen += hold
    tally.incidents.setdefault(paid.label, set()).add(paid.incident)
    if hold:
        tally.noticed.setdefault(paid.label, set()).add(paid.incident)


def figures(tally: Tally) -> dict[str, Any]:
    """What is printed. Recall counts incidents: a burst is noticed when any of it is held."""
    held = tally.held_honest + tally.held_stolen
    incidents = {label: len(found) for label, found in sorted(tally.incidents.items())}
    noticed = {label: len(tally.noticed.get(label, ())) for label in incidents}
    return {
        "payments": tally.payments,
        "unjudged": tally.unjudged,
        "held": held,
        "held_honest": tally.held_honest,
        "false_positives_per_10000": round(1e4 * tally.held_honest / tally.honest, 2) if tally.honest else None,
        "precision": round(tally.held_stolen / held, 4) if held else None,
        "recall_of_incidents": {label: round(noticed[label] / incidents[label], 4) for label in incidents},
        "incidents": incidents,
        "recall_of_payments": round(tally.held_stolen / tally.stolen, 4) if tally.stolen else None,
    }


def main(argv: Sequence[str]) -> int:
    """Print one line of JSON per seed and threshold."""
    parser = argparse.ArgumentParser(prog="python -m lab.bench_detection", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, nargs="+", default=[1, 2, 3], metavar="N")
    parser.add_argument("--hold-at", type=float, nargs="+", default=[Limits().hold_at], metavar="SCORE")
    parser.add_argument("--accounts", type=int, default=World().accounts)
    arguments = parser.parse_args(argv)
    for seed in arguments.seed:
        for threshold in arguments.hold_at:
            tally = judge(generate(World(seed=seed, accounts=arguments.accounts)), Limits(hold_at=threshold))
            print(json.dumps({"seed": seed, "hold_at": threshold, **figures(tally)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
