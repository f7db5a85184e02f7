"""Held payments on real PostgreSQL: money moves once or never, whoever decides, however often, and wherever the writer is by then."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio

from detection.profile import NARROWEST_AMOUNT, NARROWEST_PACE, Profile, learn
from detection.streaming import Level
from tests.protocol.payments_site import AZURE, LEDGER, Sites, one_site
from workload.durable.session import Connection
from workload.payments import ledger
from workload.payments.model import Decision, Order, Outcome, Reviewed, Sitting, Status, Verdict
from workload.payments.screen import Advice

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SOON = timedelta(seconds=10)
ADVICE = Advice(hold=True, score=7.5, reasons=("amount 0.10 is 41 times the median of this account",))
LOCK = "    PERFORM pg_advisory_xact_lock("


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer."""
    async with one_site("payments-held") as sites:
        yield sites


async def found(sites: Sites, balance: int) -> UUID:
    """A new account."""
    account = uuid4()
    await sites.ask(AZURE, "SELECT ledger.open_account(%s, 'EUR', %s, false)", account, balance)
    return account


def order(debtor: UUID, creditor: UUID, amount: int = 10, key: str | None = None) -> Order:
    """An order with a key of its own."""
    return Order(key=key or str(uuid4()), debtor=debtor, creditor=creditor, amount=amount, currency="EUR")


async def session(sites: Sites) -> Connection:
    """A session of the service's role."""
    return Connection(await sites.connect(AZURE, "payments_app"))


async def pay(sites: Sites, this: Order) -> Decision:
    """As the service does."""
    mine = await session(sites)
    try:
        return (await ledger.pay(mine, AZURE, this, uuid4(), SOON))[0]
    finally:
        mine.shut()


async def hold(sites: Sites, this: Order) -> Decision:
    """As the service does when screening says so."""
    mine = await session(sites)
    try:
        return (await ledger.hold(mine, AZURE, this, ADVICE, uuid4(), SOON))[0]
    finally:
        mine.shut()


async def held(sites: Sites, this: Order) -> UUID:
    """The id under which it now waits."""
    decision = await hold(sites, this)
    assert decision.outcome is Outcome.HELD and decision.payment is not None
    return decision.payment.id


async def review(sites: Sites, id: UUID, verdict: Verdict, who: str = "maria") -> Sitting:
    """A reviewer's word."""
    mine = await session(sites)
    try:
        return (await ledger.review(mine, AZURE, id, verdict, who, "called her", SOON))[0]
    finally:
        mine.shut()


async def balances(sites: Sites, *accounts: UUID) -> list[int]:
    """Present balances."""
    query = "SELECT balance FROM ledger.account WHERE id = ANY(%s) ORDER BY array_position(%s, id)"
    return [balance for (balance,) in await sites.ask(AZURE, query, list(accounts), list(accounts))]


async def paid(sites: Sites, key: str) -> list[UUID]:
    """Payments of a key."""
    return [id for (id,) in await sites.ask(AZURE, "SELECT id FROM ledger.payment WHERE idempotency_key = %s", key)]


async def test_what_is_held_moves_no_money_until_it_is_approved_and_then_once(sites: Sites) -> None:
    """Under its own key and id; a word that comes twice, or whose answer was lost, changes nothing."""
    debtor, creditor = await found(sites, 100), await found(sites, 0)
    this = order(debtor, creditor)
    id = await held(sites, this)
    assert await balances(sites, debtor, creditor) == [100, 0]
    for _ in range(2):
        decision = await pay(sites, this)
        assert decision.outcome is Outcome.STILL_HELD and decision.payment is not None
        assert (decision.payment.id, decision.payment.status) == (id, Status.HELD)
    assert (await review(sites, id, Verdict.APPROVE)).outcome is Reviewed.APPROVED
    for who in ("maria", "otto"):
        again = await review(sites, id, Verdict.APPROVE, who)
        assert again.outcome is Reviewed.REPEATED and again.review is not None and again.review.ruling is not None
        assert (again.review.ruling.who, again.review.ruling.because) == ("maria", "called her")
    assert await paid(sites, this.key) == [id]
    assert await balances(sites, debtor, creditor) == [90, 10]
    for decision in (await pay(sites, this), await hold(sites, this)):
        assert decision.outcome is Outcome.REPLAYED and decision.payment is not None and decision.payment.id == id


async def test_rejected_is_final(sites: Sites) -> None:
    """No money, no second opinion, and the key hears of it for ever."""
    debtor, creditor = await found(sites, 100), await found(sites, 0)
    this = order(debtor, creditor)
    id = await held(sites, this)
    assert (await review(sites, id, Verdict.REJECT)).outcome is Reviewed.REJECTED
    assert (await review(sites, id, Verdict.APPROVE, "otto")).outcome is Reviewed.ALREADY_REJECTED
    assert (await review(sites, id, Verdict.REJECT, "otto")).outcome is Reviewed.REPEATED
    assert {(await pay(sites, this)).outcome, (await hold(sites, this)).outcome} == {Outcome.REJECTED}
    assert await paid(sites, this.key) == [] and await balances(sites, debtor, creditor) == [100, 0]
    assert (await review(sites, uuid4(), Verdict.APPROVE)).outcome is Reviewed.UNKNOWN


