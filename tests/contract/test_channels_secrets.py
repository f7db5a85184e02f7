"""Canaries: addresses and keys of receivers that fail in every way get into no log, no key of etcd, no entry of the journal."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from controller.chronicler import Chronicler
from controller.coordination.store import Store
from controller.core.decide import Decision, State
from controller.core.deliveries import RECEIPT, Pace
from controller.core.model import Site, Snapshot
from controller.core.policy import Policy
from controller.loop import Loop, View
from controller.ports import Draft
from controller.providers.memory.coordination import MemoryEtcd, coordination
from controller.telling import Route, Teller
from tests.contract.channel_worlds import KEY, SECRET, World, http_world
from tests.contract.conftest import SteadyClock
from tests.unit.core.worlds import posture

pytestmark = pytest.mark.timeout(60)

QUICK = Pace(
    deadline=timedelta(milliseconds=300),
    patience=timedelta(seconds=2),
    first_pause=timedelta(milliseconds=10),
    longest_pause=timedelta(milliseconds=10),
    stagger=timedelta(),
    look=timedelta(milliseconds=10),
    refusals=2,
    filed_after=timedelta(seconds=1),
)
SERVICE = "payments"


def ways_to_fail(world: World) -> None:
    """One after the other, for the messages to come."""
    for status, rest in ((500, None), (429, "0"), (302, None), (404, None), (400, None), (400, None)):
        world.fail(status, rest)
    world.lose()
    world.hang()


@asynccontextmanager
async def looking(store: Store, loop: Loop, clock: SteadyClock) -> AsyncIterator[None]:
    """A loop that sees etcd now and then."""

    async def look() -> None:
        while True:
            await store.open_session()
            control = await store.read(SERVICE)
            assert control is not None
            snapshot = Snapshot(vantage=Site("aws"), posture=control.posture, observations={}, facts={}, majority=True)
            decision = Decision(state=State(), proposal=None, reasons=())
            loop.view = View(snapshot=snapshot, control=control, decision=decision, at=clock.monotonic())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(look())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(found: Callable[[], bool], seconds: float) -> None:
    """Return when it is so."""
    async with asyncio.timeout(seconds):
        while not found():
            await asyncio.sleep(0.05)


async def test_whatever_fails_no_canary_is_told(tmp_path: Path) -> None:
    """Three receivers that fail in eight ways each, then take what is left."""
    clock = SteadyClock()
    etcd = MemoryEtcd(clock=clock)
    store, _ = coordination(etcd, "aws")
    await store.found(posture())
    loop = Loop(
        service=SERVICE,
        controller="aws",
        coordination=store,
        observer=None,  # type: ignore[arg-type]  # nothing is observed here
        executor=None,  # type: ignore[arg-type]  # nor carried out
        policy=Policy(),
        clock=clock,
    )
    with capture_logs() as logs:
        async with AsyncExitStack() as stack:
            worlds = []
            for kind in ("webhook", "pagerduty", "slack"):
                (tmp_path / kind).mkdir()
                worlds.append(await stack.enter_async_context(http_world(kind, tmp_path / kind)))
            for world in worlds:
                ways_to_fail(world)
            await stack.enter_async_context(looking(store, loop, clock))
            chronicler = Chronicler(service=SERVICE, coordination=store, clock=clock, past=QUICK.past)
            routes = [Route(channel=world.channel) for world in worlds]
            teller = Teller(
                controller="aws", loop=loop, desk=store, chronicler=chronicler, routes=routes, clock=clock, pace=QUICK
            )
            work = asyncio.create_task(teller.run())
            known = await store.read(SERVICE)
            assert known is not None
            drafts = [Draft(kind="plan.done", body={"plan_kind": "promote", "failure": str(number)}) for number in range(3)]
            await store.commit(known, journal=drafts)
            await until(lambda: all(len(world.ids()) >= 3 for world in worlds), 30)
            await asyncio.sleep(3)  # for the receipts
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    journal = await store.journal(SERVICE)
    assert len([entry for entry in journal if entry.kind == RECEIPT]) == 3
    assert len([one for one in logs if one["event"] == "telling"]) >= 18, "every failure is told, by its kind"
    everything = f"{journal} {logs} {list(etcd._items.values())}"
    for canary in ("swordfish", KEY, SECRET, SECRET.removeprefix("whsec_"), "127.0.0.1"):
        assert canary not in everything
