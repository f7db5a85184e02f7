"""Three tellers over one etcd in memory and shared receivers; what their loops would read is read for them. Time is the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from structlog.testing import capture_logs

from controller.chronicler import Chronicler
from controller.coordination.store import Store
from controller.core.claims import claim
from controller.core.decide import Decision, State
from controller.core.deliveries import RECEIPT, Pace
from controller.core.model import JournalEntry, Site, Snapshot
from controller.core.policy import Policy
from controller.core.proposals import Proposal
from controller.errors import TrimaranError
from controller.loop import Loop, View
from controller.ports import Clock, Control, Draft
from controller.providers.memory.channel import MemoryChannel, MemoryReceiver
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink, coordination
from controller.telling import Route, Teller
from controller.telling_ports import Desk
from tests.unit.core.worlds import SITES, posture

SERVICE = "payments"
STEP = timedelta(milliseconds=250)


@dataclass
class Colleague:
    """One controller's."""

    link: MemoryLink
    store: Store
    loop: Loop
    channels: dict[str, MemoryChannel]
    teller: Teller
    work: "asyncio.Task[None]"


@dataclass
class Office:
    """Everything a test reaches for."""

    clock: SteppedClock
    etcd: MemoryEtcd
    receivers: dict[str, MemoryReceiver]
    pace: Pace
    desk: Callable[[Store], Desk]
    colleagues: dict[Site, Colleague] = field(default_factory=dict)
    logs: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.writer, _ = coordination(self.etcd, "writer")

    def begin(self, site: Site, *names: str) -> Colleague:
        """Have this site's controller tell these receivers, or all."""
        store, link = coordination(self.etcd, site)
        channels = {name: MemoryChannel(name=name, receiver=self.receivers[name]) for name in names or self.receivers}
        loop = Loop(
            service=SERVICE,
            controller=site,
            coordination=store,
            observer=None,  # type: ignore[arg-type]  # nothing is observed here
            executor=None,  # type: ignore[arg-type]  # nor carried out
            policy=Policy(),
            clock=self.clock,
        )
        teller = Teller(
            controller=site,
            loop=loop,
            desk=self.desk(store),
            chronicler=Chronicler(service=SERVICE, coordination=store, clock=self.clock, past=self.pace.past),
            routes=[Route(channel=channel) for channel in channels.values()],
            clock=self.clock,
            pace=self.pace,
        )
        made = Colleague(link, store, loop, channels, teller, asyncio.create_task(teller.run()))
        self.colleagues[site] = made
        return made

    def end(self, site: Site) -> None:
        """Its process ends at once."""
        gone = self.colleagues.pop(site)
        gone.link.reachable = False
        gone.work.cancel()
        self.etcd.lapse(site)

    async def live(self, seconds: float) -> None:
        """Let time pass; every loop that reaches etcd has a fresh view."""
        end = self.clock.monotonic() + timedelta(seconds=seconds)
        while self.clock.monotonic() < end:
            for one in list(self.colleagues.values()):
                with suppress(TrimaranError):
                    await one.store.open_session()
                    control = await one.store.read(SERVICE)
                    one.loop.view = _view(control, self.clock, one.loop.controller) if control is not None else None
            await self.clock.advance(STEP)

    async def control(self) -> Control:
        """What etcd holds."""
        found = await self.writer.read(SERVICE)
        assert found is not None
        return found

    async def found(self) -> None:
        """A service, of before anything that a test tells."""
        await self.writer.found(posture())

    async def write(self, kind: str, **body: object) -> None:
        """One more entry of the journal."""
        await self.writer.commit(await self.control(), journal=[Draft(kind=kind, body=body)])

    async def claim(self, proposal: Proposal) -> None:
        """As a loop claims it, and owns the plan."""
        await self.writer.open_session()
        known = await self.control()
        claimed = claim(proposal, known.posture, by="aws", at=self.clock.now())
        drafts = [Draft(kind="claim", body=claimed.entry)]
        await self.writer.commit(known, posture=claimed.posture, plan=claimed.plan, take=claimed.takes, journal=drafts)

    async def receipts(self) -> list[JournalEntry]:
        """What the journal says of it."""
        return [entry for entry in await self.writer.journal(SERVICE) if entry.kind == RECEIPT]

    def titles(self, name: str = "pager") -> list[str]:
        """What a receiver took, in order."""
        return [one.title for one in self.receivers[name].came]


def _view(control: Control, clock: Clock, vantage: str) -> View:
    snapshot = Snapshot(vantage=Site(vantage), posture=control.posture, observations={}, facts={}, majority=True)
    return View(
        snapshot=snapshot,
        control=replace(control),
        decision=Decision(state=State(), proposal=None, reasons=()),
        at=clock.monotonic(),
    )


@asynccontextmanager
async def office(*names: str, pace: Pace | None = None, desk: Callable[[Store], Desk] | None = None) -> AsyncIterator[Office]:
    """Three controllers that know each other and have nothing to tell yet."""
    clock, others = SteppedClock(), asyncio.all_tasks()
    with capture_logs() as logs:
        receivers = {name: MemoryReceiver(clock=clock) for name in names or ("pager",)}
        made = Office(clock, MemoryEtcd(clock=clock), receivers, pace or Pace(), desk or (lambda store: store), logs=logs)
        await made.found()
        for site in SITES:
            made.begin(site)
        await made.live(2)
        yield made
        left = asyncio.all_tasks() - others
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
