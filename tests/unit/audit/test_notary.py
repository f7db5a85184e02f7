"""A controller signs what it has followed, keeps everybody's heads, and holds up nobody."""

from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from controller.audit.keys import PublicKey, ring
from controller.audit.notary import PAGE, PLAN_DONE, Notary
from controller.coordination.codec import encode
from controller.core.heads import Rhythm
from controller.journal_copy import REBUILT
from controller.ports_audit import HeadName
from tests.unit.audit.ground import KEYS, SIGNERS, rewritten, signer
from tests.unit.audit.signing import RHYTHM, board, end, heads, journaled, notary, rewrite
from tests.unit.stage import AWS, GCP, SERVICE, Stage, staged

pytestmark = pytest.mark.asyncio


async def test_the_end_is_signed_at_first_after_plans_after_entries_and_after_a_while() -> None:
    """And not in between. A head says what it is of, is proven by its key, and lies in etcd and in the own node."""
    async with staged() as stage:
        signing = notary(stage)
        first = await stage.drive(signing.sign_what_is_due())
        assert first is not None and ring(KEYS).doubt(first) is None
        last = (await stage.reader.journal(SERVICE))[-1]
        assert (first.head.service, first.head.sequence, first.head.digest) == (SERVICE, last.sequence, last.digest)
        assert await heads(stage) == await heads(stage, AWS) == [first]
        await journaled(stage, RHYTHM.entries - 1)
        assert await stage.drive(signing.sign_what_is_due()) is None
        await journaled(stage, 1)
        assert (await stage.drive(signing.sign_what_is_due())) is not None
        await journaled(stage, 1, PLAN_DONE)
        ended = await stage.drive(signing.sign_what_is_due())
        assert ended is not None and ended.head.sequence == await end(stage)
        assert await stage.drive(signing.sign_what_is_due()) is None
        await stage.clock.advance(RHYTHM.every)
        again = await stage.drive(signing.sign_what_is_due())
        assert again is not None and again.head.sequence == ended.head.sequence and again.head.at > ended.head.at
        assert [one.head.at for one in await heads(stage)][-1] == again.head.at, "etcd has the youngest"
        assert [one.head.at for one in await heads(stage, AWS)][-1] == ended.head.at, "the copy is never rewritten"


async def test_a_long_journal_is_followed_page_by_page() -> None:
    """A plan that ended in the first page is not forgotten at the last."""
    async with staged() as stage:
        signing = notary(stage)
        await stage.drive(signing.sign_what_is_due())
        await journaled(stage, 1, PLAN_DONE)
        signing.rhythm = Rhythm(entries=10_000)
        await journaled(stage, 2 * PAGE)
        found = await stage.drive(signing.sign_what_is_due())
        assert found is not None and found.head.sequence == await end(stage)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_journal_that_does_not_continue_what_was_signed_is_not_signed(restarted: bool) -> None:
    """Rewritten in etcd with every digest and without any head; told once. Neither a long while nor a restart changes that: the own node
    remembers."""
    async with staged() as stage:
        await journaled(stage, 30)
        signing = notary(stage)
        await stage.drive(signing.sign_what_is_due())
        before = await heads(stage, AWS)
        stage.etcd.restore()
        await stage.found()
        await journaled(stage, 40)
        signing = notary(stage) if restarted else signing
        with capture_logs() as said:
            for _ in range(3):
                await stage.clock.advance(RHYTHM.every)
                assert await stage.drive(signing.sign_what_is_due()) is None
        assert [one["about"] for one in said] == ["journal"] and "not the one that was signed" in said[0]["error"]
        assert await heads(stage) == [] and await heads(stage, AWS) == before


async def test_an_entry_that_was_rewritten_before_it_was_followed_is_not_signed() -> None:
    """Without its digest: the chain is broken between the last head and the end."""
    async with staged() as stage:
        signing = notary(stage)
        await stage.drive(signing.sign_what_is_due())
        await journaled(stage, 30)
        journal = await stage.reader.journal(SERVICE)
        rewrite(stage, [replace(journal[20], actor="mallory")])
        with capture_logs() as said:
            assert await stage.drive(signing.sign_what_is_due()) is None
        assert "entry 21 (changed)" in said[0]["error"]
        rewrite(stage, [journal[20]])
        assert await stage.drive(signing.sign_what_is_due()) is not None, "put right, it is signed"


async def test_after_a_rebuild_that_is_journaled_the_journal_is_signed_again() -> None:
    """From its first entry. What was signed before stays, and tells of the fork."""
    async with staged() as stage:
        await journaled(stage, 30)
        signing = notary(stage)
        await stage.drive(signing.sign_what_is_due())
        (before,) = await heads(stage, AWS)
        await stage.clock.advance(timedelta(minutes=1))
        stage.etcd.restore()
        await stage.found()
        await journaled(stage, 1, REBUILT)
        await journaled(stage, 60)
        found = await stage.drive(signing.sign_what_is_due())
        assert found is not None and found.head.sequence == await end(stage)
        assert await heads(stage, AWS) == [before, found]
        await journaled(stage, 1, PLAN_DONE)
        assert await stage.drive(notary(stage).sign_what_is_due()) is not None, "a restart goes on with the new one"


