"""One surge on a running lab: calm, a site is lost, and within the same second three times as much is wanted of the other two."""

import asyncio
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from lab.addresses import LOCAL
from lab.aftermath import broken_payments
from lab.bench_ground import POLICY, await_calm, compare_records
from lab.bench_surge_figures import Course
from lab.cabling import SITES, Door
from lab.errors import LabError
from lab.faults import Fault
from lab.fleet import LEAN, PAYMENTS
from lab.laboratory import Laboratory, Say, laboratory
from lab.offering import Offering, offer
from lab.reconcile import Reconciliation
from lab.record import Acknowledged, Line
from lab.site_settings import NAMES
from workload.calls.sockets import make_socket

CALM, SURGE = 8, 20
"""Seconds before the surge that count, and of the surge."""

WARM = timedelta(seconds=3)
"""Before them: a Python process is slow with its first requests, and a normal that is too slow would excuse a surge that is."""

SETTLE = timedelta(seconds=60)
"""For payments that are left when the offers end: those that were sent away in the surge are thousands."""
WHOLE = timedelta(seconds=45)
READY = timedelta(seconds=20)

MANY = 10_000
OPEN = f"[limits]\n# the safeguard taken out\nfirst = {MANY}\nlowest = {MANY}\nhighest = {MANY}\nqueue = 0\n"
"""More places than there are clients, and no client has a rate: nobody is ever sent away."""
WAITS = "session_patience = 0.75"
"""Nor for want of a session before the request's own deadline: that is a limit too, and the last one."""

