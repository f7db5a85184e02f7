"""A site's copy of the journal: appended to, proven when it is read, and never a reason for anything."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from controller.coordination.chain import START, End, end_of
from controller.coordination.codec import encode
from controller.journal_copy import PAGE, REBUILT, Copyist, read_back
from controller.ports import Draft
from controller.providers.memory.database import MemoryDatabase
from tests.unit.stage import AWS, SERVICE, Stage, staged

pytestmark = pytest.mark.asyncio


def copy_of(stage: Stage) -> MemoryDatabase:
    """That of aws."""
    return MemoryDatabase(stage.world, AWS, stage.clock)


def copyist(stage: Stage) -> Copyist:
    """The controller of aws, as it starts."""
    return Copyist(service=SERVICE, coordination=stage.reader, copy=copy_of(stage))


async def journaled(stage: Stage, count: int, kind: str = "said") -> None:
    """So many entries more."""
    for _ in range(count):
        await stage.reader.commit(await stage.control(), journal=[Draft(kind=kind, body={})])


async def test_what_is_new_is_copied_in_pages_and_read_back_as_it_was() -> None:
    """More than a page waits for the next round; a controller that starts anew goes on where the copy ends."""
    async with staged() as stage:
        await journaled(stage, PAGE + 10)
        keeping = copyist(stage)
        assert [await keeping.keep(), await keeping.keep(), await keeping.keep()] == [PAGE, 11, 0]
        await journaled(stage, 2)
        assert await copyist(stage).keep() == 2
        assert await read_back(copy_of(stage), START) == await stage.reader.journal(SERVICE)
        (*_, middle, last) = await stage.reader.journal(SERVICE)
        assert await read_back(copy_of(stage), end_of(middle)) == (last,)


async def test_a_journal_that_tells_another_story_is_another_branch() -> None:
    """etcd begins anew, or somebody rewrote it: what was seen before stays, a person is told once, and what comes is copied too."""
    async with staged() as stage:
        await journaled(stage, 3)
        keeping = copyist(stage)
        await keeping.keep()
        before = dict(stage.world.servers[AWS].journal[1])
        stage.etcd.restore()
        await stage.found()
        with capture_logs() as said:
            assert await keeping.keep() == 1, "shorter is another story too"
            await journaled(stage, 6, "another story")
            assert await keeping.keep() == 6
        assert [one["event"] for one in said] == ["the journal is not the one that was copied"]
        assert stage.world.servers[AWS].journal[1] == before
        assert await read_back(copy_of(stage), START) == await stage.reader.journal(SERVICE), "the longest"
        assert await copyist(stage).keep() == 0, "a controller that starts anew goes on with the latest branch"


async def test_a_restored_journal_that_went_on_is_copied_and_put_back() -> None:
    """Somebody writes to etcd between its restoration and its rebuild. When it is lost again, what happened since is put back, although
    the branch of before is longer."""
    async with staged() as stage:
        await journaled(stage, 3)
        backup = stage.etcd.backup()
        await journaled(stage, 20)
        keeping = copyist(stage)
        await keeping.keep()
        stage.etcd.restore(backup)
        await journaled(stage, 1, "a controller that ran on")
        await journaled(stage, 1, REBUILT)
        assert await keeping.keep() == 6
        await journaled(stage, 2)
        assert await keeping.keep() == 2
        assert len(stage.world.servers[AWS].journal[1]) > 8
        assert await read_back(copy_of(stage), START) == await stage.reader.journal(SERVICE)


async def test_a_copy_is_believed_as_far_as_its_chain_holds() -> None:
    """Rewritten in its second page, it is read up to there; before another end of the journal it has nothing to say."""
    async with staged() as stage:
        await journaled(stage, PAGE + 10)
        keeping = copyist(stage)
        while await keeping.keep():
            pass
        kept = stage.world.servers[AWS].journal[1]
        entries = await stage.reader.journal(SERVICE)
        forged = replace(entries[PAGE + 3], body={"forged": True})
        kept[forged.sequence] = encode(forged)
        assert await read_back(copy_of(stage), START) == entries[:PAGE]
        assert await read_back(copy_of(stage), End(sequence=5, digest="of something else")) == ()
        kept[1] = "no entry at all"
        assert await read_back(copy_of(stage), START) == ()


async def test_a_copy_whose_oldest_have_gone_is_put_back_from_where_it_begins() -> None:
    """It is bounded; what it has is one chain all the same."""
    async with staged() as stage:
        await journaled(stage, 8)
        await copyist(stage).keep()
        kept = stage.world.servers[AWS].journal[1]
        for number in (1, 2, 3):
            del kept[number]
        entries = await stage.reader.journal(SERVICE)
        assert await read_back(copy_of(stage), START) == entries[3:]


async def test_a_node_that_is_away_has_no_copy() -> None:
    """Reading it is no error."""
    async with staged() as stage:
        await journaled(stage, 3)
        await copyist(stage).keep()
        stage.world.crash(AWS)
        assert await stage.drive(read_back(copy_of(stage), START)) == ()
