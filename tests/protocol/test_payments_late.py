"""Answers of a real server that miss their deadline: what was committed, and what becomes of the session."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.descriptors import none_left
from tests.protocol.payments_site import ACCOUNTS, AZURE, PASSWORD, Sites, eventually, one_site
from workload.durable.database import Database, Tenant
from workload.durable.errors import NoSession, OutcomeUnknown
from workload.durable.session import Connection, Lost, connect
from workload.durable.settings import Address, DurableSettings, Tuning
from workload.metrics import ServiceMetrics
from workload.payments import ledger
from workload.payments.model import Order, Outcome

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

BRIEFLY, SOON = timedelta(seconds=0.1), timedelta(seconds=10)
FINDERS = "SELECT role, epoch"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer."""
    async with one_site("payments-late") as sites:
        yield sites


async def opened(sites: Sites, statement: timedelta) -> Connection:
    """A session that waits for late answers."""
    address = Address(host="127.0.0.1", port=sites.servers[AZURE].port)
    return await connect(address, service="payments", password=PASSWORD, statement=statement, deadline=SOON, grace=SOON)


@asynccontextmanager
async def locked(sites: Sites) -> AsyncIterator[psycopg.AsyncConnection]:
    """The payer's account is held by somebody until it is rolled back."""
    async with await sites.connect(AZURE, "postgres") as holder:
        await holder.execute("BEGIN")
        await holder.execute("SELECT FROM ledger.account WHERE id = %s FOR UPDATE", (ACCOUNTS[0],))
        yield holder


def order(key: str | None = None) -> Order:
    """From the account that is locked."""
    return Order(key=key or str(uuid4()), debtor=ACCOUNTS[0], creditor=ACCOUNTS[1], amount=1, currency="EUR")


async def paid(session: Connection, this: Order, deadline: timedelta = SOON) -> Outcome:
    """As the service pays."""
    return (await ledger.pay(session, AZURE, this, uuid4(), deadline))[0].outcome


async def test_a_payment_that_commits_late_is_unknown_and_settled_by_its_key(sites: Sites) -> None:
    """Its answer is nobody's. The session pays on, whatever the driver had prepared when it was late."""
    session = await opened(sites, SOON)
    for late_one in (1, 4, 8):
        for _ in range(late_one):
            assert await paid(session, order()) is Outcome.CREATED
        this = order()
        async with locked(sites) as holder:
            with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.1 s"):
                await paid(session, this, BRIEFLY)
            late = session.late
            assert late is not None and not session.broken
            await holder.execute("ROLLBACK")
            await asyncio.wait_for(late, 5)
        assert session.late is None and not session.broken
        assert await paid(session, this) is Outcome.REPLAYED
        assert await sites.ask(AZURE, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = %s", this.key) == [(1,)]
    session.shut()


async def test_a_late_refusal_ends_its_session_and_its_transaction(sites: Sites) -> None:
    """The server's own deadline ended the wait for the lock, in a transaction that nobody rolls back: the session's end does."""
    session = await opened(sites, timedelta(seconds=0.4))
    this = order()
    async with locked(sites):
        with pytest.raises(OutcomeUnknown):
            await paid(session, this, BRIEFLY)
        assert session.late is not None
        await asyncio.wait_for(session.late, 5)
        assert session.broken
        left = "SELECT 1 FROM pg_stat_activity WHERE usename = 'payments_app' HAVING count(*) = 0"
        await eventually(lambda: sites.ask(AZURE, left))
    assert await sites.ask(AZURE, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = %s", this.key) == [(0,)]


async def backends(sites: Sites) -> dict[int, str]:
    """Processes that serve the service, with what each was asked last."""
    rows = await sites.ask(AZURE, "SELECT pid, query FROM pg_stat_activity WHERE usename = 'payments_app'", role="postgres")
    return dict(rows)


async def test_a_server_that_stands_still_keeps_the_pools_sessions_and_loses_the_finders(sites: Sites) -> None:
    """Longer than a statement's deadline: payments' sessions are used again when it goes on. The finder's is given up in time, because a
    failover that it sees late is a longer failover."""
    address = Address(host="127.0.0.1", port=sites.servers[AZURE].port)
    tuning = Tuning(sessions=2, lanes=1, finder_interval=timedelta(seconds=0.1), late_answers=SOON)
    settings = DurableSettings(site=AZURE, listen=address, databases={AZURE: address}, tuning=tuning)
    database = Database(settings, Tenant(service="payments", password=PASSWORD, await_held="ask"), ServiceMetrics("payments"))
    pool, crew = database.sessions[AZURE], database.crews[AZURE]

    async def is_whole() -> bool:
        return (pool.alive, crew.alive) == (2, 1) and database.finder.writer is not None

    async def ask(connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT 2")

    async with database.running():
        await eventually(is_whole)
        before = await backends(sites)
        finders = {pid for pid, query in before.items() if query.startswith(FINDERS)}
        assert (len(before), len(finders)) == (4, 1)
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                with suppress(Lost, NoSession):  # the pool's own proof may have it, and be late as well
                    async with pool.borrow(BRIEFLY) as session:
                        await session.run(ask, BRIEFLY)

            async def is_silent() -> bool:
                return pool.alive == 0 and database.finder.views[AZURE] is None

            await eventually(is_silent)
        finally:
            for pid in before:
                os.kill(pid, signal.SIGCONT)
        await eventually(is_whole)

        async def are_others() -> bool:
            return not finders & (await backends(sites)).keys()

        await eventually(are_others)
        assert before.keys() - finders <= (await backends(sites)).keys()


async def test_a_deadline_fires_where_no_descriptor_is_left(sites: Sites) -> None:
    """In a flood of connections the server stands still: the session is shut all the same, and nobody waits for it."""
    address = Address(host="127.0.0.1", port=sites.servers[AZURE].port)
    session = await connect(address, service="payments", password=PASSWORD, statement=SOON, deadline=SOON)

    async def who(connection: psycopg.AsyncConnection) -> int:
        found = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
        assert found is not None
        return int(found[0])

    pid = await session.run(who, SOON)
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with none_left(), pytest.raises(Lost):
            async with asyncio.timeout(5):
                await session.run(who, BRIEFLY)
        assert time.monotonic() - began < 2
    finally:
        os.kill(pid, signal.SIGCONT)
        session.shut()
