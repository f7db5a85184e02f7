"""Faults that only etcd in memory can stage at will, and what each safeguard is worth: without it, the harm is shown."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from controller.coordination.chain import verify
from controller.coordination.change import Change
from controller.coordination.codec import Unreadable, encode
from controller.coordination.layout import Keys
from controller.coordination.records import REMEMBERED, Tip
from controller.coordination.session import Session
from controller.coordination.store import Store
from controller.coordination.transaction import ABSENT, Put, Range, Txn
from controller.core.model import Epoch, Observation, Posture, Site
from controller.errors import LostOwnership, Transient
from controller.ports import Control, Draft, Request
from controller.providers.memory.coordination import MemoryEtcd, MemoryLink, coordination

pytestmark = pytest.mark.asyncio

AWS, AZURE = Site("aws"), Site("azure")
KEYS = Keys("payments")
POSTURE = Posture(service="payments", epoch=Epoch(1), writer=AWS, reign=Epoch(1), must_cut=frozenset({AZURE}), weights={AWS: 1.0})


class HandClock:
    """Time that moves only when somebody sleeps or the test says so."""

    def __init__(self) -> None:
        self.elapsed = timedelta()

    def now(self) -> datetime:
        """A fixed beginning and what has passed since."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self.elapsed

    def monotonic(self) -> timedelta:
        """What has passed."""
        return self.elapsed

    async def sleep(self, duration: timedelta) -> None:
        """Let it pass at once, and others run."""
        self.elapsed += duration
        await asyncio.sleep(0)


async def start() -> tuple[MemoryEtcd, Store, MemoryLink, Control]:
    """A founded service and its first controller."""
    etcd = MemoryEtcd(HandClock())
    store, link = coordination(etcd, "a")
    await store.found(POSTURE)
    known = await store.read("payments")
    assert known is not None
    return etcd, store, link, known


def told(sequence: int) -> Observation:
    """One publication of aws."""
    return Observation(vantage=AWS, sequence=sequence, opinions={}, suspects_itself=False)


def read_text(etcd: MemoryEtcd, key: str) -> str:
    """What etcd holds there."""
    ((item,),) = etcd.transact(Txn(reads=(Range(key=key),))).found
    return item.value


async def test_without_the_majority_everything_is_transient() -> None:
    """Could not ask is an error, never an empty answer; afterwards everything is as it was."""
    etcd, store, link, known = await start()
    for breakage in ("majority", "reachable"):
        target = etcd if breakage == "majority" else link
        setattr(target, breakage, False)
        for ask in (
            store.read("payments"),
            store.open_session(),
            store.publish("payments", told(1)),
            store.commit(known, take=True),
            store.journal("payments"),
        ):
            with pytest.raises(Transient):
                await ask
        setattr(target, breakage, True)
    assert await store.read("payments") == known


async def test_a_lapsed_session_is_replaced_by_publishing() -> None:
    """etcd forgot the lease between two renewals; the observation is published under a new one."""
    etcd, store, _, _ = await start()
    await store.publish("payments", told(1))
    lease = store.session.lease
    etcd.lapse("a")
    await store.publish("payments", told(2))
    control = await store.read("payments")
    assert control is not None and control.observations == {AWS: told(2)}
    assert control.sessions == {"a": store.session.lease} != {"a": lease}


async def test_nothing_is_taken_under_a_session_that_is_gone() -> None:
    """Believing in its session is not enough: the claim is refused whole, and the next one comes under a new session."""
    etcd, store, _, known = await start()
    lease = await store.open_session()
    etcd.lapse("a")
    with pytest.raises(LostOwnership, match="sessions/a"):
        await store.commit(known, take=True)
    assert await store.read("payments") == known
    taken = await store.commit(known, take=True)
    assert taken.ownership is not None and taken.ownership.session == taken.sessions["a"] != lease
    assert await store.read("payments") == taken


async def test_a_session_in_the_background_survives_trouble() -> None:
    """It outlasts a lost majority, opens a new lease after a lapse, and stops on request even without etcd."""
    etcd, _, link, _ = await start()
    clock = etcd.clock
    session = Session(link, key="/trimaran/sessions/b", controller="b", clock=clock, term=timedelta(seconds=2))
    session.start()
    session.start()

    async def beats(count: int) -> int:
        for _ in range(3 * count):
            await asyncio.sleep(0)
        return session.lease

    lease = await beats(20)
    assert lease != ABSENT and clock.monotonic() > timedelta(seconds=4)
    etcd.majority = False
    assert await beats(3) == lease == await session.open()
    etcd.majority = True
    etcd.lapse("b")
    assert await beats(3) not in (lease, ABSENT)
    etcd.majority = False
    await session.stop()
    assert session.lease == ABSENT


async def test_an_observation_caught_in_a_broken_link_overwrites_nothing() -> None:
    """The old publication arrives after a newer one and fails its comparison; an unguarded one would pass for news."""
    etcd, store, link, _ = await start()
    await store.publish("payments", told(9))
    link.hold_writes = 1
    with pytest.raises(Transient):
        await store.publish("payments", told(10))
    (late,) = link.held
    await store.publish("payments", told(11))
    assert [answer.succeeded for answer in link.deliver()] == [False]
    assert read_text(etcd, KEYS.observation(AWS)) == encode(told(11))
    assert (await link.transact(replace(late, unchanged={}))).succeeded
    assert read_text(etcd, KEYS.observation(AWS)) == encode(told(10))


