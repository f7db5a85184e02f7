"""Three times the usual load within a second, at two sites, because the third is gone: does the service collapse?

Scenes: a follower's site is lost; the writer's site is lost, so that the surge meets a failover; then four times the load on services
with a single database session each, of which the one far from the writer can do a third, so that somebody has to be sent away; and that
once more with the limits taken out, which must go wrong, or the surge was none and the limits have proved nothing. (With eight times the
load on services as they are it is this machine that can do no more, the clients among what it runs: p99 of those let in was 495 ms with
limits and 581 ms without, which says nothing of either.) Each on a lab of its own, in which payments runs alone. By itself:
`ONLY=surge make bench`.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.bench_evidence import TROUBLE
from lab.bench_surge_figures import KEPT, Judged, Second, curve, judge, reasons, surge_figures, surge_rows
from lab.bench_surge_scene import CALM, SURGE, Scene, Seen, play
from lab.laboratory import Say

BEYOND, SESSIONS = 4, 1
"""As much as usual, and database sessions of a service that has too few for it."""

SCENES = (
    Scene(name="follower lost", victim="follower"),
    Scene(name="writer lost", victim="writer"),
    Scene(name="far beyond", victim="follower", times=BEYOND, within=False, sessions=SESSIONS),
    Scene(name="without limits", victim="follower", times=BEYOND, within=False, sessions=SESSIONS, limits=False),
)
RATE = 50.0


@dataclass(slots=True, kw_only=True)
class Surge:
    """Every scene, one after the other."""

    say: Say
    rate: float = RATE
    """Payments offered a second before the surge."""
    scenes: Sequence[Scene] = SCENES
    stage: Callable[[Scene, float, Say], Awaitable[Seen]] = play
    found: dict[str, tuple[Judged, Sequence[Second]]] = field(default_factory=dict)
    doors: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """What the surviving sites' doors counted, by scene and site."""
    why: dict[str, dict[str, int]] = field(default_factory=dict)
    """What attempts that failed in the surge were told, by scene, the most frequent first."""
    broken: list[str] = field(default_factory=list)
    lost: int = 0
    duplicated: int = 0
    unreconciled: int = 0
    """Scenes whose payments nobody could count: `lost` and `duplicated` say nothing of them."""
    failed: int = 0

    @property
    def name(self) -> str:
        """Its key in the document."""
        return "surge"

    async def carry_out(self) -> None:
        """All scenes; one that cannot be played is told, and costs the others nothing. Raises nothing of its own."""
        for scene in self.scenes:
            began = time.monotonic()
            try:
                seen = await self.stage(scene, self.rate, self.say)
            except TROUBLE as error:
                self.failed += 1
                self.unreconciled += 1
                self.broken.append(f"{scene.name}: {type(error).__name__}: {error}")
                self.say(self.broken[-1])
            else:
                self._note(scene, seen)
                self.say(f"{scene.name} took {time.monotonic() - began:.0f} s")

    def figures(self) -> dict[str, Any]:
        """As far as it came; `broken` counts promises that were not kept, in words under `said`."""
        return {
            "rate": self.rate,
            "scenes": surge_figures(self.found),
            "doors": self.doors,
            "why": self.why,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "unreconciled": self.unreconciled,
            "failed": self.failed,
            "broken": len(self.broken),
            "said": list(self.broken),
        }

    def _note(self, scene: Scene, seen: Seen) -> None:
        seconds = curve(seen.lines, seen.course.at, begin=-CALM, end=SURGE)
        judged = judge(seen.lines, seen.course)
        self.found[scene.name] = (judged, seconds)
        self.doors[scene.name] = {site: dict(counted) for site, counted in seen.doors.items()}
        self.why[scene.name] = reasons(seen.lines, seen.course.at, surge=SURGE)
        self.broken += [f"{scene.name}: {said}" for said in (*self._promises(scene, judged), *seen.troubles)]
        if seen.paid is None:
            self.unreconciled += 1
        else:
            self.lost += seen.paid.lost
            self.duplicated += seen.paid.duplicated
        self.say("\n".join(surge_rows(surge_figures({scene.name: self.found[scene.name]}))))

    def _promises(self, scene: Scene, judged: Judged) -> tuple[str, ...]:
        """A surge that does no harm to a service without limits is no surge; and what never worked is not what it did harm to."""
        if scene.limits:
            return judged.broken
        if judged.normal < KEPT * self.rate:
            return (
                f"without limits it never worked: {judged.normal:g} a second before the surge, so nothing is proven of limits",
            )
        return () if judged.harmed else ("the same surge did no harm without limits: it was too small to prove them",)
