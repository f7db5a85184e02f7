"""One controller's path to one node in memory, with the faults of a path."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from controller.core.model import Site
from controller.errors import Transient, TrimaranError
from controller.ports import Clock
from controller.providers.memory.server import MemoryServer
from controller.providers.memory.world import MemoryWorld

T = TypeVar("T")

Work = Callable[[], Awaitable[T]]
"""One call, as one or more transactions on the node."""

DEADLINE = timedelta(seconds=2)
"""How long a caller waits for a node that does not answer."""


@dataclass(slots=True, kw_only=True)
class MemoryPath:
    """What lies between a controller and a node. A node that cannot be reached is a black hole: its callers wait for their deadline."""

    world: MemoryWorld
    at: Site
    clock: Clock
    reachable: bool = True
    """False: nothing that is sent here arrives, though others may reach the node."""
    lose_answers: Counter[str] = field(default_factory=Counter)
    """By method: so many of the next calls take effect without an answer."""
    hold_calls: Counter[str] = field(default_factory=Counter)
    """By method: so many of the next calls are caught in the path instead, and take effect by `deliver`."""
    held: list[Work[object]] = field(default_factory=list)
    passed: Callable[[str], Awaitable[None]] | None = None
    """Told the method after every call that took effect, before its answer goes back; whoever needs more faults raises or waits here."""

    async def call(self, method: str, work: Work[T], deadline: timedelta = DEADLINE) -> T:
        """Send a call and wait for its answer. Raises Transient without one, and whatever the node refuses with."""
        if self.hold_calls[method] > 0:
            self.hold_calls[method] -= 1
            self.held.append(work)
            raise Transient(f"{method} on {self.at}: no answer; it may yet arrive")
        try:
            answer = await work()
        except Transient:
            await self.clock.sleep(deadline)
            raise
        if self.passed is not None:
            await self.passed(method)
        if self.lose_answers[method] > 0:
            self.lose_answers[method] -= 1
            raise Transient(f"{method} on {self.at}: the answer was lost")
        return answer

    async def run(self, transaction: Callable[[MemoryServer], T]) -> T:
        """One transaction on the node, and whatever flows from it; then somebody else's turn."""
        server = self.world.servers[self.at]
        if not (self.reachable and server.up) or self.at in self.world.isolated:
            raise Transient(f"{self.at} does not answer")
        answer = transaction(server)
        if self.world.live:
            self.world.flow()
        await asyncio.sleep(0)
        return answer

    def alone(self, transaction: Callable[[MemoryServer], T]) -> Work[T]:
        """A call that is one transaction."""

        async def work() -> T:
            return await self.run(transaction)

        return work

    async def deliver(self) -> tuple[TrimaranError | None, ...]:
        """Let the calls that were caught arrive, in order; their answers find nobody. Answers how each was refused."""
        held, self.held = self.held, []
        refusals: list[TrimaranError | None] = []
        for call in held:
            refusals.append(None)
            try:
                await call()
            except TrimaranError as refused:
                refusals[-1] = refused
        return tuple(refusals)
