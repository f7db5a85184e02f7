"""The outbox in real databases: event and payment are one transaction, sequences have no gaps, cursors only move up."""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

import workload.webhooks
from controller.core import naming
from tests.protocol.migrating import script
from tests.protocol.payments_site import eventually
from tests.protocol.trio import AWS, AZURE, DEBTOR, GCP, SITES
from tests.protocol.webhooks_market import OTHER_SHOP, OUTBOX, SHOP, Market, TellingTrio
from workload.webhooks.outbox import BEGINNING, OUTDATED
from workload.webhooks.settings import webhooks_role

pytest_plugins = ("tests.protocol.webhooks_fixtures",)

OUTBOX_SQL = Path(workload.webhooks.__file__).with_name("outbox.sql").read_text()
PAY = "SELECT outcome FROM ledger.pay(%s, %s, '\\x00', %s, %s, 1, 'EUR')"


async def sequences(trio: TellingTrio, account: uuid.UUID) -> list[int]:
    """Of the account's events on the writer, in order."""
    rows = await trio.sql(AZURE, "SELECT sequence FROM outbox.event WHERE account = %s ORDER BY 1", account)
    return [sequence for (sequence,) in rows]


async def advance(trio: TellingTrio, *, to: int, epoch: int = 1) -> None:
    """Move the merchant's cursor as the dispatcher does."""
    await trio.sql(AZURE, "SELECT outbox.advance(%s::uuid[], %s::bigint[], %s::bigint[])", [SHOP], [epoch], [to])


async def cursor(trio: TellingTrio) -> int:
    """The merchant's."""
    rows = await trio.sql(AZURE, "SELECT sequence FROM outbox.delivery WHERE account = %s", SHOP)
    return int(rows[0][0]) if rows else 0


async def test_event_and_payment_are_one_transaction(market: Market) -> None:
    """A payment that is rolled back leaves no event and takes no number; the next one has it."""
    trio = market.trio
    dsn = trio.servers[AZURE].dsn(trio.service, naming.app_role(trio.service), "secret")
    async with await psycopg.AsyncConnection.connect(dsn) as session:
        await session.set_read_only(False)
        await session.execute(PAY, (uuid.uuid4(), "rolled back", DEBTOR, SHOP))
        await session.rollback()
    assert await sequences(trio, SHOP) == []
    assert await trio.sell()
    assert await sequences(trio, SHOP) == [1]


async def test_a_replayed_or_refused_payment_is_told_of_once_or_never(market: Market) -> None:
    """One payment, one event."""
    trio = market.trio
    await trio.sell(key="once")
    await trio.sell(key="once")
    await trio.sql(AZURE, PAY, uuid.uuid4(), "refused", DEBTOR, uuid.uuid4())
    assert await sequences(trio, SHOP) == [1]


async def test_whoever_has_no_endpoint_has_no_events(telling: TellingTrio) -> None:
    """Nothing piles up for accounts that nobody wants to hear of."""
    await telling.pay()
    assert await telling.sql(AZURE, "SELECT count(*) FROM outbox.event") == [(0,)]
    assert await telling.sql(AZURE, "SELECT count(*) FROM outbox.counter") == [(0,)]


async def test_the_body_is_a_standard_payload(market: Market) -> None:
    """type, timestamp and data, as the specification recommends; the id is a UUIDv7."""
    trio = market.trio
    await trio.sell()
    ((id, body, payment),) = await trio.sql(AZURE, "SELECT id, body::json, payment::text FROM outbox.event")
    assert (id.version, body["type"]) == (7, "payment.received")
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "account": str(SHOP),
        "epoch": 1,
        "sequence": 1,
        "payment": payment,
        "debtor": str(DEBTOR),
        "amount": 1,
        "currency": "EUR",
    }


async def test_followers_hold_the_same_events_and_make_none_of_their_own(market: Market) -> None:
    """The trigger fires where the payment is made, and not where it is applied."""
    trio = market.trio
    for _ in range(5):
        assert await trio.sell()

    async def are_equal() -> bool:
        digests = {(await trio.outbox(site)).digest() for site in SITES}
        return len(digests) == 1

    await eventually(are_equal)
    assert len((await trio.outbox(GCP)).events) == 5


