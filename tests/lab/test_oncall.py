"""A running lab and who is told: one incident for a dead cloud, and an alarm outside when nobody is left to tell."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from controller.clock import SystemClock
from controller.coordination.etcd import Etcd
from controller.coordination.store import Store
from controller.core.deliveries import RECEIPT
from controller.core.drilling import DRILL_BEGUN, DRILL_ENDED, begun, ended
from controller.marking import mark
from controller.ports import Draft
from lab.addresses import LOCAL
from lab.cabling import SITES, Door
from lab.faults import Fault
from lab.fleet import LEAN, PAYMENTS
from lab.laboratory import Laboratory, laboratory
from lab.oncall_process import OncallProcess, put_on_call
from lab.oncall_record import Alarm, Heard, Rejected, Told
from tests.lab.test_faults import WRITER, offering

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

GRACE = 6.0
L = TypeVar("L")


def of(oncall: OncallProcess, kind: type[L]) -> list[L]:
    """Every line of this kind so far."""
    return [line for line in oncall.lines() if isinstance(line, kind)]


def paged(oncall: OncallProcess, *actions: str) -> list[Told]:
    """What the pager took, with these actions."""
    return [one for one in of(oncall, Told) if one.channel == "pagerduty" and (not actions or one.action in actions)]


def ended_of(oncall: OncallProcess, incident: str) -> list[Told]:
    """The end of this one."""
    return [one for one in paged(oncall, "resolve") if one.incident == incident]


def not_open(oncall: OncallProcess) -> bool:
    """Is every incident over that the pager knows?"""
    return {one.incident for one in paged(oncall, "trigger")} <= {one.incident for one in paged(oncall, "resolve")}


async def until(oncall: OncallProcess, found: Callable[[], Sequence[L]], seconds: float, what: str) -> Sequence[L]:
    """What is found, once it is."""
    give_up = time.monotonic() + seconds
    while not (seen := found()):
        assert time.monotonic() < give_up, f"no {what} after {seconds:g} s: {oncall.lines()[-5:]}"
        await asyncio.sleep(0.1)
    return seen


async def receipts(lab: Laboratory) -> list[str]:
    """What the journal says of who accepted what, with everything in it as text."""
    return [str(entry.body) for entry in await lab.witness.journal() if entry.kind == RECEIPT]


async def practise(lab: Laboratory, oncall: OncallProcess) -> None:
    """A controller dies in a drill: everything that anybody is told of it says so."""
    before = len(of(oncall, Told))
    etcd = Etcd([f"http://{LOCAL}:{lab.cabling.direct(site, Door.ETCD)}" for site in SITES])
    try:
        store = Store(etcd, controller="drill", clock=SystemClock())
        body = begun("a silent controller", by="kim", reason="practice", at=datetime.now(UTC))
        await mark(store, PAYMENTS, Draft(kind=DRILL_BEGUN, body=body))
        await lab.faults.inject(Fault.CONTROLLER, "gcp")
        opened = (await until(oncall, lambda: [one for one in paged(oncall, "trigger") if "gcp" in one.title], 30, "page"))[-1]
        await lab.faults.heal("gcp")
        await until(oncall, lambda: ended_of(oncall, opened.incident), 40, "end")
        await mark(store, PAYMENTS, Draft(kind=DRILL_ENDED, body=ended("a silent controller", by="kim", reason="done")))
    finally:
        await etcd.close()
    told = of(oncall, Told)[before:]
    assert len(told) > 6 and [one.title for one in told if "[DRILL]" not in one.title] == []


async def test_a_dead_cloud_is_one_incident_and_dead_controllers_are_noticed_outside() -> None:
    """Under load: the writer's cloud dies, one incident is opened with the decision, and ended when all is as before. A drill is told as
    one. Then every controller dies, and whoever is outside raises the alarm within its grace."""
    async with laboratory("test-oncall", services=LEAN) as lab:
        oncall = await put_on_call(lab, GRACE)
        await lab.wait_until_whole(timedelta(seconds=30))
        await until(oncall, lambda: of(oncall, Heard)[2:], 30, "ping of anybody")
        await asyncio.sleep(8)
        await until(oncall, lambda: [True] if not_open(oncall) else list[bool](), 30, "end of what the controllers' starts began")
        before = len(paged(oncall))
        async with offering(lab, "told"):
            died = await lab.faults.inject(Fault.CRASH, WRITER)
            opened = (await until(oncall, lambda: paged(oncall, "trigger")[before:], 30, "page"))[0]
            assert f"automatic failover from {WRITER}" in opened.title and opened.severity == "critical"
            assert "database is failing" in opened.why and opened.command.startswith("trimaran status")
            print(f"paged {opened.t - died.at:.2f} s after the crash")
            await lab.faults.heal(WRITER)
            await lab.wait_until_whole(timedelta(seconds=90))
            last = (await until(oncall, lambda: ended_of(oncall, opened.incident), 60, "end"))[-1]
            assert last.severity == "critical"
        assert {one.incident for one in paged(oncall)[before:]} == {opened.incident}, "exactly one incident"
        hooks = [one for one in of(oncall, Told) if one.channel == "webhook" and one.incident == opened.incident]
        assert [one.action for one in hooks].count("open") == 1 and hooks[-1].action == "resolve"
        assert any("failover done" in one.title for one in hooks)
        for channel in ("pagerduty", "webhook", "slack"):
            ids = [one.id for one in of(oncall, Told) if one.channel == channel]
            assert len(ids) == len(set(ids)), f"{channel} was told twice"
        assert not of(oncall, Rejected) and not of(oncall, Alarm), "two controllers were heard all the time"
        await asyncio.sleep(4)
        said = await receipts(lab)
        assert sum(opened.id in one and "pager" in one and "chat" in one and "hook" in one for one in said) == 1
        everything = " ".join((*said, *(process.log.read_text(errors="replace") for process in lab.processes().values())))
        for secret in (oncall.secret, oncall.routing_key, oncall.word):
            assert secret not in everything, "a secret in a log or in the journal"
        await practise(lab, oncall)
        for site in SITES:
            await lab.faults.inject(Fault.CONTROLLER, site)
        killed = time.monotonic()
        (alarm,) = await until(oncall, lambda: of(oncall, Alarm), GRACE + 5, "alarm")
        assert alarm.t - killed < GRACE + 1 and alarm.silent_s >= GRACE
        print(f"alarm {alarm.t - killed:.2f} s after the last controller died; grace {GRACE:g} s")
        for site in SITES:
            await lab.faults.heal(site)
        await lab.wait_until_whole(timedelta(seconds=30))