async def test_a_rebuild_of_before_the_last_head_excuses_nothing() -> None:
    """Whoever rewrites a journal that was rebuilt once is not let through by that."""
    async with staged() as stage:
        await journaled(stage, 1, REBUILT)
        await journaled(stage, 10)
        signing = notary(stage)
        await stage.clock.advance(timedelta(minutes=6))
        await stage.drive(signing.sign_what_is_due())
        rewrite(stage, rewritten(await stage.reader.journal(SERVICE), 5, actor="mallory"))
        await stage.clock.advance(RHYTHM.every)
        assert await stage.drive(signing.sign_what_is_due()) is None


async def test_everybodys_heads_come_to_all_three_nodes_and_false_ones_to_none() -> None:
    """A false head that was there first does not keep the true one of its name out."""
    async with staged() as stage:
        await journaled(stage, 5)
        crew = {site: notary(stage, site) for site in (AWS, GCP)}
        entry = (await stage.reader.journal(SERVICE))[-1]
        name = HeadName(sequence=entry.sequence, controller="gcp", digest=entry.digest)
        await board(stage).post_head(SERVICE, name, "no head at all")
        forged = SIGNERS["aws"].sign(replace(await an_empty_head(stage, crew[GCP]), at=stage.clock.now()))
        await board(stage).post_head(SERVICE, replace(name, digest="jcs-0"), encode(forged))
        mine = await stage.drive(crew[AWS].sign_what_is_due())
        await board(stage).post_head(SERVICE, replace(name, digest="jcs-1"), encode(mine))  # a true one, under another's name
        with capture_logs() as said:
            assert await crew[AWS].keep_others() == 1
        assert len(said) == 3 and await heads(stage, AWS) == [
            one for one in await heads(stage, AWS) if one.head.controller == "aws"
        ]
        true = await stage.drive(crew[GCP].sign_what_is_due())
        for one in crew.values():
            await one.keep_others()
        for site in (AWS, GCP):
            assert {one.head.controller for one in await heads(stage, site)} == {"aws", "gcp"}
            assert true in await heads(stage, site)


async def an_empty_head(stage: Stage, of: Notary) -> object:
    """What that controller would sign now."""
    from controller.core.heads import Head

    entry = (await stage.reader.journal(SERVICE))[-1]
    return Head(
        service=SERVICE,
        sequence=entry.sequence,
        digest="jcs-0",
        at=stage.clock.now(),
        controller=of.signer.controller,
        key=of.signer.id,
    )


async def test_many_heads_are_copied_page_by_page_and_once() -> None:
    """Also those of while this controller was away."""
    async with staged() as stage:
        other, mine = notary(stage, GCP), notary(stage)
        for _ in range(PAGE + 5):
            await journaled(stage, 1, PLAN_DONE)
            await stage.drive(other.sign_what_is_due())
        assert [await mine.keep_others(), await mine.keep_others(), await mine.keep_others()] == [PAGE, 5, 0]
        assert len(await heads(stage, AWS)) == PAGE + 5


async def test_a_node_that_keeps_nothing_keeps_nobody_from_signing() -> None:
    """It is down, or has no table: told once; when it is there again it gets what it missed."""
    async with staged() as stage:
        await journaled(stage, 5)
        signing = notary(stage)
        stage.world.crash(AWS)
        with capture_logs() as said:
            found = await stage.drive(signing.sign_what_is_due())
        assert found is not None and await heads(stage) == [found]
        assert [one["about"] for one in said if one["log_level"] == "warning"] == ["own copy"]
        stage.world.start(AWS)
        assert await stage.drive(signing.keep_others()) == 1
        assert await heads(stage, AWS) == [found]


async def test_a_key_is_changed_without_a_gap() -> None:
    """aws starts with a new key: it finds its own last head, signed with the old one, and goes on from there."""
    async with staged() as stage:
        await journaled(stage, 5)
        await stage.drive(notary(stage).sign_what_is_due())
        retired = replace(KEYS[0], until=stage.clock.now())
        new = signer("aws", 1)
        keys = (retired, PublicKey(controller="aws", public=new.public), *KEYS[1:])
        signing = notary(stage, keys=keys)
        signing.signer = new
        await stage.clock.advance(timedelta(minutes=1))
        assert await stage.drive(signing.sign_what_is_due()) is None, "nothing is due: it knows its last head"
        await journaled(stage, RHYTHM.entries)
        found = await stage.drive(signing.sign_what_is_due())
        assert found is not None and found.head.key == new.id
        assert [ring(keys).doubt(one) for one in await heads(stage)] == [None, None]


async def test_a_rebuild_after_a_second_loss_is_found_too() -> None:
    """etcd is emptied, goes on unsigned for a while, is emptied again, and only then rebuilt."""
    async with staged() as stage:
        await journaled(stage, 30)
        signing = notary(stage)
        await stage.drive(signing.sign_what_is_due())
        stage.etcd.restore()
        await stage.found()
        await journaled(stage, 100)
        assert await stage.drive(signing.sign_what_is_due()) is None
        stage.etcd.restore()
        await stage.found()
        await journaled(stage, 1, REBUILT)
        assert await stage.drive(signing.sign_what_is_due()) is not None
