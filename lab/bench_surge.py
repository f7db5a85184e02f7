"""Three times the usual load within a second, at two sites, because the third is gone: does the service collapse?

Scenes: a follower's site is lost; the writer's site is lost, so that the surge meets a failover; and the first once more with the limits
taken out, which must go wrong, or the surge was none and the limits have proved nothing. Each on a lab of its own. Run alone:
`python -m lab.bench_surge`; environment: RATE (100), payments a second that are usual, SCENES (all, with commas).
"""

import asyncio
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.bench_evidence import TROUBLE
from lab.bench_surge_figures import Judged, Second, curve, judge, reasons, surge_figures, surge_rows
from lab.bench_surge_scene import CALM, SURGE, Scene, Seen, play
from lab.laboratory import Say

SCENES = (
    Scene(name="follower lost", victim="follower"),
    Scene(name="writer lost", victim="writer"),
    Scene(name="without limits", victim="follower", limits=False),
)
RATE = 100.0


@dataclass(slots=True, kw_only=True)
class Surge:
    """Every scene, one after the other."""

    say: Say
    rate: float = RATE
    """Payments offered a second before the surge; in it, three times as many."""
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
            "failed": self.failed,
            "broken": len(self.broken),
            "said": list(self.broken),
        }

    def _note(self, scene: Scene, seen: Seen) -> None:
        seconds = curve(seen.lines, seen.at, begin=-CALM, end=SURGE)
        judged = judge(seen.lines, seen.at, since=seen.since, calm=CALM, surge=SURGE)
        self.found[scene.name] = (judged, seconds)
        self.doors[scene.name] = {site: dict(counted) for site, counted in seen.doors.items()}
        self.why[scene.name] = reasons(seen.lines, seen.at, surge=SURGE)
        self.broken += [f"{scene.name}: {said}" for said in (*self._promises(scene, judged), *seen.troubles)]
        if seen.paid is not None:
            self.lost += seen.paid.lost
            self.duplicated += seen.paid.duplicated
        self.say("\n".join(surge_rows(surge_figures({scene.name: self.found[scene.name]}))))

    def _promises(self, scene: Scene, judged: Judged) -> tuple[str, ...]:
        """A surge that does no harm to a service without limits is no surge."""
        if scene.limits:
            return judged.broken
        return () if judged.broken else ("the same surge did no harm without limits: it was too small to prove them",)


def main() -> None:
    """Exit 0: no collapse, and one without limits; 1: otherwise; 2: the environment asks for what there is not."""
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    wanted = [name.strip() for name in os.environ.get("SCENES", "").split(",") if name.strip()]
    known = {scene.name: scene for scene in SCENES}
    try:
        rate, scenes = float(os.environ.get("RATE", RATE)), [known[name] for name in wanted] or list(SCENES)
    except (ValueError, KeyError) as error:
        print(f"RATE: a number; SCENES: any of {', '.join(known)}; not {error}", file=sys.stderr)
        sys.exit(2)
    surge = Surge(say=_say, rate=rate, scenes=scenes)
    asyncio.run(surge.carry_out())
    out = Path("out/bench/surge.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(surge.figures(), indent=1) + "\n")
    print("\n".join([*surge.broken, str(out)]))
    sys.exit(1 if surge.broken or surge.lost or surge.duplicated else 0)


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    main()
