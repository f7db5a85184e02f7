"""etcd is lost in the middle of anything, and the control plane is built anew from the databases: nobody loses a payment by it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from controller.cli.rebuild import lines
from controller.coordination.codec import encode
from controller.coordination.store import Store
from controller.core.model import Epoch, Pause, Posture, Role, Token
from controller.core.policy import Policy
from controller.core.rebuild import RANGE
from controller.errors import LostOwnership, Refused
from controller.journal_copy import REBUILT, Copyist
from controller.ports import Request
from controller.providers.memory.database import MemoryDatabase
from controller.rebuild import Rebuilder
from tests.unit.crew import crew
from tests.unit.stage import (
    AWS,
    AZURE,
    GCP,
    SERVICE,
    SITES,
    STEP,
    AllSeeing,
    Stage,
    WatchedLink,
    failover,
    grow,
    shrink,
    staged,
    switchover,
)
from tests.unit.test_execute import FIRST, PLAYS, SECOND, Play, _effects, _stalled

THEN = datetime(2026, 1, 1, tzinfo=UTC)
FOUNDED = Posture(
    service=SERVICE,
    epoch=Epoch(1),
    writer=AZURE,
    reign=Epoch(1),
    must_cut=frozenset({AWS, GCP}),
    weights=dict.fromkeys(SITES, 1.0),
)


def rebuilder(stage: Stage) -> Rebuilder:
    """With ways of its own to every node and to etcd."""
    databases = {site: MemoryDatabase(stage.world, site, stage.clock) for site in SITES}
    return Rebuilder(
        service=SERVICE,
        databases=databases,
        copies=databases,
        coordination=Store(AllSeeing(stage.etcd), controller=REBUILT, clock=stage.clock),
        first=FOUNDED,
    )


async def rebuilt(stage: Stage) -> Posture:
    """Looked at and carried out, again when something that was still under way has changed what was seen."""
    work = rebuilder(stage)
    while True:
        seen = await stage.drive(work.look())
        assert seen.decision.posture is not None, seen.decision.refusals
        with suppress(Refused):
            return await stage.drive(work.carry_out(seen, by="kim", reason="etcd is gone"))


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
async def test_etcd_is_lost_behind_any_effect_of_any_plan(play: Play) -> None:
    """Its owner goes on and is turned away; the rebuilt control plane moves the writer, and every acknowledged payment is there."""
    for number in await _effects(play):
        async with play.claimed() as (stage, control):
            work, awake = await _stalled(stage, control, number)
            stage.etcd.restore()
            stage.postures.clear()  # an election that had reached no node is forgotten with it: its reign never began
            posture = await rebuilt(stage)
            awake.set()
            with suppress(LostOwnership):  # a plan whose last effect it was has ended
                await stage.drive(work)
            now = await stage.control()
            assert (now.posture, now.plan) == (posture, None), "whoever went on has written nothing"
            stage.world.flow()
            stage.pay_everywhere()
            end = await stage.carry(failover(posture.writer), "ctl-3")
            assert stage.world.servers[end.posture.writer].role is Role.WRITER
            assert await stage.promises() == (), number


async def _answered(stage: Stage) -> int:
    """Highest promise of any node."""
    return max(server.token for server in stage.world.servers.values())


@pytest.mark.parametrize("lost", ["wiped", "from the past"])
async def test_a_whole_course(lost: str) -> None:
    """Failover, etcd is lost under load, payments go on, it is rebuilt, the next writer dies: controllers that ran all the while fail
    over by themselves, the journal is one chain, tokens only grow, and nothing is lost."""
    async with crew(replace(Policy(), automatic_failovers=9)) as given:
        stage = given.stage
        backup = stage.etcd.backup()
        await given.crash(AZURE)
        await given.live(10)
        given.heal(AZURE)
        await given.live(20)
        before, promised = (await stage.control()).posture, await _answered(stage)
        assert (before.writer, before.must_cut) == (AWS, {AZURE, GCP})
        stage.etcd.restore(backup if lost == "from the past" else None)
        stage.postures.clear()
        paid = len(stage.world.acknowledged)
        await given.live(5)
        assert len(stage.world.acknowledged) > paid, "payments go on without a control plane"
        posture = await rebuilt(stage)
        assert (posture.writer, posture.reign, posture.must_cut) == (before.writer, before.reign, before.must_cut)
        await given.live(5)
        await given.crash(AWS)
        await given.live(15)
        after = (await stage.control()).posture
        assert after.writer != AWS and after.reign > posture.epoch
        assert stage.world.servers[after.writer].token > posture.tokens_above > promised
        paid = len(stage.world.acknowledged)
        given.heal(AWS)
        await given.live(20)
        assert len(stage.world.acknowledged) > paid
        assert (await stage.control()).posture.must_cut == frozenset(SITES) - {after.writer}
        assert await stage.promises() == ()
        kinds = [entry.kind for entry in await given.journal()]
        assert kinds[0] == "founded" and kinds.count("elected") == 1 + (lost == "wiped") and kinds.count(REBUILT) == 1, (
            "one chain, from the first entry"
        )


async def test_nothing_is_rebuilt_that_is_not_lost() -> None:
    """An etcd that holds the service refuses, and keeps what it holds; nobody is made to promise anything."""
    async with staged() as stage:
        await stage.carry(switchover())
        before = await stage.control(), await _answered(stage)
        seen = await stage.drive(rebuilder(stage).look())
        assert [one.guard for one in seen.decision.refusals] == ["etcd-is-behind"]
        assert (await stage.control(), await _answered(stage)) == before


@pytest.mark.parametrize("number", range(1, 7))
async def test_a_rebuild_that_ends_behind_any_of_its_effects_is_repeated(number: int) -> None:
    """Three promises, a page of the journal, its head, the posture: the same command again leaves a control plane that can move the
    writer, and one chain."""
    async with staged() as stage:
        await stage.carry(switchover(AWS))
        keeping = Copyist(service=SERVICE, coordination=stage.reader, copy=MemoryDatabase(stage.world, GCP, stage.clock))
        copied = await keeping.keep()
        stage.etcd.restore()
        ending, ways = asyncio.Event(), rebuilder(stage)
        link = WatchedLink(stage.etcd)
        ways = replace(ways, coordination=Store(link, controller=REBUILT, clock=stage.clock))
        effects = count(1)

        async def end(what: str) -> None:
            if what in {"fence", "etcd"} and next(effects) == number:
                ending.set()
                await asyncio.Event().wait()

        link.after = end
        for database in ways.databases.values():
            assert isinstance(database, MemoryDatabase)
            database.path.passed = end
        seen = await stage.drive(ways.look())
        work = asyncio.ensure_future(ways.carry_out(seen, by="kim", reason=""))
        await stage.drive(ending.wait())
        work.cancel()
        again = await stage.drive(rebuilder(stage).look())
        written = number == 6
        assert (again.decision.posture is None) == written, "written, and only the answer is missing"
        posture = (await stage.control()).posture if written else await rebuilt(stage)
        assert (await stage.carry(switchover(AZURE), SECOND)).posture.reign > posture.epoch
        assert [entry.kind for entry in await stage.reader.journal(SERVICE)].index(REBUILT) == copied
        assert await stage.promises() == ()


async def test_of_two_who_rebuild_at_once_one_writes() -> None:
    """The other is refused. Whatever the nodes promised to whom, a third look finds out whether what stands can act."""
    async with staged() as stage:
        await stage.carry(failover())
        stage.etcd.restore()
        one, other = rebuilder(stage), rebuilder(stage)
        first, second = await stage.drive(one.look()), await stage.drive(other.look())
        await stage.drive(one.carry_out(first, by="kim", reason=""))
        with pytest.raises(LostOwnership):
            await stage.drive(other.carry_out(second, by="lee", reason=""))
        assert (await stage.drive(other.look())).decision.refusals[0].guard == "etcd-is-behind"
        assert (await stage.carry(switchover(GCP), SECOND)).posture.writer == GCP
        assert await stage.promises() == ()


async def test_who_rebuilds_late_is_turned_away_by_the_nodes() -> None:
    """Lee looked before kim's nodes promised a later range. What lee wrote could act on nobody."""
    async with staged() as stage:
        stage.etcd.restore()
        late, seen = rebuilder(stage), None
        seen = await stage.drive(late.look())
        for database in rebuilder(stage).databases.values():
            await stage.drive(database.fence(token=Token(2 * RANGE), reign=Epoch(1)))
        with pytest.raises(Refused, match="unchanged"):
            await stage.drive(late.carry_out(seen, by="lee", reason=""))
        assert await stage.reader.read(SERVICE) is None


