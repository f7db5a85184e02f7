"""One authority as all services of this controller share it: what they ask for at the same time travels together.

A hundred services fail over in the same moment, and an account has five requests a second for all of them. Asked one by one, the
last would be heard after forty seconds, and its payers would be sent to the dead site for as long.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controller.core.model import Group
from controller.errors import Conflict, Transient
from controller.ports import Clock, Dns, Ratios, SteeringReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long wishes wait for each other."""

    gather: timedelta = timedelta(milliseconds=30)
    """For services that fail over at the same tick."""
    gather_idle: timedelta = timedelta(milliseconds=150)
    """For wishes that are not urgent: caretakers wake at the same moment, and each reads etcd first."""
    heard: timedelta = timedelta(milliseconds=300)
    """After so long a call is taken to wait for its name servers only: whoever comes later does not wait with it."""
    again: timedelta = timedelta(milliseconds=100)
    """After a call that got no answer."""
    margin: timedelta = timedelta(milliseconds=20)
    """So long before its callers' time is over, a call is over: what it has to say still reaches them."""


@dataclass(slots=True, kw_only=True, eq=False)
class Wish:
    """What one caller wants of one group, until it is answered or its time is over."""

    group: Group
    ratios: Ratios
    urgent: bool
    ends: timedelta
    """On the clock's monotonic time."""
    revision: int | None
    """As of which revision of etcd; None: it rests on none."""
    answer: "asyncio.Future[SteeringReport]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rudder:
    """One group's handle on an authority."""

    helm: "Helm"
    group: Group
    urgent: bool
    """Failing over, not reconciling: does not wait to be gathered, and is sent before and apart from what is not urgent."""

    @property
    def name(self) -> str:
        """The authority's."""
        return self.helm.authority.name

    async def read(self) -> Ratios:
        """The group's ratios as the authority holds them; empty without records. Raises ProviderError."""
        return (await self.helm.read()).get(self.group, {})

    async def steer(self, weights: Ratios, deadline: timedelta, *, revision: int | None = None) -> SteeringReport:
        """As `ports.Dns.steer`, for this group alone: its shift, or why it was refused. `revision`: of etcd, as of which it is wanted.

        Cancelled, it takes its wish back; what is on its way then is not stopped. Raises Transient when the deadline is over, however
        the authority behaves, Conflict when something else was asked for this group meanwhile or as of a newer revision, and what the
        authority raises.
        """
        return await self.helm.steer(self.group, weights, deadline, urgent=self.urgent, revision=revision)


