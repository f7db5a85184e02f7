"""etcd is lost, wiped or restored from a backup, at any moment of any course of payments, faults, plans, takeovers and late steps; the
control plane is rebuilt as soon as that is proven. No acknowledged payment is lost, and once everybody answers it is always proven.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from controller.core.model import Posture, Role
from controller.errors import LostOwnership, Refused
from controller.providers.memory.coordination import MemoryEtcd
from tests.unit.stage import failover, staged
from tests.unit.test_interleavings import ARGUMENTS, OFTEN, Course, Event
from tests.unit.test_rebuild import rebuilder

LOSSES = {"lose etcd": (some.booleans(),), "back up": (), "rebuild": ()}
MORE = {"lose etcd": 2, "rebuild": 4}


@some.composite
def losing(draw: some.DrawFn, *, in_cloud: bool) -> list[Event]:
    """As any other course, with losses in it."""
    arguments = {**ARGUMENTS, **LOSSES}
    often = {**OFTEN, **MORE}
    kinds = [kind for kind in arguments for _ in range(often.get(kind, 1)) if in_cloud or kind != "in-cloud failover"]
    chosen = draw(some.lists(some.sampled_from(kinds), min_size=40, max_size=80))
    return [(kind, *(draw(argument) for argument in arguments[kind])) for kind in chosen]


@dataclass
class LosingCourse(Course):
    """A course in which etcd may be gone. Nobody acts by an etcd that is lost before it is rebuilt."""

    backup: MemoryEtcd | None = None
    lost: bool = False
    rebuilt: int = 0

    async def happen(self, event: Event) -> None:
        """One event."""
        match event:
            case ("back up",):
                if not self.lost:
                    self.backup = self.stage.etcd.backup()
            case "lose etcd", bool(restored):
                self.stage.etcd.restore(self.backup if restored else None)
                self.stage.postures.clear()
                self.lost = True
                await self.rebuild()
            case ("rebuild",):
                await self.rebuild()
            case (("claim" | "take over"), *_) if self.lost:
                return
            case _:
                await super().happen(event)

    async def rebuild(self) -> bool:
        """If that is proven now. An etcd from the past in which nothing has changed since is as good as it was."""
        if not self.lost:
            return True
        work = rebuilder(self.stage)
        seen = await self.stage.drive(work.look())
        refusing = {one.guard for one in seen.decision.refusals}
        if refusing == {"etcd-is-behind"}:
            self.lost = False
        elif not refusing:
            try:
                await self.stage.drive(work.carry_out(seen, by="kim", reason="lost"))
            except (Refused, LostOwnership):
                return False
            self.lost, self.rebuilt = False, self.rebuilt + 1
        return not self.lost

    async def judge(self) -> None:
        """As long as etcd is lost: one acknowledger per epoch, and whoever writes in the latest has every acknowledged payment."""
        if not self.lost:
            await super().judge()
            return
        writers = [one for one in self.stage.world.servers.values() if one.role is Role.WRITER and one.pinned]
        latest = max(writers, key=lambda one: one.epoch, default=None)
        assert self.stage.broken(*([latest.site] if latest else [])) == ()

    async def end(self) -> None:
        """Everything answers: it is proven, and a failover by an operator's order brings a writer."""
        world = self.stage.world
        for at in world.servers:
            world.start(at)
            world.isolated.discard(at)
            for path in self._paths(at):
                path.hold_calls.clear()
                path.lose_answers.clear()
        for at in world.servers:
            for path in self._paths(at):
                await path.deliver()
        world.live = True
        world.flow()
        for _ in range(3):
            if await self.rebuild():
                break
        assert not self.lost, (await self.stage.drive(rebuilder(self.stage).look())).decision.refusals
        control = await self.stage.control()
        self.owners += 1
        by = f"ctl-{self.owners}"
        claimed = await self.stage.claim(failover(control.posture.writer, weights=False), by)
        await self.stage.drive(self.stage.controllers[by].executor.carry(claimed))
        for one in self.carrying:
            one.cancel()
        posture: Posture = (await self.stage.control()).posture
        assert world.servers[posture.writer].role is Role.WRITER
        world.flow()


async def _play(events: Sequence[Event], *, to_the_end: bool) -> None:
    async with staged() as stage:
        stage.paying = False
        stage.world.live = False
        course = LosingCourse(stage)
        for event in events:
            await course.happen(event)
            await course.judge()
        if to_the_end:
            await course.end()
        await course.judge()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(losing(in_cloud=False))
def test_no_loss_of_etcd_loses_an_acknowledged_payment(events: list[Event]) -> None:
    """And at its end, with everybody there, the control plane can be rebuilt and can move the writer."""
    asyncio.run(_play(events, to_the_end=True))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(losing(in_cloud=True))
def test_nor_beside_in_cloud_failovers(events: list[Event]) -> None:
    """A node on a new timeline proves nothing; whoever writes has what was acknowledged."""
    asyncio.run(_play(events, to_the_end=False))
