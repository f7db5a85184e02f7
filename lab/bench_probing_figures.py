"""The figures of what watching costs. Pure: every measurement is passed in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controller.core.policy import Policy

SITES = 3
BUDGET = 0.5
"""Cores that one controller may use: beside it there is an edge, an etcd member, a service."""

BUSY = 0.75
"""Below this part of the pace a scene tells of a machine that was too busy, and of nothing else."""

KEPT_FOR = Policy().probe_interval / 2
"""For which an edge's answer serves everybody: as `controller.wiring` has it."""

MOST_ASKED = SITES / KEPT_FOR.total_seconds()
"""Questions a second to all edges together from one vantage, however many services want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a watching process knew of itself at one moment."""

    at: float
    cpu: float
    """Processor seconds it has used so far."""
    targets: int
    """Parts of sites that it asks, of all services together."""
    healthy: int
    answer_ms: Mapping[str, float] | None
    """Of the last answer of each: median and slowest."""
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One watching process while everything was counted."""

    begin: Note
    end: Note

    @property
    def cores(self) -> float:
        """Processor seconds per second."""
        return (self.end.cpu - self.begin.cpu) / (self.end.at - self.begin.at)

    @property
    def ailing(self) -> int:
        """Targets that were not healthy at one of both ends: such a one is not asked as often, or not at all."""
        return self.end.targets - min(self.begin.healthy, self.end.healthy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One scene: so many services watched from one or more vantages."""

    services: int
    own: int
    """Of these, with an observer of their own."""
    windows: Sequence[Window]
    """One for each vantage."""
    answering: Mapping[str, float]
    """Cores, by who answers."""
    a_second: Mapping[str, float]
    """What was asked of whom."""
    standing: Mapping[str, int]
    """Connections that were open."""
    expected: Mapping[str, float]
    """What is asked a second, at least, when nobody has to wait for a processor."""
    healthy: float
    """Seconds from the start of the processes until all that they ask was healthy."""
    settled: float
    """Seconds from their start until no more session was made."""

    @property
    def watching(self) -> float:
        """Cores of one vantage; their mean when there are several."""
        return sum(window.cores for window in self.windows) / len(self.windows)

    @property
    def pace(self) -> float:
        """Part of what should have been asked that was asked. Below 1 this machine had too little to give, and cores say too little."""
        return min((self.a_second.get(what, 0.0) / often for what, often in self.expected.items()), default=1.0)

    def at_pace(self, cores: float) -> float:
        """What would be used if it were asked as often as it should be."""
        return cores / min(self.pace, 1.0)

    @property
    def broken(self) -> bool:
        """Is this no figure of what it says? Something that was asked did not answer, or shared edges were asked too often."""
        too_often = self.a_second.get("edges", 0) > 1.1 * MOST_ASKED * len(self.windows)
        return any(window.ailing for window in self.windows) or too_often


Found = Mapping[str, Mapping[str, Watched]]
"""By kind of scene, by number of services."""


def probing_figures(found: Found) -> dict[str, Any]:
    """Everything seen so far, and what follows from it."""
    every = [(label, one) for label, by_number in found.items() for one in by_number.values()]
    return {
        **{label: {number: _plain(one) for number, one in by_number.items()} for label, by_number in found.items()},
        "bounds": bounds(found),
        # Asked alone, edges are asked as often as there are services: that is what the scene is there to show.
        "broken": sum(any(w.ailing for w in one.windows) if label == "edges_alone" else one.broken for label, one in every),
    }


def _plain(one: Watched) -> dict[str, Any]:
    slowest = [window.end.answer_ms for window in one.windows if window.end.answer_ms is not None]
    return {
        "own": one.own,
        "pace": round(one.pace, 2),
        "vantages": len(one.windows),
        "watching_cores": round(one.watching, 4),
        "answering_cores": {name: round(share, 3) for name, share in one.answering.items()},
        "a_second": {name: round(number, 1) for name, number in sorted(one.a_second.items()) if round(number, 1)},
        **one.standing,
        "healthy_s": round(one.healthy, 1),
        "settled_s": round(one.settled, 1),
        "cpu_until_settled_s": round(max(window.begin.cpu for window in one.windows), 2),
        "answer_ms": dict(max(slowest, key=lambda answer: answer["max"])) if slowest else None,
        "ailing": sum(window.ailing for window in one.windows),
        "trouble": next((window.end.trouble for window in one.windows if window.end.trouble), ""),
    }


def bounds(found: Found) -> dict[str, Any]:
    """What one more service costs, by kind of scene, and how many of them one controller carries on half a core.

    At the pace that is wanted: a controller that starves asks less often, and would look cheap. One that starves badly tells nothing.
    """
    known: dict[str, Any] = {}
    for label, by_number in found.items():
        scenes = sorted((one for one in by_number.values() if one.pace >= BUSY), key=lambda one: one.services)
        if len(scenes) < 2 or label == "grouped":
            continue
        first, last = scenes[0], scenes[-1]
        more, at_first = last.services - first.services, first.at_pace(first.watching)
        each = (last.at_pace(last.watching) - at_first) / more
        answering = {
            name: (last.at_pace(cores) - first.at_pace(first.answering.get(name, 0.0))) / more
            for name, cores in sorted(last.answering.items())
        }
        known[label] = {
            "ms_per_service": round(1000 * each, 3),
            "services_on_half_a_core": most(at_first, first.services, each),
            "answering_ms_per_service": {name: round(1000 * cores, 2) for name, cores in answering.items()},
        }
    return known


def most(cores: float, services: int, each: float) -> int | None:
    """Services that one controller can watch within its budget, when so many take `cores` and one more takes `each`; None: the
    measurement was too coarse to tell, one more seemed to cost nothing."""
    return math.floor(services + (BUDGET - cores) / each) if each > 0 else None


def probing_rows(part: Mapping[str, Any]) -> list[str]:
    """For people."""
    scenes = [
        f"watching {number} services, {label}: {one['watching_cores']} cores x {one['vantages']}, answering {_total(one)},"
        f" {_asked(one['a_second'])} a second (pace {one['pace']}), {one['sessions']} sessions, all known after {one['healthy_s']} s,"
        f" slowest answer {_slowest(one)}"
        for label, by_number in part.items()
        if isinstance(by_number, Mapping) and label != "bounds"
        for number, one in by_number.items()
        if isinstance(one, Mapping)
    ]
    return scenes + [
        f"one more service, {label}: {one['ms_per_service']} ms of processor a second; {one['services_on_half_a_core']} on half a core"
        for label, one in part.get("bounds", {}).items()
    ]


def _total(one: Mapping[str, Any]) -> str:
    return f"{sum(one['answering_cores'].values()):.3f} cores"


def _asked(a_second: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number:g}" for name, number in a_second.items()) or "nothing"


def _slowest(one: Mapping[str, Any]) -> str:
    return f"{one['answer_ms']['max']} ms" if one["answer_ms"] else "never"
