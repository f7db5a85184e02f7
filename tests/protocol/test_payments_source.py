"""Where a payment's money comes from, in real PostgreSQL: what the ledger knows of tokens, and that what is forgotten stays forgotten."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from tests.protocol.payments_site import ACCOUNTS, AZURE, Sites, one_site
from workload.durable.session import Connection
from workload.payments import ledger
from workload.payments.model import Decision, Forgotten, Order, Outcome, Verdict
from workload.payments.screen import Advice

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SOON = timedelta(seconds=10)
ADVICE = Advice(hold=True, score=7.5, reasons=("much",))
KEPT = "SELECT p.idempotency_key FROM ledger.source AS s LEFT JOIN ledger.payment AS p ON p.id = s.payment WHERE s.token = %s ORDER BY 1"
LOCK = "    PERFORM pg_advisory_xact_lock_shared(hashtextextended(subject::text, 1));\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer."""
    async with one_site("payments-source") as sites:
        yield sites


def order(source: UUID | None, key: str = "", amount: int = 1) -> Order:
    """An order from this token."""
    return Order(key=key or str(uuid4()), debtor=ACCOUNTS[0], creditor=ACCOUNTS[1], amount=amount, currency="EUR", source=source)


async def pay(sites: Sites, this: Order, subject: UUID | None = None) -> Decision:
    """As the service does."""
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        return (await ledger.pay(session, AZURE, this, uuid4(), SOON, subject))[0]
    finally:
        session.shut()


async def hold(sites: Sites, this: Order, subject: UUID | None = None) -> Decision:
    """As the service does when screening says so."""
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        return (await ledger.hold(session, AZURE, this, ADVICE, uuid4(), SOON, subject))[0]
    finally:
        session.shut()


async def forget(sites: Sites, subject: UUID) -> Forgotten:
    """As the service does."""
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        return (await ledger.forget(session, AZURE, subject, "desk for kim", "request", uuid4(), SOON))[0]
    finally:
        session.shut()


async def test_a_token_is_known_by_the_first_payment_that_came_from_it(sites: Sites) -> None:
    """Before it the writer says so and writes nothing; the vault's word makes it known, in the payment's own transaction."""
    token, subject = uuid4(), uuid4()
    first = order(token)
    assert (await pay(sites, first)).outcome is Outcome.UNKNOWN_SOURCE
    assert await sites.ask(AZURE, KEPT, token) == []
    assert (await pay(sites, first, subject)).outcome is Outcome.CREATED
    assert (await pay(sites, first)).outcome is Outcome.REPLAYED
    second = order(token)
    assert (await pay(sites, second)).outcome is Outcome.CREATED
    assert await sites.ask(AZURE, KEPT, token) == sorted([(first.key,), (second.key,)])


async def test_what_is_refused_makes_no_token_known(sites: Sites) -> None:
    """An order beyond the balance leaves nothing behind."""
    token = uuid4()
    assert (await pay(sites, order(token, amount=10**11), uuid4())).outcome is Outcome.INSUFFICIENT_FUNDS
    assert (await pay(sites, order(token))).outcome is Outcome.UNKNOWN_SOURCE


async def test_another_source_under_the_same_key_is_another_payment(sites: Sites) -> None:
    """Refused, as any other body would be; so is none."""
    token, subject = uuid4(), uuid4()
    first = order(token)
    await pay(sites, first, subject)
    for source in (None, uuid4()):
        assert (await pay(sites, order(source, first.key), subject)).outcome is Outcome.KEY_REUSED


async def test_a_held_payment_keeps_its_source_whatever_becomes_of_it(sites: Sites) -> None:
    """Under the id that it has before and after."""
    token, subject = uuid4(), uuid4()
    this = order(token)
    assert (await hold(sites, this)).outcome is Outcome.UNKNOWN_SOURCE
    held = await hold(sites, this, subject)
    assert held.outcome is Outcome.HELD and held.payment is not None
    assert (await pay(sites, this)).outcome is Outcome.STILL_HELD
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        await ledger.review(session, AZURE, held.payment.id, Verdict.APPROVE, "maria", "called her", SOON)
    finally:
        session.shut()
    assert await sites.ask(AZURE, KEPT, token) == [(this.key,)]
    assert (await pay(sites, order(token))).outcome is Outcome.CREATED


async def test_who_is_forgotten_cannot_be_made_known_again(sites: Sites) -> None:
    """Whatever the vault may still say; what was paid stays paid, and the proof is one."""
    token, subject = uuid4(), uuid4()
    this = order(token)
    await pay(sites, this, subject)
    first, again = await forget(sites, subject), await forget(sites, subject)
    assert first.proof is not None and (first.proof.sources, first.proof.accounts) == (1, 0)
    assert (again.proof, first.is_replayed, again.is_replayed) == (first.proof, False, True)
    assert await sites.ask(AZURE, KEPT, token) == []
    for told, expected in ((None, Outcome.UNKNOWN_SOURCE), (subject, Outcome.ERASED_SOURCE)):
        assert (await pay(sites, order(token), told)).outcome is expected
        assert (await hold(sites, order(token), told)).outcome is expected
    assert (await pay(sites, this)).outcome is Outcome.REPLAYED
    assert (await forget(sites, uuid4())).proof is None


@pytest.mark.parametrize("is_guarded", [True, False], ids=["as it is", "without the lock"])
async def test_a_payment_beside_an_erasure_leaves_nothing_behind(sites: Sites, is_guarded: bool) -> None:
    """A payment from the token has begun and not ended when its subject is to be forgotten: the erasure waits for it. Without the lock
    it does not see the row, and the ledger knows for ever whose token that was."""
    ((text,),) = await sites.ask(AZURE, "SELECT pg_get_functiondef('ledger.subject_of'::regproc)")
    assert LOCK in text
    if not is_guarded:
        await sites.ask(AZURE, text.replace(LOCK, ""))
    try:
        token, subject = uuid4(), uuid4()
        await pay(sites, order(token), subject)
        async with await sites.connect(AZURE, "payments_app") as session:
            erasing = await _pay_and_forget(sites, session, token, subject)
        assert (await erasing).proof is not None
        left = await sites.ask(AZURE, "SELECT count(*) FROM ledger.source WHERE subject = %s", subject)
        assert left == [(0 if is_guarded else 1,)]
    finally:
        await sites.ask(AZURE, text)


async def _pay_and_forget(
    sites: Sites, session: psycopg.AsyncConnection[Any], token: UUID, subject: UUID
) -> "asyncio.Task[Forgotten]":
    """The payment's transaction stays open while the erasure begins, and ends when that waits or is through."""
    async with session.transaction():
        this = order(token)
        values = (uuid4(), this.key, this.digest, this.debtor, this.creditor, this.amount, this.currency, token, None)
        await session.execute(ledger.PAY_FROM, values)
        erasing = asyncio.create_task(forget(sites, subject))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%forget_subject%%'"
        for _ in range(200):
            if erasing.done() or await sites.ask(AZURE, waiting, role="postgres"):
                break
            await asyncio.sleep(0.01)
    return erasing
