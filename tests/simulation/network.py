"""What lies between places: links with a direction that delay, lose, hold and cut; and questions that cross them.

A question is carried by nobody's task. Once sent it arrives, or not, whatever becomes of who sent it; so does its answer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TypeVar, cast

from controller.coordination.transaction import LeaseLapsed
from controller.core.model import Site
from controller.errors import Transient, TrimaranError
from tests.simulation.processes import OUTSIDE, Process

T = TypeVar("T")
Finish = Callable[[Callable[[], T]], None]
"""Told the last part of what was asked for, which makes the answer."""

NEAR = 0.0003
"""Seconds from a process to another one at its site."""
FAR = 0.0125
"""Seconds from site to site, one way."""


class Silence(Exception):
    """Whoever was asked says nothing, now or ever."""


@dataclass(slots=True)
class Link:
    """One direction between two places."""

    base: float
    jitter: float
    loss: float = 0.0
    """How often something has to be sent again."""
    cut: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)
    """What waits in buffers for the cut to end."""


class Net:
    """All links, and the chance they take."""

    def __init__(self, sites: tuple[Site, ...], chance: Random) -> None:
        self._loop, self._chance = asyncio.get_running_loop(), chance
        self.links = {(one, other): Link(NEAR, NEAR) if one == other else Link(FAR, FAR / 5) for one in sites for other in sites}

    def open(self, source: Site, target: Site) -> bool:
        """Does what is sent now arrive soon?"""
        return not self.links[source, target].cut

    def linked(self, one: Site, other: Site) -> bool:
        """In both directions?"""
        return self.open(one, other) and self.open(other, one)

    def cut(self, source: Site, target: Site) -> None:
        """Nothing that is sent from here on arrives; half of it will, when the link is whole again."""
        self.links[source, target].cut = True

    def heal(self, source: Site, target: Site) -> None:
        """Whole again; what was held arrives now, long after anybody waits for it."""
        link = self.links[source, target]
        link.cut = False
        held, link.held = link.held, []
        for deliver in held:
            self._loop.call_later(self._chance.uniform(0.01, 1.5), deliver, context=OUTSIDE)

    def send(self, source: Site, target: Site, deliver: Callable[[], None]) -> None:
        """Let something happen over there, if it arrives."""
        link = self.links[source, target]
        if link.cut:
            if self._chance.random() < 0.5:
                link.held.append(deliver)
            return
        delay = link.base + link.jitter * self._chance.random()
        if link.loss and self._chance.random() < link.loss:
            delay += self._chance.uniform(0.2, 0.8)
        self._loop.call_later(delay, deliver, context=OUTSIDE)

    async def ask(self, process: Process, target: Site, work: Callable[[], T], deadline: timedelta) -> T:
        """What `work` answers over there. Raises Transient when no answer is here by the deadline of the caller's clock, and the error
        that is the answer."""
        return await self.ask_for(process, target, lambda finish: finish(work), deadline)

    async def ask_for(self, process: Process, target: Site, begin: Callable[[Finish[T]], None], deadline: timedelta) -> T:
        """As `ask`, of something that takes time over there: `begin` calls `finish` with the last part of the work, sooner or later."""
        if not process.alive:
            raise asyncio.CancelledError
        await process.awake()
        answer: asyncio.Future[tuple[T | None, Exception | None]] = self._loop.create_future()

        def finish(last: Callable[[], T]) -> None:
            try:
                said, wrong = last(), None
            except Silence:
                return
            except (TrimaranError, LeaseLapsed) as error:
                said, wrong = None, error
            self.send(target, process.site, lambda: None if answer.done() else answer.set_result((said, wrong)))

        self.send(process.site, target, lambda: begin(finish))
        late = self._loop.call_later(
            deadline.total_seconds() / process.clock.rate,
            lambda: None if answer.done() else answer.set_result((None, Transient(f"{target}: no answer"))),
            context=OUTSIDE,
        )
        try:
            said, error = await answer
        finally:
            late.cancel()
        await process.awake()
        if error is not None:
            raise error
        return cast("T", said)

    def later(self, seconds: float, work: Callable[[], object]) -> None:
        """Over there, in a while."""
        self._loop.call_later(seconds, work, context=OUTSIDE)