async def test_a_site_that_falls_silent_in_between_is_decided_upon_again() -> None:
    """Both followers are gone after the first look: what was shown is no longer proven, and nothing is written."""
    async with staged() as stage:
        stage.etcd.restore()
        work = rebuilder(stage)
        seen = await stage.drive(work.look())
        stage.world.crash(AWS)
        stage.world.crash(GCP)
        with pytest.raises(Refused, match="heard-from"):
            await stage.drive(work.carry_out(seen, by="kim", reason=""))
        assert await stage.reader.read(SERVICE) is None


@pytest.mark.parametrize("told_by", ["backup", "copy"])
async def test_a_plan_that_was_under_way_ends_in_the_journal(told_by: str) -> None:
    """gcp was being taken out when etcd was lost. Whoever reads the journal, or waits for that plan, is told that nobody goes on with it;
    of a plan that had ended nothing is said."""
    async with staged() as stage:
        await stage.carry(switchover(AWS))
        claimed = await stage.claim(shrink(GCP), FIRST)
        assert claimed.plan is not None
        backup = stage.etcd.backup()
        copy = {entry.sequence: encode(entry) for entry in await stage.reader.journal(SERVICE)}
        stage.world.servers[AWS].promise(Token(1000))
        stage.etcd.restore(backup if told_by == "backup" else None)
        stage.postures.clear()
        work = rebuilder(stage)
        if told_by == "copy":
            stage.world.servers[AWS].journal = {1: copy}
            work = replace(work, copies={AWS: MemoryDatabase(stage.world, AWS, stage.clock)})
        await stage.drive(work.carry_out(await stage.drive(work.look()), by="kim", reason=""))
        last = (await stage.reader.journal(SERVICE))[-1]
        assert (last.kind, last.body["plan"], last.body["plan_kind"]) == ("plan.done", claimed.plan.id, "shrink")
        assert "rebuilt" in str(last.body["failure"])
        assert await stage.promises() == ()


