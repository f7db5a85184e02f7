"""Migrations on three real servers under payments: what each order protects, what is lost without it, and that any end is a beginning."""

import asyncio
import time

import psycopg
import pytest

from controller.core import naming
from controller.core.model import Epoch
from controller.core.plans import PlanKind
from tests.protocol.migrating import (
    INDEX,
    NOTE,
    PURPOSE,
    WITHOUT_PURPOSE,
    Crash,
    fail_over,
    files,
    migrate,
    process,
    rollout,
    schemas,
    script,
)
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio
from workload.schema.errors import Moved, Refused
from workload.schema.step import Expected, Pace, carry_out

ADDED = "ALTER TABLE ledger.payment ADD COLUMN IF NOT EXISTS purpose text"
DROPPED = "ALTER TABLE ledger.payment DROP COLUMN IF EXISTS purpose"
HAS = "SELECT 1 FROM pg_attribute WHERE attrelid = 'ledger.payment'::regclass AND attname = 'purpose' AND NOT attisdropped"
DONE = "SELECT number, done = steps, ended_at IS NOT NULL FROM trimaran.migration ORDER BY number"
ordered = pytest.mark.parametrize("is_ordered", [True, False], ids=["in order", "in another order"])


async def pay_on(trio: Trio, stop: asyncio.Event, took: list[float]) -> None:
    """One payer, who pays again and again and notes how long each payment takes."""
    while not stop.is_set():
        began = time.monotonic()
        assert await trio.pay(AZURE)
        took.append(time.monotonic() - began)


async def test_payments_go_on_while_a_column_a_table_and_an_index_come(trio: Trio) -> None:
    """Nothing is lost, nobody waits long, every node ends with the same schema and the record that says so."""
    stop, took = asyncio.Event(), list[float]()
    payers = [asyncio.create_task(pay_on(trio, stop, took)) for _ in range(3)]
    try:
        await asyncio.sleep(1)
        before = max(took)
        took.clear()
        await migrate(trio, files(trio, expand_purpose=PURPOSE, expand_note=NOTE, expand_index=INDEX))
    finally:
        stop.set()
        await asyncio.gather(*payers)
    print(f"longest payment before {before * 1000:.0f} ms, while migrating {max(took) * 1000:.0f} ms, {len(took)} payments")
    assert max(took) < 1
    await trio.await_equal()
    assert not [key for site in SITES for key in await trio.lost(site)]
    assert len(set((await schemas(trio)).values())) == 1
    for site in SITES:
        assert await trio.sql(site, DONE) == [(1, True, True), (2, True, True), (3, True, True)]


@ordered
async def test_a_column_reaches_followers_first(trio: Trio, is_ordered: bool) -> None:
    """A follower that lacks a column which its writer has stops at the next payment: nobody can acknowledge any more."""
    if is_ordered:
        await migrate(trio, files(trio, expand_purpose=PURPOSE))
    else:
        await script(trio, AZURE, ADDED)
    assert bool(await trio.pay(patience=2)) is is_ordered
    for site in (AWS, GCP):
        await script(trio, site, ADDED)
    await trio.await_equal(patience=20)


@ordered
async def test_a_column_leaves_the_writer_first(trio: Trio, is_ordered: bool) -> None:
    """The same the other way round."""
    migrations = files(trio, expand_purpose=PURPOSE, contract_purpose=WITHOUT_PURPOSE)
    await migrate(trio, migrations[:1])
    if is_ordered:
        async with process(trio, version=1):
            told = await migrate(trio, migrations)
        assert [line.rpartition(" ")[2] for line in told] == ["azure", "aws", "gcp"]
    else:
        for site in (AWS, GCP):
            await script(trio, site, DROPPED)
    assert bool(await trio.pay(patience=2)) is is_ordered
    await script(trio, AZURE, DROPPED)


@ordered
async def test_a_new_table_is_followed_before_anybody_can_write_it(trio: Trio, is_ordered: bool) -> None:
    """A row that is written before is skipped by every follower, silently, and acknowledged: it dies with its writer's cloud."""
    note = "INSERT INTO ledger.note (id, payment) VALUES (gen_random_uuid(), gen_random_uuid())"
    if is_ordered:
        await migrate(trio, files(trio, expand_note=NOTE))
    else:
        for site in SITES:
            await script(trio, site, NOTE)
            await trio.sql(site, f"ALTER PUBLICATION {naming.publication(trio.service)} ADD TABLE ledger.note")
    await trio.sql(AZURE, note)
    assert await trio.pay(), "the followers confirm what lies behind the row"
    if not is_ordered:
        for site in (AWS, GCP):
            stream = trio.nodes[site].stream_from(Epoch(1), AZURE)
            await trio.sql(site, f"ALTER SUBSCRIPTION {stream} REFRESH PUBLICATION WITH (copy_data = false)")
    await trio.sql(AZURE, note)
    assert await trio.pay()
    await trio.await_equal()
    for site in (AWS, GCP):
        assert await trio.sql(site, "SELECT count(*) FROM ledger.note") == [(2 if is_ordered else 1,)]


