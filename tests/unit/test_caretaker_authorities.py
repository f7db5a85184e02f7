"""Authorities are kept at the weights of the posture: by the one whose turn it is, as of now, beside plans, whatever one of them does."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar, cast

from controller.coordination.store import Store
from controller.core.model import Group, Role, Site
from controller.errors import Transient
from controller.ports import Clock, Control, Coordination, SteeringReport
from controller.providers.memory.dns import MemoryDns, MemoryZone
from controller.providers.memory.probe import Behaviour
from controller.steering import Pace
from tests.unit.crew import Crew, crew
from tests.unit.stage import AWS, AZURE, GCP, GROUP, SITES, STEP, steer
from tests.unit.test_caretaker import told

ALL = dict.fromkeys(SITES, 1.0)


async def share(given: Crew, site: Site, authority: int = 0) -> float:
    """What an authority answers for a site."""
    return (await given.authorities[authority].read())[GROUP].get(site, 0.0)


async def until(given: Crew, holds: Callable[[], bool], limit: float) -> timedelta:
    """How long it took, to a hundredth of a second; fails when it took longer than so many seconds."""
    began = given.stage.clock.monotonic()
    while not holds():
        assert given.stage.clock.monotonic() - began <= timedelta(seconds=limit)
        await given.stage.clock.advance(timedelta(milliseconds=10))
    return given.stage.clock.monotonic() - began


def drained(given: Crew, site: Site, authority: int = 0) -> Callable[[], bool]:
    """Does the authority send nobody there?"""
    return lambda: given.authorities[authority].zone.groups[GROUP][site] == 0.0


async def want(given: Crew, weights: Mapping[Site, float]) -> None:
    """Change the posture and nothing else, as a drain beside a plan does."""
    known = await given.stage.control()
    left = frozenset(site for site, weight in weights.items() if weight == 0)
    await given.stage.reader.commit(known, posture=replace(known.posture, weights=weights, drained=left))


def lose_azure(given: Crew) -> None:
    """Its database and its edge are gone; its controller lives."""
    given.stage.world.crash(AZURE)
    given.edges[AZURE].behaviour = Behaviour.HANGS


# ------------------------------------------------------------------------------------------------ by a posture that holds


async def test_a_controller_without_etcd_steers_nothing() -> None:
    """The lost writer's controller still reaches the authority, and the weights it last read send payers to its own dead site."""
    async with crew() as given:
        lose_azure(given)
        given.stage.controllers[AZURE].link.reachable = False
        await until(given, drained(given, AZURE), 4)
        changes = given.stage.dns.zone.changes_sent
        await given.live(30)
        assert given.members[AZURE].loop.view is not None
        assert given.members[AZURE].loop.view.control.posture.weights == ALL, "it would have something to write"
        assert given.stage.dns.zone.changes_sent == changes
        assert await share(given, AZURE) == 0.0


async def test_a_controller_that_was_stopped_steers_nothing_by_what_it_knew() -> None:
    """Its chores wake before the first tick is answered: thirty seconds of failover and drain have passed by."""
    async with crew() as given:
        await given.live(4)
        given.members[AZURE].clock.stop()
        lose_azure(given)
        await given.live(30)
        assert (await given.stage.control()).posture.writer == AWS
        changes = given.stage.dns.zone.changes_sent
        given.members[AZURE].clock.go_on()
        await given.live(30)
        assert given.stage.dns.zone.changes_sent == changes
        assert await share(given, AZURE) == 0.0


async def test_steering_under_way_ends_when_etcd_is_lost() -> None:
    """It is turned away when this controller is cut off, and tries on: two seconds later nothing is left of it."""
    async with crew() as given:
        given.stage.dns.set_by_hand(GROUP, {GCP: 0.5})
        given.stage.dns.zone.throttled = asked = 10_000
        await until(given, lambda: given.stage.dns.zone.throttled < asked, 6)
        for site in (AWS, GCP):
            given.members[site].clock.stop()
        given.stage.controllers[AZURE].link.reachable = False
        await given.live(2.2)
        asked = given.stage.dns.zone.throttled
        await given.live(10)
        assert given.stage.dns.zone.throttled == asked


class SlowAnswers:
    """A controller's way to etcd on which the answers to one task's reads are under way for a moment."""

    def __init__(self, store: Store, clock: Clock, task: str, late: timedelta = timedelta(milliseconds=20)) -> None:
        self._store, self._clock, self._task, self._late, self.under_way = store, clock, task, late, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    async def read(self, service: str) -> Control | None:
        control = await self._store.read(service)
        task = asyncio.current_task()
        if task is not None and task.get_name() == self._task:
            self.under_way = True
            await self._clock.sleep(self._late)
        return control


