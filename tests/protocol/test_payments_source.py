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
from workload.payments.model import Decision, Forgotten, Order, Outcome, Reviewed, Sitting, Verdict
from workload.payments.screen import Advice

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SOON = timedelta(seconds=10)
ADVICE = Advice(hold=True, score=7.5, reasons=("much",))
KEPT = "SELECT p.idempotency_key FROM ledger.source AS s LEFT JOIN ledger.payment AS p ON p.id = s.payment WHERE s.token = %s ORDER BY 1"
BOOKS = "SELECT a, (SELECT count(*) FROM ledger.entry AS e WHERE e.account = a.id) FROM ledger.account AS a ORDER BY a.id"
LOCK = "    PERFORM pg_advisory_xact_lock_shared(hashtextextended(subject::text, 1));\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer."""
    async with one_site("payments-source") as sites:
        yield sites


def order(source: UUID | None, key: str = "", amount: int = 1, debtor: int = 0) -> Order:
    """An order from this token."""
    payer, payee = ACCOUNTS[debtor], ACCOUNTS[1]
    return Order(key=key or str(uuid4()), debtor=payer, creditor=payee, amount=amount, currency="EUR", source=source)


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


async def review(sites: Sites, held: Decision, verdict: Verdict) -> Sitting:
    """As the service does for a reviewer."""
    assert held.payment is not None
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        return (await ledger.review(session, AZURE, held.payment.id, verdict, "maria", "called her", SOON))[0]
    finally:
        session.shut()


async def forget_some(sites: Sites, subject: UUID, most: int = 100, caller: str = "desk for kim") -> Forgotten:
    """One step."""
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        return (await ledger.forget(session, AZURE, subject, caller, "request", uuid4(), SOON, most))[0]
    finally:
        session.shut()


async def forget(sites: Sites, subject: UUID) -> Forgotten:
    """As the service does."""
    while True:
        told = await forget_some(sites, subject)
        if told.is_complete:
            return told


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
    await review(sites, held, Verdict.APPROVE)
    assert await sites.ask(AZURE, KEPT, token) == [(this.key,)]
    assert (await pay(sites, order(token))).outcome is Outcome.CREATED


async def test_who_is_forgotten_cannot_be_made_known_again(sites: Sites) -> None:
    """Whatever the vault may still say; what was paid stays paid, and the proof is one."""
    token, subject = uuid4(), uuid4()
    this = order(token)
    await pay(sites, this, subject)
    first, again = await forget(sites, subject), await forget(sites, subject)
    assert (first.proof.sources, first.proof.accounts, first.proof.profiles) == (1, 1, 1)
    assert (again.proof, first.is_replayed, again.is_replayed) == (first.proof, False, True)
    assert await sites.ask(AZURE, KEPT, token) == []
    for told, expected in ((None, Outcome.UNKNOWN_SOURCE), (subject, Outcome.ERASED_SOURCE)):
        assert (await pay(sites, order(token), told)).outcome is expected
        assert (await hold(sites, order(token), told)).outcome is expected
    assert (await pay(sites, this)).outcome is Outcome.REPLAYED


async def test_a_first_payment_that_is_on_its_way_from_the_vault_comes_too_late_for_an_erasure(sites: Sites) -> None:
    """The ledger knows nothing of the token, the vault has told whose it is, the erasure finds nothing and says so, the payment arrives:
    it is refused, or the subject would be known for ever. Asked again, the erasure tells the same."""
    token, subject = uuid4(), uuid4()
    this = order(token)
    assert (await pay(sites, this)).outcome is Outcome.UNKNOWN_SOURCE
    first = await forget(sites, subject)
    assert (first.is_unknown, first.proof.sources, first.proof.accounts, first.proof.profiles) == (True, 0, 0, 0)
    assert (await pay(sites, this, subject)).outcome is Outcome.ERASED_SOURCE
    assert (await hold(sites, order(token), subject)).outcome is Outcome.ERASED_SOURCE
    assert await sites.ask(AZURE, KEPT, token) == [] and (await pay(sites, this)).outcome is Outcome.UNKNOWN_SOURCE
    assert await forget(sites, subject) == first


