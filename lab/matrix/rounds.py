"""What happens in one round: something begins, after an entry of the journal something strikes, and what is lost comes back."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.core.model import Health, JournalEntry, Part, Site
from controller.core.plans import PlanKind
from lab.cabling import SITES
from lab.errors import LabError
from lab.faults import Fault
from lab.laboratory import Laboratory, Say
from lab.matrix.cells import Outcome
from lab.matrix.judgement import Standing
from lab.matrix.order import Order, order_move
from lab.matrix.play import AFTER, MOVED, standing
from lab.matrix.sequences import FLAP, FLAPS, HELD, UP, Back, Begin, Mark, Round, Strike
from lab.matrix.watching import await_acknowledged, await_ended, await_mark, refusals
from lab.offering import Offering

SOON, ENDED = timedelta(seconds=30), timedelta(seconds=40)
"""For the entry after which something strikes, and for the plan of a dead owner to end in other hands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where rounds are played."""

    lab: Laboratory
    load: Offering
    say: Say


@dataclass(slots=True, kw_only=True)
class Course:
    """What was done, and when."""

    round: Round
    before: Standing
    since: int
    """Last entry of the journal before the round."""
    at: float
    """Monotonic seconds of its begin."""
    wall: datetime
    plan: str = ""
    """Whose owner was hurt."""
    struck: str = ""
    missed: str = ""
    guards: Sequence[str] = ()
    held: float = 0.0
    hurt: bool = False
    troubles: list[str] = field(default_factory=list)

    @property
    def unmet(self) -> bool:
        """Was the moment not met, and nothing else amiss? The product did what it does, and nothing is proven by it."""
        too_late = self.round.strike is Strike.OWNER and self.round.lasting_steps and not self.hurt
        return not self.troubles and (bool(self.missed) or too_late)

    @property
    def others(self) -> tuple[str, ...]:
        """The sites that did not write."""
        return tuple(site for site in SITES if site != self.before.writer)

    @property
    def target(self) -> str:
        """Where a switchover leads."""
        return self.others[self.round.target]

    @property
    def owner(self) -> str:
        """Who is to carry an order out: neither side of a switchover."""
        return owner_of(self.before.writer, self.round.target)


def owner_of(writer: str, target: int) -> str:
    """The site that is neither the writer's nor the one that a switchover leads to."""
    others = tuple(site for site in SITES if site != writer)
    return others[1 - target]


async def suffer(ground: Ground, course: Course) -> None:
    """Play it up to where everything that is still lost may be healed. Raises LabError, TrimaranError, OSError."""
    match course.round.begin:
        case Begin.FLAPPING | Begin.CHASING:
            await _flap(ground, course)
        case Begin.WRITER_AND_FOLLOWER:
            await _lose_two(ground, course, course.before.writer, course.others[1])
        case Begin.BOTH_FOLLOWERS:
            await _lose_two(ground, course, *course.others)
        case Begin.RETURN:
            await _hurt_a_return(ground, course)
        case Begin.FAILOVER | Begin.ORDERED_FAILOVER | Begin.SWITCHOVER:
            await _hurt_a_move(ground, course)


async def _hurt_a_move(ground: Ground, course: Course) -> None:
    lab, one = ground.lab, course.round
    kind = PlanKind.SWITCHOVER if one.begin is Begin.SWITCHOVER else PlanKind.FAILOVER
    if one.begin is not Begin.SWITCHOVER:
        await lab.faults.inject(one.fault, course.before.writer)
    if one.begin is not Begin.FAILOVER:
        await _order(lab, course)
    if one.after is None:
        await _await_epoch(ground, course)
        return
    await _strike(ground, course, await await_mark(lab, course.since, kind, one.after, SOON))


async def _order(lab: Laboratory, course: Course) -> None:
    if course.round.begin is Begin.SWITCHOVER:
        await order_move(lab, Order(to=course.target, owner=course.owner))
        return
    await _await_accused(lab, course)
    await order_move(lab, Order(to=course.before.writer, owner=course.owner, verb="failover"))


async def _await_accused(lab: Laboratory, course: Course) -> None:
    """Until both survivors say that the writer's database is failing: before, an order would be refused."""
    until, writer = time.monotonic() + SOON.total_seconds(), Site(course.before.writer)
    while time.monotonic() < until:
        control = await lab.witness.control()
        said = [
            seen.opinions.get(writer, {}).get(Part.DATABASE)
            for vantage, seen in (control.observations.items() if control else ())
            if vantage in course.others
        ]
        if len(said) == len(course.others) and all(one is not None and one.health is Health.FAILING for one in said):
            return
        await asyncio.sleep(0.05)
    raise LabError(f"not everybody accused {writer} within {SOON.total_seconds():g} s")


async def _await_epoch(ground: Ground, course: Course) -> None:
    """Until payments are acknowledged in a later epoch, and then a moment longer."""
    if not await ground.load.wait_for_epoch(course.before.epoch, MOVED):
        raise LabError(f"nothing was acknowledged in a later epoch within {MOVED.total_seconds():g} s")
    await asyncio.sleep(AFTER.total_seconds())


