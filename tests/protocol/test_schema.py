"""Fingerprints and retention on real servers."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

import workload
from controller.core import naming
from controller.core.guards import review
from controller.core.model import NodeFacts, Site, Trigger
from controller.core.plans import PlanKind
from controller.core.proposals import Switchover
from tests.protocol.migrating import NOTE, PACE, doors, files, migrate, rollout, script
from tests.protocol.trio import AWS, AZURE, GCP, SITES, Trio
from tests.unit.core.worlds import World
from workload.schema import retention
from workload.schema.baseline import baseline
from workload.schema.errors import Refused
from workload.schema.migration import read_migrations
from workload.schema.rollout import look, sessions
from workload.schema.step import Expected, carry_out

OUTBOX = (Path(workload.__file__).parent / "webhooks" / "outbox.sql").read_text(encoding="utf-8")
LABEL = "retention=forever residency=any contains=none"


async def facts(trio: Trio, site: Site) -> NodeFacts:
    """What the node says to a controller."""
    return await trio.databases[site].facts(timedelta(seconds=5))


async def soon(trio: Trio, site: Site, *, other_than: str) -> str:
    """The node's fingerprint as soon as its facts tell another one; empty when they never do."""
    give_up = time.monotonic() + 15
    while time.monotonic() < give_up:
        if (said := (await facts(trio, site)).schema) != other_than:
            return said
        await asyncio.sleep(0.05)
    return ""


OTHER_KINDS = """
CREATE VIEW ledger.one AS SELECT 1 AS one;
CREATE DOMAIN ledger.word AS text;
CREATE TYPE ledger.mood AS ENUM ('glad');
"""