async def test_what_waits_for_a_person_is_turned_down_when_its_source_is_erased(sites: Sites) -> None:
    """Approved afterwards it would be paid from a token that nobody pays from any more. What waits from another source, or from none,
    waits on; the reviewer is told who decided, and why."""
    token, subject = uuid4(), uuid4()
    theirs, others, plain = order(token, debtor=6), order(uuid4(), debtor=6), order(None, debtor=6)
    held = [await hold(sites, theirs, subject), await hold(sites, others, uuid4()), await hold(sites, plain)]
    await forget(sites, subject)
    said = [await review(sites, one, Verdict.APPROVE) for one in held]
    assert [one.outcome for one in said] == [Reviewed.ALREADY_REJECTED, Reviewed.APPROVED, Reviewed.APPROVED]
    assert said[0].review is not None and said[0].review.ruling is not None
    assert (said[0].review.ruling.who, said[0].review.ruling.because) == ("desk for kim", "its source was erased")
    assert (await pay(sites, theirs)).outcome is Outcome.REJECTED
    assert await sites.ask(AZURE, "SELECT FROM ledger.payment WHERE idempotency_key = %s", theirs.key) == []


async def test_from_the_first_step_of_an_erasure_on_nothing_is_paid_from_the_subjects_tokens(sites: Sites) -> None:
    """Nothing else is done yet: the tokens are known, and what is held waits. No payment is made from them, no reviewer approves one, and
    who asks again goes on under the first one's name."""
    token, subject = uuid4(), uuid4()
    await pay(sites, order(token, debtor=20), subject)
    this = order(token, debtor=20)
    held = [await hold(sites, this), await hold(sites, order(token, debtor=20))]
    begun = await forget_some(sites, subject)
    assert not begun.is_complete and begun.proof.sources == 0
    assert len(await sites.ask(AZURE, KEPT, token)) == 3
    assert (await pay(sites, order(token))).outcome is (await hold(sites, order(token))).outcome is Outcome.ERASED_SOURCE
    assert (await pay(sites, this)).outcome is Outcome.STILL_HELD
    said = await review(sites, held[0], Verdict.APPROVE)
    assert said.outcome is Reviewed.ALREADY_REJECTED and said.review is not None and said.review.ruling is not None
    assert (said.review.ruling.who, said.review.ruling.because) == ("desk for kim", "its source was erased")
    assert (await review(sites, held[0], Verdict.REJECT)).outcome is Reviewed.REPEATED
    ended = await forget_some(sites, subject, caller="somebody else")
    assert ended.is_complete and not ended.is_replayed and ended.proof.caller == "desk for kim"
    assert (ended.proof.id, ended.proof.sources, ended.proof.accounts, ended.proof.profiles) == (begun.proof.id, 3, 1, 1)
    assert (await review(sites, held[1], Verdict.APPROVE)).outcome is Reviewed.ALREADY_REJECTED
    assert await sites.ask(AZURE, KEPT, token) == []


@pytest.mark.parametrize("most", [1, 2, 3, 7])
async def test_a_proof_counts_everything_once_in_however_many_steps(sites: Sites, most: int) -> None:
    """Three accounts take turns, so each is met in several steps; habits that somebody else's payment made meanwhile stay. What the steps
    remembered of the accounts goes with the last one."""
    token, subject = uuid4(), uuid4()
    for number in range(6):
        await pay(sites, order(token, debtor=21 + number % 3), subject)
    steps = []
    while not steps or not steps[-1].is_complete:
        steps.append(await forget_some(sites, subject, most))
        if len(steps) == 7:
            await pay(sites, order(None, debtor=21))
    assert len(steps) == 2 + 6 // most
    counts = [step.proof.sources for step in steps]
    assert counts == sorted(counts) and counts[0] == 0
    assert (steps[-1].proof.sources, steps[-1].proof.accounts, steps[-1].proof.profiles) == (6, 3, 3)
    kept = "SELECT reached, payers, ended_at >= at FROM ledger.erasure WHERE id = %s"
    assert await sites.ask(AZURE, kept, steps[-1].proof.id) == [(None, None, True)]
    habits = "SELECT count(*) FROM ledger.profile WHERE account = ANY(%s)"
    assert await sites.ask(AZURE, habits, list(ACCOUNTS[21:24])) == [(1 if most == 1 else 0,)]