async def _strike(ground: Ground, course: Course, plan: Sequence[JournalEntry]) -> None:
    lab, writer = ground.lab, course.before.writer
    course.plan = str(plan[0].body["plan"])
    match course.round.strike:
        case Strike.OWNER:
            await _kill_owner(ground, course, plan)
        case Strike.OLD_WRITER_BACK:
            await lab.faults.heal(writer)
            _note(ground, course, f"{writer} was back", plan)
            await _await_epoch(ground, course)
        case Strike.WINNER | Strike.OTHER:
            await _lose_second(ground, course, plan)
        case Strike.NOTHING:
            await _await_epoch(ground, course)


def _note(ground: Ground, course: Course, what: str, plan: Sequence[JournalEntry]) -> None:
    """What was done once these entries of the plan were read."""
    course.struck = f"{what} {time.monotonic() - course.at:.2f} s after the begin, once {plan[-1].kind} was read"
    ground.say(f"    {course.struck}")


async def _kill_owner(ground: Ground, course: Course, plan: Sequence[JournalEntry]) -> None:
    """Kill whoever carries the plan, and leave it dead until somebody has ended the plan."""
    lab, owner = ground.lab, plan[0].actor
    if lab.faults.occupies(owner):
        raise LabError(f"{owner}'s controller carries the plan and is being healed")
    await lab.faults.inject(Fault.CONTROLLER, owner)
    _note(ground, course, f"{owner}'s controller died", plan)
    entries = await lab.witness.journal(course.since)
    course.hurt = not any(entry.kind == "plan.done" and entry.body.get("plan") == course.plan for entry in entries)
    if not await await_ended(lab, ENDED):
        course.troubles.append("the plan did not end while its owner was gone")
    await lab.faults.heal(owner)
    if course.round.begin is not Begin.RETURN:
        await await_acknowledged(ground.load, time.monotonic(), MOVED)


async def _hurt_a_return(ground: Ground, course: Course) -> None:
    """The healing goes on beside: the plan is claimed before the site's etcd has caught up."""
    lab, writer, after = ground.lab, course.before.writer, course.round.after or Mark()
    await lab.faults.inject(course.round.fault, writer)
    await _await_epoch(ground, course)
    healing = asyncio.create_task(lab.faults.heal(writer))
    try:
        plan = await await_mark(lab, course.since, PlanKind.RETURN, after, SOON)
        if plan[0].actor == writer:
            await healing
        await _strike(ground, course, plan)
    finally:
        await healing


async def _lose_second(ground: Ground, course: Course, plan: Sequence[JournalEntry]) -> None:
    """One of the survivors follows: nobody has a majority of etcd any more."""
    elected = next((str(entry.body["winner"]) for entry in plan if entry.kind == "elected"), course.others[0])
    winner = course.round.strike is Strike.WINNER
    second = elected if winner else next(site for site in course.others if site != elected)
    await ground.lab.faults.inject(course.round.fault, second)
    _note(ground, course, f"{second} was lost", plan)
    await _hold(ground, course, course.before.writer, second)


async def _lose_two(ground: Ground, course: Course, first: str, second: str) -> None:
    faults = ground.lab.faults
    await asyncio.gather(*(faults.inject(course.round.fault, site) for site in (first, second)))
    course.struck = f"{first} and {second} were lost at once"
    await _hold(ground, course, first, second)


async def _hold(ground: Ground, course: Course, first: str, second: str) -> None:
    """Two sites are lost: ask who is left, and let one come back before the other."""
    lab, lost = ground.lab, time.monotonic()
    await asyncio.sleep(HELD.total_seconds())
    course.guards = await refusals(lab)
    back, last = (first, second) if course.round.back is Back.FIRST else (second, first)
    ground.say(f"    held by {', '.join(course.guards) or 'nobody'}; {back} comes back, {last} stays lost")
    await lab.faults.heal(back)
    course.held = time.monotonic() - lost
    if course.round.outcome is Outcome.MOVED:
        await _await_epoch(ground, course)
    else:
        await await_acknowledged(ground.load, time.monotonic(), MOVED)
    await asyncio.sleep(UP.total_seconds())


async def _flap(ground: Ground, course: Course) -> None:
    lab, began = ground.lab, time.monotonic()
    for _ in range(FLAPS):
        now = await standing(lab)
        chased = course.round.begin is Begin.CHASING and now is not None
        site = now.writer if now is not None and chased else course.before.writer
        await lab.faults.inject(course.round.fault, site)
        await asyncio.sleep(FLAP.total_seconds())
        await lab.faults.heal(site)
        await asyncio.sleep(FLAP.total_seconds())
    course.held = FLAP.total_seconds()
    course.struck = f"cut off and healed {FLAPS} times within {time.monotonic() - began:.0f} s"
