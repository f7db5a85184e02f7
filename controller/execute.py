"""Carries a plan out, step by step, from wherever its journal stands.

Invariants (`always-finishes`, `one-acknowledger`):
- nothing is done that the plan in etcd does not call for: every step comes from `phases.ready` of a plan whose ownership was
  confirmed by the write or the read just before;
- a step's result is in etcd before any step that builds on it starts, so a controller that takes over at any moment repeats at
  most what is idempotent;
- losing the ownership ends everything at once; what is still under way then presents an old token and is turned away by the nodes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from controller.actions import Actions
from controller.core.model import Posture
from controller.core.phases import advance, ready, sentence
from controller.core.plans import Phase, Plan
from controller.core.schema_guard import difference
from controller.core.steps import ASKS_PROVIDER, LeftBehind, Promotion, Result, Steer, Step, Unanswered, describe
from controller.errors import LostOwnership, Transient
from controller.ports import Clock, Control, Coordination, Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Waits of the executor."""

    gather: timedelta = timedelta(seconds=0.1)
    """How long a first result waits for others of its phase, so that both travel in one write."""
    again: timedelta = timedelta(seconds=0.1)
    """Before an unanswered step is tried again."""
    provider: timedelta = timedelta(seconds=1)
    """The same for a step that asks a provider: its limit of requests counts for the whole account."""


