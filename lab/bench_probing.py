"""What watching services costs, in processor seconds per second: of the process that watches, and of whatever answers it, apart.

Everything that watches is the product's: observers, probes, loops, the whole controller; everything that is asked counts what it is
asked, so that a figure does not rest on the word of the one who asks.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, assert_never

from controller.core.policy import Policy
from controller.loop import Loop
from lab.bench_probing_figures import Note, Watched, Window, probing_figures
from lab.bench_probing_order import GROUPS, IN_ENVIRONMENT, Order, Way, spelled
from lab.bench_probing_world import NAMES, World, world
from lab.cabling import SITES
from lab.consumption import cores
from lab.errors import LabError
from lab.laboratory import Say
from lab.processes import Supervised, launch_module
from lab.site_settings import WRITER
from lab.workspace import Workspace

WINDOW = 2.5
"""Seconds in which everything is counted."""

READY = timedelta(seconds=60)
"""For everything that is asked to be healthy, and for the sessions that are then made behind the scenes."""

PAUSE = 0.1
"""Seconds between two services whose databases are begun to be watched. A hundred begun at once log in three hundred times at once: beside
other work most of these logins end at their deadline, are tried again at once, and so for a minute and more."""

LOOK = 0.05
STEADY = 0.6
"""Seconds without a new session after which no more are expected: one is made at most every quarter of a second."""


TICK = next(one.default for one in fields(Loop) if one.name == "interval" and isinstance(one.default, timedelta))
READS = 2
"""Ranges that one tick reads: a service's span, and the sessions."""

STANDING = frozenset({"edge_connections", "sessions"})
"""Counts of what there is; all others are of what happened."""

Watching = Mapping[str, tuple[Supervised, Path]]
"""Processes and their notes, by vantage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is watched in one measurement."""

    label: str
    """Of its place in the figures."""
    way: Way
    services: int
    members: int = 0
    vantages: Sequence[str] = (WRITER,)
    """A process for each."""
    pause: float = 0.0

    @property
    def together(self) -> int:
        """Services with and without databases of their own."""
        return self.services + self.members


SCENES = (
    *(Scene(label="edges_shared", way=Way.SHARED, services=number) for number in (10, 100, 1000)),
    *(Scene(label="edges_alone", way=Way.ALONE, services=number) for number in (10, 100, 300)),
    *(Scene(label="databases", way=Way.DATABASES, services=number, pause=PAUSE) for number in (1, 10, 100)),
    Scene(label="databases_at_once", way=Way.DATABASES, services=25),
    *(Scene(label="grouped", way=Way.WHOLE, services=GROUPS, members=number - GROUPS) for number in (10, 100, 1000)),
    *(Scene(label="controllers", way=Way.WHOLE, services=number, vantages=SITES) for number in (1, len(NAMES))),
)