class Helm:
    """Keeps the latest wish per group and has one `Dns.steer` under way, which carries all of them."""

    def __init__(self, authority: Dns, clock: Clock, pace: Pace | None = None) -> None:
        """One per authority and controller."""
        self.authority, self._clock, self._pace = authority, clock, pace or Pace()
        self._wishes: list[Wish] = []
        self._newest: dict[Group, int] = {}
        self._news = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._reading: asyncio.Future[Mapping[Group, Ratios]] | None = None

    def rudder(self, group: Group, *, urgent: bool) -> Rudder:
        """A handle for one group."""
        return Rudder(helm=self, group=group, urgent=urgent)

    async def read(self) -> Mapping[Group, Ratios]:
        """What the authority holds; callers at the same time share one question. Raises ProviderError."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self.authority.read())
            self._reading.add_done_callback(_quiet)
        return await asyncio.shield(self._reading)

    async def steer(
        self, group: Group, ratios: Ratios, deadline: timedelta, *, urgent: bool, revision: int | None = None
    ) -> SteeringReport:
        """See `Rudder.steer`."""
        wish = Wish(
            group=group,
            ratios=dict(ratios),
            urgent=urgent,
            ends=self._clock.monotonic() + deadline,
            revision=revision,
            answer=asyncio.get_running_loop().create_future(),
        )
        self._take(wish)
        late: asyncio.Future[None] = asyncio.ensure_future(self._clock.sleep(deadline))
        either: set[asyncio.Future[Any]] = {wish.answer, late}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not wish.answer.done():
                raise Transient(f"{self.authority.name}: {group}: no answer within {deadline.total_seconds():g} s")
            return wish.answer.result()
        finally:
            late.cancel()
            self._drop(wish)

    def _take(self, wish: Wish) -> None:
        """The latest asked is meant, and an earlier wish for other ratios is over, unless the later one rests on older knowledge.

        1. A caretaker asks etcd; the answer is under way. 2. A failover is claimed and steers. 3. The caretaker gets its answer, and
        its wish sends payers back to the dead site. Between controllers nothing can tell so: no authority knows a revision.
        """
        newest = self._newest.get(wish.group, 0)
        if wish.revision is not None and wish.revision < newest:
            older = f"{wish.ratios} as of revision {wish.revision}, steered as of {newest}"
            _settle(wish, Conflict(f"{self.authority.name}: {wish.group}: {older}"))
            return
        self._newest[wish.group] = wish.revision or newest
        for earlier in [one for one in self._wishes if one.group == wish.group and one.ratios != wish.ratios]:
            self._wishes.remove(earlier)
            _settle(earlier, Conflict(f"{self.authority.name}: {wish.group}: {wish.ratios} was asked for meanwhile"))
        self._wishes.append(wish)
        self._news.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._run(), name=f"helm {self.authority.name}")

    def _drop(self, wish: Wish) -> None:
        if wish in self._wishes:
            self._wishes.remove(wish)
            self._news.set()
        _quiet(wish.answer)

    async def _run(self) -> None:
        """Send what is wished for, until nothing is."""
        while self._wishes:
            await self._gather()
            if sent := self._open():
                await self._send(sent)

    async def _gather(self) -> None:
        """Nobody urgent waits for longer than the short one, and nobody else for longer than the long one."""
        until = self._clock.monotonic() + self._pace.gather_idle
        while True:
            await self._clock.sleep(self._pace.gather)
            if self._clock.monotonic() >= until or any(wish.urgent for wish in self._wishes):
                return

    def _open(self) -> dict[Group, Wish]:
        """The wish of each group, of the urgent ones alone while there are any; none whose time is over.

        In one call with a caretaker's ninety groups, a failover would wait for as many changes, and for the first that is over.
        """
        soon = self._clock.monotonic() + self._pace.margin
        alive = [wish for wish in self._wishes if wish.ends > soon]
        urgent = [wish for wish in alive if wish.urgent]
        return {wish.group: wish for wish in urgent or alive}

    async def _send(self, sent: Mapping[Group, Wish]) -> None:
        """One call, given up as soon as it no longer says what is wished for; its answer goes to everybody who wished for it.

        It ends with the first of its wishes: nobody's own second is spent on waiting for name servers because another has five.
        """
        began = self._clock.monotonic()
        wanted = {group: wish.ratios for group, wish in sent.items()}
        deadline = min(wish.ends for wish in sent.values()) - self._pace.margin - began
        call = asyncio.ensure_future(self.authority.steer(wanted, deadline))
        call.add_done_callback(_quiet)
        while not call.done() and not self._outdated(sent, began):
            self._news.clear()
            await self._await_news(call, began + self._pace.heard)
        if not call.done():
            call.cancel()
            return
        waiting = [wish for wish in self._wishes if wanted.get(wish.group) == wish.ratios]
        error = call.exception()
        if error is None:
            for wish in waiting:
                _settle(wish, _part(call.result(), wish.group))
            return
        patient = self._clock.monotonic() + self._pace.again
        for wish in waiting:
            if not isinstance(error, Transient) or wish.ends <= patient:
                _settle(wish, error)
        await self._clock.sleep(self._pace.again if isinstance(error, Transient) else timedelta())

    def _outdated(self, sent: Mapping[Group, Wish], began: timedelta) -> bool:
        """Was something taken back that the call still carries, or has somebody come who need not wait for it?

        Whoever is urgent waits for no call that is not; who is not urgent waits for one that is; else for as long as it may not be heard.
        """
        wished = {wish.group: wish.ratios for wish in self._wishes}
        if any(wished.get(group) != wish.ratios for group, wish in sent.items()):
            return True
        hurried = any(wish.urgent for wish in sent.values())
        newcomers = [wish for wish in self._wishes if wish.group not in sent]
        if any(wish.urgent for wish in newcomers) and not hurried:
            return True
        heard = self._clock.monotonic() - began >= self._pace.heard
        return heard and any(wish.urgent or not hurried for wish in newcomers)

    async def _await_news(self, call: "asyncio.Future[SteeringReport]", heard: timedelta) -> None:
        """Until the call is done, a wish came or went, or the call is taken to be heard."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._news.wait())}
        if (left := heard - self._clock.monotonic()) > timedelta():
            waits.add(asyncio.ensure_future(self._clock.sleep(left)))
        try:
            await asyncio.wait({call, *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def _settle(wish: Wish, answer: SteeringReport | BaseException) -> None:
    if wish.answer.done():
        return
    if isinstance(answer, BaseException):
        wish.answer.set_exception(answer)
    else:
        wish.answer.set_result(answer)


def _part(report: SteeringReport, group: Group) -> SteeringReport | Transient:
    if group not in report.shifts and group not in report.refused:
        return Transient(f"{group}: the authority said nothing about it")
    return SteeringReport(
        shifts={one: shift for one, shift in report.shifts.items() if one == group},
        refused={one: why for one, why in report.refused.items() if one == group},
        in_sync=report.in_sync,
    )


def _quiet(done: "asyncio.Future[Any]") -> None:
    """Nobody may be waiting for this any more; an error in it has then nobody to go to."""
    if done.done() and not done.cancelled():
        done.exception()