async def test_reviewers_at_once_make_one_decision(sites: Sites) -> None:
    """Eight for, eight against, and payers who repeat the key meanwhile: one word counts, and the money moves once or not at all."""
    for _ in range(5):
        debtor, creditor = await found(sites, 100), await found(sites, 0)
        this = order(debtor, creditor)
        id = await held(sites, this)
        words = [review(sites, id, verdict, str(n)) for n in range(8) for verdict in Verdict]
        answers = await asyncio.gather(*words, *(pay(sites, this) for _ in range(4)))
        sittings = [answer.outcome for answer in answers if isinstance(answer, Sitting)]
        first = [outcome for outcome in sittings if outcome in (Reviewed.APPROVED, Reviewed.REJECTED)]
        assert len(first) == 1
        made = first == [Reviewed.APPROVED]
        other = Reviewed.ALREADY_APPROVED if made else Reviewed.ALREADY_REJECTED
        assert sorted(sittings) == sorted([*first, *[Reviewed.REPEATED] * 7, *[other] * 8])
        assert await paid(sites, this.key) == ([id] if made else [])
        assert await balances(sites, debtor, creditor) == ([90, 10] if made else [100, 0])


async def test_held_money_is_not_reserved_and_is_looked_for_again(sites: Sites) -> None:
    """What was held is spent meanwhile: the approval says so, the payment stays held, and goes through when the money is there."""
    debtor, creditor = await found(sites, 10), await found(sites, 0)
    this = order(debtor, creditor)
    id = await held(sites, this)
    assert (await pay(sites, order(debtor, creditor))).outcome is Outcome.CREATED
    refused = await review(sites, id, Verdict.APPROVE)
    assert refused.outcome is Outcome.INSUFFICIENT_FUNDS and refused.review is not None and refused.review.ruling is None
    assert (await pay(sites, order(creditor, debtor))).outcome is Outcome.CREATED
    assert (await review(sites, id, Verdict.APPROVE)).outcome is Reviewed.APPROVED
    assert await balances(sites, debtor, creditor) == [0, 10]


async def test_what_could_not_be_paid_anyway_troubles_nobody(sites: Sites) -> None:
    """Refused at once, as by pay(), and nothing waits; nor does anything under a key that another payment has."""
    poor, rich = await found(sites, 5), await found(sites, 100)
    assert (await hold(sites, order(poor, rich))).outcome is Outcome.INSUFFICIENT_FUNDS
    assert (await hold(sites, order(uuid4(), rich))).outcome is Outcome.UNKNOWN_DEBTOR
    assert (await hold(sites, order(rich, rich))).outcome is Outcome.SAME_ACCOUNT
    this = order(rich, poor)
    await held(sites, this)
    assert (await hold(sites, order(rich, poor, 11, this.key))).outcome is Outcome.KEY_REUSED
    assert (await pay(sites, order(rich, poor, 11, this.key))).outcome is Outcome.KEY_REUSED
    assert await sites.ask(AZURE, "SELECT count(*) FROM ledger.held WHERE debtor IN (%s, %s)", poor, rich) == [(1,)]


async def meets(sites: Sites, key: str) -> tuple[list[str], bool]:
    """Two orders of one key for other accounts: one is being held, not yet committed, while the other is paid. Which tables have the
    key in the end, and did the second wait for the first?"""
    accounts = [await found(sites, 100) for _ in range(4)]
    first, second = order(accounts[0], accounts[1], key=key), order(accounts[2], accounts[3], key=key)
    async with await sites.connect(AZURE, "payments_app") as holder:
        await holder.execute("BEGIN READ WRITE")
        values = (uuid4(), key, first.digest, first.debtor, first.creditor, first.amount, first.currency, 7.5, ["much"])
        await holder.execute(ledger.HOLD, values)
        paying = asyncio.create_task(pay(sites, second))
        done, _ = await asyncio.wait({paying}, timeout=0.5)
        await holder.execute("COMMIT")
        await paying
    query = (
        "SELECT 'held' FROM ledger.held WHERE idempotency_key = %s"
        " UNION ALL SELECT 'payment' FROM ledger.payment WHERE idempotency_key = %s"
    )
    return [name for (name,) in await sites.ask(AZURE, query, key, key)], not done


async def test_a_key_is_held_or_paid_and_never_both(sites: Sites) -> None:
    """The lock on the key is what two tables have in place of one unique index; taken away, both receipts exist."""
    assert await meets(sites, "locked") == (["held"], True)
    text = LEDGER.read_text()
    assert text.count(LOCK) == 3
    await sites.ask(AZURE, "\n".join(line for line in text.splitlines() if not line.startswith(LOCK)))
    try:
        assert await meets(sites, "unlocked") == (["held", "payment"], False)
    finally:
        await sites.ask(AZURE, text)


