"""Migrations that meet a dead cloud, on three real servers: what was begun is completed without it, and it comes back."""

import asyncio

import pytest

from controller.core.model import Site
from controller.core.plans import PlanKind
from controller.ports import Control
from tests.protocol.migrating import NOTE, PURPOSE, WITHOUT_PURPOSE, Crash, fail_over, files, migrate, process, rollout, script
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio
from workload.schema.errors import Refused
from workload.schema.migration import Migration
from workload.schema.outlook import reign_of
from workload.schema.rollout import look
from workload.schema.step import Expected, Pace, carry_out

HAS = "SELECT 1 FROM pg_attribute WHERE attrelid = 'ledger.payment'::regclass AND attname = 'purpose' AND NOT attisdropped"
ROLE = "SELECT role, epoch FROM trimaran.node"
NOTED = "SELECT to_regclass('ledger.note') IS NOT NULL"
PUBLISHED = "SELECT count(*) FROM pg_publication_tables WHERE tablename = 'note'"
WITHOUT_NOTE = """-- after: 0001
DROP FUNCTION IF EXISTS ledger.write_note(uuid, uuid);
DROP TABLE IF EXISTS ledger.note;
"""


async def lose_ahead(trio: Trio, ahead: Site, behind: Site) -> None:
    """azure dies when one follower has an acknowledged payment that the other has not: no other can be elected."""
    for site in (ahead, behind):
        while await trio.lost(site):
            await asyncio.sleep(0.02)
    await trio.part(behind)
    assert await trio.pay(AZURE)
    trio.lose(AZURE)
    assert (await fail_over(trio, AZURE, {})).posture.writer == ahead


async def begin_return(trio: Trio, site: Site, epoch: int) -> asyncio.Task[Control]:
    """Its cloud is back, and the controllers have emptied it for a copy."""
    await trio.start(site)
    returning = asyncio.create_task(trio.carry(PlanKind.RETURN, site))
    async with asyncio.timeout(20):
        while await trio.sql(site, ROLE) != [("follower", epoch)]:
            assert not returning.done(), returning.result()
            await asyncio.sleep(0.05)
    return returning


async def refused(trio: Trio, migrations: tuple[Migration, ...]) -> str:
    """The guard that holds the rest back, while a node is away."""
    with pytest.raises(Refused) as refusal:
        await migrate(trio, migrations)
    return refusal.value.guard


@pytest.mark.parametrize("is_back", [False, True], ids=["dead", "back, and as it was"])
async def test_an_addition_that_a_dead_cloud_left_half_done_is_completed_without_it(trio: Trio, is_back: bool) -> None:
    """aws has the column and the last payment, gcp has neither; azure dies, aws is elected, and nobody can pay. The same command gives gcp
    the column, whether azure is silent or still believes that it writes; nothing new is begun."""
    migrations = files(trio, expand_purpose=PURPOSE, expand_note=NOTE)
    with pytest.raises(Crash):
        await migrate(trio, migrations, crash_at="1/2 aws")
    await lose_ahead(trio, AWS, GCP)
    assert not await trio.pay(AWS, patience=2)
    if is_back:
        await trio.start(AZURE)
    assert await refused(trio, migrations) == ("one-reign" if is_back else "every-node")
    assert await trio.pay(AWS, patience=8)
    assert await trio.sql(GCP, HAS) == [(1,)]
    assert not [key for site in (AWS, GCP) for key in await trio.lost(site)]
    assert [await trio.sql(site, NOTED) for site in (AWS, GCP)] == [[(False,)]] * 2


async def test_a_removal_that_a_dead_cloud_left_half_done_is_taken_back_and_ends_when_it_is_back(trio: Trio) -> None:
    """azure and aws have dropped the column, gcp has not, and alone has the last payment; azure dies. aws gets the column again, and
    payments go on; azure comes back without it, gets it again too, is copied, and then it goes everywhere."""
    migrations = files(trio, expand_purpose=PURPOSE, contract_purpose=WITHOUT_PURPOSE)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1, site=GCP):
        with pytest.raises(Crash):
            await migrate(trio, migrations, crash_at="1/1 aws")
        await lose_ahead(trio, GCP, AWS)
        assert not await trio.pay(GCP, patience=2)
        assert await refused(trio, migrations) == "every-node"
        assert await trio.pay(GCP, patience=8)
        assert [await trio.sql(site, HAS) for site in (AWS, GCP)] == [[(1,)], [(1,)]]
        returning = await begin_return(trio, AZURE, 2)
        async with asyncio.timeout(20):
            while not await trio.sql(AZURE, "SELECT name FROM trimaran.subscriptions()"):
                await asyncio.sleep(0.05)
        await migrate(trio, migrations)
        await asyncio.wait_for(returning, 30)
    assert [await trio.sql(site, HAS) for site in SITES] == [[], [], []]
    assert await trio.pay(GCP, patience=8)
    await trio.await_equal(patience=20)


