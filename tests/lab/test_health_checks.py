"""A name server asks the sites' edges itself, and its answers change without anybody calling an API."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from lab.clouds.zone import Record
from lab.load_settings import RouteSettings
from lab.nameserver import Settings, run
from lab.resolver import udp

NAME = "pay.trimaran.test"
SITES = ("aws", "azure", "gcp")
ADDRESSES = {site: f"192.0.2.{number}" for number, site in enumerate(SITES, start=1)}
INTERVAL = 0.05
"""Seconds; the vendors' fastest is 10."""


@dataclass
class World:
    """A zone that is published somewhere, three edges, and one authority's name server."""

    dark: dict[str, int] = field(default_factory=dict)
    """Status that a site's edge answers instead of 200; 0: nothing at all."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    revision: int = 1
    unpublished: set[str] = field(default_factory=set)
    port: int = 0
    control: str = ""

    async def beacon(self, site: str, request: web.Request) -> web.Response:
        self.asked.append((site, request.path, request.headers.get("Host")))
        if (status := self.dark.get(site, 200)) == 0:
            await asyncio.Event().wait()
        return web.Response(status=status)

    async def zone(self, request: web.Request) -> web.Response:
        """The emulated cloud's routes for name servers."""
        if int(request.query.get("after", 0)) >= self.revision:
            await asyncio.sleep(0.02)
            return web.Response(status=204)
        records = [
            Record(name=f"{NAME}.", type="A", ttl=2, values=(address,), set_identifier=site, weight=80, health="/beacon")
            for site, address in ADDRESSES.items()
            if site not in self.unpublished
        ]
        return web.json_response({"revision": self.revision, "records": [record.model_dump() for record in records]})

    async def answers(self) -> set[str]:
        """Sites that thirty clients are sent to: one of three equal shares would be missing by chance once in 190,000 times."""
        ask, sites = udp("127.0.0.1", self.port), {address: site for site, address in ADDRESSES.items()}
        return {sites[(await ask(NAME, 2.0)).addresses[0]] for _ in range(30)}

    async def become(self, *wanted: str) -> None:
        """Return once clients are sent to exactly these sites."""
        async with asyncio.timeout(5):
            while (found := await self.answers()) != set(wanted):
                await asyncio.sleep(INTERVAL / 2)
        assert found == set(wanted)

    async def status(self) -> dict[str, Any]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.control}/status") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def set_stale(self, stale: bool) -> None:
        async with aiohttp.ClientSession() as http, http.put(f"{self.control}/stale", json=stale) as answer:
            answer.raise_for_status()


async def serve(stack: AsyncExitStack, application: web.Application) -> int:
    """A port on which this answers for the length of the stack."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return int(runner.addresses[0][1])


def edge(world: World, site: str) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        return await world.beacon(site, request)

    return answer


@asynccontextmanager
async def served(authority: str = "route53", *, lost: str | None = None) -> AsyncIterator[World]:
    """`lost`: a site that the internet takes nobody to."""
    world, stop = World(), asyncio.Event()
    async with AsyncExitStack() as stack:
        routes = {}
        for site, address in ADDRESSES.items():
            application = web.Application()
            application.router.add_get("/{path:.*}", edge(world, site))
            routes[address] = RouteSettings(site=site, port=await serve(stack, application))
        if lost is not None:
            del routes[ADDRESSES[lost]]
        cloud = web.Application()

        async def zones(_: web.Request) -> web.Response:
            return web.json_response({"trimaran.test": "Z1"})

        cloud.router.add_get("/_lab/zones", zones)
        cloud.router.add_get("/_lab/zones/Z1", world.zone)
        api = f"http://127.0.0.1:{await serve(stack, cloud)}"
        settings = Settings(api=api, authority=authority, routes=routes, interval=INTERVAL, seed=1)
        ready: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(run(settings, stop, lambda *ports: ready.set_result(ports)))
        world.port, control = await ready
        world.control = f"http://127.0.0.1:{control}"
        try:
            async with asyncio.timeout(5):
                while not (await world.status())["loaded"]:
                    await asyncio.sleep(0.01)
            yield world
        finally:
            stop.set()
            await running


@pytest.mark.parametrize("authority", ["route53", "azuredns", "clouddns"])
async def test_a_dark_beacon_leaves_the_answers_and_comes_back(authority: str) -> None:
    """Without any call to an API, at every authority; the status says who is held to be unhealthy."""
    async with served(authority) as world:
        await world.become(*SITES)
        world.dark = {"azure": 503}
        await world.become("aws", "gcp")
        assert (await world.status())["unhealthy"] == ["http://192.0.2.2/beacon"]
        world.dark = {}
        await world.become(*SITES)
        assert set(world.asked) == {(site, "/beacon", address) for site, address in ADDRESSES.items()}


async def test_a_black_hole_is_a_failure() -> None:
    """An edge that takes the connection and says nothing costs the patience, and then its place in the answers."""
    async with served() as world:
        world.dark = {"gcp": 0}
        await world.become("aws", "azure")


@pytest.mark.parametrize(("authority", "left"), [("route53", ("aws", "gcp")), ("azuredns", ("aws",)), ("clouddns", ("aws",))])
async def test_a_redirect_is_no_beacon_but_for_route53(authority: str, left: tuple[str, ...]) -> None:
    """Route 53 takes a maintenance page somewhere else for a site that serves: an edge must never answer `/beacon` with one."""
    async with served(authority) as world:
        world.dark = {"gcp": 302, "azure": 503}
        await world.become(*left)


async def test_when_all_are_dark_all_are_answered() -> None:
    """The last resort of every vendor; whichever comes back first is answered alone."""
    async with served() as world:
        world.dark = dict.fromkeys(SITES, 503)
        async with asyncio.timeout(5):
            while len((await world.status())["unhealthy"]) < 3:
                await asyncio.sleep(INTERVAL / 2)
        assert await world.answers() == set(SITES)
        world.dark = {"aws": 503, "azure": 503}
        await world.become("gcp")


async def test_an_address_that_leads_nowhere_is_unhealthy() -> None:
    """Nobody's network takes the check there, so nobody's network takes a client there."""
    async with served(lost="aws") as world:
        await world.become("azure", "gcp")


async def test_a_name_server_that_ignores_news_still_checks() -> None:
    """Stale is what it knows of the zone, not of the sites: the static path works while the steered one is lost."""
    async with served() as world:
        await world.become(*SITES)
        await world.set_stale(True)
        world.unpublished, world.revision = {"aws"}, 2
        world.dark = {"azure": 503}
        await world.become("aws", "gcp")
        await world.set_stale(False)
        await world.become("gcp")


async def test_what_is_no_longer_published_is_no_longer_asked() -> None:
    """And forgotten: a record that comes back is healthy until it was asked often enough."""
    async with served() as world:
        world.dark = {"azure": 503}
        await world.become("aws", "gcp")
        world.unpublished, world.revision = {"azure"}, 2
        async with asyncio.timeout(5):
            while (await world.status())["unhealthy"]:
                await asyncio.sleep(0.01)
        before = sum(site == "azure" for site, _, _ in world.asked)
        await asyncio.sleep(INTERVAL * 3)
        assert sum(site == "azure" for site, _, _ in world.asked) == before


def test_the_names_of_authorities_are_checked() -> None:
    """A typing error must not become some vendor's pace by default."""
    with pytest.raises(ValueError, match="one of route53, azuredns, clouddns"):
        Settings(api="http://127.0.0.1:9", authority="azure")