async def test_a_claim_caught_in_a_broken_link_stands_once() -> None:
    """It arrives after its repetition and changes nothing."""
    _, store, link, known = await start()
    await store.open_session()
    link.hold_writes = 1
    with pytest.raises(Transient):
        await store.commit(known, take=True, journal=[Draft(kind="claimed", body={})])
    claimed = await store.commit(known, take=True, journal=[Draft(kind="claimed", body={})])
    assert [answer.succeeded for answer in link.deliver()] == [False]
    assert await store.read("payments") == claimed
    assert [entry.kind for entry in await store.journal("payments")] == ["founded", "claimed"]


async def test_a_commit_is_one_round_trip() -> None:
    """Every step of a failover waits for its journal entry, so a second round trip would be paid at each of them.

    The journal's end is known from the read before the first commit, and from the commit before the second.
    """
    etcd, *_ = await start()
    store, link = coordination(etcd, "b")
    await store.open_session()
    known = await store.read("payments")
    assert known is not None
    for _ in range(3):
        before = link.crossed
        known = await store.commit(known, take=True, journal=[Draft(kind="x", body={})])
        assert link.crossed == before + 1


def appending(stamp: str) -> Change:
    """A commit that only journals."""
    return Change(keys=KEYS, actor="a", unchanged={}, writes=(), drafts=(Draft(kind="held", body={}),), stamp=stamp)


async def test_the_stamp_keeps_a_repeated_append_from_writing_twice() -> None:
    """The same words under the same stamp are written once; under another stamp, as without one, they are doubled."""
    _, store, _, _ = await start()
    for stamp in ("s1", "s1", "s2"):
        store._tips.clear()
        await store._append(appending(stamp))
    assert [entry.kind for entry in await store.journal("payments")] == ["founded", "held", "held"]


async def test_an_append_that_cannot_be_told_apart_is_not_repeated() -> None:
    """More commits passed than the head remembers stamps of: whether ours was among them is unknown, so the caller reads."""
    etcd, store, _, known = await start()
    old = store._tips["payments"]
    other, _ = coordination(etcd, "b")
    for _ in range(REMEMBERED + 1):
        known = await other.commit(known, journal=[Draft(kind="x", body={})])
    store._tips["payments"] = old
    with pytest.raises(Transient, match="read again"):
        await store._append(appending("mine"))
    assert "held" not in [entry.kind for entry in await store.journal("payments")]


async def test_a_head_that_never_rests_ends_in_an_error() -> None:
    """Somebody always appends first: the commit gives up in the end, and nothing of it was written."""

    class Outrun(MemoryLink):
        async def transact(self, txn: Txn):  # type: ignore[no-untyped-def]
            if txn.writes:
                await rival.commit(await now_known(rival), journal=[Draft(kind="rival", body={})])
            return await MemoryLink.transact(self, txn)

    etcd, _, _, known = await start()
    rival, _ = coordination(etcd, "rival")

    async def now_known(store: Store) -> Control:
        control = await store.read("payments")
        assert control is not None
        return control

    store = Store(Outrun(etcd), controller="slow", clock=etcd.clock)
    with pytest.raises(Transient, match="nothing was written"):
        await store.commit(known, journal=[Draft(kind="slow", body={})])
    entries = await rival.journal("payments")
    assert verify(entries) is None and "slow" not in [entry.kind for entry in entries]


async def test_a_settled_wish_needs_its_mark() -> None:
    """A wish whose sending was repeated late stays settled; with the mark removed it would be carried out twice."""
    _, store, link, _ = await start()
    wish = Request(id="w", verb="failover", by="operator", reason="", at=datetime(2026, 1, 1, tzinfo=UTC), arguments={})
    await store.request("payments", wish)
    waiting = await store.read("payments")
    assert waiting is not None
    settled = await store.commit(waiting, settle_request="w")
    await store.request("payments", wish)
    assert await store.read("payments") == settled
    late = Txn(unchanged={KEYS.request("w"): ABSENT}, writes=(Put(key=KEYS.request("w"), value=encode(wish)),))
    assert (await link.transact(late)).succeeded
    control = await store.read("payments")
    assert control is not None and control.requests == (wish,)


async def test_an_unreadable_posture_stops_everything_by_name() -> None:
    """Nobody acts on a posture that cannot be read, and nobody overwrites it."""
    etcd, store, link, known = await start()
    await link.transact(Txn(writes=(Put(key=KEYS.posture, value='{"service":'),)))
    with pytest.raises(Unreadable, match=KEYS.posture):
        await store.read("payments")
    with pytest.raises(LostOwnership):
        await store.commit(known, posture=POSTURE)
    assert read_text(etcd, KEYS.posture) == '{"service":'


async def test_what_others_left_unreadable_is_absent_and_said_once() -> None:
    """One vantage a version ahead, or one mistyped wish, must not keep the others from acting."""
    _, store, link, _ = await start()
    await store.publish("payments", told(1))
    for key in (KEYS.observation(AZURE), KEYS.request("w")):
        await link.transact(Txn(writes=(Put(key=key, value="?"),)))
    with capture_logs() as logs:
        for _ in range(3):
            control = await store.read("payments")
            assert control is not None and set(control.observations) == {AWS} and control.requests == ()
    assert [entry["key"] for entry in logs] == [KEYS.observation(AZURE), KEYS.request("w")]


async def test_a_store_that_knows_no_tip_finds_it_in_the_refusal() -> None:
    """A Control that another store read is as good as one's own; the journal's end comes with the refusal."""
    etcd, _, _, known = await start()
    other, _ = coordination(etcd, "b")
    assert other._tips == {}
    await other.commit(known, journal=[Draft(kind="seen", body={"sites": frozenset({AZURE, AWS})})])
    entries = await other.journal("payments")
    assert entries[-1].body == {"sites": ["aws", "azure"]} and verify(entries) is None
    assert other._tips["payments"] != Tip()