async def test_columns_are_given_back_before_versions_are_watched(trio: Trio) -> None:
    """gcp still sends what azure and aws have dropped, and no process is seen at all, as after a deployment that went wrong: the removal
    must not go on, and payments must."""
    migrations = files(trio, expand_purpose=PURPOSE, contract_purpose=WITHOUT_PURPOSE)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1, site=GCP):
        with pytest.raises(Crash):
            await migrate(trio, migrations, crash_at="1/1 aws")
    await trio.carry(PlanKind.SWITCHOVER, GCP)
    assert not await trio.pay(GCP, patience=2)
    assert await refused(trio, migrations) == "versions-in-use"
    assert await trio.pay(GCP, patience=8)
    assert [await trio.sql(site, HAS) for site in SITES] == [[(1,)]] * 3


async def test_an_old_writer_that_lacks_a_new_table_comes_back(trio: Trio) -> None:
    """aws and gcp have the table, azure died before it had: no subscription can name it there, and Return stands still until the same
    command brings the table, which needs no stream; nothing that is written meanwhile is missing on azure."""
    migrations = files(trio, expand_note=NOTE)
    with pytest.raises(Crash):
        await migrate(trio, migrations, crash_at="1/6 gcp")
    while [key for site in (AWS, GCP) for key in await trio.lost(site)]:
        await asyncio.sleep(0.02)
    trio.lose(AZURE)
    assert (await fail_over(trio, AZURE, {})).posture.writer == AWS
    assert await trio.pay(AWS)
    returning = await begin_return(trio, AZURE, 2)
    await asyncio.sleep(1)
    assert not returning.done() and await trio.sql(AZURE, "SELECT name FROM trimaran.subscriptions()") == []
    await migrate(trio, migrations)
    await trio.sql(AWS, "SELECT ledger.write_note(gen_random_uuid(), gen_random_uuid())")
    await asyncio.wait_for(returning, 30)
    await trio.sql(AWS, "SELECT ledger.write_note(gen_random_uuid(), gen_random_uuid())")
    assert await trio.pay(AWS)
    await trio.await_equal(patience=20)
    assert [await trio.sql(site, "SELECT count(*) FROM ledger.note") for site in SITES] == [[(2,)]] * 3


async def test_a_table_is_published_by_nobody_before_anybody_drops_it(trio: Trio) -> None:
    """azure dropped the table and died, gcp still has it: did it publish it, azure could not follow, and the removal
    would wait for azure."""
    migrations = files(trio, expand_note=NOTE, contract_note=WITHOUT_NOTE)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1, site=GCP):
        with pytest.raises(Crash):
            await migrate(trio, migrations, crash_at="2/2 aws")
        assert [await trio.sql(site, NOTED) for site in SITES] == [[(False,)], [(False,)], [(True,)]]
        assert await trio.sql(GCP, PUBLISHED) == [(0,)]
        await lose_ahead(trio, GCP, AWS)
        assert await trio.pay(GCP, patience=8)
        await asyncio.wait_for(await begin_return(trio, AZURE, 2), 30)
        await migrate(trio, migrations)
    assert [await trio.sql(site, NOTED) for site in SITES] == [[(False,)]] * 3
    assert await trio.pay(GCP)
    await trio.await_equal(patience=20)


async def test_no_table_begins_without_a_node_that_will_stream_again(trio: Trio) -> None:
    """gcp has the table and the function that writes it; aws is away, and azure keeps its stream: had azure the table now, aws would come
    back, skip its rows and confirm them."""
    migrations = files(trio, expand_note=NOTE)
    async with rollout(trio, migrations) as under_way:
        for index in range(len(migrations[0].statements)):
            await carry_out(under_way.nodes["gcp"], migrations[0], index, Expected(role="follower", epoch=1), Pace())
    trio.lose(AWS)
    with pytest.raises(Refused) as refusal:
        await migrate(trio, migrations)
    assert refusal.value.guard == "every-node" and "aws is away" in refusal.value.value
    assert await trio.sql(AZURE, NOTED) == [(False,)]


async def test_who_is_of_a_reign_is_told_by_the_nodes(trio: Trio) -> None:
    """A node whose stream was stopped by hand is none that waits for a copy."""
    await trio.part(AWS)
    async with rollout(trio, ()) as under_way:
        assert set(reign_of(await look(under_way.nodes, Pace()))) == {"azure", "gcp"}


async def test_a_function_keeps_its_owners_rights(trio: Trio) -> None:
    """Replaced without SECURITY DEFINER it would be there, and every call of the service would be turned away."""
    text = "CREATE OR REPLACE FUNCTION ledger.note() RETURNS integer LANGUAGE sql {} SET search_path = pg_catalog, pg_temp AS 'SELECT {}'"
    for site in SITES:
        await script(trio, site, text.format("SECURITY DEFINER", 1))
    with pytest.raises(Refused) as refusal:
        await migrate(trio, files(trio, expand_note=f"{text.format('', 2)};"))
    assert refusal.value.guard == "same-powers" and "ledger.note" in refusal.value.value
    assert await trio.sql(AWS, "SELECT ledger.note()") == [(1,)], "nothing was done"
    await migrate(trio, files(trio, expand_note=f"{text.format('SECURITY DEFINER', 2)};"))
    assert [await trio.sql(site, "SELECT ledger.note()") for site in SITES] == [[(2,)]] * 3
