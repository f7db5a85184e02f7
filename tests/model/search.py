"""Breadth first through every world: how many there are, or the shortest way to one that breaks a promise, in sentences."""

from collections import deque
from dataclasses import dataclass

from controller.core.invariants import Breach
from controller.core.plans import Phase, PlanKind
from tests.model.calls import Label
from tests.model.promises import breach
from tests.model.safeguards import Rules
from tests.model.world import Scenario, World, first_world, successors


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search came to."""

    states: int
    """Different worlds that were reached; all there are when nothing broke."""
    depth: int
    """Steps of the longest of the shortest ways there."""
    breach: Breach | None = None
    trace: tuple[str, ...] = ()
    """The shortest way to the breach."""
    phases: frozenset[tuple[PlanKind, Phase]] = frozenset()
    """Of all plans that were under way."""
    worlds: tuple[World, ...] = ()
    """All of them, where they were asked for."""

    def __str__(self) -> str:
        if self.breach is None:
            return f"{self.states} states, {self.depth} deep: every promise holds"
        lines = [f"{number:3}. {said}" for number, said in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"     {self.breach.promise}: {self.breach.evidence}"])


Origin = tuple[World, Label] | None


def search(scenario: Scenario, rules: Rules, *, promise: str = "", keep: bool = False) -> Found:
    """Every world of a scenario, until one breaks a promise, or the one that is named."""
    first = first_world(scenario, rules)
    came: dict[World, Origin] = {first: None}
    queue = deque([(0, first)])
    depth = 0
    while queue:
        depth, world = queue.popleft()
        broken = breach(world, rules, promise)
        if broken is not None:
            return Found(states=len(came), depth=depth, breach=broken, trace=_trace(came, world))
        for label, after in successors(world, scenario, rules):
            if after not in came:
                came[after] = (world, label)
                queue.append((depth + 1, after))
    plans = [control.plan for control in {world.control for world in came}]
    phases = frozenset((plan.kind, plan.phase) for plan in plans if plan is not None)
    return Found(states=len(came), depth=depth, phases=phases, worlds=tuple(came) if keep else ())


def _trace(came: dict[World, Origin], world: World) -> tuple[str, ...]:
    said: list[str] = []
    origin = came[world]
    while origin is not None:
        world, label = origin
        said.append(say(label))
        origin = came[world]
    return tuple(reversed(said))


def say(label: Label) -> str:
    """One step as a sentence."""
    return label[0].format(*label[1:])
