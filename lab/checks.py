"""An authority's own health checks: asks each site's edge through the clients' links, at the vendor's pace."""

import asyncio
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp

from lab.clouds.health import Pace, Standing, judged, well
from lab.load_settings import RouteSettings


class Checks:
    """One authority's view of what it asks. Give `run` a task of its own; `changed` is called whenever a standing has turned."""

    def __init__(
        self, pace: Pace, routes: Mapping[str, RouteSettings], chance: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        """`routes`: where the internet takes each address; one that it takes nowhere never answers."""
        self.standings: dict[str, Standing] = {}
        self._pace, self._routes, self._chance, self._changed = pace, dict(routes), chance, changed
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Checks":
        # A vendor's checker opens a connection of its own each time: a warm one would outlive a site that takes no new payers.
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True), timeout=aiohttp.ClientTimeout(total=self._pace.patience)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.watch(frozenset())
        if self._http is not None:
            await self._http.close()

    def watch(self, urls: frozenset[str]) -> None:
        """Ask these from now on and no others; what is new counts as healthy until it was asked often enough."""
        for url in self._asking.keys() - urls:
            self._asking.pop(url).cancel()
            self.standings.pop(url, None)
        for url in urls - self._asking.keys():
            self._asking[url] = asyncio.create_task(self._keep_asking(url))

    async def _keep_asking(self, url: str) -> None:
        await asyncio.sleep(self._chance() * self._pace.interval)  # checkers do not ask everything in the same moment
        while True:
            began = time.monotonic()
            ok = await self._ask(url)
            before = self.standings.get(url, Standing())
            self.standings[url] = judged(before, ok, self._pace)
            if self.standings[url].healthy != before.healthy:
                self._changed()
            await asyncio.sleep(max(0.0, began + self._pace.interval - time.monotonic()))

    async def _ask(self, url: str) -> bool:
        asked = urlsplit(url)
        route = self._routes.get(asked.hostname or "")
        if route is None or self._http is None:
            return False
        door = f"http://{route.host}:{route.port}{asked.path or '/'}"
        try:
            async with self._http.get(door, headers={"Host": asked.netloc}, allow_redirects=False) as answer:
                return well(answer.status, self._pace)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
