"""A failover in which the sibling is behind the winner, its controller killed after every single call to a database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import count

from controller.core.plans import PlanKind
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Row, Statement
from lab.postgres import PostgresServer
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio

CALLS = ("cut", "map_position", "copy_slot", "follow", "open", "await_confirmed", "digest")
"""What such a failover asks of databases, by the names that `Node.run` is given."""


class Death:
    """A controller that stops for good behind its n-th call, of whichever database."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.called: list[str] = []
        self.died = asyncio.Event()

    async def after(self, step: str) -> None:
        """One call was answered."""
        self.called.append(step)
        self.left -= 1
        if self.left <= 0:
            self.died.set()
            await asyncio.Event().wait()


class MortalNode(Node):
    """A node that a controller calls which is about to die."""

    __slots__ = ("death",)
    death: Death

    async def run(self, step: str, *statements: Statement, wait: timedelta = timedelta()) -> list[list[Row]]:
        """As ever; the answer may reach nobody."""
        rows = await super().run(step, *statements, wait=wait)
        await self.death.after(step)
        return rows


def mortal(node: Node, death: Death) -> Node:
    """The same node, as the one that is about to die calls it."""
    made = MortalNode(
        service=node.service, site=node.site, sessions=node.sessions, publishers=node.publishers, deadlines=node.deadlines
    )
    object.__setattr__(made, "death", death)
    return made


@asynccontextmanager
async def one_behind(servers: dict[str, PostgresServer], number: int) -> AsyncIterator[Trio]:
    """A service of which gcp lacks the end, which aws alone has confirmed."""
    trio = Trio(service=f"reparent{number}", servers=servers)
    try:
        await trio.found()
        await trio.await_equal()
        await trio.part(GCP)
        for _ in range(3):
            assert await trio.pay(AZURE)
        yield trio
    finally:
        await trio.remove()


async def interrupted(trio: Trio, number: int) -> list[str]:
    """A failover by a controller that dies behind its n-th call, and by another one from there; answers the calls of the first."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE, by="ctl-1")
    death = Death(number)
    databases = {site: PostgresDatabase(mortal(trio.nodes[site], death)) for site in SITES}
    work = asyncio.create_task(trio.executor("ctl-1", databases=databases).carry(control))
    dead = asyncio.create_task(death.died.wait())
    await asyncio.wait([work, dead], return_when=asyncio.FIRST_COMPLETED)
    ended = work.done()
    for task in (work, dead):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    if not ended:
        trio.etcd.lapse("ctl-1")
        known = await trio.store("ctl-2").read(trio.service)
        assert known is not None
        if known.plan is not None:
            await trio.executor("ctl-2").carry(await trio.take_over("ctl-2"))
    return death.called


async def test_a_reparenting_that_is_interrupted_anywhere_is_finished_by_the_next_controller(
    servers: dict[str, PostgresServer],
) -> None:
    """Nobody is left for a copy, nothing acknowledged is missing, and both survivors tell one history, whichever answer was the last that
    the first controller heard."""
    seen: list[str] = []
    for number in count(1):
        async with one_behind(servers, number) as trio:
            called = await interrupted(trio, number)
            if len(called) < number:
                break
            seen.append(called[-1])
            posture = await trio.posture()
            assert (posture.writer, posture.reign, posture.must_cut) == (AWS, 2, frozenset({GCP})), (number, called)
            assert not [said for said in await trio.left_behind() if "'sibling': 'gcp'" in said], (number, called)
            assert await trio.pay(AWS, patience=10), (number, called)
            await trio.await_equal(AWS, GCP)
            assert not await trio.lost(AWS), (number, called)
    assert set(CALLS) <= set(seen), seen