CHANGES = {
    "a column": "ALTER TABLE ledger.entry ADD COLUMN extra text",
    "a default": "ALTER TABLE ledger.entry ALTER COLUMN account SET DEFAULT gen_random_uuid()",
    "not null": "ALTER TABLE ledger.payment ALTER COLUMN currency DROP NOT NULL",
    "a constraint": "ALTER TABLE ledger.payment ADD CONSTRAINT small CHECK (amount < 1000000)",
    "an index": "CREATE INDEX extra ON ledger.entry (account)",
    "a trigger": "DROP TRIGGER guard ON ledger.entry",
    "a trigger's state": "ALTER TABLE ledger.entry DISABLE TRIGGER guard",
    "a function": "CREATE FUNCTION ledger.extra() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "a function's source": "CREATE OR REPLACE FUNCTION trimaran.is_copy_slot(name text) RETURNS boolean LANGUAGE sql IMMUTABLE "
    "AS $$ SELECT name = 'none' $$",
    "a right": "REVOKE SELECT ON ledger.payment FROM {app}",
    "a right to call": "GRANT EXECUTE ON FUNCTION ledger.await_held TO {stream}",
    "a label": "COMMENT ON TABLE ledger.entry IS 'other'",
    "a view's query": "CREATE OR REPLACE VIEW ledger.one AS SELECT 2 AS one",
    "a policy": "CREATE POLICY nobody ON ledger.entry USING (false)",
    "a domain": "ALTER DOMAIN ledger.word SET NOT NULL",
    "a type's values": "ALTER TYPE ledger.mood ADD VALUE 'sad'",
    "a function's owner": "ALTER FUNCTION ledger.await_held OWNER TO {app}",
    "a table's owner": "ALTER TABLE ledger.entry OWNER TO {app}",
    "a published table": "ALTER PUBLICATION {publication} DROP TABLE ledger.entry",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_fingerprint_tells_what_decides_whether_a_node_works(trio: Trio, change: str) -> None:
    """Three nodes of one schema have one fingerprint; whatever is changed on one of them, its facts tell it."""
    before = {}
    for site in SITES:
        await script(trio, site, OTHER_KINDS)
        ((before[site],),) = await trio.sql(site, "SELECT trimaran.fingerprint()")
        while (await facts(trio, site)).schema != before[site]:
            await asyncio.sleep(0.05)
    assert len(set(before.values())) == 1
    roles = {"app": naming.app_role(trio.service), "stream": naming.stream_role(trio.service)}
    with psycopg.connect(trio.servers[AWS].dsn(trio.service), autocommit=True) as admin:
        admin.execute(change.format(**roles, publication=naming.publication(trio.service)))
    changed = await soon(trio, AWS, other_than=before[AWS])
    assert len(changed) == 16
    assert (await facts(trio, GCP)).schema == before[GCP]


async def test_a_step_is_in_the_fingerprint_with_its_commit(trio: Trio) -> None:
    """A session that asked a moment ago is told of the change at once, and as long as the migration lives, that it is under way: a planned
    move that trusted a fingerprint of ten seconds ago would go to a node that sends what the others no longer have."""
    migrations = files(trio, expand_note=NOTE)
    dsn = trio.servers[AWS].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as asking:

        async def told() -> str:
            cursor = await asking.execute("SELECT trimaran.schema()")
            ((said,),) = await cursor.fetchall()
            return str(said)

        before = await told()
        async with rollout(trio, migrations) as under_way:
            await under_way.nodes["aws"].alone()
            assert await told() == f"{before} migrating"
            assert (await facts(trio, GCP)).schema == before
            await carry_out(under_way.nodes["aws"], migrations[0], 0, Expected(role="follower", epoch=1), PACE)
            after = await told()
            assert after.endswith(" migrating") and before not in after
        while (await told()).endswith(" migrating"):
            await asyncio.sleep(0.02)
        assert await told() == after.removesuffix(" migrating")


async def test_rows_and_roles_of_a_reign_change_no_fingerprint(trio: Trio) -> None:
    """Payments, a switchover and its streams are no matter of the schema."""
    ((before,),) = await trio.sql(AWS, "SELECT trimaran.fingerprint()")
    assert await trio.pay()
    await trio.carry(PlanKind.SWITCHOVER, AWS)
    for site in SITES:
        assert await trio.sql(site, "SELECT trimaran.fingerprint()") == [(before,)]


async def test_a_fingerprint_costs_little(trio: Trio) -> None:
    """Computed in less than 20 ms, remembered in a fraction of that."""
    dsn = trio.servers[AWS].dsn(trio.service, naming.control_role(trio.service), "secret")
    computed, known = [], []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
        for times, function in ((computed, "fingerprint"), (known, "schema")):
            for _ in range(21):
                began = time.perf_counter()
                await session.execute(f"SELECT trimaran.{function}()")
                times.append((time.perf_counter() - began) * 1000)
    print(f"computed in {sorted(computed)[10]:.1f} ms, known in {sorted(known)[10]:.2f} ms (medians of {len(known)})")
    assert sorted(computed)[10] < 20
    assert sorted(known)[10] < 5


async def test_no_lock_on_a_table_keeps_a_node_from_answering(trio: Trio) -> None:
    """Somebody holds the ledger for a minute: the node says who it is at once, and of its schema what it knew, or nothing."""
    dsn = trio.servers[AWS].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute("LOCK TABLE ledger.payment, ledger.account, ledger.entry IN ACCESS EXCLUSIVE MODE")
        await holder.execute("CREATE INDEX extra ON ledger.entry (account)")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as fresh:
            began = time.monotonic()
            cursor = await fresh.execute("SELECT trimaran.facts()")
            row = await cursor.fetchone()
            took = time.monotonic() - began
        await holder.rollback()
    assert row is not None
    assert row[0]["role"] == "follower"
    assert took < 0.3, f"{took * 1000:.0f} ms"


async def test_a_switchover_to_a_forgotten_migration_fails_payments(trio: Trio) -> None:
    """azure and gcp were migrated by hand, aws was forgotten: it streams, it is level, it is healthy, and nobody could pay there. The guard
    knows before; without it everybody would after."""
    v2 = "CREATE FUNCTION ledger.pay_v2() RETURNS text LANGUAGE sql AS $$ SELECT 'paid' $$"
    for site in (AZURE, GCP):
        await trio.sql(site, v2)
        await soon(trio, site, other_than=(await facts(trio, AWS)).schema)
    world = World(facts={site: await facts(trio, site) for site in SITES})
    move = Switchover(to=AWS, trigger=Trigger.OPERATOR, because="maintenance")
    assert [refusal.guard for refusal in review(move, world.seen()).refusals if refusal.guard == "schema"] == ["schema"]
    to_gcp = review(Switchover(to=GCP, trigger=Trigger.OPERATOR, because=""), world.seen())
    assert not [refusal for refusal in to_gcp.refusals if refusal.guard == "schema"]
    await trio.carry(PlanKind.SWITCHOVER, AWS)
    with pytest.raises(psycopg.errors.UndefinedFunction):
        await trio.sql(await trio.writer(), "SELECT ledger.pay_v2()")


async def test_what_differs_is_told_line_by_line(trio: Trio) -> None:
    """A person can mend what is named."""
    await trio.sql(AWS, "CREATE INDEX extra ON ledger.entry (account)")
    async with rollout(trio, ()) as under_way:
        states = await look(under_way.nodes, PACE)
    (line,) = states["aws"].lines - states["azure"].lines
    assert line.startswith("index CREATE INDEX extra ON ledger.entry")


# ---------------------------------------------------------------------------------------------------- retention


async def labelled(trio: Trio) -> None:
    """Every table of the trio labelled, and a table of notes that are kept for thirty days."""
    for site in SITES:
        await script(trio, site, "".join(f"COMMENT ON TABLE {name} IS '{LABEL}';" for name in await tables(trio, site)))
    await migrate(trio, files(trio, expand_note=NOTE))


async def tables(trio: Trio, site: Site) -> list[str]:
    """Tables of the service's own schemas."""
    rows = await trio.sql(site, "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('ledger', 'outbox')")
    return [name for (name,) in rows]


async def test_old_rows_go_from_the_writer_and_with_it_from_everywhere(trio: Trio) -> None:
    """In small batches, and no row that is younger; a second run finds nothing."""
    await labelled(trio)
    old = "INSERT INTO ledger.note SELECT gen_random_uuid(), gen_random_uuid(), now() - %s * interval '1 day' FROM generate_series(1, %s)"
    await trio.sql(AZURE, old, 31, 25)
    await trio.sql(AZURE, old, 29, 3)
    pace = retention.Pace(batch=10, rest=timedelta(milliseconds=10))
    async with sessions(doors(trio), trio.service, PACE) as nodes:
        assert await retention.carry_out(nodes["azure"], pace) == {"ledger.note": 25}
        assert await retention.carry_out(nodes["azure"], pace) == {"ledger.note": 0}
    assert await trio.pay()
    await trio.await_equal()
    assert [await trio.sql(site, "SELECT count(*) FROM ledger.note") for site in SITES] == [[(3,)]] * 3


async def test_old_rows_are_found_by_primary_key_and_a_page_at_a_time(trio: Trio) -> None:
    """A table without an index on its rows' age is never read as a whole under the node's lock; rows of every page go, a word is said
    meanwhile, and a row that was used since it was looked at stays."""
    await labelled(trio)
    young = "INSERT INTO ledger.note SELECT gen_random_uuid(), gen_random_uuid(), now() FROM generate_series(1, 20000)"
    old = "INSERT INTO ledger.note SELECT gen_random_uuid(), gen_random_uuid(), now() - interval '31 days' FROM generate_series(1, 40)"
    for statement in (young, old, "ANALYZE ledger.note"):
        await trio.sql(AZURE, statement)
    scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relid = 'ledger.note'::regclass"
    before = await trio.sql(AZURE, scans)
    told: list[str] = []
    pace = retention.Pace(batch=3, page=500, look=timedelta(), rest=timedelta(), tell=timedelta())
    async with sessions(doors(trio), trio.service, PACE) as nodes:
        assert await retention.carry_out(nodes["azure"], pace, told.append) == {"ledger.note": 40}
        await nodes["azure"].ask("SELECT pg_stat_force_next_flush()", deadline=pace.answer)
    assert await trio.sql(AZURE, scans) == before
    assert (
        len(told) == 42 and told[-1] == "ledger.note: 40 rows older than 30 days removed" and "20040 rows looked at" in told[-2]
    )
    assert await trio.sql(AZURE, "SELECT count(*) FROM ledger.note") == [(20000,)]


async def test_a_follower_removes_nothing(trio: Trio) -> None:
    """What goes there alone would be there again, or missing for ever, after the next move."""
    await labelled(trio)
    async with sessions(doors(trio), trio.service, PACE) as nodes:
        with pytest.raises(Refused) as refused:
            await retention.carry_out(nodes["aws"], retention.Pace())
    assert refused.value.guard == "writer"


async def test_nothing_goes_while_a_table_has_no_label(trio: Trio) -> None:
    """Nobody knows how long it is to be kept, and what else was forgotten."""
    await labelled(trio)
    await trio.sql(AZURE, "COMMENT ON TABLE ledger.entry IS NULL")
    await trio.sql(AZURE, "INSERT INTO ledger.note VALUES (gen_random_uuid(), gen_random_uuid(), '-infinity')")
    async with sessions(doors(trio), trio.service, PACE) as nodes:
        with pytest.raises(Refused) as refused:
            await retention.carry_out(nodes["azure"], retention.Pace())
    assert refused.value.guard == "labels" and "ledger.entry" in refused.value.value
    assert await trio.sql(AZURE, "SELECT count(*) FROM ledger.note") == [(1,)]


# ---------------------------------------------------------------------------------------------------- payments' own


async def with_outbox(trio: Trio) -> None:
    """The parts of payments' schema that the trio itself does without."""
    if "outbox.event" not in await tables(trio, AZURE):
        for site in SITES:
            await script(trio, site, OUTBOX)


async def test_what_payments_ships_makes_the_same_schema_either_way(trio: Trio) -> None:
    """Migrated under way, or founded with everything: the same lines, but for who is published to whom."""
    await with_outbox(trio)
    migrations = read_migrations("payments", trio.service)
    script_text = baseline(migrations)
    await migrate(trio, migrations)

    async def lines(site: Site) -> set[str]:
        rows = await trio.sql(site, "SELECT trimaran.schema_lines()")
        return {line for (line,) in rows if not line.startswith("publication")}

    migrated = await lines(AWS)
    assert migrated == await lines(GCP) == await lines(AZURE)
    await script(trio, AWS, script_text)
    assert await lines(AWS) == migrated, "the script changes nothing where everything is done"
