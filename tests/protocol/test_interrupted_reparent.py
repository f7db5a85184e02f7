"""A failover in which the sibling is behind the winner, its controller killed after every single call to a database."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from controller.core.plans import PlanKind
from controller.errors import Transient
from controller.postgres.database import PostgresDatabase
from controller.postgres.node import Node
from controller.postgres.session import Row, Sessions, Statement
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio

pytestmark = pytest.mark.long

POINTS = [*(("cut", times) for times in (1, 2, 3)), *((call, 1) for call in ("map_position", "copy_slot", "follow", "open"))]
"""What re-parenting gcp asks of databases, in this order, by the names that `Node.run` is given; and how often."""


class Death:
    """A controller that stops for good when it has been answered so often, of whichever database."""

    def __init__(self, call: str, times: int) -> None:
        self.call, self.left = call, times
        self.died = asyncio.Event()

    async def after(self, call: str) -> None:
        """One call was answered."""
        self.left -= call == self.call
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
    """The same node over sessions of its own, as the one that is about to die calls it."""
    sessions = Sessions(node.sessions.address, site=node.site)
    made = MortalNode(
        service=node.service, site=node.site, sessions=sessions, publishers=node.publishers, deadlines=node.deadlines
    )
    object.__setattr__(made, "death", death)
    return made


async def die_behind(trio: Trio, call: str, times: int) -> None:
    """A failover by a controller that ends there, with everything it had under way."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE, by="ctl-1")
    death = Death(call, times)
    databases = {site: PostgresDatabase(mortal(trio.nodes[site], death)) for site in SITES}
    work = asyncio.create_task(trio.executor("ctl-1", databases=databases).carry(control))
    try:
        async with asyncio.timeout(60):
            await death.died.wait()
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work
        for database in databases.values():
            await database.close()
    trio.etcd.lapse("ctl-1")


@pytest.mark.parametrize(("call", "times"), POINTS, ids=str)
async def test_a_reparenting_that_is_interrupted_anywhere_is_finished_by_the_next_controller(
    trio: Trio, call: str, times: int
) -> None:
    """Gcp lacks three payments that aws alone has confirmed. Whichever answer was the last that the first controller heard: nobody is left
    for a copy, nothing acknowledged is missing, and both survivors hold the same."""
    await trio.await_equal()
    await trio.part(GCP)
    for _ in range(3):
        assert await trio.pay(AZURE)
    await die_behind(trio, call, times)
    await trio.executor("ctl-2").carry(await trio.take_over("ctl-2"))
    posture = await trio.posture()
    assert (posture.writer, posture.reign) == (AWS, 2)
    assert GCP in posture.must_cut
    assert not [said for said in await trio.left_behind() if "'sibling': 'gcp'" in said]
    assert await trio.pay(AWS, patience=10)
    with suppress(Transient):  # a session that the server ended while it was idle; the next one is new
        await trio.databases[AWS].digest(up_to=posture.reign)
    await trio.await_equal(AWS, GCP)
    assert not await trio.lost(AWS)