async def test_an_order_that_waited_in_a_backup_moves_nobody_again() -> None:
    """1. kim orders a switchover to aws; in this moment the backup is made. 2. aws writes, and azure again. 3. etcd is restored: the order
    waits there once more, and controllers would move the writer to aws. It is shown, dropped, and the same order again is not a new one."""
    async with staged() as stage:
        order = Request(id="w1", verb="switchover", by="kim", reason="", at=THEN, arguments={"to": "aws"})
        await stage.reader.request(SERVICE, order)
        backup = stage.etcd.backup()
        await stage.carry(switchover(AWS))
        await stage.carry(switchover(AZURE))
        stage.etcd.restore(backup)
        stage.postures.clear()
        assert (await stage.control()).requests == (order,)
        work = rebuilder(stage)
        seen = await stage.drive(work.look())
        assert "  not carried out: switchover to=aws of kim, 2026-01-01T00:00:00+00:00" in lines(SERVICE, seen)
        await stage.drive(work.carry_out(seen, by="kim", reason=""))
        await stage.reader.request(SERVICE, order)
        assert (await stage.control()).requests == ()


async def test_a_pause_is_kept_from_the_backup_or_begun_by_name() -> None:
    """Automation does not go on behind a person's back."""
    pause = Pause(by="kim", reason="night", since=THEN)
    async with staged() as stage:
        stage.etcd.restore()
        work = replace(rebuilder(stage), pause=pause)
        await stage.drive(work.carry_out(await stage.drive(work.look()), by="kim", reason=""))
        assert (await stage.control()).posture.pause == pause
        backup = stage.etcd.backup()
        await stage.carry(switchover())
        stage.etcd.restore(backup)
        stage.postures.clear()
        assert (await rebuilt(stage)).pause == pause


