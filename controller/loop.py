"""One controller's tick for one service: observe, decide, execute, record.

The tick never waits for a plan: a plan is carried out beside it, so that this vantage goes on publishing what it sees, and the next
decision may be to replace the very plan that is under way.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from controller.coordination.freshness import Sighting, fresh, look
from controller.core.claims import claim
from controller.core.decide import Decision, State, decide
from controller.core.explain import DECISION, explain_decision, record
from controller.core.limits import merged, recalled
from controller.core.model import Epoch, Observation, Site, Snapshot, Token
from controller.core.policy import Moment, Policy
from controller.core.proposals import GiveUp, TakeOver
from controller.core.schema_guard import claimed_schemas
from controller.errors import LostOwnership, TrimaranError
from controller.execute import Executor
from controller.observe import Observer, calm, changed, running
from controller.ports import Clock, Control, Coordination, Draft

PAGE = 200
"""Journal entries that one tick reads at most, so that a long past holds back no other tick."""

CLAIM = "claim"
"""Kind of the journal entry that a claimed proposal leaves."""

_KINDS = {TakeOver: "takeover", GiveUp: "plan.done"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What this controller knew and decided at its last tick, for people who ask."""

    snapshot: Snapshot
    control: Control
    decision: Decision
    at: timedelta
    """Monotonic time before etcd was asked: a process that was stopped in between knows nothing younger."""
    written: bool = False
    """What was decided, if it was news, is in the journal; False: another controller was first, or etcd did not answer."""


