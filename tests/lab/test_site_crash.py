"""A whole site dies as DESIGN section 6 says: cut, stopped, killed. Its clients see silence, never a refusal."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from lab.binaries import find_etcd, find_postgres
from lab.etcd import EtcdCluster
from lab.links import Links
from lab.postgres import PostgresServer, create_server
from lab.processes import Supervised, kill
from lab.workspace import Workspace

SITES = ("aws", "azure", "gcp")
FROM = ("aws", "gcp", "clients")


class Clouds:
    """Three servers, three members, and links from everywhere to azure's server."""

    def __init__(self, links: Links, servers: dict[str, PostgresServer], members: EtcdCluster, ports: dict[str, int]) -> None:
        self.links, self.servers, self.members, self.ports = links, servers, members, ports

    def site(self, site: str) -> tuple[Supervised, ...]:
        """Every process of a site."""
        server = self.servers[site].process
        return (*self.members.processes(site), *((server,) if server else ()))

    async def session(self, source: str) -> psycopg.AsyncConnection[tuple[object, ...]]:
        """A session from another place to azure's server."""
        return await psycopg.AsyncConnection.connect(self.servers["azure"].dsn(port=self.ports[source]), autocommit=True)


@asynccontextmanager
async def clouds(name: str) -> AsyncIterator[Clouds]:
    with Workspace(name) as workspace:
        links = await Links.start(workspace)
        members = await EtcdCluster.create(workspace, links, find_etcd(), SITES)
        binaries = find_postgres()
        made = await asyncio.gather(*(create_server(workspace, site, binaries) for site in SITES))
        servers = {server.site: server for server in made}
        ports = {source: await links.lay("azure", "postgres", servers["azure"].port, source=source) for source in FROM}
        await asyncio.gather(members.start(), *(server.start() for server in made))
        try:
            yield Clouds(links, servers, members, ports)
        finally:
            await links.stop()


async def knock(port: int, seconds: float, seen: Counter[str]) -> None:
    """Connect again and again for a while; count how each attempt ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            async with asyncio.timeout(0.3):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except TimeoutError:
            seen["hung"] += 1
            continue
        except OSError:
            seen["refused"] += 1
            continue
        try:
            async with asyncio.timeout(0.3):
                seen["silent" if await reader.read(1) else "closed"] += 1
        except TimeoutError:
            seen["silent"] += 1
        except OSError:
            seen["reset"] += 1
        writer.close()


async def outcomes_of_death(world: Clouds, *, cut: bool) -> Counter[str]:
    """Kill azure and count what warm sessions and new connections, from everywhere, get to see in the second after."""
    sessions = {source: await world.session(source) for source in FROM}
    for session in sessions.values():
        await session.execute("SELECT 1")
    seen: Counter[str] = Counter()
    waiting = [asyncio.ensure_future(session.execute("SELECT pg_sleep(60)")) for session in sessions.values()]
    await asyncio.sleep(0.1)
    if cut:
        await world.links.isolate("azure")
    kill(*world.site("azure"))
    await asyncio.gather(*(knock(port, 1.0, seen) for port in world.ports.values()))
    for task in waiting:
        seen["warm session failed" if task.done() else "warm session hung"] += 1
    if cut:
        await world.links.rejoin("azure")
    ended = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), timeout=10)
    assert all(isinstance(outcome, psycopg.OperationalError) for outcome in ended), ended
    for session in sessions.values():
        await session.close()
    return seen


async def test_a_dead_site_is_a_black_hole_until_it_is_healed() -> None:
    """Everything hangs while it is gone; once healed, the old sessions end, and server and member come back with their data."""
    async with clouds("test-site-crash") as world:
        await world.members.move_leader("azure")
        before = await world.session("clients")
        await before.execute("CREATE TABLE kept (n int)")
        await before.execute("INSERT INTO kept VALUES (7)")
        await before.close()
        seen = await outcomes_of_death(world, cut=True)
        assert set(seen) == {"hung", "warm session hung"}, seen
        assert seen["warm session hung"] == len(FROM)
        assert seen["hung"] >= len(FROM) * 3
        await asyncio.gather(world.servers["azure"].start(), world.members.rejoin("azure"))
        after = await world.session("aws")
        assert await (await after.execute("SELECT n FROM kept")).fetchall() == [(7,)]
        await after.close()
        assert (await world.members.compare()).disagreeing == frozenset()


async def test_without_the_cut_a_death_gives_itself_away() -> None:
    """The same kill on open links is noticed at once: it is the cut, and nothing else, that makes the black hole."""
    async with clouds("test-site-crash-open") as world:
        seen = await outcomes_of_death(world, cut=False)
        assert seen["warm session failed"] == len(FROM), seen
        assert "hung" not in seen
