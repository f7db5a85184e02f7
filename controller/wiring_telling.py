"""Puts together what tells people: channels, tellers, noticers and the heartbeat of one controller."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, assert_never

import aiohttp
import structlog

from controller.channels.outside import Monitor
from controller.channels.pagerduty import PagerDuty
from controller.channels.post import http_client
from controller.channels.slack import Slack
from controller.channels.webhook import Webhook
from controller.chronicler import Chronicler
from controller.coordination.store import Store
from controller.core.deliveries import Pace
from controller.core.trial import trials
from controller.errors import TrimaranError
from controller.heartbeat import Heartbeat
from controller.loop import Loop
from controller.noticing import Noticer
from controller.ports import Clock
from controller.probing.etcd_probe import EtcdProbe
from controller.settings import Settings
from controller.settings_notify import HeartbeatSettings, NotifySettings
from controller.telling import Route, Teller
from controller.telling_ports import Channel

log = structlog.get_logger()

AFTER_A_DEFECT = timedelta(seconds=5)


class Runs(Protocol):
    """A part that works until it is cancelled."""

    async def run(self) -> None:
        """See the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voices:
    """Everything of one controller that tells people."""

    tellers: Sequence[Teller] = ()
    noticers: Sequence[Noticer] = ()
    members: EtcdProbe | None = None
    heartbeat: Heartbeat | None = None
    clock: Clock

    async def work(self) -> None:
        """Until cancelled. Nobody waits for any of it, and nothing of it ends anything else."""
        async with asyncio.TaskGroup() as tasks:
            for teller in self.tellers:
                tasks.create_task(self._keep(teller), name=f"tell of {teller.service}")
            for noticer in self.noticers:
                tasks.create_task(self._keep(noticer), name=f"notice {noticer.loop.service}")
            for one in (self.members, self.heartbeat):
                if one is not None:
                    tasks.create_task(self._keep(one), name=type(one).__name__)

    async def _keep(self, part: Runs) -> None:
        """Run it, and after a defect run it again: what tells people must not take the controller with it that moves the writer."""
        while True:
            try:
                await part.run()
            except Exception:
                log.exception("telling", part=type(part).__name__)
            await self.clock.sleep(AFTER_A_DEFECT)


async def voices(
    settings: Settings,
    store: Store,
    loops: Mapping[str, Loop],
    known_to_etcd: ssl.SSLContext | None,
    clock: Clock,
    stack: AsyncExitStack,
) -> Voices:
    """The parts, closed with the stack. What nobody would be told is not noticed either."""
    heartbeat = await _heartbeat(settings.heartbeat, loops, clock, stack) if settings.heartbeat is not None else None
    if not settings.notify:
        return Voices(heartbeat=heartbeat, clock=clock)
    routes = [await _route(one, clock, stack) for one in settings.notify]
    members = EtcdProbe(http=await _etcd_http(known_to_etcd, stack), urls=settings.etcd, clock=clock)
    me, pace, tellers, noticers = settings.site, Pace(), list[Teller](), list[Noticer]()
    for service, loop in loops.items():
        own = [route for route in routes if not route.services or service in route.services]
        if own:
            chronicler = Chronicler(service=service, coordination=store, clock=clock, past=pace.past)
            teller = Teller(controller=me, loop=loop, desk=store, chronicler=chronicler, clock=clock, routes=own, pace=pace)
            noticer = Noticer(
                controller=me, loop=loop, desk=store, chronicler=chronicler, clock=clock, members=members, tries=teller.tries
            )
            tellers.append(teller)
            noticers.append(noticer)
    return Voices(tellers=tellers, noticers=noticers, members=members, heartbeat=heartbeat, clock=clock)


async def _heartbeat(given: HeartbeatSettings, loops: Mapping[str, Loop], clock: Clock, stack: AsyncExitStack) -> Heartbeat:
    http = await stack.enter_async_context(http_client(given.authority))
    monitor = Monitor(url=given.url, http=http, method=given.method)
    return Heartbeat(loops=tuple(loops.values()), outside=monitor, clock=clock, every=given.every)


async def _etcd_http(known_to_etcd: ssl.SSLContext | None, stack: AsyncExitStack) -> aiohttp.ClientSession:
    """For a look at etcd's members, as who they know us."""
    connector = aiohttp.TCPConnector(ssl=known_to_etcd or True)
    return await stack.enter_async_context(aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()))


async def _route(given: NotifySettings, clock: Clock, stack: AsyncExitStack) -> Route:
    http = await stack.enter_async_context(http_client(given.authority))
    return Route(channel=_channel(given, http, clock), severities=given.severities, services=given.services)


def _channel(given: NotifySettings, http: aiohttp.ClientSession, clock: Clock) -> Channel:
    match given.kind:
        case "webhook":
            return Webhook(name=given.name, url=given.url, signers=given.signers, http=http, clock=clock)
        case "pagerduty":
            return PagerDuty(name=given.name, key=given.key, url=given.url, http=http)
        case "slack":
            return Slack(name=given.name, url=given.url, http=http)
        case _:
            assert_never(given.kind)


async def trial(chosen: Sequence[NotifySettings], service: str, deadline: timedelta, clock: Clock) -> Mapping[str, str]:
    """Send a trial to each of these channels, all at once; answers by name why it was not accepted, empty where it was."""
    async with AsyncExitStack() as stack:
        routes = [await _route(one, clock, stack) for one in chosen]
        found = await asyncio.gather(*(_tried(route.channel, service, deadline, clock) for route in routes))
    return {route.channel.name: because for route, because in zip(routes, found, strict=True)}


async def _tried(channel: Channel, service: str, deadline: timedelta, clock: Clock) -> str:
    try:
        for message in trials(service, clock.now()):
            await channel.deliver(message, deadline)
    except TrimaranError as error:
        return str(error)
    return ""