@pytest.mark.parametrize("table", OUTBOX)
async def test_a_follower_and_the_dispatchers_login_write_no_table(market: Market, table: str) -> None:
    """The guard stops the owner on a follower; grants stop the dispatcher everywhere."""
    with pytest.raises(psycopg.Error) as refused:
        await market.trio.sql(AWS, f"DELETE FROM {table}")
    assert refused.value.sqlstate == "TR002"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await market.trio.sql(AZURE, f"BEGIN READ WRITE; DELETE FROM {table}", user=webhooks_role(market.trio.service))


async def test_a_cursor_moves_up_and_only_to_events_that_there_are(market: Market) -> None:
    """Old news of a dispatcher that slept, and a sequence that meant another event in a reign that was given up, change nothing."""
    trio = market.trio
    for _ in range(3):
        await trio.sell()
    await advance(trio, to=2)
    await advance(trio, to=1)
    assert await cursor(trio) == 2
    await advance(trio, to=4)
    assert await cursor(trio) == 2
    await advance(trio, to=3, epoch=2)
    assert await cursor(trio) == 2, "sequence 3 of epoch 2 is not what this ledger has"
    await advance(trio, to=3)
    assert await cursor(trio) == 3


async def due(
    trio: TellingTrio,
    *,
    busy: Sequence[uuid.UUID] = (),
    slow: Sequence[uuid.UUID] = (),
    most: int = 10,
    recent: str | None = None,
    also: Sequence[uuid.UUID] = (),
    failing: Sequence[uuid.UUID] = (),
) -> list[tuple]:
    """What is to be sent, as (account, sequence)."""
    query = "SELECT account, sequence FROM outbox.due(%s::interval, %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], 1, 1, 0, %s)"
    return await trio.sql(AZURE, query, recent, list(also), list(failing), list(busy), list(slow), most)


async def test_what_is_due_begins_after_the_cursor_and_leaves_the_busy_out(market: Market) -> None:
    """In order of sequence; the slow have places of their own."""
    trio = market.trio
    for _ in range(3):
        await trio.sell()
    await advance(trio, to=1)
    assert await due(trio) == [(SHOP, 2), (SHOP, 3)]
    assert await due(trio, most=1) == [(SHOP, 2)]
    assert await due(trio, busy=[SHOP]) == []
    await trio.sell(OTHER_SHOP)
    assert await due(trio, most=1) == [(OTHER_SHOP, 1)], "one place: whoever was told longest ago has it"
    assert await due(trio, most=1, slow=[OTHER_SHOP]) == [(SHOP, 2), (OTHER_SHOP, 1)]
    assert await due(trio, most=1, failing=[SHOP]) == [(SHOP, 2), (OTHER_SHOP, 1)]
    assert await due(trio, most=1, failing=[SHOP, OTHER_SHOP], busy=[SHOP]) == [(SHOP, 2), (OTHER_SHOP, 1)], "all of them"
    await trio.sql(AZURE, "UPDATE outbox.endpoint SET enabled = false")
    assert await due(trio) == await due(trio, failing=[SHOP]) == []


async def test_who_was_paid_lately_is_found_without_looking_at_everybody(market: Market) -> None:
    """And those who are asked for by name, whenever they were paid."""
    trio = market.trio
    await trio.sell()
    assert await due(trio, recent="1 minute") == [(SHOP, 1)]
    await asyncio.sleep(0.05)
    assert await due(trio, recent="20 ms") == []
    assert await due(trio, recent="20 ms", slow=[SHOP]) == []
    assert await due(trio, recent="20 ms", also=[SHOP]) == await due(trio, recent="20 ms", failing=[SHOP]) == [(SHOP, 1)]
    assert await due(trio) == [(SHOP, 1)]


async def test_what_is_due_is_looked_for_with_the_callers_snapshot(market: Market) -> None:
    """A volatile function would see payments that committed after the flush position was read, and the barrier would not cover them."""
    for function in ("due", "waiting"):
        assert await market.trio.sql(AZURE, "SELECT provolatile FROM pg_proc WHERE oid = %s::regproc", f"outbox.{function}") == [
            ("s",)
        ]