DOOR = {
    "payments_refusals_total": "refused",
    "payments_places": "places",
    "payments_queue": "queue",
    "payments_base_seconds": "base_seconds",
    "payments_best_rate": "best_rate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is lost, and whether the service defends itself."""

    name: str
    victim: Literal["follower", "writer"]
    times: int = 3
    """As much as usual is wanted in the surge."""
    within: bool = True
    """Can two sites on this machine do that? Then everybody has to be served in time; else those who are let in."""
    limits: bool = True
    sessions: int | None = None
    """Database sessions of every service, when it is to be them, and not this machine, that can do no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of it."""

    lines: Sequence[Line]
    """Of both loads."""
    course: Course
    doors: Mapping[str, Mapping[str, float]]
    paid: Reconciliation | None
    """None: no ledger could be held against the records."""
    troubles: tuple[str, ...]


async def play(scene: Scene, rate: float, say: Say) -> Seen:
    """The scene on a lab of its own. Raises LabError, TrimaranError or OSError when it cannot be played to its end."""
    say(f"{scene.name}: {rate:g} payments a second, then {scene.times * rate:g}")
    async with laboratory("bench-surge", policy=POLICY, services=LEAN) as lab:
        if scene.sessions is not None or not scene.limits:
            await _start_anew(lab, scene)
        await await_calm(lab)
        return await _suffer(lab, scene, rate, say)


async def _suffer(lab: Laboratory, scene: Scene, rate: float, say: Say) -> Seen:
    control = await lab.witness.control()
    if control is None:
        raise LabError("etcd does not answer before the surge")
    writer, epoch = str(control.posture.writer), int(control.posture.reign)
    victim = writer if scene.victim == "writer" else next(site for site in SITES if site != writer)
    fast, *_ = NAMES
    usual = await offer(lab, "usual", rate=rate, names=(fast,), settle=SETTLE)
    await asyncio.sleep(WARM.total_seconds() + CALM)
    # Its process takes about a second to start, and offers everything from its first moment on: the site is lost meanwhile.
    starting = asyncio.create_task(offer(lab, "surge", rate=(scene.times - 1) * rate, names=(fast,), settle=SETTLE, seed=2))
    say(f"{victim} is lost, and {scene.times} times the load comes to the others")
    active = await lab.faults.inject(Fault.CRASH, victim)
    more = await starting
    at = time.monotonic()
    await asyncio.sleep(SURGE)
    doors = {site: await read_door(lab, site) for site in SITES if site != victim}
    troubles = [f"the surge came {at - active.at:.1f} s after the loss"] if at - active.at > 2.0 else []
    troubles += await _end(lab, victim, (usual, more), say)
    lines = sorted((*usual.lines(), *more.lines()), key=lambda line: line.t)
    paid = await compare_records(lab, [usual.record, more.record])
    troubles += _unkept(paid, strict=scene.limits)
    since = _writable(lines, epoch, at) if victim == writer else 0.0
    course = Course(lost=active.at, at=at, since=since, calm=CALM, surge=SURGE, within=scene.within)
    return Seen(lines=lines, course=course, doors=doors, paid=paid, troubles=tuple(troubles))


async def _end(lab: Laboratory, victim: str, loads: Sequence[Offering], say: Say) -> list[str]:
    """Heal, let both loads settle, wait until all is whole; what did not go well, in words."""
    say(f"the offers end; {victim} is healed")
    await lab.faults.heal(victim)
    said = [one for one in await asyncio.gather(*(load.finish(SETTLE * 2) for load in loads)) if one]
    try:
        await lab.wait_until_whole(WHOLE)
    except LabError as error:  # a run whose healing failed is the one whose payments must be counted
        said.append(str(error))
    return said


def _unkept(paid: Reconciliation | None, *, strict: bool) -> list[str]:
    """Nothing may be lost, with limits or without. `strict`: and the load must have been what it says, and all of it settled."""
    if paid is None:
        return ["no ledger could be held against the clients' records"]
    found = [*broken_payments(paid)]
    if not strict:
        return found
    found += [f"{paid.unresolved} payments were still unresolved when the load ended"] if paid.unresolved else []
    return found + [f"the load generator: {defect}" for defect in paid.defects]


def _writable(lines: Sequence[Line], epoch: int, at: float) -> float:
    """Seconds after `at` of the first acknowledgement in a later epoch; 0 when that was earlier."""
    first = next((line.t for line in lines if isinstance(line, Acknowledged) and line.epoch > epoch), math.inf)
    return max(0.0, first - at)


async def _start_anew(lab: Laboratory, scene: Scene) -> None:
    """Start every payments service anew as the scene wants it. Raises LabError when one does not come back."""
    for site in lab.sites.values():
        settings = site.settings / f"{PAYMENTS}.toml"
        text = await asyncio.to_thread(settings.read_text)
        await asyncio.to_thread(settings.write_text, changed_settings(text, scene))
        await site.running[PAYMENTS].stop()
        site.start_program(PAYMENTS)
    until = time.monotonic() + READY.total_seconds()
    for name, site in lab.sites.items():
        while (await read_door(lab, name)).get("places", 0) < (1 if scene.limits else MANY):
            if time.monotonic() > until or not site.running[PAYMENTS].alive:
                said = site.running[PAYMENTS].tail(3)
                raise LabError(f"the payments service of {name} is not there as the scene wants it: {said}")
            await asyncio.sleep(0.1)


def changed_settings(settings: str, scene: Scene) -> str:
    """The same settings with the scene's number of sessions, and without anything that could refuse anybody if it has no limits. Raises
    LabError when they lack a table that would have to say so: the scene would be another one under its name."""
    if scene.sessions is not None:
        settings = _with_line(settings, "tuning", f"sessions = {scene.sessions}")
    if scene.limits:
        # What is learnt needs something to be learnt from, but not more than there are sessions.
        return settings if scene.sessions is None else _with_line(settings, "limits", f"lowest = {scene.sessions}")
    tables = re.split(r"^(?=\[)", _with_line(settings, "tuning", WAITS), flags=re.MULTILINE)
    # A table that is written twice is none: the old ones go.
    return "".join(table for table in tables if not re.match(r"\[limits[].]", table)) + OPEN


def _with_line(settings: str, table: str, line: str) -> str:
    head = f"[{table}]\n"
    if head not in settings:
        raise LabError(f"the settings of payments have no table {table} to say {line!r} in")
    return settings.replace(head, f"{head}{line}\n", 1)


async def read_door(lab: Laboratory, site: str) -> Mapping[str, float]:
    """What the door of a site's payments service has counted and learnt; empty when it cannot be asked."""
    url, context = f"https://{LOCAL}:{lab.cabling.direct(site, Door.SERVICE)}/metrics", lab.papers.towards(site, PAYMENTS)
    try:
        connector = aiohttp.TCPConnector(ssl=context, socket_factory=make_socket)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=2)) as http,
            http.get(url) as answer,
        ):
            return door_of(await answer.text())
    except (aiohttp.ClientError, TimeoutError):
        return {}


def door_of(text: str) -> Mapping[str, float]:
    """The door's numbers in a page of metrics; refusals by their kind and rank."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if (name := DOOR.get(sample.name)) is not None:
                labels = " ".join(sample.labels[label] for label in ("kind", "rank") if label in sample.labels)
                if sample.value or not labels:
                    found[f"{name} {labels}".strip()] = sample.value
    return found