async def test_an_answer_of_etcd_as_old_as_a_stop_steers_nothing() -> None:
    """Stopped with etcd's answer in the socket: it names the old weights, and this controller as the one to steer."""
    async with crew() as given:
        member = given.members[AZURE]
        slow = SlowAnswers(given.stage.controllers[AZURE].store, member.clock, "steer memory")
        member.loop.coordination = cast("Coordination", slow)
        await until(given, lambda: slow.under_way, 6)
        member.clock.stop()
        lose_azure(given)
        await given.live(30)
        changes = given.stage.dns.zone.changes_sent
        member.clock.go_on()
        await given.live(30)
        assert given.stage.dns.zone.changes_sent == changes
        assert await share(given, AZURE) == 0.0


async def test_an_answer_of_etcd_from_before_a_plan_undoes_nothing_that_the_plan_steered() -> None:
    """The same controller does both: its caretaker's answer is under way for a third of a second, is still fresh when it comes, and
    names the weights of before. Meanwhile a plan was claimed and has drained a site."""
    async with crew() as given:
        member, later = given.members[AZURE], max((await given.stage.control()).revisions.values()) + 1000
        slow = SlowAnswers(given.stage.controllers[AZURE].store, member.clock, "steer memory", timedelta(milliseconds=300))
        member.loop.coordination = cast("Coordination", slow)
        await until(given, lambda: slow.under_way, 6)
        (authority,) = member.loop.executor.actions.authorities
        steering = asyncio.create_task(authority.steer({**ALL, GCP: 0.0}, timedelta(seconds=1), revision=later))
        await given.live(0.2)
        assert drained(given, GCP)() and steering.done()
        await given.live(2)
        assert drained(given, GCP)()
        assert any("as of revision" in str(entry) for entry in told(given, "chore"))


async def test_the_late_write_of_a_controller_that_was_stopped_is_put_right_within_a_period() -> None:
    """Stopped with its batch on the wire, between the read of etcd and the write: no authority can turn it away."""
    distant = MemoryZone(delay=timedelta(milliseconds=100))
    async with crew(None, lambda clock: MemoryDns(clock=clock, name="distant", zone=distant)) as given:
        far, member = given.authorities[1], given.members[AZURE]
        await until(given, lambda: bool(far.zone.groups), 2)
        await given.live(1)
        far.set_by_hand(GROUP, {GCP: 0.5})
        await until(given, lambda: far.zone.changing > 0, 6)
        member.clock.stop()
        lose_azure(given)
        await given.live(30)
        assert await share(given, AZURE, 1) == 0.0
        member.clock.go_on()
        await given.stage.clock.advance(timedelta(milliseconds=10))
        assert await share(given, AZURE, 1) > 0.0, "the late write"
        took = await until(given, drained(given, AZURE, 1), 60)
        assert took <= member.caretaker.reconcile_every + timedelta(seconds=0.2)
        changes = far.zone.changes_sent
        await given.live(60)
        assert far.zone.changes_sent == changes, "it was one write, and it stays put right"


# ------------------------------------------------------------------------------------------------ beside a plan


async def test_other_weights_reach_the_authorities_within_a_second_beside_a_plan() -> None:
    """A plan waits for a node that does not return; a drain is claimed beside it."""
    async with crew() as given:
        given.hold("cut", AZURE)
        await given.ask("switchover", to="aws")
        await given.live(3)
        plan = (await given.stage.control()).plan
        assert plan is not None
        for site in (GCP, AZURE):
            await want(given, {**ALL, site: 0.0})
            assert await until(given, drained(given, site), 60) <= timedelta(seconds=1.2)
        now = (await given.stage.control()).plan
        assert now is not None
        assert now.id == plan.id


async def test_a_plan_that_still_has_to_steer_does_it_itself() -> None:
    """First and on the journal: until then nobody else brings its weights, or those of before, to an authority."""
    async with crew() as given:
        await given.stage.claim(steer(), by="ctl-9")
        given.stage.dns.set_by_hand(GROUP, {AZURE: 0.0})
        changes = given.stage.dns.zone.changes_sent
        while not await given.journal("takeover"):
            assert given.stage.dns.zone.changes_sent == changes
            await given.live(STEP.total_seconds())
        await until(given, drained(given, GCP), 2)
        assert (await given.journal("step.steer"))[0].body["plan"]
        assert given.stage.dns.zone.changes_sent == changes + 1


async def test_a_drain_that_no_authority_heard_of_arrives_while_the_plan_waits() -> None:
    """The authority is out of reach while the failover steers, and back ten seconds later; a member cannot be cut all the while."""
    async with crew() as given:
        given.stage.dns.zone.hanging = True
        given.hold("cut", GCP)
        await given.crash(AZURE)
        await given.live(10)
        plan = (await given.stage.control()).plan
        assert plan is not None and plan.steered, "as far as it could"
        assert "left behind" in str((await given.journal("step.steer"))[0].body)
        given.stage.dns.zone.hanging = False
        took = await until(given, drained(given, AZURE), 60)
        assert took <= given.members[AWS].caretaker.reconcile_every + timedelta(seconds=1.2)
        plan = (await given.stage.control()).plan
        assert plan is not None
        assert given.stage.world.servers[AWS].role is not Role.WRITER


# ------------------------------------------------------------------------------------------------ whatever one of them does


