"""One vantage: what it asks, when, and what it makes of silence, lateness and its own absence. Time moves only when told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from controller.core.model import (
    Aged,
    Epoch,
    Health,
    Lsn,
    Mode,
    NodeFacts,
    Opinion,
    Part,
    Posture,
    Role,
    Site,
    Token,
    Trigger,
)
from controller.core.plans import Phase, Plan, PlanKind
from controller.core.policy import Policy
from controller.observe import Observer, changed, running
from controller.ports import Control, Ownership
from controller.probing.sql_probe import SqlProbe
from controller.providers.memory.clock import SteppedClock
from controller.providers.memory.probe import Behaviour, MemoryNode, MemoryProbe

AWS, AZURE, GCP = Site("aws"), Site("azure"), Site("gcp")
SITES = (AWS, AZURE, GCP)
POLICY = Policy()


def seconds(amount: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=amount)


def facts(site: Site) -> NodeFacts:
    """What a healthy node says."""
    return NodeFacts(
        site=site,
        role=Role.WRITER if site == AZURE else Role.FOLLOWER,
        epoch=Epoch(1),
        token=Token(1),
        ack_slots=(),
        pinned=True,
        flushed=Lsn(1),
        subscriptions=(),
        slots=(),
    )


@dataclass
class Bench:
    """aws observes three sites."""

    clock: SteppedClock
    edges: dict[Site, MemoryProbe]
    nodes: dict[Site, MemoryNode]
    observer: Observer

    def opinion(self, site: Site, part: Part = Part.DATABASE) -> Opinion:
        """What it believes now."""
        return self.observer.observe().opinions[site][part]

    def kill(self, site: Site) -> None:
        """Everything of the site is silent from now on."""
        self.edges[site].behaviour = self.nodes[site].probe.behaviour = Behaviour.HANGS

    def revive(self, site: Site) -> None:
        """Everything of the site answers again."""
        self.edges[site].behaviour = self.nodes[site].probe.behaviour = Behaviour.ANSWERS


@asynccontextmanager
async def bench(policy: Policy = POLICY) -> AsyncIterator[Bench]:
    """An observer that runs, with everybody well for one second."""
    clock = SteppedClock()
    edges = {site: MemoryProbe(clock=clock) for site in SITES}
    nodes = {site: MemoryNode(probe=MemoryProbe(clock=clock), said=facts(site)) for site in SITES}
    databases = {site: SqlProbe(nodes[site], clock) for site in SITES}
    observer = Observer(vantage=AWS, edges=edges, databases=databases, policy=policy, clock=clock)
    task = asyncio.create_task(observer.run())
    try:
        await clock.advance(seconds(1))
        yield Bench(clock=clock, edges=edges, nodes=nodes, observer=observer)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


Scene = Callable[[Bench], Awaitable[None]]


def play(scene: Scene, policy: Policy = POLICY) -> None:
    """Run one scene on a fresh bench."""

    async def run() -> None:
        async with bench(policy) as given:
            await scene(given)

    asyncio.run(run())


def test_everybody_well() -> None:
    """Every part of every site is healthy, and every node's facts are known with their age."""

    async def scene(given: Bench) -> None:
        observation = given.observer.observe()
        assert {said.health for parts in observation.opinions.values() for said in parts.values()} == {Health.HEALTHY}
        assert not observation.suspects_itself
        assert given.opinion(AZURE).latency == seconds(0.025)
        assert {site: aged.value for site, aged in given.observer.facts().items()} == {site: facts(site) for site in SITES}
        assert all(aged.age <= POLICY.probe_interval + seconds(0.025) for aged in given.observer.facts().values())

    play(scene)


def test_before_the_first_answer_everything_is_unknown() -> None:
    """Nothing asked, nothing believed; no facts either."""
    clock = SteppedClock()
    observer = Observer(vantage=AWS, edges={GCP: MemoryProbe(clock=clock)}, databases={}, policy=POLICY, clock=clock)
    assert observer.observe().opinions[GCP][Part.EDGE].health is Health.UNKNOWN
    assert observer.facts() == {}


def test_probes_keep_to_the_interval() -> None:
    """Four questions a second per target, from start to start, whatever the answers take."""

    async def scene(given: Bench) -> None:
        before = given.nodes[AZURE].probe.asked
        given.nodes[AZURE].probe.latency = seconds(0.2)
        await given.clock.advance(seconds(10))
        assert given.nodes[AZURE].probe.asked - before == 40

    play(scene)


