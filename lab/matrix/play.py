"""Plays one cell on a lab of its own: calm, the scene, the fault, its healing, and the look back."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from lab.bench_ground import await_calm
from lab.errors import LabError
from lab.faults import SKEWS, Active, Fault
from lab.fleet import LEAN
from lab.laboratory import Laboratory, Say, laboratory
from lab.matrix.cells import Cell, Outcome, Scene, Victim, authority_of
from lab.matrix.judgement import Seen, Standing
from lab.matrix.order import Order, await_claim, order_move
from lab.matrix.told import drained, plans, righted, withheld
from lab.offering import Offering, offer
from lab.reconcile_answers import Answers, answers
from lab.record import Acknowledged, Declined, Failed, Line
from lab.retrospect import look_back
from lab.site_settings import ADDRESSES, WRITER
from lab.vendors import AUTHORITIES

RATE = 20.0
"""Payments a second: a lab of one service, and whatever else this machine does."""

CALM, AFTER = timedelta(seconds=2), timedelta(seconds=2)
NOTICED = timedelta(seconds=6)
"""For everybody to see that a service which starts anew is not there: a calm that is looked for before is the one before it ended."""

MOVED, WHOLE = timedelta(seconds=30), timedelta(seconds=90)
"""For the first acknowledgement of a later epoch, and for every site to count again."""

FOLLOWER, TARGET = "gcp", "aws"
"""Who is hurt when it is a follower, and where a switchover leads: its owner is then neither side of it."""


TOLD = 8
"""Reasons of failed attempts that are told."""


@dataclass(slots=True, kw_only=True)
class _Course:
    """What was done, and when."""

    before: Standing
    struck: Active
    """What came first: times are counted from there."""
    place: str
    site: str
    """The victim's."""
    crashed: str | None = None
    """A site that crashed beside an authority's fault."""
    skewed_from: int = 0
    """Last entry of the journal before the victim's clock was wrong and anything could happen by it."""
    skewed_to: int = 0
    healing: Standing | None = None
    healing_at: float = 0.0
    whole: float | None = None
    ended: float = 0.0
    troubles: list[str] = field(default_factory=list)


async def play(cell: Cell, name: str, say: Say) -> Seen:
    """One cell from a lab's start to its end. Raises LabError, TrimaranError or OSError when it cannot be played."""
    async with laboratory(name, services=LEAN) as lab:
        await await_calm(lab)
        early = await _set_clock(lab, cell, say) if cell.fault in SKEWS else None
        load = await offer(lab, "cell", rate=RATE)
        await asyncio.sleep(CALM.total_seconds())
        course = await _strike(lab, cell, early, say)
        await _suffer(lab, cell, course, load)
        await _heal(lab, cell, course, say)
        await asyncio.sleep(AFTER.total_seconds())
        course.ended = time.monotonic()
        return await _conclude(lab, load, course)


async def standing(lab: Laboratory) -> Standing | None:
    """Who writes, by etcd; None when its majority does not answer."""
    control = await lab.witness.control()
    return None if control is None else Standing(writer=str(control.posture.writer), epoch=int(control.posture.reign))


async def _set_clock(lab: Laboratory, cell: Cell, say: Say) -> Active:
    """A wrong clock is there before anybody pays: what its processes' new start costs is another fault's to show, and tokens are new."""
    site = _site_of(cell)
    say(f"{cell.fault} of {site}")
    wrong = await lab.faults.inject(cell.fault, site)
    await asyncio.sleep(NOTICED.total_seconds())
    await await_calm(lab)
    return wrong


def _site_of(cell: Cell) -> str:
    """The victim, where it is known before the fault."""
    return WRITER if cell.victim is Victim.WRITER else FOLLOWER


async def _strike(lab: Laboratory, cell: Cell, early: Active | None, say: Say) -> _Course:
    before = await standing(lab)
    if before is None or before.writer != WRITER:
        raise LabError(f"calm was no calm: {before}")
    match cell.scene:
        case Scene.SWITCHOVER:
            return await _strike_a_plan(lab, cell, before, early, say)
        case Scene.FAILOVER:
            return await _strike_a_failover(lab, cell, before, say)
        case Scene.OUTAGE | Scene.CALM:
            pass
    site = _site_of(cell)
    if early is not None:
        return _Course(before=before, struck=_now(early), place=site, site=site, skewed_from=await _written(lab))
    if cell.scene is Scene.CALM:
        say(f"{cell.fault} of {site}")
        return _Course(before=before, struck=await lab.faults.inject(cell.fault, site), place=site, site=site)
    place = authority_of(site)
    say(f"{cell.fault} of {place}, and a crash of {site}")
    await lab.faults.inject(cell.fault, place)
    struck = await lab.faults.inject(Fault.CRASH, site)
    return _Course(before=before, struck=struck, place=place, site=site, crashed=site)


