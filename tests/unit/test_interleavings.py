"""Payments, apply, crashes, partitions, plans, takeovers and stalled owners in any order: no acknowledged payment is lost.

Followers apply only when an interleaving says so. Plans are claimed as an operator could who ignores every guard but the two that
protect data: nobody wipes a member or the writer, and only members leave the set.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from controller.core.model import Posture, Role, Site
from controller.core.plans import PlanKind
from controller.core.proposals import Proposal
from controller.errors import LostOwnership, Transient
from tests.unit.stage import (
    AWS,
    AZURE,
    GCP,
    SITES,
    Stage,
    bring_back,
    failover,
    grow,
    settle,
    shrink,
    staged,
    switchover,
)

site = some.sampled_from(SITES)
Event = tuple[object, ...]
METHODS = ("cut", "place_slot", "follow", "open", "set_ack_set", "mark_join", "clear", "seed", "offer_seed")
MOVES = (PlanKind.FAILOVER, PlanKind.SWITCHOVER, PlanKind.SHRINK, PlanKind.GROW, PlanKind.RETURN, PlanKind.SETTLE)
ARGUMENTS: dict[str, tuple[some.SearchStrategy[object], ...]] = {
    "pay": (site,),
    "apply": (site, some.integers(1, 3)),
    "poll": (site,),
    "pass": (some.sampled_from([0.03, 0.2, 0.5, 2.5]),),
    "flow": (),
    "crash": (site,),
    "start": (site,),
    "isolate": (site,),
    "heal": (site,),
    "claim": (some.sampled_from(MOVES), site),
    "take over": (),
    "lose": (site, some.sampled_from(METHODS)),
    "hold": (site, some.sampled_from(METHODS)),
    "deliver": (site,),
    "in-cloud failover": (site, some.booleans()),
}
OFTEN = {"pay": 6, "apply": 4, "pass": 8, "claim": 3, "flow": 3, "start": 4, "heal": 4, "poll": 2}


@some.composite
def courses(draw: some.DrawFn, *, in_cloud: bool) -> list[Event]:
    """What happens, payments and time more often than trouble."""
    kinds = [kind for kind in ARGUMENTS for _ in range(OFTEN.get(kind, 1)) if in_cloud or kind != "in-cloud failover"]
    chosen = draw(some.lists(some.sampled_from(kinds), min_size=40, max_size=80))
    return [(kind, *(draw(argument) for argument in ARGUMENTS[kind])) for kind in chosen]


def proposal(kind: PlanKind, about: Site, posture: Posture) -> Proposal | None:
    """A claim that the data guards would let through; None when they would not."""
    members = posture.must_cut - {posture.writer}
    possible: dict[PlanKind, Callable[[], Proposal | None]] = {
        PlanKind.FAILOVER: lambda: failover(posture.writer, weights=False),
        PlanKind.SWITCHOVER: lambda: switchover(about) if about in members else None,
        PlanKind.SHRINK: lambda: shrink(about) if about in members else None,
        PlanKind.GROW: lambda: grow(about) if about not in {*members, posture.writer} else None,
        PlanKind.RETURN: lambda: bring_back(about) if about not in {*members, posture.writer} and posture.settled else None,
        PlanKind.SETTLE: settle,
    }
    return possible.get(kind, lambda: None)()


@dataclass
class Course:
    """One course of events on a stage."""

    stage: Stage
    owners: int = 0
    carrying: "list[asyncio.Future[object]]" = field(default_factory=list)

    async def happen(self, event: Event) -> None:
        """One event."""
        world = self.stage.world
        match event:
            case "pay", str(at):
                self.stage.pay_at(Site(at))
            case "apply", str(at), int(count):
                world.apply(Site(at), count)
            case "poll", str(at):
                world.poll(Site(at))
            case "pass", float(seconds):
                await self.stage.clock.advance(timedelta(seconds=seconds))
            case ("flow",):
                world.flow()
            case "crash", str(at):
                world.crash(Site(at))
            case "start", str(at):
                world.start(Site(at))
            case "isolate", str(at):
                world.isolated.add(Site(at))
            case "heal", str(at):
                world.isolated.discard(Site(at))
            case "in-cloud failover", str(at), bool(lose_last):
                self._fail_over_in_cloud(Site(at), lose_last)
            case "claim", PlanKind() as kind, str(at):
                await self._claim(kind, Site(at))
            case ("take over",):
                await self._take_over()
            case ("lose" | "hold") as fault, str(at), str(method):
                for path in self._paths(Site(at)):
                    (path.lose_answers if fault == "lose" else path.hold_calls)[method] = 1
            case "deliver", str(at):
                for path in self._paths(Site(at)):
                    await path.deliver()
            case _:
                raise AssertionError(event)

    def _paths(self, at: Site) -> list:
        return [controller.databases[at].path for controller in self.stage.controllers.values()]

    def _fail_over_in_cloud(self, at: Site, lose_last: bool) -> None:
        """It loses its last transaction only when that is payment or marker: what a step left there is on its standby's disk too."""
        server = self.stage.world.servers[at]
        server.up = True
        self.stage.world.fail_over_in_cloud(at, lose_last=lose_last and len(server.log) > 1)

    async def _claim(self, kind: PlanKind, at: Site) -> None:
        """A move replaces whatever is under way; a repair waits for a free moment."""
        control = await self.stage.control()
        wanted = proposal(kind, at, control.posture)
        moves = kind in {PlanKind.FAILOVER, PlanKind.SWITCHOVER}
        if wanted is not None and (control.plan is None or moves):
            self.owners += 1
            by = f"ctl-{self.owners}"
            self._carry(by, await self.stage.claim(wanted, by))

    async def _take_over(self) -> None:
        """The owner goes on as if nothing had happened."""
        self.owners += 1
        by = f"ctl-{self.owners}"
        taken = await self.stage.take_over(by)
        if taken is not None:
            self._carry(by, taken)

    def _carry(self, by: str, control: object) -> None:
        self.carrying.append(self.stage.keep(self.stage.controllers[by].executor.carry(control)))  # type: ignore[arg-type]

    async def end(self) -> None:
        """Everything is healed, what was held arrives, and the plan under way is finished by somebody new."""
        world = self.stage.world
        for at in SITES:
            world.start(at)
            world.isolated.discard(at)
            for path in self._paths(at):
                path.hold_calls.clear()
                path.lose_answers.clear()
        for at in SITES:
            for path in self._paths(at):
                await path.deliver()
        world.live = True
        world.flow()
        self.owners += 1
        taken = await self.stage.take_over(f"ctl-{self.owners}")
        if taken is not None:
            await self.stage.drive(self.stage.controllers[f"ctl-{self.owners}"].executor.carry(taken))
        for one in self.carrying:
            with suppress(LostOwnership, Transient):
                await self.stage.drive(one)
        world.flow()

    async def judge(self) -> None:
        """No acknowledged payment is missing on a writer in office, at any moment."""
        posture = (await self.stage.control()).posture
        writer = self.stage.world.servers[posture.writer]
        in_office = writer.role is Role.WRITER and writer.epoch == posture.reign and writer.pinned
        assert self.stage.broken(*([posture.writer] if in_office else [])) == ()


