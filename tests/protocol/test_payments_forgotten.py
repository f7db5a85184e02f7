"""Somebody who paid often is forgotten, in as many requests as it takes, within deadlines that leave time for a small part of it each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, PASSWORD, STREAM, Sites, eventually, two_sites
from workload.durable.database import Database, Tenant
from workload.durable.errors import Unanswered
from workload.durable.settings import Address, DurableSettings, Tuning
from workload.identifiers import uuid7
from workload.payments import ledger
from workload.payments.metrics import Metrics
from workload.payments.model import Forgotten, Order, Outcome
from workload.payments.service import Payments

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

MANY = 20_000
TIGHT = Tuning(
    statement_deadline=timedelta(seconds=0.05), barrier_deadline=timedelta(seconds=0.15), request_deadline=timedelta(seconds=0.2)
)
"""No statement may take more than 37 ms at the server, and no request more than a few of them."""

PAID = """
INSERT INTO ledger.payment (id, idempotency_key, body_digest, debtor, creditor, amount, currency, epoch, created_at)
SELECT gen_random_uuid(), %(prefix)s || n, '\\x00', (%(payers)s::uuid[])[1 + n %% 3], %(payee)s, 1, 'EUR', 1, now()
FROM generate_series(1, %(many)s) AS n"""
FROM_TOKENS = """
INSERT INTO ledger.source (payment, token, subject, epoch)
SELECT id, (%(tokens)s::uuid[])[1 + length(id::text) %% 2], %(subject)s, 1
FROM ledger.payment WHERE starts_with(idempotency_key, %(prefix)s)"""
HABITS = "SELECT ledger.learn(account, 1, now()) FROM unnest(%(payers)s::uuid[]) AS account LIMIT 2"
HELD = "SELECT ledger.hold_from(gen_random_uuid(), %s, '\\x00', %s, %s, 1, 'EUR', 7.5, '{much}', %s, %s)"

LEFT = "SELECT count(*) FROM ledger.source WHERE subject = %s"
WAITING = "SELECT count(*) FROM ledger.held WHERE state = 'held'"
PROOFS = "SELECT accounts, profiles, sources FROM ledger.erasure WHERE subject_digest = sha256(uuid_send(%s))"
SAME = "SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM ledger.erasure AS e"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """A writer and its follower."""
    async with two_sites("payments-forgotten") as sites:
        yield sites


@asynccontextmanager
async def serving(sites: Sites, tuning: Tuning) -> AsyncIterator[Payments]:
    """The service without HTTP."""
    listen = Address(host="127.0.0.1", port=1)
    databases = {site: Address(host="127.0.0.1", port=server.port) for site, server in sites.servers.items()}
    settings, metrics = DurableSettings(site=AZURE, listen=listen, databases=databases, tuning=tuning), Metrics()
    database = Database(settings, Tenant(service="payments", password=PASSWORD, await_held=ledger.AWAIT_HELD), metrics)

    async def is_ready() -> bool:
        return database.finder.writer is not None and database.sessions[database.finder.writer.site].alive > 0

    async with database.running():
        await eventually(is_ready)
        yield Payments(answers=database.answers, metrics=metrics, new_id=uuid7)


async def paid_often(sites: Sites, subject: UUID) -> tuple[UUID, ...]:
    """Thousands of payments from two tokens and three accounts, of which two have habits, and some that wait. The tokens."""
    tokens, prefix = (uuid4(), uuid4()), f"{subject} "
    values = {"payers": list(ACCOUNTS[:3]), "payee": ACCOUNTS[4], "many": MANY, "prefix": prefix}
    values |= {"tokens": list(tokens), "subject": subject}
    async with await sites.connect(AZURE) as session:
        await session.execute("DELETE FROM ledger.profile")
        for statement in (PAID, FROM_TOKENS, HABITS):
            await session.execute(statement.encode(), values)
        for number in range(10):
            await session.execute(HELD, (f"{prefix}held {number}", ACCOUNTS[1], ACCOUNTS[4], tokens[0], subject))
        await session.execute("ANALYZE")
    return tokens


async def refused(payments: Payments, order: Order) -> bool:
    """Whether a payment from what is being forgotten is kept out, asked until an answer fits into the service's deadlines."""
    seen: list[Outcome] = []

    async def is_answered() -> bool:
        try:
            seen.append((await payments.pay(order)).outcome)
        except Unanswered:
            return False
        return True

    await eventually(is_answered)
    return seen == [Outcome.ERASED_SOURCE]


async def test_who_paid_often_is_forgotten_in_as_many_requests_as_it_takes(sites: Sites) -> None:
    """Each one that is answered gets further, the first one already keeps payments out, and the proof counts everything once. In one
    statement none of them would do anything, and the person would pay on for ever."""
    subject = uuid4()
    tokens = await paid_often(sites, subject)
    this = Order(key=str(uuid4()), debtor=ACCOUNTS[0], creditor=ACCOUNTS[4], amount=1, currency="EUR", source=tokens[0])
    told: list[Forgotten] = []
    left: list[tuple[int, bool]] = []
    async with serving(sites, TIGHT) as payments:

        async def is_complete() -> bool:
            try:
                told.append(await payments.forget(subject, "desk for kim", "request of the subject"))
            except Unanswered:
                return False
            ((rows,),) = await sites.ask(AZURE, LEFT, subject)
            # A request may end between the last row and the word that it was the last.
            left.append((rows, not told[-1].is_complete))
            assert len(told) > 1 or await refused(payments, this)
            return told[-1].is_complete

        await eventually(is_complete, timedelta(seconds=60))
        assert len(told) > 1 and left[-1] == (0, False)
        assert all(later < before for before, later in pairwise(left)), left
    async with serving(sites, Tuning()) as payments:
        again = await payments.forget(subject, "somebody else", "another reason")
    proof = told[-1].proof
    assert (proof.accounts, proof.profiles, proof.sources, proof.caller) == (3, 2, MANY + 10, "desk for kim")
    assert (again.is_replayed, again.proof) == (True, proof)
    assert await sites.ask(AZURE, WAITING) == [(0,)]
    await sites.caught_up(AZURE, STREAM)
    assert await sites.ask(AWS, SAME) == await sites.ask(AZURE, SAME) and await sites.ask(AWS, LEFT, subject) == [(0,)]


async def test_several_processes_that_forget_one_person_count_nobody_twice(sites: Sites) -> None:
    """Both were asked because the first one's answer was lost: each takes what the other has left, and there is one proof."""
    subject = uuid4()
    await paid_often(sites, subject)

    async def until_told(payments: Payments) -> Forgotten:
        told: list[Forgotten] = []

        async def is_complete() -> bool:
            try:
                told.append(await payments.forget(subject, "desk", "request"))
            except Unanswered:
                return False
            return told[-1].is_complete

        await eventually(is_complete, timedelta(seconds=60))
        return told[-1]

    async with serving(sites, Tuning()) as one, serving(sites, Tuning()) as other:
        first, second = await asyncio.gather(until_told(one), until_told(other))
    assert first.proof == second.proof
    assert await sites.ask(AZURE, PROOFS, subject) == [(3, 2, MANY + 10)]