@dataclass(slots=True, kw_only=True)
class Loop:
    """The control loop of one controller for one service."""

    service: str
    controller: str
    coordination: Coordination
    observer: Observer
    executor: Executor
    policy: Policy
    clock: Clock
    interval: timedelta = timedelta(milliseconds=100)
    view: View | None = None
    _state: State = field(default_factory=State)
    _read_to: int = 0
    """Last journal entry from which the past was recalled."""
    _known_epoch: Epoch | None = None
    """Epoch up to which every automatic failover is remembered."""
    _sightings: Mapping[Site, Sighting] = field(default_factory=dict)
    _work: asyncio.Task[None] | None = None
    _carrying: Token | None = None
    """Token of the plan that `_work` carries out."""
    _published: Observation | None = None
    _published_at: timedelta = timedelta(0)

    async def run(self) -> None:
        """Observe and tick until cancelled; a tick that fails is told and followed by the next."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.observer.run())
            tasks.create_task(self._tick_for_ever())

    async def _tick_for_ever(self) -> None:
        while True:
            began = self.clock.monotonic()
            try:
                if not self._rests(began):
                    await self.tick()
            except TrimaranError as error:
                log.warning("tick", service=self.service, error=str(error))
            spent = self.clock.monotonic() - began
            await self.clock.sleep(max(self.interval - spent, timedelta(milliseconds=10)))

    def _rests(self, now: timedelta) -> bool:
        """Would a look at etcd be the second within a probe's interval, in a calm that nobody here doubts?

        etcd carries the reads of every controller for every service; ten a second of each, all year, are what decides how many services
        it can carry. In trouble the pace is full: see `calm`. The first accusation that this vantage makes is read from its own probes,
        not from etcd.
        """
        if self.view is None or now - self.view.at >= self.policy.probe_interval:
            return False
        own = self.observer.observe()
        return calm(self.view.control, self.view.snapshot.observations, own, self.policy) and not changed(self._published, own)

    async def tick(self) -> None:
        """One round. Raises TrimaranError when etcd's majority does not answer: then nothing was decided."""
        await self.coordination.open_session()
        asked = self.clock.monotonic()
        control = await self._observe()
        if control is None:
            return
        if not await self._remember(control):
            return
        snapshot = self._snapshot(control)
        moment = Moment(wall=self.clock.now(), monotonic=self.clock.monotonic())
        decision = decide(self._state, snapshot, running(control), control.requests, self.policy, moment)
        self.view = View(snapshot=snapshot, control=control, decision=decision, at=asked)
        # Said only once it is written. etcd changes its leader in the very moment the writer is lost, the entry that says why nobody
        # may fail over is not written, and the next tick would hold it for old news: at 3 a.m. nothing would explain the silence.
        self._state = replace(decision.state, said=self._state.said)
        if (recorded := await self._record(control, decision)) is not None:
            control, self._state = recorded, decision.state
            self.view = replace(self.view, control=control, written=True)
        self._execute(control)

    async def _observe(self) -> Control | None:
        """Publish what this vantage sees, when due or when an opinion changed, and read what everybody wants and sees, at the same time."""
        own = self.observer.observe()
        now = self.clock.monotonic()
        due = self._published is None or now - self._published_at >= self.policy.probe_interval
        if due or (self._published is not None and changed(self._published, own)):
            self._published, self._published_at = own, now
            _, control = await asyncio.gather(self._publish(own), self.coordination.read(self.service))
        else:
            control = await self.coordination.read(self.service)
        if control is not None:
            self._sightings = look(self._sightings, control.observations, self.clock.monotonic())
        return control

    async def _publish(self, own: Observation) -> None:
        with suppress(TrimaranError):  # the read beside it tells whether etcd answers
            await self.coordination.publish(self.service, own)

    def _snapshot(self, control: Control) -> Snapshot:
        heard = fresh(self._sightings, self.clock.monotonic())
        return self.observer.snapshot(self.observer.observe(), control.posture, heard, majority=True)

    async def _remember(self, control: Control) -> bool:
        """Is every automatic failover up to this epoch known here? If not, read a page of the journal on; nothing is decided meanwhile.

        A controller that was cut off while the others moved the writer would think that none had moved, and a restarted one
        too: the second automatic failover within the window, by the one who did not see the first.
        """
        if self._known_epoch == control.posture.epoch:
            return True
        entries = await self.coordination.journal(self.service, self._read_to, PAGE)
        self._state = replace(self._state, failovers=merged(self._state.failovers, recalled(entries)))
        self._read_to = entries[-1].sequence if entries else self._read_to
        if len(entries) == PAGE:
            return False
        self._known_epoch = control.posture.epoch
        return True

    async def _record(self, control: Control, decision: Decision) -> Control | None:
        """Claim what was decided and journal why, in one write; or journal a decision not to act, when it is news. None: another
        controller wrote first, and nothing of this was written."""
        drafts = [Draft(kind=DECISION, body=record(decision))] if decision.news else []
        try:
            if decision.proposal is None:
                if not drafts:
                    return control
                return await self.coordination.commit(control, settle_request=decision.request, journal=drafts)
            schemas = claimed_schemas(decision.proposal, self.view.snapshot) if self.view else None
            claimed = claim(
                decision.proposal,
                control.posture,
                by=self.controller,
                at=self.clock.now(),
                running=control.plan,
                schemas=schemas,
            )
            entry = {**claimed.entry, "request": decision.request or ""}
            kind = _KINDS.get(type(decision.proposal), CLAIM)
            log.info("claim", service=self.service, said=explain_decision(decision))
            return await self.coordination.commit(
                control,
                posture=claimed.posture,
                plan=claimed.plan,
                take=claimed.takes,
                settle_request=decision.request,
                journal=[*drafts, Draft(kind=kind, body=entry)],
            )
        except LostOwnership as lost:
            log.info("another controller was first", service=self.service, error=str(lost))
            return None

    def _execute(self, control: Control) -> None:
        """Carry the plan on when it is ours and nobody here is at it. What was carried before is left at once: a failover that waited for
        the copy of the return it replaced would wait ten minutes."""
        owner, mine = control.ownership, (self.controller, control.sessions.get(self.controller))
        ours = control.plan is not None and owner is not None and (owner.controller, owner.session) == mine
        token = owner.token if owner is not None and ours else None
        if self._work is not None and not self._work.done():
            if token == self._carrying:
                return
            self._work.cancel()
        self._work, self._carrying = None, token
        if control.plan is not None and token is not None:
            self._work = asyncio.create_task(self._carry(control), name=f"plan {control.plan.id}")

    async def _carry(self, control: Control) -> None:
        assert control.plan is not None, "only a plan is carried out"
        # Bound for everything that is started from here: 1. a cut waits for a session that a deadline shut; 2. the session's own line
        # says so; 3. without the plan's name on it nobody finds the two together among a thousand services.
        with structlog.contextvars.bound_contextvars(plan=control.plan.id):
            try:
                await self.executor.carry(control)
            except TrimaranError as error:
                log.warning("plan", service=self.service, error=str(error))