async def test_paying_holding_and_reviewing_at_once_do_not_deadlock(sites: Sites) -> None:
    """One order of locks for all of them: accounts by id, then the key."""
    one, other = await found(sites, 1000), await found(sites, 1000)
    ids = [await held(sites, order(*pair)) for _ in range(6) for pair in ((one, other), (other, one))]
    work = [
        *(review(sites, id, Verdict.APPROVE) for id in ids),
        *(pay(sites, order(*pair)) for _ in range(6) for pair in ((one, other), (other, one))),
        *(hold(sites, order(*pair)) for _ in range(6) for pair in ((one, other), (other, one))),
    ]
    outcomes = {answer.outcome for answer in await asyncio.gather(*work)}
    assert outcomes == {Reviewed.APPROVED, Outcome.CREATED, Outcome.HELD}
    assert await balances(sites, one, other) == [1000, 1000]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.held SET state = 'held'",
        "DELETE FROM ledger.profile",
        "SELECT ledger.learn(gen_random_uuid(), 1, now())",
        "SELECT ledger.carry_out(1, gen_random_uuid(), 'k', '', gen_random_uuid(), gen_random_uuid(), 1, 'EUR', now())",
    ],
)
async def test_the_service_reviews_and_holds_and_can_do_nothing_else(sites: Sites, statement: str) -> None:
    """Decisions and habits are written by the ledger's calls alone."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await sites.ask(AZURE, statement, role="payments_app")


async def test_a_decision_cannot_be_written_without_who_and_why(sites: Sites) -> None:
    """The table itself refuses half of one."""
    id = await held(sites, order(await found(sites, 100), await found(sites, 0)))
    with pytest.raises(psycopg.errors.CheckViolation):
        await sites.ask(AZURE, "UPDATE ledger.held SET state = 'approved' WHERE id = %s", id)


def profile(row: Sequence[float]) -> Profile:
    """A row of ledger.profile."""
    weight, amount_median, amount_spread, pace_median, pace_spread, recent = row
    amount, pace = (Level(median=m, spread=s) for m, s in ((amount_median, amount_spread), (pace_median, pace_spread)))
    return Profile(weight=weight, amount=amount, pace=pace, recent=recent)


def numbers(one: Profile) -> list[float]:
    """As in the table."""
    return [one.weight, one.amount.median, one.amount.spread, one.pace.median, one.pace.spread, one.recent]


COLUMNS = "weight, amount_median, amount_spread, pace_median, pace_spread, recent"


async def test_the_ledger_learns_as_the_detector_does(sites: Sites) -> None:
    """Equal payments at equal times until neither spread is learnt any narrower; then cents and millions, bursts, a rest of years, and a
    clock that goes back: the same numbers in SQL and here."""
    chance, account, now, known = random.Random(1), uuid4(), datetime(2026, 1, 1, tzinfo=UTC), None
    steady = [(1000, 86_400.0)] * 120
    varied = [
        (round(10 ** chance.uniform(0, 9)), chance.choice((0.0, 0.5, 30.0, 3600.0, 86_400.0, 1e8, -60.0)) * chance.random())
        for _ in range(150)
    ]
    narrowest = set[tuple[float, float]]()
    async with await sites.connect(AZURE) as ours:
        for amount, idle in (*steady, *varied):
            now += timedelta(seconds=idle)
            known = learn(known, amount, timedelta(seconds=idle).total_seconds())
            await ours.execute("SELECT ledger.learn(%s, %s, %s)", (account, amount, now))
            cursor = await ours.execute(f"SELECT {COLUMNS} FROM ledger.profile WHERE account = %s", (account,))
            row = await cursor.fetchone()
            assert row is not None
            assert numbers(profile(row)) == pytest.approx(numbers(known), rel=1e-9, abs=1e-12)
            narrowest.add((known.amount.spread, known.pace.spread))
    assert (NARROWEST_AMOUNT, NARROWEST_PACE) in narrowest


async def test_only_what_was_paid_becomes_a_habit(sites: Sites) -> None:
    """A held payment teaches nothing until it is approved; a refused one never does."""
    debtor, creditor = await found(sites, 10**6), await found(sites, 0)
    query = "SELECT weight, exp(amount_median) FROM ledger.profile WHERE account = %s"
    id = await held(sites, order(debtor, creditor, 500))
    assert await sites.ask(AZURE, query, debtor) == []
    await review(sites, id, Verdict.APPROVE)
    await pay(sites, order(debtor, creditor, 10**7))
    ((weight, usual),) = await sites.ask(AZURE, query, debtor)
    assert (weight, round(usual)) == (1, 500)
    assert await sites.ask(AZURE, query, creditor) == [], "who is paid has no habits of paying"