@dataclass(slots=True, kw_only=True)
class Probing:
    """Every scene, one after the other, before the same world."""

    say: Say
    scenes: Sequence[Scene] = SCENES
    found: dict[str, dict[str, Watched]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """What kept scenes from being measured."""

    @property
    def name(self) -> str:
        """Its key in the document."""
        return "probing"

    async def carry_out(self) -> None:
        """All of it. Raises LabError when something does not start, and at the end when some scene could not be measured."""
        with Workspace("probing") as workspace:
            async with world(workspace) as built:
                await self.measure(lambda scene: play(scene, built))

    async def measure(self, play: Callable[[Scene], Awaitable[Watched]]) -> None:
        """Every scene. One that fails costs no other its figures: a hundred services do not even begin on a machine that has nothing to
        give. Raises LabError at the end for those that failed."""
        for scene in self.scenes:
            try:
                self.found.setdefault(scene.label, {})[str(scene.together)] = seen = await play(scene)
                self.say(f"{scene.label}, {scene.together} services: {seen.watching:.3f} cores, {seen.pace:.2f} of the pace")
            except LabError as error:
                self.failed.append(str(error))
                self.say(str(error))
        if self.failed:
            raise LabError("; ".join(self.failed))

    def figures(self) -> dict[str, Any]:
        """`broken` counts scenes in which something that was watched was not healthy, or shared edges were asked too often."""
        return probing_figures(self.found)


async def play(scene: Scene, built: World) -> Watched:
    """Start, wait until all is healthy and no session is missing, count for a while, end. Raises LabError."""
    watching = {vantage: _start(scene, vantage, built) for vantage in scene.vantages}
    began = time.monotonic()
    try:
        await _await_healthy(watching, began)
        healthy = time.monotonic() - began
        if scene.way in {Way.DATABASES, Way.WHOLE}:
            await _await_sessions(built, began)
        settled, asked = time.monotonic() - began, await built.counts()
        used = built.consumption()
        _tell(watching)
        await asyncio.sleep(WINDOW)
        _tell(watching)
        consumed = cores(used, built.consumption())
        counted = await built.counts()
    finally:
        await asyncio.gather(*(process.stop() for process, _ in watching.values()))
    return Watched(
        services=scene.together,
        own=scene.services,
        windows=tuple(_window(read_notes(place)) for _, place in watching.values()),
        answering=consumed,
        a_second={
            name: (counted[name] - asked[name]) / (counted["at"] - asked["at"]) for name in counted.keys() - STANDING - {"at"}
        },
        standing={name: int(counted[name]) for name in STANDING},
        expected=expected(scene),
        healthy=healthy,
        settled=settled,
    )


def expected(scene: Scene) -> Mapping[str, float]:
    """What is asked a second at the default intervals, by the counts of those who are asked."""
    often = 1 / Policy().probe_interval.total_seconds()
    targets, vantages = scene.services * len(SITES), len(scene.vantages)
    match scene.way:
        case Way.SHARED:
            return {"edges": often * len(SITES)}
        case Way.ALONE:
            return {"edges": often * targets}
        case Way.DATABASES:
            return {"transactions": often * targets}
        case Way.WHOLE:
            ticks = scene.services / TICK.total_seconds()
            return {"transactions": often * targets * vantages, "etcd_Range": READS * ticks * vantages}
        case never:
            assert_never(never)


def _start(scene: Scene, vantage: str, built: World) -> tuple[Supervised, Path]:
    """A process that watches, and where it leaves its notes."""
    label = f"{scene.label}-{scene.together}-{vantage}"
    place = built.workspace.directory("watching")
    order = Order(
        way=scene.way,
        services=scene.services,
        members=scene.members,
        vantage=vantage,
        edges=built.edge_ports,
        servers={site: server.port for site, server in built.servers.items()},
        names=NAMES,
        writer=WRITER,
        etcd=[built.etcd_url],
        pause=scene.pause,
        notes=str(place / f"{label}.notes"),
    )
    file = place / f"{label}.json"
    file.write_text(spelled(order))
    process = launch_module(built.workspace, label, "lab.bench_probing_watch", file, environment={IN_ENVIRONMENT: built.password})
    return process, Path(order.notes)


async def _await_healthy(watching: Watching, began: float) -> None:
    for process, notes in watching.values():
        while not notes.exists():
            if not process.alive or time.monotonic() - began > READY.total_seconds():
                raise LabError(f"{process.label}: not all that it watches became healthy: {process.tail()}")
            await asyncio.sleep(LOOK)


async def _await_sessions(built: World, began: float) -> None:
    """Until no controller makes another session: a login costs more than a dozen questions."""
    standing = -1.0
    while (now := (await built.counts())["sessions"]) != standing:
        if time.monotonic() - began > READY.total_seconds():
            raise LabError(f"new sessions are still made after {READY.total_seconds():.0f} s; there are {now:.0f}")
        standing = now
        await asyncio.sleep(STEADY)


def _tell(watching: Watching) -> None:
    for process, _ in watching.values():
        os.kill(process.pid, signal.SIGUSR1)


def read_notes(place: Path) -> list[Note]:
    """What a process noted: once healthy, and at both ends of the window. Raises LabError when one is missing."""
    notes = [Note(**json.loads(line)) for line in place.read_text().splitlines()]
    if len(notes) != 3:
        raise LabError(f"{place.name}: {len(notes)} notes, not 3: it ended early, or could not keep up")
    return notes


def _window(notes: Sequence[Note]) -> Window:
    _, begin, end = notes
    return Window(begin=begin, end=end)
