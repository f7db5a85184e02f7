"""Small chores that need no plan: keeping spare slots short, and bringing authorities that were out of reach up to date.

Neither can harm: a spare slot only ever moves forward to where its sibling already stands, and steering writes weights that the
posture already names. Each controller tends the node of its own site; the one beside the writer, or the next that lives, reconciles
the authorities.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from controller.core import naming
from controller.core.model import Lsn, NodeFacts, Site
from controller.errors import TrimaranError
from controller.loop import Loop, View
from controller.ports import Clock, Database, Dns

log = structlog.get_logger()

Chore = Callable[[View], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caretaker:
    """One controller's chores for one service."""

    site: Site
    loop: Loop
    database: Database
    """The node of the caretaker's own site."""
    authorities: Sequence[Dns]
    clock: Clock
    tend_every: timedelta = timedelta(seconds=1)
    reconcile_every: timedelta = timedelta(seconds=5)
    steer_deadline: timedelta = timedelta(seconds=5)
    retained_limit: int = 1 << 30
    """Bytes of log that a slot may hold back before it is told."""

    async def run(self) -> None:
        """Do the chores until cancelled; what fails is told and tried again in the next round."""
        await self._meet_authorities()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("spare slots", self.tend_every, self._tend))
            tasks.create_task(self._repeat("authorities", self.reconcile_every, self._reconcile))

    async def _meet_authorities(self) -> None:
        """Ask each authority once. A vendor's client takes a good part of a second of processor time to make, and the first failover
        must not be what pays for it."""
        for authority in self.authorities:
            try:
                await authority.read()
            except TrimaranError as error:
                log.warning("authority", authority=authority.name, error=str(error))

    async def _repeat(self, chore: str, every: timedelta, work: Chore) -> None:
        while True:
            view = self.loop.view
            if view is not None:
                try:
                    await work(view)
                except TrimaranError as error:
                    log.warning("chore", chore=chore, service=self.loop.service, error=str(error))
            await self.clock.sleep(every)

    async def _tend(self, view: View) -> None:
        """Only in a settled reign that this node belongs to, and never beside a plan, which may be reading those very slots."""
        posture = view.snapshot.posture
        facts = {site: aged.value for site, aged in view.snapshot.facts.items() if aged.age <= self.loop.policy.freshness}
        mine = facts.get(self.site)
        if view.control.plan is not None or not posture.settled or mine is None or mine.epoch != posture.reign:
            return
        self._tell_retention(mine)
        siblings = {
            site: position
            for site, said in facts.items()
            if site not in {self.site, posture.writer} and (position := self._position(said, view)) is not None
        }
        changed = await self.database.tend(reign=posture.reign, writer=posture.writer, siblings=siblings)
        if changed:
            log.info("spare slots", service=self.loop.service, changed=changed)

    def _position(self, facts: NodeFacts, view: View) -> Lsn | None:
        posture = view.snapshot.posture
        stream = naming.stream(self.loop.service, posture.reign, posture.writer, facts.site)
        return next((one.position for one in facts.subscriptions if one.name == stream and one.seeded), None)

    def _tell_retention(self, facts: NodeFacts) -> None:
        for slot in facts.slots:
            if slot.retained_bytes > self.retained_limit or slot.lost:
                log.warning("slot retention", slot=slot.name, bytes=slot.retained_bytes, lost=slot.lost)

    async def _reconcile(self, view: View) -> None:
        """Steering is idempotent and writes nothing when nothing changed, so an authority that is up to date costs one read."""
        posture = view.snapshot.posture
        queue = [posture.writer, *sorted(set(posture.weights) - {posture.writer})]
        if view.control.plan is not None or self.site != next((site for site in queue if site in view.control.sessions), None):
            return
        for authority in self.authorities:
            report = await authority.steer(posture.weights, self.steer_deadline)
            if report.changed:
                log.info("authority reconciled", authority=authority.name, before=dict(report.before), after=dict(report.after))
