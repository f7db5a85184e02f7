"""Wishes of many services travel together, the newest is meant, the urgent first, and nobody waits past his own deadline."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import TypeVar

import pytest

from controller.core.model import Group, Site
from controller.errors import Conflict, Denied, Transient
from controller.ports import Ratios, SteeringReport
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.dns import MemoryDns
from controller.steering import Helm, Rudder

T = TypeVar("T")

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
ALL, DRAINED = {AWS: 1.0, AZURE: 1.0, GCP: 1.0}, {AWS: 1.0, AZURE: 0.0, GCP: 1.0}
SECOND = timedelta(seconds=1)
STEP = timedelta(milliseconds=10)


class Watched(MemoryDns):
    """An authority that remembers what it was asked, and when."""

    __slots__ = ("asked", "reads")

    def __init__(self, clock: SteppedClock) -> None:
        super().__init__(clock=clock)
        self.asked: list[tuple[timedelta, dict[Group, Ratios]]] = []
        self.reads = 0

    async def read(self) -> Mapping[Group, Ratios]:
        """Counted, and a turn of the loop late."""
        self.reads += 1
        await asyncio.sleep(0)
        return await super().read()

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """Remembered."""
        self.asked.append((self._clock.monotonic(), dict(wanted)))
        return await super().steer(wanted, deadline)


@pytest.fixture
def clock() -> SteppedClock:
    """Time is the test's own."""
    return SteppedClock()


@pytest.fixture
def authority(clock: SteppedClock) -> Watched:
    """With a hundred groups, all of them drawn evenly."""
    made = Watched(clock)
    for number in range(100):
        made.set_by_hand(group(number), ALL)
    return made


@pytest.fixture
def helm(authority: Watched, clock: SteppedClock) -> Helm:
    """Of that authority."""
    return Helm(authority, clock)


def group(number: int) -> Group:
    """One of a hundred."""
    return Group(f"group-{number}")


def rudder(helm: Helm, number: int = 0, *, urgent: bool = True) -> Rudder:
    """A handle."""
    return helm.rudder(group(number), urgent=urgent)


async def drive(clock: SteppedClock, *work: Awaitable[T], limit: float = 10) -> list[T | BaseException]:
    """Let time pass until all of it is done."""
    all_of_it = asyncio.gather(*work, return_exceptions=True)
    give_up = clock.monotonic() + timedelta(seconds=limit)
    while not all_of_it.done():
        assert clock.monotonic() < give_up
        await clock.advance(STEP)
    return await all_of_it


def good(answers: list[SteeringReport | BaseException]) -> list[SteeringReport]:
    """All of them, none an error."""
    assert all(isinstance(answer, SteeringReport) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, SteeringReport)]


async def test_a_hundred_services_that_fail_over_together_are_one_call(
    helm: Helm, authority: Watched, clock: SteppedClock
) -> None:
    """Each is told of its own group, and all of them within a moment."""
    began = clock.monotonic()
    answers = good(await drive(clock, *(rudder(helm, number).steer(DRAINED, SECOND) for number in range(100))))
    assert len(authority.asked) == 1
    assert [set(answer.shifts) for answer in answers] == [{group(number)} for number in range(100)]
    assert all(answer.in_sync and answer.changed for answer in answers)
    assert clock.monotonic() - began <= timedelta(milliseconds=100)


async def test_caretakers_that_reconcile_are_one_call_and_read_once(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """The steady cost does not grow with the services, although their wishes come a little apart."""

    async def reconcile(number: int) -> SteeringReport:
        await rudder(helm, number, urgent=False).read()
        await clock.sleep(timedelta(milliseconds=number))
        return await rudder(helm, number, urgent=False).steer(ALL, timedelta(seconds=5))

    good(await drive(clock, *(reconcile(number) for number in range(100))))
    assert len(authority.asked) == 1
    assert authority.reads == 1


async def test_what_is_asked_while_a_call_is_under_way_travels_together_in_the_next(
    helm: Helm, authority: Watched, clock: SteppedClock
) -> None:
    """The API takes two tenths of a second for a change; ten more services fail over meanwhile."""
    authority.zone.delay = timedelta(milliseconds=200)
    first = asyncio.create_task(rudder(helm).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=100))
    later = [rudder(helm, number).steer(DRAINED, SECOND) for number in range(1, 11)]
    good(await drive(clock, first, *later))
    assert [len(wanted) for _, wanted in authority.asked] == [1, 10]


async def test_waiting_for_name_servers_holds_up_nobody(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """Route 53 needs a minute until it is in sync: a service that fails over half a second later is heard half a second later."""
    authority.zone.propagation = timedelta(minutes=1)
    first = asyncio.create_task(rudder(helm).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=500))
    second = asyncio.create_task(rudder(helm, 1).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=100))
    assert authority.zone.groups[group(1)][AZURE] == 0.0
    answers = good(await drive(clock, first, second))
    assert [answer.in_sync for answer in answers] == [False, False]
    assert all(answer.shifts for answer in answers), "both were heard, and are told so"


