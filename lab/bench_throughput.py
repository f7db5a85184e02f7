"""How many payments a second one payments process sustains, beside what its database would, and what each layer of it costs.

Arrivals do not wait for answers. Everybody who is compared is measured in turn, window by window, because a shared machine changes from
minute to minute.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from lab.bench_throughput_figures import PROMISED, Cost, Search, Window, cost_figures, sustained_figures
from lab.bench_throughput_layers import BARE, WHOLE, Step, steps
from lab.bench_throughput_world import CEILING, world
from lab.errors import LabError
from lab.laboratory import Say
from lab.reconcile_recovery import percentile

MODERATE = 100.0
"""Payments a second at which layers are compared: far from any limit."""

ROUNDS, SECONDS = 3, 2.5
WARM = 1.0
"""A Python process is slow with its first requests, and a database with its first plans."""

GOAL = 0.5
"""Share of the ceiling that a service should reach."""


class Place(Protocol):
    """Where it is measured."""

    async def pay(self, who: str, *, rate: float, seconds: float, seed: int) -> Window:
        """Offer payments to somebody for a while. Raises LabError."""

    async def cost(self, who: str, *, rate: float, seconds: float, seed: int) -> Cost:
        """The same, and the processor time that it took. Raises LabError."""


@dataclass(slots=True, kw_only=True)
class Throughput:
    """Both measurements, in one world."""

    say: Say
    steps: Sequence[Step] = field(default_factory=steps)
    compared: Sequence[str] = (CEILING, BARE, WHOLE)
    """Whose highest rate is looked for."""
    open: Callable[[Sequence[Step]], AbstractAsyncContextManager[Place]] = world
    found: dict[str, Search] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    _windows: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def name(self) -> str:
        """Its key in the document."""
        return "throughput"

    async def carry_out(self) -> None:
        """Highest rates, then layers. Raises LabError."""
        async with self.open(self.steps) as place:
            await self._warm(place)
            await self._search(place)
            await self._compare(place)

    def figures(self) -> dict[str, Any]:
        """As far as it came."""
        before = {step.name: step.before for step in self.steps if step.before}
        return {
            "promised_ms": 1000 * PROMISED,
            "goal": GOAL,
            "rate": MODERATE,
            "sustained": sustained_figures(self.found, CEILING),
            "layers": cost_figures(self.costs, before),
        }

    async def _warm(self, place: Place) -> None:
        for who in (CEILING, *(step.name for step in self.steps)):
            window = await place.pay(who, rate=MODERATE, seconds=WARM, seed=next(self._windows))
            if not window.latencies:
                raise LabError(f"{who}: no payment was acknowledged: {dict(window.failed)}")

    async def _search(self, place: Place) -> None:
        """One window of each in turn, until nothing is left to be found."""
        self.found.update((who, Search()) for who in self.compared)
        while wanted := {who: search.next for who, search in self.found.items() if search.next is not None}:
            for who, (rate, seconds) in wanted.items():
                window = await place.pay(who, rate=rate, seconds=seconds, seed=next(self._windows))
                self.found[who] = self.found[who].after(window)
                self.say(f"{who}: {described(window)}")

    async def _compare(self, place: Place) -> None:
        for _ in range(ROUNDS):
            for step in self.steps:
                cost = await place.cost(step.name, rate=MODERATE, seconds=SECONDS, seed=next(self._windows))
                if not cost.window.latencies:
                    raise LabError(f"{step.name}: no payment was acknowledged: {dict(cost.window.failed)}")
                self.costs.append(cost)
                self.say(f"{step.name}: {sum(cost.each.values()):.2f} ms a payment, {described(cost.window)}")


def described(window: Window) -> str:
    """One window in a line."""
    p99 = percentile(window.latencies, 0.99)
    slow = "-" if p99 is None else f"{1000 * p99:.0f} ms"
    failed = "".join(f", {number} x {why}" for why, number in window.failed.items())
    failed += f", {window.unscreened} not screened" if window.unscreened else ""
    return f"{window.rate:.0f} a second for {window.seconds:g} s: {len(window.latencies)} acknowledged, p99 {slow}{failed}"