@pytest.mark.parametrize("other", ["its own", "another"])
async def test_rows_that_nobody_was_sent_are_never_taken_for_copied(trio: Trio, other: str) -> None:
    """Somebody made a table by hand, published and filled it: a refresh without a copy would say that followers have its rows."""
    name = "ledger.note" if other == "its own" else "ledger.other"
    await trio.sql(AZURE, f"CREATE TABLE {name} (id uuid PRIMARY KEY, payment uuid, at timestamptz)")
    await trio.sql(AZURE, f"INSERT INTO {name} (id) VALUES (gen_random_uuid())")
    await trio.sql(AZURE, f"ALTER PUBLICATION {naming.publication(trio.service)} ADD TABLE {name}")
    with pytest.raises(Refused) as refused:
        await migrate(trio, files(trio, expand_note=NOTE))
    assert refused.value.guard == "no-row-unfollowed" and name in refused.value.value
    assert await trio.pay(), "and payments go on"


async def test_whoever_dies_at_any_step_is_followed_by_another(trio: Trio) -> None:
    """One step, and death, again and again: every statement is done once on every node, and the end is the same."""
    migrations = files(trio, expand_purpose=PURPOSE, expand_note=NOTE, expand_index=INDEX)
    deaths = 0
    while True:
        try:
            await migrate(trio, migrations, crash_at=("aws", "gcp", "azure")[deaths % 3])
            break
        except Crash:
            deaths += 1
    assert deaths > 10, "it died at every statement"
    assert len(set((await schemas(trio)).values())) == 1
    assert await trio.pay()
    await trio.await_equal()


async def test_a_broken_index_is_made_anew(trio: Trio) -> None:
    """Half-made it has the name and serves nobody; IF NOT EXISTS would leave it so for ever."""
    await trio.sql(GCP, "CREATE INDEX payment_by_amount ON ledger.payment (amount)")
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ledger.payment_by_amount'::regclass"
    with psycopg.connect(trio.servers[GCP].dsn(trio.service), autocommit=True) as admin:
        admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ledger.payment_by_amount'::regclass")
    await migrate(trio, files(trio, expand_index=INDEX))
    assert await trio.sql(GCP, valid) == [(True,)]
    assert len(set((await schemas(trio)).values())) == 1


async def test_payments_do_not_queue_behind_a_lock_that_is_not_free(trio: Trio) -> None:
    """A report has read the ledger for seconds: the migration asks again and again, and payments pass in between."""
    stop, took = asyncio.Event(), list[float]()
    dsn = trio.servers[AZURE].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn) as report:
        await report.execute("SELECT count(*) FROM ledger.payment")
        payers = [asyncio.create_task(pay_on(trio, stop, took)) for _ in range(2)]
        migrating = asyncio.create_task(migrate(trio, files(trio, expand_purpose=PURPOSE)))
        await asyncio.wait([migrating], timeout=3)
        assert not migrating.done(), "the report holds it back"
        stop.set()
        await asyncio.gather(*payers)
        await report.rollback()
    await migrating
    print(f"longest payment behind a report {max(took) * 1000:.0f} ms, {len(took)} payments")
    assert max(took) < 1
    assert await trio.sql(AZURE, HAS) == [(1,)]


async def test_who_holds_the_lock_is_named_in_the_end(trio: Trio) -> None:
    """Patience ends with what to do about it, and what is done stays done."""
    impatient = Pace(again=Pace().again / 10, patience=Pace().again)
    dsn = trio.servers[AZURE].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(f"{dsn} application_name=report") as report:
        await report.execute("SELECT count(*) FROM ledger.payment")
        await asyncio.sleep(1.1)
        with pytest.raises(Refused) as refused:
            await migrate(trio, files(trio, expand_purpose=PURPOSE), pace=impatient)
    assert refused.value.guard == "short-locks" and "report" in refused.value.value
    assert await trio.sql(AWS, HAS) == [(1,)] and await trio.sql(AZURE, HAS) == []
    assert await trio.pay()