async def _play(events: Sequence[Event], *, to_the_end: bool) -> None:
    async with staged() as stage:
        stage.paying = False
        stage.world.live = False
        course = Course(stage)
        for event in events:
            await course.happen(event)
            await course.judge()
        if to_the_end:
            await course.end()
            assert (await stage.control()).plan is None
        await course.judge()


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(courses(in_cloud=False))
def test_no_course_of_events_loses_an_acknowledged_payment(events: list[Event]) -> None:
    """And whatever plan is under way at its end can be finished once everything answers again."""
    asyncio.run(_play(events, to_the_end=True))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(courses(in_cloud=True))
def test_an_in_cloud_failover_loses_no_acknowledged_payment_either(events: list[Event]) -> None:
    """A node on a new timeline proves nothing, so a plan may wait for a person; what was acknowledged stays on every writer in office."""
    asyncio.run(_play(events, to_the_end=False))


@pytest.mark.parametrize("guarded", [True, False], ids=["with", "without"])
async def test_an_unsettled_winner_must_be_cut(guarded: bool) -> None:
    """Two failovers in a row, and gcp has one of the first winner's payments but not its marker: whoever forgets the winner loses one."""
    async with staged() as stage:
        stage.paying = stage.world.live = False
        course = Course(stage)
        for event in (
            *(("pay", AZURE), ("pay", AZURE), ("apply", AWS, 9), ("poll", AZURE), ("crash", AZURE)),
            *(("claim", PlanKind.FAILOVER, AZURE), ("pass", 30.0), ("apply", GCP, 1)),
        ):
            await course.happen(event)
        control = await stage.control()
        assert (control.posture.writer, control.posture.must_cut) == (AWS, {AWS, GCP})
        if not guarded:
            await stage.reader.open_session()
            await stage.reader.commit(control, posture=replace(control.posture, must_cut=frozenset({GCP})))
        for event in (("crash", AWS), ("claim", PlanKind.FAILOVER, AWS), ("pass", 1.0)):
            await course.happen(event)
        posture = (await stage.control()).posture
        assert posture.writer == (AWS if guarded else GCP)
        assert (stage.broken(posture.writer) == ()) is guarded
