"""Small chores that need no plan: keeping spare slots short, and keeping every authority at the weights the posture names.

A spare slot only ever moves forward to where its sibling already stands. Weights are another matter: no authority can tell an old
posture from a new one. So nothing is done by a view that is no longer fresh, and nothing is steered but by a posture that etcd
answered a moment ago. Each controller tends the node of its own site; the one beside the writer, or the next that lives, reconciles
the authorities, and the others look after it now and then: it may live and not reach one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from controller.core import naming
from controller.core.model import Lsn, NodeFacts, Site
from controller.errors import TrimaranError
from controller.journal_copy import Copyist
from controller.loop import Loop, View
from controller.ports import Clock, Control, Database
from controller.steering import Rudder

log = structlog.get_logger()

Chore = Callable[[View], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caretaker:
    """One controller's chores for one service."""

    site: Site
    loop: Loop
    database: Database
    """The node of the caretaker's own site."""
    authorities: Sequence[Rudder]
    """Of the group that this service leads; none for a service that goes with another one."""
    clock: Clock
    copyist: Copyist | None = None
    """Keeps a copy of the journal; None: nobody does."""
    copy_every: timedelta = timedelta(seconds=10)
    tend_every: timedelta = timedelta(seconds=1)
    look_every: timedelta = timedelta(seconds=1)
    """Between two looks at whether other weights are wanted."""
    reconcile_every: timedelta = timedelta(seconds=5)
    """Between two steerings by the same weights: what somebody changed past this controller stands no longer than this."""
    stand_in_every: timedelta = timedelta(seconds=30)
    """The same for the second controller in the queue; the third waits twice as long. An authority that stands costs them one read."""
    steer_deadline: timedelta = timedelta(seconds=5)
    retained_limit: int = 1 << 30
    """Bytes of log that a slot may hold back before it is told, and dropped when it is that of a node outside the must-cut set."""

    async def run(self) -> None:
        """Do the chores until cancelled; what fails is told and tried again in the next round."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("spare slots", self.tend_every, self._tend))
            if self.copyist is not None:
                tasks.create_task(self._repeat("copy of the journal", self.copy_every, partial(_copy, self.copyist)))
            for authority in self.authorities:
                tasks.create_task(self._keep(authority))

    async def _repeat(self, chore: str, every: timedelta, work: Chore) -> None:
        while True:
            view = self._fresh_view()
            if view is not None:
                await self._attempt(chore, work(view))
            await self.clock.sleep(every)

    async def _attempt(self, chore: str, work: Awaitable[object]) -> None:
        """Whatever fails in a chore ends this round of it and nothing else.

        A proxy answers 200 with a page of its own and an adapter stumbles over it: if that ended the caretaker, it would end this
        controller, the next in the queue would ask the same authority, and soon no controller would be left to fail over.
        """
        try:
            await work
        except TrimaranError as error:
            log.warning("chore", chore=chore, service=self.loop.service, error=str(error))
        except Exception:
            log.exception("chore", chore=chore, service=self.loop.service)

    def _fresh_view(self) -> View | None:
        """The view of the last tick, unless this controller was stopped or cut off from etcd's majority since."""
        view = self.loop.view
        if view is None or self.clock.monotonic() - view.at > self.loop.policy.freshness:
            return None
        return view

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
        changed = await self.database.tend(
            reign=posture.reign,
            writer=posture.writer,
            siblings=siblings,
            outside=frozenset(posture.weights) - posture.must_cut - {posture.writer},
            limit=self.retained_limit,
        )
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

    async def _keep(self, authority: Rudder) -> None:
        """Keep one authority at the posture's weights: other weights at the next look, the same ones every `reconcile_every`; both every
        `stand_in_every` where it is another controller's turn.

        Every authority has a task of its own: with one loop over all, one that hangs would keep the others from a drain. Steering
        that a look no longer finds wanted is given up: a controller that lost etcd would go on writing the weights of before. The
        caretakers of all services look at the same moments, so that what they ask of an authority is one call and not hundreds.
        """
        # A vendor's client takes a good part of a second of processor time to make, and the first failover must not pay for it.
        await self._attempt(authority.name, authority.read())
        asked: Mapping[Site, float] | None = None
        last = self.clock.monotonic()
        steering: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as tasks:
            while True:
                view = self._fresh_view()
                wanted = None if view is None else self._weights_to_steer(view.control)
                if steering is not None and wanted != asked:
                    steering.cancel()
                idle = steering is None or steering.done()
                rank = None if view is None else self._rank(view.control)
                due = idle and self.clock.monotonic() >= self._due(last, rank or 0)
                if wanted is not None and (due or (rank == 0 and wanted != asked)):
                    asked, last = wanted, self.clock.monotonic()
                    steering = tasks.create_task(
                        self._attempt(authority.name, self._steer(authority)), name=f"steer {authority.name}"
                    )
                now = self.clock.monotonic()
                await self.clock.sleep(_beat(now, self.look_every) - now)

    def _due(self, last: timedelta, rank: int) -> timedelta:
        """When to steer again by the same weights. The second in the queue looks a moment after the first, who may just be at it."""
        return _beat(last, self.stand_in_every * rank) + self.look_every * rank if rank else _beat(last, self.reconcile_every)

    def _rank(self, control: Control) -> int | None:
        """This controller's place in the queue of those that keep the authorities; None: etcd does not know that it lives."""
        posture = control.posture
        queue = [posture.writer, *sorted(set(posture.weights) - {posture.writer})]
        living = [site for site in queue if site in control.sessions]
        return living.index(self.site) if self.site in living else None

    def _weights_to_steer(self, control: Control) -> Mapping[Site, float] | None:
        """The posture's weights, when a caretaker has to bring them to the authorities; else None.

        A plan that still has to steer does so itself, first and on the journal. Beside any other plan the authorities are kept: one
        may wait for hours for a node that does not return, and payers must not be sent to a dead site for as long.
        """
        posture, plan = control.posture, control.plan
        steers_itself = plan is not None and plan.weights is not None and not plan.steered
        return None if steers_itself or self._rank(control) is None else posture.weights

    async def _steer(self, authority: Rudder) -> None:
        """Steer by what etcd says now. Steering is idempotent, and an authority that is up to date costs one read.

        What remains: this controller is stopped between etcd's answer and the write, another one fails over and drains, this one
        goes on, and its late write sends payers to the dead site again. A DNS API has no fencing token that could turn it away.
        It is one write at most: a retry is not sent once the deadline is over, and a next round reads etcd first. The controller
        that is first in the queue by then sees the wrong weights at its next steering and repairs them: payers are sent wrong for
        `reconcile_every` and the authority's propagation. None of them is told that a payment stands which does not.
        """
        asked_at = self.clock.monotonic()
        control = await self.loop.coordination.read(self.loop.service)
        if control is None or self.clock.monotonic() - asked_at > self.loop.policy.freshness:
            return  # a stop while the answer was under way makes it as old as the stop was long
        weights = self._weights_to_steer(control)
        if weights is None:
            return
        report = await authority.steer(weights, self.steer_deadline, revision=control.as_of)
        for group, shift in report.shifts.items():
            if report.changed:
                log.info(
                    "authority reconciled",
                    authority=authority.name,
                    group=group,
                    before=dict(shift.before),
                    after=dict(shift.after),
                )
        for group, refusal in report.refused.items():
            log.warning("chore", chore=authority.name, service=self.loop.service, group=group, error=refusal)


async def _copy(copyist: Copyist, _: View) -> None:
    await copyist.keep()


def _beat(last: timedelta, every: timedelta) -> timedelta:
    """The first moment after `last` that is a multiple of `every`: the same for everybody on this clock."""
    return last - last % every + every