async def test_habits_of_the_accounts_that_their_tokens_paid_from_go_and_others_stay(sites: Sites) -> None:
    """Also of one whose payment was held first. The accounts, their balances and the payments are what they were."""
    token, subject = uuid4(), uuid4()
    await pay(sites, order(token, debtor=10), subject)
    held = await hold(sites, order(token, debtor=11))
    await review(sites, held, Verdict.APPROVE)
    await pay(sites, order(uuid4(), debtor=12), uuid4())
    before = await sites.ask(AZURE, BOOKS)
    proof = (await forget(sites, subject)).proof
    assert (proof.accounts, proof.profiles, proof.sources) == (2, 2, 2)
    habits = "SELECT account FROM ledger.profile WHERE account = ANY(%s)"
    assert await sites.ask(AZURE, habits, list(ACCOUNTS[10:13])) == [(ACCOUNTS[12],)]
    assert await sites.ask(AZURE, BOOKS) == before
    await pay(sites, order(None, debtor=10))
    assert await sites.ask(AZURE, habits, list(ACCOUNTS[10:12])) == [(ACCOUNTS[10],)], "learnt anew"


async def test_a_proof_holds_no_number(sites: Sites) -> None:
    """Its reason stays for ever."""
    with pytest.raises(psycopg.errors.CheckViolation):
        await sites.ask(AZURE, "SELECT ledger.forget_subject(%s, %s, 'kim', 'ticket 17', 1)", uuid4(), uuid4())


async def test_a_reviewer_beside_an_erasure_is_seen_or_sees_it(sites: Sites) -> None:
    """An approval has begun and not ended: the erasure waits for it and leaves the payment that it made, without its habits."""
    token, subject = uuid4(), uuid4()
    held = await hold(sites, order(token, debtor=13), subject)
    assert held.payment is not None
    async with await sites.connect(AZURE, "payments_app") as session, session.transaction():
        await session.execute(ledger.REVIEW, (held.payment.id, "approved", "maria", "called her"))
        erasing = asyncio.create_task(forget(sites, subject))
        await _waits_or_ends(sites, erasing)
        assert not erasing.done()
    assert (await erasing).proof.profiles == 1
    assert (await review(sites, held, Verdict.REJECT)).outcome is Reviewed.ALREADY_APPROVED


async def test_an_erasure_beside_a_reviewer_is_seen_by_it(sites: Sites) -> None:
    """The erasure has turned the payment down and not ended: the reviewer waits for it at the subject, and hears of it. Had it
    read before it waits, it would approve what is turned down, and the payment would be made."""
    token, subject = uuid4(), uuid4()
    this = order(token, debtor=14)
    held = await hold(sites, this, subject)
    async with await sites.connect(AZURE, "payments_app") as session, session.transaction():
        for _ in range(2):
            await session.execute(ledger.FORGET, (uuid4(), subject, "desk", "request", 100))
        reviewing = asyncio.create_task(review(sites, held, Verdict.APPROVE))
        await _waits_or_ends(sites, reviewing, "review_from")
        assert not reviewing.done()
    assert (await reviewing).outcome is Reviewed.ALREADY_REJECTED
    assert await sites.ask(AZURE, "SELECT FROM ledger.payment WHERE idempotency_key = %s", this.key) == []


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
        assert (await erasing).proof.accounts == 1
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
        await _waits_or_ends(sites, erasing)
    return erasing


async def _waits_or_ends(sites: Sites, asking: "asyncio.Task[Any]", function: str = "forget_subject") -> None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
    for _ in range(200):
        if asking.done() or await sites.ask(AZURE, waiting, f"%ledger.{function}(%", role="postgres"):
            return
        await asyncio.sleep(0.01)
