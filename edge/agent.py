"""The agent beside HAProxy: hears the posture, decides the shares, and applies what differs. Every piece fails by itself.

Hearing and applying do not wait for each other: while etcd is silent for a second, HAProxy is looked at five times.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import structlog

from controller.core.model import Health, Site
from controller.errors import TrimaranError
from controller.ports import Clock
from edge import haproxy
from edge.decide import WHOLE, Doing, Seen, Shares, State, decide
from edge.posture import Listener
from edge.runtime import Counts, Runtime, Server
from edge.settings import Settings

log = structlog.get_logger()

TICK = timedelta(seconds=0.2)
"""Between two looks, at etcd and at HAProxy alike."""

COUNT_EVERY = timedelta(seconds=1)
"""Between two looks at what HAProxy counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What HAProxy was found to do, and what it was told then."""

    servers: Mapping[str, Server]
    shares: Shares | None
    """None: no posture is known, and nothing was told."""
    at: timedelta
    """Monotonic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What clients and other edges asked of the own service, since HAProxy started."""

    answered: int
    failed: int
    mean: timedelta
    """Until a response's first byte, of late; the slower one of clients' and of other edges' requests."""
    at: timedelta
    """Monotonic."""


class Agent:
    """One edge's agent, put together and not yet running."""

    def __init__(self, settings: Settings, *, listener: Listener, runtime: Runtime, clock: Clock) -> None:
        self.settings, self.listener, self.clock = settings, listener, clock
        self.instance = uuid4().hex
        """Which of a site's edges this is, as long as it lives: counters of two are no window."""
        self._runtime = runtime
        self._state: State | None = None
        self._news = asyncio.Event()
        self.view: View | None = None
        """None: HAProxy has not answered yet."""
        self.trouble = "HAProxy was not asked yet"
        """Why the last look at HAProxy, or the last order to it, failed; empty when neither did."""
        self.changes = 0
        """Weights that were set."""
        self.traffic: Traffic | None = None
        """None: HAProxy has not told what it counted."""
        self.uncounted = "HAProxy was not asked yet"
        """Why the last look at HAProxy's counters failed; empty when it did not."""

    async def run(self) -> None:
        """Hear, keep and apply until cancelled."""
        self.listener.recall()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hear(), name="hear")
            tasks.create_task(self.listener.keep(), name="keep")
            tasks.create_task(self._apply(), name="apply")
            tasks.create_task(self._count(), name="count")

    def announce(self) -> None:
        """Have the next look at HAProxy follow at once: there is a new posture."""
        self._news.set()

    async def apply(self) -> None:
        """Look at HAProxy once and tell it what differs; its failures are noted, never raised."""
        try:
            servers = await self._runtime.servers()
            shares = self._decide(servers)
            self.view = View(servers=servers, shares=shares, at=self.clock.monotonic())
            if shares is not None:
                await self._tell(servers, shares)
        except TrimaranError as error:
            if not self.trouble:
                log.warning("HAProxy does not obey", error=str(error))
            self.trouble = str(error)
        else:
            self.trouble = ""

    async def count(self) -> None:
        """Look once at what HAProxy counted; its failures are noted, never raised, and keep nobody from weighing."""
        try:
            self.traffic = traffic(await self._runtime.counts(), self.clock.monotonic())
        except TrimaranError as error:
            self.uncounted = str(error)
        else:
            self.uncounted = "" if self.traffic else "HAProxy has no such servers"

    def health(self) -> tuple[Health, str]:
        """The own service as HAProxy sees it, with the evidence. What was seen long ago is unknown."""
        if self.view is None or self.clock.monotonic() - self.view.at > 5 * TICK:
            return Health.UNKNOWN, self.trouble or "HAProxy was not looked at lately"
        health = liveness(self.view.servers)
        return health, f"HAProxy finds the service {health}"

    def _decide(self, servers: Mapping[str, Server]) -> Shares | None:
        known = self.listener.known
        if known is None:
            return None
        if self._state is None:
            self._state = resumed(servers)
        seen = Seen(
            site=self.settings.home,
            weights=known.posture.weights,
            alive=liveness(servers),
            ready=readiness(servers, self.settings),
            ramp=self.settings.ramp,
        )
        self._state, shares = decide(self._state, seen, self.clock.monotonic())
        before = self.view.shares.doing if self.view and self.view.shares else None
        if before is not shares.doing:
            log.info("requests", doing=shares.doing, weights=dict(shares.weights))
        return shares

    async def _tell(self, servers: Mapping[str, Server], shares: Shares) -> None:
        wanted = orders(shares, self.settings)
        different = {name: weight for name, weight in wanted.items() if name not in servers or servers[name].weight != weight}
        await self._runtime.set_weights(different)
        self.changes += len(different)

    async def _hear(self) -> None:
        while True:
            if await self.listener.hear():
                self.announce()
            await self.clock.sleep(TICK)

    async def _apply(self) -> None:
        while True:
            await self.apply()
            await self._pause()
            self._news.clear()

    async def _count(self) -> None:
        while True:
            await self.count()
            await self.clock.sleep(COUNT_EVERY)

    async def _pause(self) -> None:
        """A tick, or less when there is a new posture."""
        waits = [asyncio.create_task(self.clock.sleep(TICK)), asyncio.create_task(self._news.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


def resumed(servers: Mapping[str, Server]) -> State:
    """What an agent that starts takes up from HAProxy: a share below the whole is one that was given away or is growing.

    1. A site is drained, its service cold. 2. Its agent restarts in the moment in which the posture gives it traffic again. 3. Taken
    for a site that always served, it gets everything at once.
    """
    local = servers.get(f"{haproxy.PAYMENTS}/{haproxy.LOCAL}")
    return State(served=None if local is None else local.weight >= WHOLE)


def liveness(servers: Mapping[str, Server]) -> Health:
    """The own service by HAProxy's checks; unknown when HAProxy has no such server."""
    local = servers.get(f"{haproxy.PAYMENTS}/{haproxy.LOCAL}")
    return local.health if local else Health.UNKNOWN


def traffic(counts: Mapping[str, Counts], at: timedelta) -> Traffic | None:
    """All requests of the own service, also those that were handed over to it; health checks are none. None: no such servers."""
    own = [
        counts[name] for name in (f"{haproxy.PAYMENTS}/{haproxy.LOCAL}", f"{haproxy.HANDED}/{haproxy.LOCAL}") if name in counts
    ]
    if not own:
        return None
    return Traffic(
        answered=sum(one.answered for one in own),
        failed=sum(one.failed for one in own),
        mean=max(one.mean for one in own),
        at=at,
    )


def readiness(servers: Mapping[str, Server], settings: Settings) -> Mapping[Site, Health]:
    """Whose write path works, by HAProxy's checks; a server that is missing is unknown."""
    names = {settings.home: haproxy.LOCAL, **{site: haproxy.peer(site) for site in settings.others}}
    found = {site: servers.get(f"{haproxy.READINESS}/{name}") for site, name in names.items()}
    return {site: server.health if server else Health.UNKNOWN for site, server in found.items()}


def orders(shares: Shares, settings: Settings) -> Mapping[str, int]:
    """The weight of every server that the agent is in charge of, as `backend/server`. Sites the edge has no door to get none.

    Every service gets the same: the companions' clients come by the same addresses, and a site that is drained is drained of all.
    """
    return {
        server: weight
        for one in (haproxy.lead(settings), *haproxy.companions(settings))
        for server, weight in {
            f"{one.requests}/{haproxy.LOCAL}": shares.weights.get(settings.home, 0),
            f"{one.requests}/{haproxy.SPARE}": WHOLE if shares.last_resort else 0,
            f"{one.handed}/{haproxy.LOCAL}": WHOLE if shares.accepts else 0,
            **{f"{one.requests}/{haproxy.peer(site)}": shares.weights.get(site, 0) for site in settings.others},
        }.items()
    }


def doing(agent: Agent) -> Doing | None:
    """What the edge does with requests; None while the agent has told it nothing."""
    return agent.view.shares.doing if agent.view and agent.view.shares else None