async def test_urgent_wishes_are_sent_at_once_and_alone(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """A failover neither stands behind what is only looked after nor shares its second with it."""
    idle = asyncio.create_task(rudder(helm, 1, urgent=False).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=40))
    assert not authority.asked
    urgent = asyncio.create_task(rudder(helm, 2).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=40))
    assert [list(wanted) for _, wanted in authority.asked] == [[group(2)]]
    good(await drive(clock, idle, urgent))
    assert [list(wanted) for _, wanted in authority.asked] == [[group(2)], [group(1)]]


async def test_a_failover_waits_for_no_reconciliation_that_is_turned_away(
    helm: Helm, authority: Watched, clock: SteppedClock
) -> None:
    """An authority turns ninety caretakers away; ten services whose database is lost fail over: they are heard first, and the others
    after them, although they had begun to ask."""
    authority.zone.throttled = 10_000
    calm = [asyncio.create_task(rudder(helm, n, urgent=False).steer(DRAINED, 5 * SECOND)) for n in range(10, 100)]
    await clock.advance(timedelta(milliseconds=240))
    assert [len(wanted) for _, wanted in authority.asked] == [90]
    began = clock.monotonic()
    failing = [asyncio.create_task(rudder(helm, n).steer(DRAINED, SECOND)) for n in range(10)]
    await clock.advance(timedelta(milliseconds=50))
    (at, wanted) = authority.asked[-1]
    assert set(wanted) == {group(n) for n in range(10)}
    assert at - began <= timedelta(milliseconds=50), "at once, not when the call before is taken to be heard"
    authority.zone.throttled = 1
    good(await drive(clock, *failing))
    assert [authority.zone.groups[group(n)][AZURE] for n in (0, 99)] == [0.0, 1.0]
    good(await drive(clock, *calm))
    assert authority.zone.groups[group(99)][AZURE] == 0.0


async def test_reconciliations_that_come_meanwhile_end_no_failovers_call(
    helm: Helm, authority: Watched, clock: SteppedClock
) -> None:
    """The authority takes half a second; caretakers wake a tenth of a second after the failover asked. Given up for them, its call
    would be asked again from the start, and its second would be over."""
    authority.zone.delay = timedelta(milliseconds=500)
    urgent = asyncio.create_task(rudder(helm).steer(DRAINED, SECOND))
    await clock.advance(timedelta(milliseconds=100))
    calm = [asyncio.create_task(rudder(helm, n, urgent=False).steer(DRAINED, 5 * SECOND)) for n in range(1, 9)]
    (report,) = good(await drive(clock, urgent))
    assert report.changed
    assert [len(wanted) for _, wanted in authority.asked] == [1]
    good(await drive(clock, *calm))