class Lying(MemoryDns):
    """An adapter that stumbles over every answer of its authority."""

    async def read(self) -> Mapping[Group, Mapping[Site, float]]:
        raise KeyError("ResourceRecordSets")

    async def steer(self, wanted: Mapping[Group, Mapping[Site, float]], deadline: timedelta) -> SteeringReport:
        raise KeyError("ResourceRecordSets")


async def test_an_adapter_that_stumbles_ends_no_controller_and_no_failover() -> None:
    """Its traceback is told; the other authority is kept, chores go on, and a failover moves the writer and drains the dead site."""
    async with crew(None, lambda clock: Lying(clock=clock, name="lying")) as given:
        await given.live(10)
        assert any(isinstance(entry, dict) and entry.get("exc_info") for entry in told(given, "chore"))
        assert not any(member.work.done() for member in given.members.values())
        await given.crash(AZURE)
        await given.live(4)
        control = await given.stage.control()
        assert (control.posture.writer, given.stage.world.servers[AWS].role) == (AWS, Role.WRITER)
        assert "lying: left behind" in str((await given.journal("step.steer"))[0].body)
        assert await share(given, AZURE) == 0.0
        assert not any(member.work.done() for member in given.members.values())


async def test_an_authority_that_hangs_keeps_none_of_the_others_from_a_drain() -> None:
    """Each has its own round."""
    async with crew(None, lambda clock: MemoryDns(clock=clock, name="well")) as given:
        await given.live(6)
        given.stage.dns.zone.hanging = True
        await given.live(7)
        await want(given, {**ALL, GCP: 0.0})
        assert await until(given, drained(given, GCP, 1), 60) <= timedelta(seconds=1.2)
        given.authorities[1].set_by_hand(GROUP, {GCP: 1.0})
        period = given.members[AZURE].caretaker.reconcile_every
        assert await until(given, drained(given, GCP, 1), 60) <= period + timedelta(seconds=0.2)


async def test_steering_under_way_by_weights_no_longer_wanted_is_given_up() -> None:
    """It is turned away again and again; when the authority listens, it hears the newer weights."""
    async with crew() as given:
        given.stage.dns.set_by_hand(GROUP, {AWS: 0.5})
        given.stage.dns.zone.throttled = 10_000
        await given.live(6)
        await want(given, {**ALL, GCP: 0.0})
        await given.live(1.2)
        given.stage.dns.zone.throttled = 0
        changes = given.stage.dns.zone.changes_sent
        await given.live(3)
        assert drained(given, GCP)()
        assert given.stage.dns.zone.changes_sent == changes + 1


class OneSided(MemoryDns):
    """An authority that one controller cannot reach."""

    hidden_from: ClassVar[list[Clock]] = []

    async def steer(self, wanted: Mapping[Group, Mapping[Site, float]], deadline: timedelta) -> SteeringReport:
        if any(clock is self._clock for clock in self.hidden_from):
            raise Transient("no route")
        return await super().steer(wanted, deadline)


async def test_what_the_first_controller_cannot_bring_to_an_authority_another_one_brings() -> None:
    """The one beside the writer lives, ticks and has no route to one authority: a drain arrives there half a minute later, and at the
    others at once. While the first one can, the others send nothing."""
    OneSided.hidden_from.clear()
    async with crew(None, lambda clock: OneSided(clock=clock, name="far")) as given:
        await given.live(40)
        changes = given.authorities[1].zone.changes_sent
        OneSided.hidden_from.append(given.members[AZURE].clock)
        await want(given, {**ALL, GCP: 0.0})
        await until(given, drained(given, GCP), 1.2)
        assert not drained(given, GCP, 1)()
        await until(given, drained(given, GCP, 1), given.members[GCP].caretaker.stand_in_every.total_seconds() + 2.2)
        assert given.authorities[1].zone.changes_sent == changes + 1
        OneSided.hidden_from.clear()
        await given.live(40)
        assert given.authorities[1].zone.changes_sent == changes + 1


class Noting(MemoryDns):
    """An authority that notes when it is steered, and by whose clock."""

    noted: ClassVar[list[tuple[Clock, timedelta]]] = []

    async def steer(self, wanted: Mapping[Group, Mapping[Site, float]], deadline: timedelta) -> SteeringReport:
        self.noted.append((self._clock, self._clock.monotonic()))
        return await super().steer(wanted, deadline)


async def test_caretakers_look_at_the_same_moments_whenever_they_began() -> None:
    """However many services there are, what their caretakers ask of an authority arrives together and is one call."""
    async with crew(None, lambda clock: Noting(clock=clock, name="noting")) as given:
        await given.stop(AZURE)
        await given.live(6.37)
        given.begin(AZURE)
        await given.live(8)
        Noting.noted.clear()
        await given.live(20)
        moments = [moment - Pace().gather_idle for clock, moment in Noting.noted if clock is given.members[AZURE].clock]
        assert len(moments) >= 4
        assert all(moment % timedelta(seconds=5) <= timedelta(milliseconds=20) for moment in moments), moments
