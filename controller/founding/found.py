"""Founds a service: looks at every server, makes the plan, carries it out. Begun again after anything that stopped it, it goes on.

One founding of a service at a time: a lock on every server says so, and goes with the session that holds it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from controller.core.model import Site
from controller.errors import Refused, Stuck
from controller.founding.plan import plan
from controller.founding.step import Login, Stage, Step, Wanted
from controller.founding.survey import survey
from controller.founding.visit import Door, Visit

SETTLES = timedelta(seconds=10)
"""For what was sent to be seen: a slot waits for transactions that were under way."""
LOOK = timedelta(milliseconds=50)
HELD = "SELECT pg_try_advisory_lock(hashtext('trimaran.bootstrap'), hashtext(%s))"
"""By service and site: one server that is dialled under two names is found out by what it says, not by this."""

Said = TypeVar("Said")
Tell = Callable[[Stage, Step, bool], None]
"""Told of every step when it is done; True: it was found done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of it."""

    carried_out: int
    found_done: int


async def found(
    wanted: Wanted, doors: Mapping[Site, Door], passwords: Mapping[str, str], tell: Tell = lambda _stage, _step, _was: None
) -> Outcome:
    """Found the service, or as much of it as is missing. Raises Refused before anything was changed; Transient, Denied, Conflict, Stuck
    when a step failed: what is done stays done."""
    async with _visits(wanted, doors, passwords) as visits:
        await _alone(wanted, visits)
        stages = await _planned(wanted, visits)
        counts = []
        for stage in stages:
            await _still_alone(visits)
            counts.append(await _carry_out(stage, visits, tell))
    return Outcome(carried_out=sum(one for one, _ in counts), found_done=sum(one for _, one in counts))


async def look(wanted: Wanted, doors: Mapping[Site, Door], passwords: Mapping[str, str]) -> tuple[tuple[Stage, Step], ...]:
    """What would be done, in this order; nothing is changed. Raises Refused, Transient, Denied.

    Of what lies in a database that is not there yet nothing can be asked: all of it would be done.
    """
    async with _visits(wanted, doors, passwords) as visits:
        grounds = {site: await survey(site, wanted, visit) for site, visit in visits.items()}
        stages = plan(wanted, grounds)
        left: list[tuple[Stage, Step]] = []
        for stage in stages:
            for step in stage.steps:
                within = grounds[step.site].within
                known = step.login is Login.ADMINISTRATOR or (within is not None and within.site is not None)
                if not (known and await visits[step.site].is_done(step)):
                    left.append((stage, step))
        return tuple(left)


@asynccontextmanager
async def _visits(
    wanted: Wanted, doors: Mapping[Site, Door], passwords: Mapping[str, str]
) -> AsyncIterator[Mapping[Site, Visit]]:
    visits = {site: Visit(site=site, service=wanted.service, door=door, passwords=passwords) for site, door in doors.items()}
    try:
        yield visits
    finally:
        for visit in visits.values():
            await visit.close()


async def _planned(wanted: Wanted, visits: Mapping[Site, Visit]) -> tuple[Stage, ...]:
    grounds = await await_all(survey(site, wanted, visit) for site, visit in visits.items())
    return plan(wanted, {ground.site: ground for ground in grounds})


async def await_all(asked: Iterable[Awaitable[Said]]) -> list[Said]:
    """All sites at once, and what each said. Raises what the first one raised that failed, once everybody has ended: while a session
    is still being used it may not be closed (the driver ends the process), nor may a step go on behind the back of who is told of an
    error."""
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for one in answers:
        if isinstance(one, BaseException):
            raise one
    return [one for one in answers if not isinstance(one, BaseException)]


async def _alone(wanted: Wanted, visits: Mapping[Site, Visit]) -> None:
    """Keep others out for as long as these sessions live. Raises Refused."""
    for site, visit in visits.items():
        if not (await visit.ask(Login.ADMINISTRATOR, HELD, (f"{wanted.service} {site}",)))[0][0]:
            raise Refused(
                guard="bootstrap",
                value=f"{site}: {wanted.service} is being founded by somebody else",
                limit="one at a time",
                way_out="Wait until it has ended; of one that was killed the server notices within a minute.",
            )


async def _still_alone(visits: Mapping[Site, Visit]) -> None:
    """Raises Transient when a session has ended to which a lock belonged: a second founding may have begun since."""
    await await_all(visit.ask(Login.ADMINISTRATOR, "SELECT 1", ()) for visit in visits.values())


async def _carry_out(stage: Stage, visits: Mapping[Site, Visit], tell: Tell) -> tuple[int, int]:
    """Every site's steps of it in order, all sites at once; how many were sent, and how many were done before."""
    own = {site: [step for step in stage.steps if step.site == site] for site in visits}
    counts = await await_all(_at(stage, visits[site], steps, tell) for site, steps in own.items())
    return sum(sent for sent, _ in counts), sum(before for _, before in counts)


async def _at(stage: Stage, visit: Visit, steps: list[Step], tell: Tell) -> tuple[int, int]:
    sent = before = 0
    for step in steps:
        was_done = await visit.is_done(step)
        if was_done:
            before += 1
        else:
            await visit.carry_out(step)
            await _seen(visit, step)
            sent += 1
        tell(stage, step, was_done)
    return sent, before


async def _seen(visit: Visit, step: Step) -> None:
    """Return once the server says that it is done. Raises Stuck."""
    if step.done is None:
        return
    loop = asyncio.get_running_loop()
    give_up = loop.time() + SETTLES.total_seconds()
    while not await visit.is_done(step):
        if loop.time() > give_up:
            raise Stuck(
                step=f"{step.does} on {visit.site}",
                blocked_by=f"it was sent, and after {SETTLES.total_seconds():.0f} s it is not there",
                way_out="Look for long transactions on that server; then give the same command again.",
            )
        await asyncio.sleep(LOOK.total_seconds())