async def test_what_is_wanted_by_an_older_revision_is_turned_away(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """A caretaker read etcd before a failover was claimed, and has its answer after the failover steered: its weights would send
    payers back to the dead site. The same holds for a plan that another controller has taken over meanwhile."""
    good(await drive(clock, rudder(helm).steer(DRAINED, SECOND, revision=7)))
    (late,) = await drive(clock, rudder(helm, urgent=False).steer(ALL, SECOND, revision=6))
    assert isinstance(late, Conflict) and "revision 6" in str(late) and "7" in str(late)
    assert len(authority.asked) == 1
    good(await drive(clock, rudder(helm, 1).steer(DRAINED, SECOND, revision=6)))
    good(await drive(clock, rudder(helm, urgent=False).steer(ALL, SECOND, revision=7)))
    assert authority.zone.groups[group(0)] == ALL, "of one revision the latest asked is meant"


async def test_the_latest_wish_for_a_group_is_meant(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """The earlier one is told so, whether it was sent already or not; the same wish twice is one."""
    authority.zone.throttled = 1
    old = asyncio.create_task(rudder(helm, urgent=False).steer(ALL, timedelta(seconds=5)))
    await clock.advance(timedelta(milliseconds=200))
    assert len(authority.asked) == 1
    new, same = (asyncio.create_task(rudder(helm).steer(DRAINED, SECOND)) for _ in range(2))
    first, *rest = await drive(clock, old, new, same)
    assert isinstance(first, Conflict)
    assert all(report.changed for report in good(rest))
    assert len(authority.asked) == 2
    assert authority.zone.groups[group(0)] == DRAINED


async def test_a_deadline_fires_however_the_authority_hangs(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """Each wish by its own; the adapter is told of the shortest, and one that keeps no deadline at all delays nobody."""
    authority.zone.hanging = True
    began = clock.monotonic()
    brief = asyncio.create_task(rudder(helm).steer(DRAINED, timedelta(milliseconds=300)))
    patient = asyncio.create_task(rudder(helm, 1).steer(DRAINED, SECOND))
    assert isinstance((await drive(clock, brief))[0], Transient)
    assert clock.monotonic() - began <= timedelta(milliseconds=310)
    assert not patient.done()
    assert isinstance((await drive(clock, patient))[0], Transient)
    assert clock.monotonic() - began <= SECOND + STEP


class Deaf(Watched):
    """An adapter that keeps no deadline."""

    async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
        """Never."""
        await self._clock.sleep(timedelta(days=1))
        return await super().steer(wanted, deadline)


async def test_an_adapter_that_keeps_no_deadline_delays_nobody(clock: SteppedClock) -> None:
    """The wish has its own."""
    began = clock.monotonic()
    answer = await drive(clock, rudder(Helm(Deaf(clock), clock)).steer(DRAINED, SECOND))
    assert isinstance(answer[0], Transient)
    assert clock.monotonic() - began <= SECOND + STEP


async def test_a_wish_that_outlives_its_call_is_sent_again(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """It travelled with one whose time was nearly over, and still has most of its own when the authority answers again."""
    authority.zone.throttled = 4
    brief = asyncio.create_task(rudder(helm).steer(DRAINED, timedelta(milliseconds=300)))
    patient = asyncio.create_task(rudder(helm, 1).steer(DRAINED, SECOND))
    first, second = await drive(clock, brief, patient)
    assert isinstance(first, Transient)
    assert isinstance(second, SteeringReport) and second.changed


async def test_a_cancelled_caller_takes_his_wish_back(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """Not sent yet, it never is; under way and turned away again and again, nothing of it is tried further."""
    early = asyncio.create_task(rudder(helm).steer(DRAINED, SECOND))
    await asyncio.sleep(0)
    early.cancel()
    await clock.advance(SECOND)
    assert not authority.asked
    authority.zone.throttled = 10_000
    late = asyncio.create_task(rudder(helm).steer(DRAINED, timedelta(seconds=5)))
    await clock.advance(SECOND)
    asked = authority.zone.throttled
    assert asked < 10_000
    late.cancel()
    await clock.advance(timedelta(milliseconds=10))
    asked = authority.zone.throttled
    await clock.advance(timedelta(seconds=5))
    assert authority.zone.throttled == asked


async def test_the_wishes_of_others_go_on_without_the_one_taken_back(helm: Helm, authority: Watched, clock: SteppedClock) -> None:
    """The call that carries it is given up and sent again without it."""
    authority.zone.throttled = 3
    gone = asyncio.create_task(rudder(helm).steer(DRAINED, timedelta(seconds=5)))
    stays = asyncio.create_task(rudder(helm, 1).steer(DRAINED, timedelta(seconds=5)))
    await clock.advance(timedelta(milliseconds=100))
    gone.cancel()
    good(await drive(clock, stays))
    assert authority.zone.groups[group(0)] == ALL
    assert authority.zone.groups[group(1)] == DRAINED


async def test_what_is_wrong_with_one_group_is_told_to_its_caller_alone(
    helm: Helm, authority: Watched, clock: SteppedClock
) -> None:
    """Everybody else is steered by the same call."""
    authority.zone.taken.add(group(1))
    well, taken = good(await drive(clock, rudder(helm).steer(DRAINED, SECOND), rudder(helm, 1).steer(DRAINED, SECOND)))
    assert well.changed and not well.refused
    assert set(taken.refused) == {group(1)} and not taken.shifts


@pytest.mark.parametrize("error", [Denied("no"), KeyError("ResourceRecordSets")])
async def test_what_the_authority_raises_is_told_to_all_callers(clock: SteppedClock, error: Exception) -> None:
    """Trying again changes nothing; what an adapter stumbles over is not swallowed."""

    class Raising(Watched):
        async def steer(self, wanted: Mapping[Group, Ratios], deadline: timedelta) -> SteeringReport:
            self.asked.append((self._clock.monotonic(), dict(wanted)))
            raise error

    authority = Raising(clock)
    helm = Helm(authority, clock)
    answers = await drive(clock, rudder(helm).steer(DRAINED, SECOND), rudder(helm, 1).steer(DRAINED, SECOND))
    assert answers == [error, error]
    assert len(authority.asked) == 1


async def test_a_hanging_authority_delays_no_other(authority: Watched, clock: SteppedClock) -> None:
    """Each has a helm of its own."""
    hanging = Watched(clock)
    hanging.zone.hanging = True
    stuck = asyncio.create_task(rudder(Helm(hanging, clock)).steer(DRAINED, SECOND))
    began = clock.monotonic()
    good(await drive(clock, rudder(Helm(authority, clock)).steer(DRAINED, SECOND)))
    assert clock.monotonic() - began <= timedelta(milliseconds=100)
    assert not stuck.done()
    stuck.cancel()
    await asyncio.wait({stuck})