def test_a_death_is_accused_within_1450_ms() -> None:
    """One interval at most until the first unanswered question, then three timeouts of silence."""

    async def scene(given: Bench) -> None:
        given.kill(AZURE)
        await given.clock.advance(seconds(1.15))
        assert given.opinion(AZURE).health is Health.HEALTHY
        await given.clock.advance(seconds(0.3))
        assert given.opinion(AZURE).health is Health.FAILING
        assert given.opinion(AZURE).misses >= POLICY.misses_to_accuse
        assert given.opinion(GCP).health is Health.HEALTHY
        assert not given.observer.observe().suspects_itself

    play(scene)


def test_a_hanging_target_delays_nobody_and_is_asked_once_at_a_time() -> None:
    """azure is silent for a minute: the others are asked as before, azure has one question under way."""

    async def scene(given: Bench) -> None:
        given.kill(AZURE)
        before = given.nodes[GCP].probe.asked
        await given.clock.advance(seconds(60))
        assert given.nodes[GCP].probe.asked - before == 240
        assert given.nodes[AZURE].probe.most_under_way == 1
        assert given.nodes[AZURE].probe.asked <= 4 + 60 / 3 + 1

    play(scene)


def test_the_dead_come_back_slowly() -> None:
    """After a crash is healed: the question under way runs out, then eight answers in time."""

    async def scene(given: Bench) -> None:
        given.kill(AZURE)
        await given.clock.advance(seconds(5))
        given.revive(AZURE)
        await given.clock.advance(seconds(1.5))
        assert given.opinion(AZURE).health is Health.FAILING
        await given.clock.advance(POLICY.probe_patience + seconds(2.1))
        assert given.opinion(AZURE).health is Health.HEALTHY

    play(scene)


def test_a_stopped_vantage_accuses_nobody() -> None:
    """This controller is stopped for two seconds with every question under way, again and again: nobody is even in doubt."""

    async def scene(given: Bench) -> None:
        for site in SITES:
            given.nodes[site].probe.latency = seconds(0.2)
        for _ in range(10):
            await given.clock.advance(seconds(0.31))
            await given.clock.jump(seconds(2))
            observation = given.observer.observe()
            assert {said.health for parts in observation.opinions.values() for said in parts.values()} == {Health.HEALTHY}
            assert not observation.suspects_itself

    play(scene)


def test_without_the_awake_clock_the_same_stop_accuses() -> None:
    """The safeguard bears load: with a slack that never applies, the same two seconds accuse somebody."""

    async def scene(given: Bench) -> None:
        for site in SITES:
            given.nodes[site].probe.latency = seconds(0.2)
        accused = set[Health]()
        for _ in range(10):
            await given.clock.advance(seconds(0.31))
            await given.clock.jump(seconds(2))
            accused |= {parts[Part.DATABASE].health for parts in given.observer.observe().opinions.values()}
        assert Health.FAILING in accused

    play(scene, replace(POLICY, loop_slack=seconds(3600)))


def test_a_stop_does_not_hide_a_death() -> None:
    """azure dies while this controller is stopped: it is accused by the silence after the stop."""

    async def scene(given: Bench) -> None:
        given.kill(AZURE)
        await given.clock.jump(seconds(2))
        assert given.opinion(AZURE).health is Health.HEALTHY
        await given.clock.advance(seconds(1.45))
        assert given.opinion(AZURE).health is Health.FAILING

    play(scene)


def test_a_vantage_without_network_suspects_itself() -> None:
    """Both other sites fall silent within a tenth of a second."""

    async def scene(given: Bench) -> None:
        given.kill(AZURE)
        await given.clock.advance(seconds(0.1))
        given.kill(GCP)
        await given.clock.advance(seconds(5))
        assert given.observer.observe().suspects_itself

    play(scene)


def test_not_being_able_to_ask_is_unknown_and_keeps_no_facts_fresh() -> None:
    """Credentials are missing: no accusation, no vouching, and the facts grow old."""

    async def scene(given: Bench) -> None:
        given.nodes[AZURE].probe.behaviour = Behaviour.DENIES
        await given.clock.advance(seconds(10))
        assert given.opinion(AZURE).health is Health.UNKNOWN
        assert "could not ask" in given.opinion(AZURE).detail
        assert given.observer.facts()[AZURE].age >= seconds(10)

    play(scene)


