"""Puts together what tells people: channels, tellers, noticers and the heartbeat of one controller."""

import asyncio
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
from controller.heartbeat import Heartbeat
from controller.loop import Loop
from controller.noticing import Noticer
from controller.ports import Clock
from controller.probing.etcd_probe import EtcdProbe
from controller.settings import Settings
from controller.settings_notify import NotifySettings
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
    etcd_http: aiohttp.ClientSession,
    clock: Clock,
    stack: AsyncExitStack,
) -> Voices:
    """The parts, closed with the stack. Without a channel nothing is noticed either: nobody would be told."""
    outside = settings.heartbeat
    heartbeat = None
    if outside is not None:
        http = await stack.enter_async_context(http_client(outside.authority))
        monitor = Monitor(url=outside.url, http=http, method=outside.method)
        heartbeat = Heartbeat(loops=tuple(loops.values()), outside=monitor, clock=clock, every=outside.every)
    if not settings.notify:
        return Voices(heartbeat=heartbeat, clock=clock)
    routes = [await _route(one, clock, stack) for one in settings.notify]
    members = EtcdProbe(http=etcd_http, urls=settings.etcd, clock=clock)
    pace, tellers, noticers = Pace(), [], []
    for service, loop in loops.items():
        chronicler = Chronicler(service=service, coordination=store, clock=clock, past=pace.past)
        own = [route for route in routes if not route.services or service in route.services]
        tellers.append(
            Teller(controller=settings.site, loop=loop, desk=store, chronicler=chronicler, routes=own, clock=clock, pace=pace)
        )
        noticers.append(
            Noticer(controller=settings.site, loop=loop, desk=store, chronicler=chronicler, clock=clock, members=members)
        )
    return Voices(tellers=tellers, noticers=noticers, members=members, heartbeat=heartbeat, clock=clock)


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