@dataclass(slots=True)
class _Running:
    """One step under way, by value: the same step is never started twice at once."""

    step: Step
    started: timedelta
    task: asyncio.Task[Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What results make of a plan."""

    plan: Plan
    posture: Posture
    drafts: tuple[Draft, ...]
    """Empty: nothing is written."""
    pause: timedelta
    """Before they are tried again then."""


@dataclass(slots=True, kw_only=True)
class Executor:
    """Carries out the plans one controller owns for one service. One plan at a time."""

    coordination: Coordination
    actions: Actions
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    _abandoned: set[asyncio.Task[Result]] = field(default_factory=set)

    async def carry(self, control: Control) -> Control:
        """Carry the owned plan as far as it goes. Answers the last known control state, with the plan done, or waiting for what a
        person or a returning node must change. Raises LostOwnership when another controller owns it, Transient without etcd."""
        running: list[_Running] = []
        try:
            while control.plan is not None and control.plan.phase is not Phase.DONE:
                self._start(control, control.plan, running)
                if not running:
                    return control
                finished = await self._finished(control, control.plan, running)
                control = await self._record(control, control.plan, finished)
                self._leave(control, running)
            return control
        finally:
            for one in running:
                self._abandon(one)

    def _start(self, control: Control, plan: Plan, running: list[_Running]) -> None:
        assert control.ownership is not None, "only an owned plan is carried out"
        under_way = [one.step for one in running]
        for step in ready(plan, control.posture):
            if step not in under_way:
                task = asyncio.create_task(self.actions.perform(step, control.ownership.token), name=step.step)
                running.append(_Running(step=step, started=self.clock.monotonic(), task=task))

    async def _finished(self, control: Control, plan: Plan, running: list[_Running]) -> list[_Running]:
        """Steps that have a result. A first one that does not yet move the plan waits a moment for the others of its phase."""
        give_up: timedelta | None = None
        while True:
            pending = [one.task for one in running if not one.task.done()]
            finished = [one for one in running if one.task.done()]
            if finished:
                give_up = give_up or self.clock.monotonic() + self.pace.gather
                left = give_up - self.clock.monotonic()
                if not pending or left <= timedelta(0) or _fold(plan, control.posture, finished)[0].phase is not plan.phase:
                    running[:] = [one for one in running if one not in finished]
                    return finished
                await self._wait(pending, left)
            else:
                await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)

    async def _wait(self, pending: Sequence[asyncio.Task[Result]], patience: timedelta) -> None:
        """Until one of them has ended, or patience is over."""
        over = asyncio.ensure_future(self.clock.sleep(patience))
        try:
            await asyncio.wait([*pending, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()

    async def _record(self, control: Control, plan: Plan, finished: Sequence[_Running]) -> Control:
        """Write what the results make of the plan. An unanswered step, or one that still waits for a provider, changes nothing.

        1. The only sibling is dead, and was waited for until it may be left behind. 2. Meanwhile somebody drains an edge. 3. Thrown away
        because the posture is another one, the result is waited for again, and two sites that are well acknowledge nothing. So it is put
        on top of the posture as it is now, as long as plan and ownership are what they were.
        """
        results = [(one.step, one.task.result(), self.clock.monotonic() - one.started) for one in finished]
        while True:
            told = self._told(control.posture, plan, results)
            if not told.drafts:
                await self.clock.sleep(told.pause)
                return await self._confirm(control)
            try:
                return await self._commit(control, replace(control, posture=told.posture, plan=told.plan), told.drafts)
            except LostOwnership:
                known, control = control, await self._confirm(control)
                if control.plan != plan or control.posture == known.posture:
                    raise

    def _told(self, posture: Posture, plan: Plan, results: Sequence[tuple[Step, Result, timedelta]]) -> _Told:
        changed, drafts, pause = plan, list[Draft](), timedelta(0)
        for step, result, took in results:
            change = advance(changed, posture, step, result)
            if isinstance(result, Unanswered | Promotion) and change.plan == changed:
                pause = max(pause, self.pace.provider if isinstance(step, ASKS_PROVIDER) else self.pace.again)
                continue
            drafts.append(_draft(changed, step, result, took))
            if change.plan.winner != changed.winner:
                drafts.append(_elected(change.plan))
            changed, posture = change.plan, change.posture
        if drafts and changed.phase is Phase.DONE:
            drafts.append(_done(changed))
        return _Told(plan=changed, posture=posture, drafts=tuple(drafts), pause=pause)

    async def _commit(self, control: Control, wanted: Control, drafts: Sequence[Draft]) -> Control:
        """Write until it stands. After a lost answer the same call settles whether the first one was applied."""
        posture = wanted.posture if wanted.posture != control.posture else None
        while True:
            try:
                return await self.coordination.commit(control, posture=posture, plan=wanted.plan, journal=drafts)
            except Transient:
                await self.clock.sleep(self.pace.again)

    async def _confirm(self, control: Control) -> Control:
        """Read until etcd answers. Raises LostOwnership unless this controller's ownership is unchanged."""
        assert control.plan is not None, "only an owned plan is carried out"
        while True:
            try:
                now = await self.coordination.read(control.posture.service)
            except Transient:
                await self.clock.sleep(self.pace.again)
                continue
            if now is None or now.ownership != control.ownership:
                raise LostOwnership(f"plan {control.plan.id} is no longer ours")
            return now

    def _leave(self, control: Control, running: list[_Running]) -> None:
        """Stop waiting for steps the plan no longer calls for, such as cutting a writer that does not answer."""
        wanted = ready(control.plan, control.posture) if control.plan is not None else ()
        for one in [one for one in running if one.step not in wanted]:
            running.remove(one)
            self._abandon(one)

    def _abandon(self, one: _Running) -> None:
        """Let it end by its own deadline: cancelling a database call in the middle would wait longer than that. Not so with weights: no
        authority refuses an old owner's, and they would stand over those of whoever owns the plan now."""
        if isinstance(one.step, Steer):
            one.task.cancel()
        self._abandoned.add(one.task)
        one.task.add_done_callback(self._abandoned.discard)
        one.task.add_done_callback(_retrieve)


def _fold(plan: Plan, posture: Posture, finished: Sequence[_Running]) -> tuple[Plan, Posture]:
    """What all these results together make of the plan."""
    for one in finished:
        change = advance(plan, posture, one.step, one.task.result())
        plan, posture = change.plan, change.posture
    return plan, posture


def _retrieve(task: asyncio.Task[Result]) -> None:
    if not task.cancelled():
        task.exception()


def _draft(plan: Plan, step: Step, result: Result, took: timedelta) -> Draft:
    return Draft(
        kind=f"step.{step.step}",
        body={
            "sentence": f"{describe(step, result)} ({sentence(plan)})",
            "plan": plan.id,
            "epoch": plan.epoch,
            "doing": sentence(plan),
            "step": asdict(step),
            "result": asdict(result),
            "took_ms": round(took.total_seconds() * 1000, 1),
            "left_behind": isinstance(result, LeftBehind),
        },
    )


def _done(plan: Plan) -> Draft:
    """The end of a plan, with what its check found, if it had one: whoever asked for it is told by this entry alone."""
    verified = plan.verified
    found: dict[str, object] = {"failure": plan.failure} if plan.failure else {}
    if verified:
        found["verified"] = {**asdict(verified), "proven": verified.proven, "said": str(verified)}
    came = f"ended without it: {plan.failure}" if plan.failure else f"done{f': {verified}' if verified else ''}"
    body = {
        "sentence": f"{plan.kind} {came}",
        "plan": plan.id,
        "plan_kind": plan.kind,
        "epoch": plan.epoch,
    }
    return Draft(kind="plan.done", body={**body, **found})


def _elected(plan: Plan) -> Draft:
    other = difference(plan)
    return Draft(
        kind="elected",
        body={
            "sentence": f"{plan.winner} elected for epoch {plan.epoch}{f', though {other}' if other else ''}",
            "schema": other,
            "plan": plan.id,
            "epoch": plan.epoch,
            "winner": plan.winner,
            "siblings": list(plan.siblings),
            "positions": [asdict(position) for position in plan.positions],
        },
    )