def test_a_probe_that_stumbles_accuses_nobody_and_ends_nothing() -> None:
    """Unknown, with its traceback told once; the others are measured on, and so is this one when its probe works again."""

    async def scene(given: Bench) -> None:
        given.nodes[AZURE].probe.behaviour = given.edges[AZURE].behaviour = Behaviour.STUMBLES
        before = given.nodes[GCP].probe.asked
        with capture_logs() as logs:
            await given.clock.advance(seconds(10))
        assert given.opinion(AZURE).health is given.opinion(AZURE, Part.EDGE).health is Health.UNKNOWN
        assert "TypeError" in given.opinion(AZURE).detail
        assert [entry["event"] for entry in logs if entry.get("exc_info")] == ["probe", "probe"]
        assert given.nodes[GCP].probe.asked - before == 40
        given.revive(AZURE)
        await given.clock.advance(seconds(1))
        assert given.opinion(AZURE).health is Health.HEALTHY

    play(scene)


def test_facts_age_from_the_question() -> None:
    """An answer that was under way for two seconds is two seconds old when it arrives."""

    async def scene(given: Bench) -> None:
        given.nodes[AZURE].probe.latency = seconds(2)
        await given.clock.advance(seconds(4.5))
        assert given.observer.facts()[AZURE].age >= seconds(2)

    play(scene)


def test_a_snapshot_holds_ones_own_word_without_delay() -> None:
    """What comes back through etcd about oneself is replaced by what one believes now."""

    async def scene(given: Bench) -> None:
        own = given.observer.observe()
        heard = {AWS: Aged(value=own, age=seconds(9)), GCP: Aged(value=replace(own, vantage=GCP), age=seconds(0.3))}
        newer = given.observer.observe()
        snapshot = given.observer.snapshot(newer, POSTURE, heard, majority=True)
        assert newer.sequence > own.sequence
        assert snapshot.observations[AWS] == Aged(value=newer, age=seconds(0))
        assert snapshot.observations[GCP].age == seconds(0.3)
        assert set(snapshot.facts) == set(SITES)

    play(scene)


def test_only_another_word_is_published_at_once() -> None:
    """A new latency waits for the next regular publication; an accusation does not."""

    async def scene(given: Bench) -> None:
        before = given.observer.observe()
        assert changed(None, before)
        given.nodes[GCP].probe.latency = seconds(0.1)
        await given.clock.advance(seconds(0.5))
        assert not changed(before, given.observer.observe())
        given.kill(GCP)
        await given.clock.advance(seconds(1.5))
        assert changed(before, given.observer.observe())
        assert changed(before, replace(before, suspects_itself=True))
        accusing = given.observer.observe()
        given.revive(GCP)
        await given.clock.advance(seconds(2.25))  # the question under way is given up after three, and the next one is answered
        answered = given.observer.observe()
        assert given.opinion(GCP).health is Health.FAILING
        assert changed(accusing, answered), "an accusation that no longer counts is news, too"

    play(scene)


POSTURE = Posture(
    service="payments",
    epoch=Epoch(1),
    writer=AZURE,
    reign=Epoch(1),
    must_cut=frozenset({AWS}),
    weights={AZURE: 1},
    mode=Mode.MANUAL,
)
PLAN = Plan(
    id="p1",
    service="payments",
    kind=PlanKind.STEER,
    epoch=Epoch(1),
    trigger=Trigger.UPKEEP,
    reason="",
    by="controller-aws",
    started=datetime(2026, 1, 1, tzinfo=UTC),
    phase=Phase.STEER,
)


@pytest.mark.parametrize(
    ("sessions", "alive"),
    [({"controller-aws": 7}, True), ({"controller-aws": 8}, False), ({"controller-gcp": 7}, False), ({}, False)],
)
def test_an_owner_lives_as_long_as_its_very_session(sessions: dict[str, int], alive: bool) -> None:
    """A restarted controller has a new session: its plan may be taken over, by itself too."""
    control = Control(
        posture=POSTURE,
        plan=PLAN,
        ownership=Ownership(controller="controller-aws", session=7, token=Token(3)),
        observations={},
        sessions=sessions,
        requests=(),
        revisions={},
    )
    under_way = running(control)
    assert under_way is not None
    assert (under_way.plan, under_way.owner, under_way.owner_alive) == (PLAN, "controller-aws", alive)
    assert running(replace(control, plan=None)) is None
    assert running(replace(control, plan=replace(PLAN, phase=Phase.DONE))) is None
