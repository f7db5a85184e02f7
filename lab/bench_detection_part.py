"""The detector's part of `make bench`: how often it is right about payments and about a site's traffic, and whether that is still enough.

Pure arithmetic on generated traffic with fixed seeds: the same figures on every machine, of this traffic and no other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detection.score import Limits
from lab.bench_detection import of_payments
from lab.bench_detection_traffic import Sites, of_traffic
from lab.bench_detection_world import World

SEEDS = (1, 2, 3)

AT_MOST = {"false_positives_per_10000": 25.0, "longest_row_of_false_positives": 64.0}
AT_LEAST = {"amount": 0.35, "burst": 0.85}
"""Recall of incidents: a theft of five to fourteen times the usual is within what honest accounts do, and passes."""
FALSE_IN_CALM, FALSE_SLOW_IN_CROWDS, FOUND = 0, 1, 0.9
"""Accusations of a site, and the part of its faults that is found."""


def out_of_bounds(payments: Sequence[Mapping[str, Any]], traffic: Mapping[str, Any]) -> Iterator[str]:
    """What is worse than it may be, in words."""
    for one in payments:
        for name, most in AT_MOST.items():
            if one[name] > most:
                yield f"seed {one['seed']}: {name} is {one[name]}, at most {most:g}"
        for label, least in AT_LEAST.items():
            if (recall := one["recall_of_incidents"].get(label, 1.0)) < least:
                yield f"seed {one['seed']}: recall of {label} is {recall}, at least {least:g}"
    if traffic["false_in_calm"] > FALSE_IN_CALM:
        yield f"traffic: called failing {traffic['false_in_calm']} times in calm"
    if traffic["false_in_crowds"]["slow"] > FALSE_SLOW_IN_CROWDS:
        yield f"traffic: called failing {traffic['false_in_crowds']['slow']} times for being slow in a crowd"
    for kind, recall in traffic["recall"].items():
        if recall is not None and recall < FOUND:
            yield f"traffic: recall of {kind} is {recall}, at least {FOUND}"


@dataclass(slots=True, kw_only=True)
class Detection:
    """Key `detection` of the bench."""

    say: Callable[[str], None]
    name: str = "detection"
    payments: list[dict[str, Any]] = field(default_factory=list)
    traffic: dict[str, Any] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()

    async def carry_out(self) -> None:
        """To its end: about half a minute of one core."""
        for seed in SEEDS:
            self.payments.append(found := of_payments(World(seed=seed), Limits()))
            self.say(
                f"detection, payments of seed {seed}: {found['false_positives_per_10000']} of 10,000 honest ones held,"
                f" recall {found['recall_of_incidents']}"
            )
        self.traffic = of_traffic(Sites())
        self.say(
            f"detection, traffic: {self.traffic['site_hours']} site hours, false in calm {self.traffic['false_in_calm']}, in"
            f" {self.traffic['crowds']} crowds {self.traffic['false_in_crowds']}, recall {self.traffic['recall']}"
        )
        self.wrong = tuple(out_of_bounds(self.payments, self.traffic))
        for line in self.wrong:
            self.say(line)

    def figures(self) -> dict[str, Any]:
        """What is known so far."""
        return {"broken": len(self.wrong), "wrong": list(self.wrong), "payments": self.payments, "traffic": self.traffic}