OLD_DUE = """
DROP FUNCTION outbox.due;
CREATE FUNCTION outbox.due(interval, uuid[], uuid[], uuid[], integer, integer, integer) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1';
CREATE FUNCTION outbox.due(interval, uuid[], uuid[], uuid[], uuid[], integer, integer, integer) RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT 1';
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA outbox TO payments_webhooks;
"""
DUES = """
SELECT pronargs, has_function_privilege(%s, oid, 'execute'), has_function_privilege('pg_monitor', oid, 'execute') FROM pg_proc
WHERE pronamespace = 'outbox'::regnamespace AND proname = 'due'"""


async def test_the_outbox_runs_again_over_itself_and_over_earlier_versions(market: Market) -> None:
    """They had a `due` with fewer arguments: it would stay beside the new one, and whoever names no arguments would mean neither."""
    trio = market.trio
    dispatchers = webhooks_role(trio.service)
    before = await trio.sql(AZURE, DUES, dispatchers)
    assert before == [(9, True, False)]
    await script(trio, AZURE, OUTBOX_SQL)
    assert await trio.sql(AZURE, DUES, dispatchers) == before
    await script(trio, AZURE, OLD_DUE)
    await script(trio, AZURE, OUTBOX_SQL)
    assert await trio.sql(AZURE, DUES, dispatchers) == before
    await trio.sell()
    assert await due(trio) == [(SHOP, 1)]


async def test_only_delivered_and_old_events_are_swept_everywhere(market: Market) -> None:
    """The deletion reaches the followers; numbers go on where they were."""
    trio = market.trio
    for _ in range(3):
        await trio.sell()
    await advance(trio, to=2)
    assert await sweep(trio, "1 hour") == (0, None)
    assert await sweep(trio) == (2, None)
    assert await sequences(trio, SHOP) == [3]

    async def is_swept() -> bool:
        return len((await trio.outbox(AWS)).events) == 1

    await eventually(is_swept)
    await advance(trio, to=3)
    await sweep(trio)
    await trio.sell()
    assert await sequences(trio, SHOP) == [4]


async def test_a_sweep_looks_at_so_many_events_and_goes_on_behind_them(market: Market) -> None:
    """A merchant that takes nothing for years keeps its events, and they keep nobody else's from being swept."""
    trio = market.trio
    for shop in (SHOP, SHOP, SHOP, OTHER_SHOP, OTHER_SHOP):
        await trio.sell(shop)
    await trio.sql(AZURE, "SELECT outbox.advance(%s::uuid[], '{1}', '{2}')", [OTHER_SHOP])
    swept, until = await sweep(trio, most=2)
    assert swept == 0 and until is not None
    swept, until = await sweep(trio, since=until, most=2)
    assert swept == 1 and until is not None
    assert await sweep(trio, since=until, most=2) == (1, None)
    assert (await sequences(trio, SHOP), await sequences(trio, OTHER_SHOP)) == ([1, 2, 3], [])


async def sweep(
    trio: TellingTrio, age: str = "0 s", *, since: uuid.UUID = BEGINNING, most: int = 10
) -> tuple[int, uuid.UUID | None]:
    """One look for events that are no longer needed: how many went, and how far it came."""
    ((swept, until),) = await trio.sql(AZURE, "SELECT swept, until FROM outbox.sweep(%s::interval, %s, %s)", age, since, most)
    return swept, until


async def test_who_is_registered_otherwise_than_was_known_is_told_with_what_is_due(market: Market) -> None:
    """Registered anew, though with the same place; disabled; not registered at all."""
    trio = market.trio
    known = dict(await trio.sql(AZURE, "SELECT account, registration FROM outbox.endpoint"))
    stranger = uuid.uuid4()
    url = f"http://127.0.0.1:{market.port}/merchants/{SHOP}"

    async def outdated() -> set[str]:
        ((found,),) = await trio.sql(AZURE, OUTDATED, [*known, stranger], [*known.values(), stranger])
        return set(found or ())

    assert await outdated() == {str(stranger)}
    await trio.sql(AZURE, "SELECT outbox.register(%s, %s, 'all', true)", SHOP, url)
    await trio.sql(AZURE, "UPDATE outbox.endpoint SET enabled = false WHERE account = %s", OTHER_SHOP)
    assert await outdated() == {str(SHOP), str(OTHER_SHOP), str(stranger)}
