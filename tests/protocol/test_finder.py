"""How soon a service learns that a node has changed: from the node's own word over a real server, not from the next look."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.payments_site import AZURE, PASSWORD, Sites, eventually, one_site
from workload.durable.finder import Finder
from workload.durable.session import Connection, connect
from workload.durable.settings import Address

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

T = TypeVar("T")
HOUR, SOON = timedelta(hours=1), timedelta(seconds=5)
NEXT = "UPDATE trimaran.node SET epoch = epoch + 1 RETURNING epoch"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One node, which says that it writes."""
    async with one_site("finder") as sites:
        yield sites


@dataclass(frozen=True, slots=True)
class Slowed:
    """A connection on which a look is long under way after it was taken."""

    connection: psycopg.AsyncConnection

    async def execute(self, query: str, values: Any = None, **options: Any) -> Any:
        """As asked, but slowly."""
        looked = query.replace("role, epoch", "role, epoch, pg_sleep(0.5)")
        return await self.connection.execute(looked.encode(), values, **options)

    def add_notify_handler(self, handler: Any) -> None:
        """As on any connection."""
        self.connection.add_notify_handler(handler)


class SlowConnection(Connection):
    """A session over it."""

    async def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta) -> T:
        return await super().run(lambda connection: work(cast("psycopg.AsyncConnection", Slowed(connection))), deadline)


@asynccontextmanager
async def watching(sites: Sites, *, slowly: bool = False) -> AsyncIterator[Finder]:
    """A finder that looks once an hour, as the service opens its sessions."""

    async def opened() -> Connection:
        address = Address(host="127.0.0.1", port=sites.servers[AZURE].port)
        session = await connect(address, service="payments", password=PASSWORD, statement=SOON, deadline=SOON)
        return SlowConnection(session._connection) if slowly else session

    finder = Finder({AZURE: opened}, interval=HOUR, deadline=SOON)
    task = asyncio.create_task(finder.watch(AZURE))
    try:
        yield finder
    finally:
        task.cancel()
        await asyncio.wait([task])


def knows(finder: Finder, epoch: int) -> Callable[[], Awaitable[bool]]:
    """Has it learnt of this epoch?"""

    async def asked() -> bool:
        return finder.writer is not None and finder.writer.epoch == epoch

    return asked


async def epoch(sites: Sites, query: str = "SELECT epoch FROM trimaran.node") -> int:
    """The node's, now."""
    ((found,),) = await sites.ask(AZURE, query)
    return int(found)


@pytest.mark.parametrize("is_told", [True, False], ids=["as it is", "without the trigger"])
async def test_a_node_tells_that_it_has_changed(sites: Sites, is_told: bool) -> None:
    """The next look is an hour away. Without the trigger nobody tells anything, and a failover is seen at the next look."""
    async with watching(sites) as finder:
        await eventually(knows(finder, await epoch(sites)))
        if not is_told:
            await sites.ask(AZURE, "ALTER TABLE trimaran.node DISABLE TRIGGER tell")
        try:
            changed = await epoch(sites, NEXT)
            if is_told:
                await eventually(knows(finder, changed), SOON)
            else:
                with pytest.raises(AssertionError, match="never came true"):
                    await eventually(knows(finder, changed), timedelta(seconds=0.5))
        finally:
            await sites.ask(AZURE, "ALTER TABLE trimaran.node ENABLE TRIGGER tell")


async def test_a_change_beside_a_look_is_not_lost(sites: Sites) -> None:
    """It commits after the look was taken and before its answer is complete: the driver reads the node's word with the answer, which is
    the old one, and nothing is left on the line that would wake anybody."""
    asleep = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%%role, epoch%%'"
    async with watching(sites, slowly=True) as finder:
        await eventually(lambda: sites.ask(AZURE, asleep, role="postgres"))
        changed = await epoch(sites, NEXT)
        assert finder.writer is None, "the first look is still under way"
        await eventually(knows(finder, changed), SOON)