async def test_a_step_is_done_on_what_the_node_was_or_not_at_all(trio: Trio) -> None:
    """The order was made for another reign: a follower's step on what is the writer now is refused by the node itself."""
    migrations = files(trio, expand_purpose=PURPOSE)
    async with rollout(trio, migrations) as under_way:
        for wrong in (Expected(role="writer", epoch=1), Expected(role="follower", epoch=2)):
            with pytest.raises(Moved):
                await carry_out(under_way.nodes["aws"], migrations[0], 0, wrong, Pace())
    assert await trio.sql(AWS, HAS) == []


async def test_a_fenced_writer_takes_no_step(trio: Trio) -> None:
    """Its cloud was given up: whatever it got now, nobody else would have."""
    await trio.sql(AZURE, "UPDATE trimaran.node SET role = 'fenced'")
    with pytest.raises(Refused):
        await migrate(trio, files(trio, expand_purpose=PURPOSE))
    assert [await trio.sql(site, HAS) for site in SITES] == [[], [], []]


async def test_two_at_once_are_one_too_many(trio: Trio) -> None:
    """The second is told, and the first goes on."""
    migrations = files(trio, expand_purpose=PURPOSE)
    async with rollout(trio, migrations) as first, rollout(trio, migrations) as second:
        for session in first.nodes.values():
            await session.alone()
        with pytest.raises(Refused) as refused:
            await second.apply()
        assert refused.value.guard == "one-migration"


@pytest.mark.parametrize("is_known", [True, False], ids=["fingerprints known", "by name alone"])
async def test_a_failover_in_the_middle_elects_who_can_be_followed(trio: Trio, is_known: bool) -> None:
    """aws has the new column, gcp has not, both hold every payment. Elected by its name alone, aws sends what gcp cannot take, and
    nobody can acknowledge; by its fingerprint gcp is elected, and payments go on."""
    with pytest.raises(Crash):
        await migrate(trio, files(trio, expand_purpose=PURPOSE), crash_at="1/2 aws")
    known = await schemas(trio)
    assert known[AWS] != known[AZURE] == known[GCP] != ""
    for site in (AWS, GCP):  # not by digest: rows of one column more read otherwise
        while await trio.lost(site):
            await asyncio.sleep(0.02)
    trio.lose(AZURE)
    control = await fail_over(trio, AZURE, known if is_known else {})
    assert control.posture.writer == (GCP if is_known else AWS)
    assert bool(await trio.pay(patience=2)) is is_known
    assert not await trio.lost(control.posture.writer)


async def test_a_removal_waits_for_the_last_old_process(trio: Trio) -> None:
    """One of the version before is still logged in at a follower; once it is gone, the column goes."""
    migrations = files(trio, expand_purpose=PURPOSE, contract_purpose=WITHOUT_PURPOSE)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1):
        async with process(trio, version=0):
            with pytest.raises(Refused) as refused:
                await migrate(trio, migrations)
            assert refused.value.guard == "versions-in-use"
            assert await trio.sql(AZURE, HAS) == [(1,)]
        await migrate(trio, migrations)
    assert [await trio.sql(site, HAS) for site in SITES] == [[], [], []]


async def test_a_removal_that_a_switchover_cut_in_two_is_finished(trio: Trio) -> None:
    """Writer and aws have dropped the column, gcp has not, and gcp becomes the writer: it sends what the others lack, and nobody can pay,
    until the same command gives the column back and takes it away in the right order."""
    migrations = files(trio, expand_purpose=PURPOSE, contract_purpose=WITHOUT_PURPOSE)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1, site=GCP):
        with pytest.raises(Crash):
            await migrate(trio, migrations, crash_at="1/1 aws")
        await trio.carry(PlanKind.SWITCHOVER, GCP)
        assert not await trio.pay(GCP, patience=2)
        await migrate(trio, migrations)
    assert await trio.pay(GCP, patience=8)
    assert [await trio.sql(site, HAS) for site in SITES] == [[], [], []]
    await trio.await_equal(patience=20)


async def test_a_column_that_rows_must_have_is_not_dropped(trio: Trio) -> None:
    """Between the writer's step and its own a follower takes rows without it."""
    drop = "-- after: 0001\nALTER TABLE ledger.payment DROP COLUMN IF EXISTS body_digest;"
    migrations = files(trio, expand_purpose=PURPOSE, contract_digest=drop)
    await migrate(trio, migrations[:1])
    async with process(trio, version=1):
        with pytest.raises(Refused) as refused:
            await migrate(trio, migrations)
    assert refused.value.guard == "may-be-missing"
    assert await trio.pay()
