"""Three controllers on a stage that also tell people: each with its own way to receivers that all three share. Time is the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from controller.chronicler import Chronicler
from controller.core.deliveries import RECEIPT, Pace
from controller.core.messages import Action, Message
from controller.core.model import JournalEntry, Site
from controller.core.policy import Policy
from controller.heartbeat import Heartbeat
from controller.noticing import Noticer
from controller.providers.memory.channel import MemoryChannel, MemoryMonitor, MemoryReceiver
from controller.telling import Route, Teller
from tests.unit.crew import Crew, crew
from tests.unit.stage import SERVICE, SITES


@dataclass
class Reporter:
    """What of one controller tells people."""

    channels: dict[str, MemoryChannel]
    teller: Teller
    work: "asyncio.Task[None]"


@dataclass
class Newsroom:
    """Everything a test reaches for."""

    crew: Crew
    receivers: dict[str, MemoryReceiver]
    monitor: MemoryMonitor
    reporters: dict[Site, Reporter] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def begin(self, site: Site) -> Reporter:
        """Have this site's controller, which runs, tell people."""
        member, store = self.crew.members[site], self.crew.stage.controllers[site].store
        clock = member.clock
        channels = {name: MemoryChannel(name=name, receiver=one) for name, one in self.receivers.items()}
        chronicler = Chronicler(service=SERVICE, coordination=store, clock=clock, past=self.pace.past)
        routes = [Route(channel=channel) for channel in channels.values()]
        teller = Teller(
            controller=site, loop=member.loop, desk=store, chronicler=chronicler, routes=routes, clock=clock, pace=self.pace
        )
        noticer = Noticer(controller=site, loop=member.loop, desk=store, chronicler=chronicler, clock=clock)
        heartbeat = Heartbeat(loops=[member.loop], outside=self.monitor, clock=clock)
        self.reporters[site] = Reporter(channels, teller, asyncio.create_task(_all(teller, noticer, heartbeat)))
        return self.reporters[site]

    async def stop(self, site: Site) -> None:
        """Its controller ends, and all that tells with it."""
        reporter = self.reporters.pop(site)
        reporter.work.cancel()
        await asyncio.wait([reporter.work])
        await self.crew.stop(site)

    async def crash(self, site: Site) -> None:
        """The whole cloud."""
        reporter = self.reporters.pop(site)
        reporter.work.cancel()
        await asyncio.wait([reporter.work])
        await self.crew.crash(site)

    def heal(self, site: Site) -> None:
        """Everything of it starts again."""
        self.crew.heal(site)
        self.begin(site)

    def told(self, *actions: Action, by: str = "pager") -> list[Message]:
        """What one receiver took, in order."""
        return [one for one in self.receivers[by].came if not actions or one.action in actions]

    async def receipts(self) -> list[JournalEntry]:
        """What the journal says of it."""
        return await self.crew.journal(RECEIPT)


async def _all(teller: Teller, noticer: Noticer, heartbeat: Heartbeat) -> None:
    async with asyncio.TaskGroup() as tasks:
        for part in (teller, noticer, heartbeat):
            tasks.create_task(part.run())


@asynccontextmanager
async def newsroom(*names: str, policy: Policy | None = None) -> AsyncIterator[Newsroom]:
    """Three controllers that know each other, and tell these receivers."""
    async with crew(policy) as made:
        clock = made.stage.clock
        receivers = {name: MemoryReceiver(clock=clock) for name in names or ("pager",)}
        room = Newsroom(made, receivers, MemoryMonitor(clock=clock))
        for site in SITES:
            room.begin(site)
        yield room
        for reporter in room.reporters.values():
            reporter.work.cancel()
        await asyncio.gather(*(one.work for one in room.reporters.values()), return_exceptions=True)
