"""Many seeds in several processes, and what they found and reached together."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count

from controller.core.guards import GUARDS
from controller.core.model import Verdict
from controller.core.plans import Phase
from tests.simulation.course import Outcome, play

UNREACHED = {
    (
        "no-surprise-return",
        str(Verdict.REFUSED),
    ): "no decision proposes what it refuses: it stands behind `decide`, and its own test asks it",
    ("epoch-monotone", str(Verdict.REFUSED)): "only an etcd from the past makes it refuse: see test_etcd_from_the_past",
}
"""What no seed may reach, and why; each is looked at elsewhere."""


@dataclass(slots=True, kw_only=True)
class Found:
    """Of all seeds."""

    seeds: int = 0
    broken: list[Outcome] = field(default_factory=list)
    held: list[Outcome] = field(default_factory=list)
    """Seeds at whose end only a person may go on."""
    phases: set[str] = field(default_factory=set)
    verdicts: set[tuple[str, str]] = field(default_factory=set)
    paid: int = 0
    failovers: int = 0
    """Epochs beyond the first."""
    virtual: float = 0.0
    seconds: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.seeds += 1
        self.paid, self.failovers = self.paid + outcome.paid, self.failovers + max(0, outcome.epochs - 1)
        self.virtual += outcome.virtual
        self.phases |= outcome.phases
        self.verdicts |= outcome.verdicts
        if outcome.breaches:
            self.broken.append(outcome)
        elif outcome.held:
            self.held.append(outcome)

    @property
    def missing(self) -> list[str]:
        """Phases that no plan was in, and verdicts that no guard gave."""
        names = [guard.__name__.replace("_", "-") for guard in GUARDS]
        wanted = {(name, str(verdict)) for name in names for verdict in Verdict} - UNREACHED.keys()
        return sorted({str(phase) for phase in Phase} - self.phases) + sorted(
            f"{name} {verdict}" for name, verdict in wanted - self.verdicts
        )

    def __str__(self) -> str:
        each = max(self.seeds, 1)
        return (
            f"{self.seeds} seeds in {self.seconds:.0f} s ({self.seeds / max(self.seconds, 0.001):.2f} a second), "
            f"{self.virtual / each:.1f} virtual seconds each; {self.failovers} claims of an epoch, {self.paid} payments acknowledged; "
            f"{len(self.phases)} phases and {len(self.verdicts)} verdicts reached; {len(self.held)} seeds ended waiting for a person; "
            f"{len(self.broken)} broke a promise"
        )


def told(outcome: Outcome) -> str:
    """A broken seed: what went wrong in it, which promise broke, and how to see it again."""
    faults = "\n".join(f"  {fault}" for fault in outcome.faults)
    breaches = "\n".join(f"  BROKEN {breach.promise}: {breach.evidence}" for breach in outcome.breaches[:3])
    again = f"  again, step by step: python -m tests.simulation --seed {outcome.seed} --steps"
    return f"seed {outcome.seed}:\n{faults}\n{breaches}\n{again}"


def search(
    first: int,
    seeds: int,
    *,
    processes: int,
    within: float = float("inf"),
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Found:
    """At least `seeds` seeds from `first` on, and as many more as `within` seconds allow when that is finite."""
    found, began = Found(), time.monotonic()

    def next_seeds() -> Iterator[int]:
        for number in count(first):
            enough = number - first >= seeds
            if enough and (within == float("inf") or time.monotonic() - began > within):
                return
            yield number

    waiting = next_seeds()
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        under_way: set[Future[Outcome]] = {
            pool.submit(play, seed) for _, seed in zip(range(2 * processes), waiting, strict=False)
        }
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for one in done:
                found.add(one.result())
                tell(one.result())
            for _, seed in zip(range(len(done)), waiting, strict=False):
                under_way.add(pool.submit(play, seed))
    found.seconds = time.monotonic() - began
    return found