# ------------------------------------------------------------------------------------------------ one safeguard less


class Forgetful(MemoryDatabase):
    """A node that says it promised and keeps nothing."""

    async def fence(self, *, token: Token, reign: Epoch) -> int:
        """Answers as if."""
        return -1


@pytest.mark.parametrize("promised", [True, False], ids=["promised", "not promised"])
async def test_without_the_promise_an_order_of_before_is_obeyed(promised: bool) -> None:
    """1. gcp is being counted again; the order to the writer's row is caught in the network. 2. etcd is lost, and rebuilt from a row
    that counts aws alone. 3. The order arrives: gcp may acknowledge, and the next failover would not cut it."""
    async with staged() as stage:
        await stage.carry(shrink(GCP))
        path = stage.controller(FIRST).databases[AZURE].path
        path.hold_calls["set_ack_set"] = 1_000_000
        carrying = stage.keep(stage.controller(FIRST).executor.carry(await stage.claim(grow(GCP), FIRST)))
        while not path.held:
            await stage.clock.advance(STEP)
        carrying.cancel()
        stage.etcd.restore()
        stage.postures.clear()
        work = rebuilder(stage)
        if not promised:
            nodes = {site: Forgetful(stage.world, site, stage.clock) for site in SITES}
            work = replace(work, databases=nodes)
        posture = await stage.drive(work.carry_out(await stage.drive(work.look()), by="kim", reason=""))
        assert posture.must_cut == {AWS}
        await path.deliver()
        await stage._watch()
        assert bool(stage.breaches) is not promised, "gcp may acknowledge but would not be cut"


@pytest.mark.parametrize("offset", [True, False], ids=["counted on", "counted anew"])
async def test_without_the_range_every_step_is_refused(offset: bool) -> None:
    """The new etcd's revisions are below what nodes promised: its controllers would own plans that no database obeys."""
    async with staged() as stage:
        for _ in range(2):
            await stage.carry(switchover(AWS))
            await stage.carry(switchover(AZURE))
        stage.etcd.restore()
        posture = await rebuilt(stage)
        if not offset:
            control = await stage.control()
            await stage.reader.commit(control, posture=replace(posture, tokens_above=None))
        claimed = await stage.claim(switchover(AWS), SECOND)
        carrying = stage.keep(stage.controller(SECOND).executor.carry(claimed))
        for _ in range(100):
            await stage.clock.advance(STEP)
        assert (stage.world.servers[AWS].role is Role.WRITER) is offset
        carrying.cancel()


@pytest.mark.parametrize("proven", [True, False], ids=["proven", "from the row alone"])
async def test_without_the_proof_the_member_that_was_taken_out_takes_a_payment_with_it(proven: bool) -> None:
    """1. aws lags, gcp alone confirms payments, and is being taken out: the row is {aws}. 2. etcd is lost; by the row alone only aws has
    to be cut. 3. The writer dies before aws has caught up: aws is elected, and what gcp alone had confirmed is gone."""
    async with staged() as stage:
        stage.world.held.add(AWS)
        for _ in range(3):
            stage.pay_everywhere()
        path = stage.controller(FIRST).databases[AZURE].path
        carrying = stage.keep(stage.controller(FIRST).executor.carry(await stage.claim(shrink(GCP), FIRST)))
        while len(stage.world.servers[AZURE].ack_slots) > 1:
            await stage.clock.advance(STEP)
        carrying.cancel()
        assert path.reachable
        stage.etcd.restore()
        stage.postures.clear()
        posture = await rebuilt(stage)
        assert posture.must_cut == {AWS, AZURE, GCP}
        if not proven:
            control = await stage.control()
            await stage.reader.commit(control, posture=replace(posture, must_cut=frozenset({AWS})))
        stage.world.crash(AZURE)
        stage.world.held.clear()
        end = await stage.carry(failover(AZURE), SECOND)
        assert bool(stage.broken(end.posture.writer)) is not proven