async def _strike_a_plan(lab: Laboratory, cell: Cell, before: Standing, early: Active | None, say: Say) -> _Course:
    """A switchover from azure to aws, in gcp's hands, and then the fault at gcp. A wrong clock is there already."""
    written = await _written(lab)
    say(f"a switchover to {TARGET}, in the hands of {FOLLOWER}'s controller")
    await order_move(lab, Order(to=TARGET, owner=FOLLOWER))
    if early is not None:
        return _Course(before=before, struck=_now(early), place=FOLLOWER, site=FOLLOWER, skewed_from=written)
    say(f"{cell.fault} of {FOLLOWER}")
    struck = await lab.faults.inject(cell.fault, FOLLOWER)
    return _Course(before=before, struck=struck, place=FOLLOWER, site=FOLLOWER)


def _now(early: Active) -> Active:
    """A fault that was there before, as if it had struck now: times are told from here on."""
    return replace(early, at=time.monotonic(), wall=datetime.now(UTC))


async def _written(lab: Laboratory) -> int:
    """Sequence of the journal's last entry."""
    return max((entry.sequence for entry in await lab.witness.journal()), default=0)


async def _strike_a_failover(lab: Laboratory, cell: Cell, before: Standing, say: Say) -> _Course:
    """The writer's site crashes; once somebody has claimed the failover, the authority of that controller's cloud is hurt."""
    say(f"a crash of {WRITER}")
    struck = await lab.faults.inject(Fault.CRASH, WRITER)
    owner = await await_claim(lab, before.epoch)
    place = authority_of(owner)
    say(f"{cell.fault} of {place}: the failover is in the hands of {owner}'s controller")
    await lab.faults.inject(cell.fault, place)
    return _Course(before=before, struck=struck, place=place, site=owner, crashed=WRITER)


async def _suffer(lab: Laboratory, cell: Cell, course: _Course, load: Offering) -> None:
    """Let the fault last: where the writer is to move, from the first acknowledgement of the new epoch."""
    if cell.promise.outcome is Outcome.MOVED:
        await load.wait_for_epoch(course.before.epoch, MOVED)
    left = course.struck.at + cell.lasts.total_seconds() - time.monotonic()
    await asyncio.sleep(cell.lasts.total_seconds() if cell.promise.outcome is Outcome.MOVED else max(left, 0))
    course.healing, course.healing_at = await standing(lab), time.monotonic() - course.struck.at


async def _heal(lab: Laboratory, cell: Cell, course: _Course, say: Say) -> None:
    """Undo everything, and wait until every site counts."""
    say("healing")
    if cell.fault in SKEWS:
        course.skewed_to = await _written(lab)
    try:
        for place in dict.fromkeys(filter(None, (course.place, course.crashed))):
            await lab.faults.heal(place)
    except (LabError, OSError) as error:
        course.troubles.append(f"{cell.fault} of {course.place} could not be healed: {error}")
        return
    with suppress(LabError):
        await lab.wait_until_whole(WHOLE, say=say)
        course.whole = time.monotonic() - course.struck.at


async def _conclude(lab: Laboratory, load: Offering, course: _Course) -> Seen:
    fault = course.struck
    late = float(load.progress().get("latest_offer_s", 0.0))
    found, journal = await look_back(lab, load, since=fault.at - CALM.total_seconds())
    entries = righted(journal, course.site, range(course.skewed_from + 1, course.skewed_to + 1), SKEWS.get(fault.fault))
    lines = load.lines()
    began, pause = longest_pause(lines, begin=fault.at, end=course.ended)
    drain = drained(entries, course.crashed, fault.wall) if course.crashed else None
    return Seen(
        place=course.place,
        site=course.site,
        before=course.before,
        healing=course.healing,
        aftermath=replace(found, troubles=(*course.troubles, *found.troubles)),
        plans=plans(entries, fault.wall),
        withheld=withheld(entries, fault.wall, course.healing_at),
        pause=round(pause, 3),
        pause_began=round(began - fault.at, 3),
        lasted=round(course.healing_at, 3),
        whole=None if course.whole is None else round(course.whole, 3),
        answers=_answers(lines, course, drain),
        failures=failures(lines, begin=fault.at, end=course.struck.at + course.healing_at),
        load_late=round(late, 3),
        steered=drain is not None or course.crashed is None,
    )


def longest_pause(lines: Sequence[Line], *, begin: float, end: float) -> tuple[float, float]:
    """When the longest time without any acknowledgement began between two moments, and how many seconds it lasted."""
    told = sorted(line.t for line in lines if isinstance(line, Acknowledged) and begin <= line.t <= end)
    earlier, later = max(pairwise([begin, *told, end]), key=lambda gap: gap[1] - gap[0])
    return earlier, later - earlier


def failures(lines: Sequence[Line], *, begin: float, end: float) -> Mapping[str, int]:
    """Attempts between two moments that settled nothing or were refused for good, by site and by what was told; the most frequent."""
    told = Counter(
        f"{line.site or 'nowhere'}: {line.why}" for line in lines if isinstance(line, Failed | Declined) and begin <= line.t < end
    )
    return dict(told.most_common(TOLD))


def _answers(lines: Sequence[Line], course: _Course, drain: float | None) -> Mapping[str, Answers]:
    """What the authorities told clients from the decision to drain the crashed site until healing."""
    if course.crashed is None or drain is None:
        return {}
    begin, end = course.struck.at + drain, course.struck.at + course.healing_at
    return answers(lines, authorities=AUTHORITIES, stale={ADDRESSES[course.crashed]}, begin=begin, end=end)
