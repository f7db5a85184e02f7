"""Beside whatever fails or hangs a notary signs on, and holds up nobody; what three of them leave is judged whole."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from controller.audit.evidence import Wrong
from controller.audit.judge import judge
from controller.audit.notary import PAGE, PLAN_DONE
from controller.audit.raw import Raw, evidence_of
from controller.coordination.codec import encode, plain
from controller.coordination.transaction import Put, Txn
from controller.core.model import Site
from controller.errors import Transient
from controller.journal_copy import Copyist
from controller.ports_audit import HeadName
from controller.providers.memory.anchor import MemoryAnchor
from controller.providers.memory.database import MemoryDatabase
from tests.unit.audit.ground import KEYS, SIGNERS, rewritten
from tests.unit.audit.signing import RHYTHM, board, copy_of, end, heads, journaled, notary, rewrite
from tests.unit.stage import AWS, GCP, SERVICE, Stage, failover, staged

pytestmark = pytest.mark.asyncio

# ---------------------------------------------------------------------------------------------------- anchors


async def test_a_head_is_anchored_once_and_its_receipt_kept() -> None:
    """After a lost answer it is asked again, and the place has it once."""
    async with staged() as stage:
        place = MemoryAnchor(loses_answers=True)
        signing = notary(stage, AWS, place)
        found = await stage.drive(signing.sign_what_is_due())
        with pytest.raises(Transient):
            await stage.drive(signing.anchor())
        place.loses_answers = False
        for _ in range(3):
            await stage.drive(signing.anchor())
        assert place.heads == [encode(found)] and place.asked == 2
        (kept,) = (await board(stage).receipts(SERVICE)).values()
        assert '"receipt":"receipt ' in kept and '"anchor":"memory"' in kept


async def test_an_anchor_that_fails_or_hangs_holds_up_no_head_and_no_other_anchor() -> None:
    """It is told once, and heads are signed and anchored elsewhere meanwhile; when it answers again it gets the latest."""
    async with staged() as stage:
        dead, hanging, well = MemoryAnchor(reachable=False, number=1), MemoryAnchor(hangs=True, number=2), MemoryAnchor(number=3)
        signing = notary(stage, AWS, dead, hanging, well)

        task = stage.keep(signing.run())
        with capture_logs() as said:
            for _ in range(30):
                await stage.clock.advance(timedelta(seconds=10))
                await journaled(stage, 1, PLAN_DONE)
        assert len(well.heads) > 5 and len(await heads(stage)) > 5
        assert [one["about"] for one in said if one["log_level"] == "warning"] == ["anchoring"]
        dead.reachable = True
        await stage.clock.advance(timedelta(minutes=2))
        assert dead.heads[-1:] == well.heads[-1:]
        task.cancel()


# ---------------------------------------------------------------------------------------------------- nobody waits


class Hanging(MemoryDatabase):
    """A node that keeps and reads no heads, and never says so."""

    async def keep_heads(self, heads: Mapping[HeadName, str]) -> None:
        """Never ends."""
        await asyncio.Event().wait()

    async def kept_heads(self, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """Never ends."""
        await asyncio.Event().wait()
        raise AssertionError


async def lasted(*, hanging: bool) -> timedelta:
    """How long a failover takes, beside notaries that hang or beside none."""
    async with staged() as stage:
        tasks = []
        if hanging:
            for site in (AWS, GCP):
                one = notary(stage, site, MemoryAnchor(hangs=True))
                one.copy = Hanging(stage.world, site, stage.clock)
                tasks.append(stage.keep(one.run()))
        began = stage.clock.monotonic()
        await stage.carry(failover())
        assert await stage.promises() == ()
        for task in tasks:
            task.cancel()
        return stage.clock.monotonic() - began


async def test_a_failover_is_as_quick_beside_notaries_that_hang() -> None:
    """Every path of theirs is a black hole."""
    assert await lasted(hanging=True) == await lasted(hanging=False)


async def test_whatever_fails_ends_a_round_and_nothing_else() -> None:
    """etcd's majority is lost, and somebody put something into it that no version ever wrote."""
    async with staged() as stage:
        await journaled(stage, 5)
        signing = notary(stage)
        for number in range(2 * PAGE):
            stage.etcd.transact(Txn(writes=(Put(key=f"/trimaran/{SERVICE}/heads/0{number}", value="\0"),)))
        task = stage.keep(signing.run())
        await stage.clock.advance(timedelta(seconds=30))
        stage.etcd.majority = False
        await stage.clock.advance(timedelta(seconds=30))
        stage.etcd.majority = True
        await journaled(stage, 1, PLAN_DONE)
        await stage.clock.advance(timedelta(seconds=30))
        assert not task.done() and (await heads(stage))[-1].head.sequence == await end(stage)
        assert len(await board(stage).heads(SERVICE, None, 1)) == 1, "what is no head does not hide those that are"
        task.cancel()


# ---------------------------------------------------------------------------------------------------- all of it together


async def test_what_three_controllers_copied_and_signed_is_judged_whole_and_a_forger_is_found() -> None:
    """Etcd, copies and heads as they came to be; then somebody rewrites etcd, and each controller's copy and heads tell."""
    async with staged() as stage:
        crew = {site: notary(stage, site) for site in SIGNERS_BY_SITE}
        copyists = {
            site: Copyist(service=SERVICE, coordination=stage.reader, copy=copy_of(stage, site)) for site in SIGNERS_BY_SITE
        }
        for _ in range(3):
            await journaled(stage, RHYTHM.entries)
            for site, one in crew.items():
                await stage.drive(one.sign_what_is_due())
                await copyists[site].keep()
            for one in crew.values():
                await one.keep_others()
        assert judge(evidence_of(await gathered(stage))).findings == ()
        rewrite(stage, rewritten(await stage.reader.journal(SERVICE), 25, actor="mallory"))
        found = judge(evidence_of(await gathered(stage))).findings
        assert (found[0].sequence, found[0].wrong) in {(22, Wrong.REWRITTEN), (25, Wrong.FORKED)}
        assert {one.place for one in found if one.wrong is Wrong.FORKED} == {f"{site}'s copy" for site in SIGNERS_BY_SITE}


SIGNERS_BY_SITE = tuple(map(Site, SIGNERS))


async def gathered(stage: Stage) -> Raw:
    """As `trimaran audit` does it, without the network in between."""
    import json

    raw = Raw(service=SERVICE, at=stage.clock.now(), journal=[plain(one) for one in await stage.reader.journal(SERVICE)])
    for site in SIGNERS_BY_SITE:
        raw.copies[site, 1] = [json.loads(text) for text in (await copy_of(stage, site).kept_journal(1)).values()]
        raw.heads[site] = list((await copy_of(stage, site).kept_heads()).values())
        raw.said[site] = {"keys": [{"controller": one.controller, "public": one.public, "until": None} for one in KEYS]}
    raw.heads["etcd"] = list((await board(stage).heads(SERVICE)).values())
    raw.recognise()
    return raw
