"""What the dispatcher's login may do: look into the outbox, move cursors, ask the barrier; nothing with the ledger, which it never sees."""

from datetime import timedelta

import psycopg
import pytest

from controller.core import naming
from tests.protocol.payments_site import eventually
from tests.protocol.trio import AZURE, DEBTOR, SITES
from tests.protocol.webhooks_market import OUTBOX, SHOP, Market
from workload.schema.node import Door, NodeSession
from workload.schema.outlook import process_name
from workload.webhooks.settings import webhooks_role

pytest_plugins = ("tests.protocol.webhooks_fixtures",)

OURS = "('trimaran'::regnamespace, 'ledger'::regnamespace, 'outbox'::regnamespace)"
CALLS = f"SELECT oid::regproc::text FROM pg_proc WHERE pronamespace IN {OURS} AND has_function_privilege(%s, oid, 'EXECUTE')"
READS = f"""SELECT oid::regclass::text FROM pg_class
            WHERE relnamespace IN {OURS} AND relkind = 'r' AND has_table_privilege(%s, oid, 'SELECT')"""
WRITES = READS.replace("'SELECT'", "'INSERT, UPDATE, DELETE, TRUNCATE'")
ASKING = {f"trimaran.{name}" for name in ("identity", "admit", "barrier", "await_barrier")}
TELLING = {f"outbox.{name}" for name in ("waiting", "due", "advance", "sweep")}


async def allowed(market: Market, question: str, role: str) -> set[str]:
    """Names of what this role may call, read or write."""
    return {name for (name,) in await market.trio.sql(AZURE, question, role)}


async def test_the_dispatchers_login_may_do_what_telling_takes_and_nothing_else(market: Market) -> None:
    """Of three schemas; and the service that pays has nothing to do with the outbox."""
    role, app = webhooks_role(market.trio.service), naming.app_role(market.trio.service)
    assert await allowed(market, CALLS, role) == ASKING | TELLING
    assert await allowed(market, READS, role) == {*OUTBOX, "trimaran.node"}
    assert await allowed(market, WRITES, role) == set()
    for question in (CALLS, READS):
        assert not {name for name in await allowed(market, question, app) if name.startswith("outbox.")}


@pytest.mark.parametrize(
    "order",
    [
        f"SELECT ledger.pay(gen_random_uuid(), 'k', '\\x00', '{DEBTOR}', '{SHOP}', 1, 'EUR')",
        "SELECT * FROM ledger.payment",
        f"SELECT outbox.register('{SHOP}', 'http://127.0.0.1:1/', 'all', true)",
    ],
    ids=["pay", "read", "redirect"],
)
async def test_whoever_has_taken_a_dispatcher_over_cannot(market: Market, order: str) -> None:
    """Asked by SQL, with its password."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await market.trio.sql(AZURE, f"BEGIN READ WRITE; {order}", user=webhooks_role(market.trio.service))


async def test_a_migration_sees_the_dispatchers_among_those_who_need_a_schema(market: Market) -> None:
    """Otherwise a step that removes a column of the outbox would go by while a dispatcher of the old version reads it."""
    trio = market.trio
    dsn = trio.servers[AZURE].dsn(trio.service, naming.control_role(trio.service), "secret")
    async with market.dispatcher(*SITES):
        node = await NodeSession.connect(Door(site=AZURE, conninfo=dsn), trio.service, timedelta(seconds=5))
        try:

            async def is_seen() -> bool:
                state = await node.state(timedelta(seconds=5))
                return set(state.processes) == {process_name("payments", trio.service)}

            await eventually(is_seen)
        finally:
            node.close()
