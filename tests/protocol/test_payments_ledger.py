"""The ledger's one call, on real PostgreSQL: what it promises whatever is asked of it, and by how many at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.protocol.payments_site import AZURE, LEDGER, Sites, one_site
from workload.durable import statement
from workload.durable.errors import NoWriter
from workload.durable.session import Connection
from workload.payments import ledger
from workload.payments.model import Order, Outcome

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SOON = timedelta(seconds=10)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """One writer."""
    async with one_site("payments-ledger") as sites:
        yield sites


async def found(sites: Sites, balance: int, overdraft: bool = False, currency: str = "EUR") -> UUID:
    """A new account."""
    account = uuid4()
    await sites.ask(AZURE, "SELECT ledger.open_account(%s, %s, %s, %s)", account, currency, balance, overdraft)
    return account


async def decide(session: Connection, order: Order) -> tuple[Outcome, UUID | None]:
    """The service's own call."""
    decision, _ = await ledger.pay(session, AZURE, order, uuid4(), SOON)
    return decision.outcome, decision.payment.id if decision.payment else None


def order(debtor: UUID, creditor: UUID, amount: int = 1, key: str | None = None, currency: str = "EUR") -> Order:
    """An order; with a key of its own unless given."""
    return Order(key=key or str(uuid4()), debtor=debtor, creditor=creditor, amount=amount, currency=currency)


ORDERS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 120), st.integers(0, 5)), min_size=1, max_size=12
)


@given(wanted=ORDERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_ordered_the_books_balance(sites: Sites, wanted: list[tuple[int, int, int, int]]) -> None:
    """Entries sum to zero, balances are openings plus entries, nobody is overdrawn who may not be, one payment per key."""
    accounts = [await found(sites, 100), await found(sites, 100), await found(sites, 0, overdraft=True)]
    balances, limits, paid = [100, 100, 0], [0, 0, -(10**9)], dict[str, tuple[Order, UUID]]()
    session = Connection(await sites.connect(AZURE, "payments_app"))
    keys = [str(uuid4()) for _ in range(6)]
    try:
        for debtor, creditor, amount, key in wanted:
            this = order(accounts[debtor], accounts[creditor], amount, keys[key])
            outcome, id = await decide(session, this)
            if this.key in paid:
                first, first_id = paid[this.key]
                assert outcome is (Outcome.REPLAYED if first == this else Outcome.KEY_REUSED)
                assert id == (first_id if first == this else None)
            elif debtor == creditor:
                assert outcome is Outcome.SAME_ACCOUNT
            elif balances[debtor] - amount < limits[debtor]:
                assert outcome is Outcome.INSUFFICIENT_FUNDS
            else:
                assert outcome is Outcome.CREATED and id is not None
                paid[this.key] = (this, id)
                balances[debtor] -= amount
                balances[creditor] += amount
    finally:
        session.shut()
    query = (
        "SELECT balance, opening_balance + coalesce((SELECT sum(e.amount) FROM ledger.entry AS e WHERE e.account = a.id), 0)"
        " FROM ledger.account AS a WHERE id = ANY(%s) ORDER BY array_position(%s, id)"
    )
    assert await sites.ask(AZURE, query, accounts, accounts) == [(balance, balance) for balance in balances]
    lame = "SELECT payment FROM ledger.entry GROUP BY payment HAVING sum(amount) <> 0 OR count(*) <> 2"
    assert await sites.ask(AZURE, lame) == []
    count = await sites.ask(AZURE, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = ANY(%s)", keys)
    assert count == [(len(paid),)]


async def at_once(sites: Sites, orders: list[Order]) -> list[tuple[Outcome, UUID | None]]:
    """Every order on a session of its own, all at the same time."""
    sessions = [Connection(await sites.connect(AZURE, "payments_app")) for _ in orders]
    try:
        return await asyncio.gather(*map(decide, sessions, orders))
    finally:
        for session in sessions:
            session.shut()


async def test_twins_at_once_make_one_payment(sites: Sites) -> None:
    """Sixteen sessions, one key, one body: one creates, all others are told of the very same payment."""
    same = order(await found(sites, 100), await found(sites, 0))
    answers = await at_once(sites, [same] * 16)
    assert sorted(outcome for outcome, _ in answers) == ["created"] + ["replayed"] * 15
    assert len({id for _, id in answers}) == 1


async def test_one_key_for_different_accounts_at_once_makes_one_payment(sites: Sites) -> None:
    """Nothing but the key itself makes these wait for each other."""
    orders = [order(await found(sites, 100), await found(sites, 0), key="the-one") for _ in range(8)]
    outcomes = sorted(outcome for outcome, _ in await at_once(sites, orders))
    assert outcomes == ["created"] + ["key_reused"] * 7


async def test_money_is_not_spent_twice_at_once(sites: Sites) -> None:
    """Sixteen orders of 10 against 100: ten go through."""
    debtor, creditor = await found(sites, 100), await found(sites, 0)
    answers = await at_once(sites, [order(debtor, creditor, 10) for _ in range(16)])
    assert sorted(outcome for outcome, _ in answers) == ["created"] * 10 + ["insufficient_funds"] * 6


async def test_opposite_directions_at_once_do_not_deadlock(sites: Sites) -> None:
    """Accounts are locked in order of id, whoever pays whom."""
    one, other = await found(sites, 100), await found(sites, 100)
    answers = await at_once(sites, [order(*pair) for _ in range(8) for pair in ((one, other), (other, one))])
    assert {outcome for outcome, _ in answers} == {Outcome.CREATED}


async def test_orders_that_cannot_be_are_refused_by_name(sites: Sites) -> None:
    """Each refusal has a word of its own and writes nothing."""
    rich, poor, dollars = await found(sites, 2**62, True), await found(sites, 2**62), await found(sites, 9, currency="USD")
    before = await sites.ask(AZURE, "SELECT count(*) FROM ledger.payment")
    session = Connection(await sites.connect(AZURE, "payments_app"))
    wanted = {
        Outcome.UNKNOWN_DEBTOR: order(uuid4(), rich),
        Outcome.UNKNOWN_CREDITOR: order(rich, uuid4()),
        Outcome.SAME_ACCOUNT: order(rich, rich),
        Outcome.CURRENCY_MISMATCH: order(rich, dollars),
        Outcome.BALANCE_LIMIT: order(rich, poor, 2**62),
    }
    assert {outcome: (await decide(session, refused))[0] for outcome, refused in wanted.items()} == {o: o for o in wanted}
    session.shut()
    assert await sites.ask(AZURE, "SELECT count(*) FROM ledger.payment") == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger.entry VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1)",
        "UPDATE ledger.account SET balance = 1",
        "DELETE FROM ledger.payment",
        "TRUNCATE ledger.payment",
        "SELECT ledger.open_account(gen_random_uuid(), 'EUR', 1, false)",
        "UPDATE trimaran.node SET role = 'writer'",
    ],
)
async def test_the_service_can_do_nothing_but_pay(sites: Sites, statement: str) -> None:
    """Its role may look and may call pay(); the books are closed to it otherwise."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await sites.ask(AZURE, statement, role="payments_app")


@pytest.mark.parametrize(
    "change",
    ["role = 'fenced'", "role = 'follower'", "timeline = timeline + 1", "system_identifier = system_identifier + 1"],
)
async def test_a_node_that_may_not_write_writes_nothing(sites: Sites, change: str) -> None:
    """Refused by the call, and by the tables themselves when somebody goes around it."""
    this = order(await found(sites, 100), await found(sites, 0))
    ((before,),) = await sites.ask(AZURE, "SELECT to_jsonb(n) FROM trimaran.node AS n")
    session = Connection(await sites.connect(AZURE, "payments_app"))
    await sites.ask(AZURE, f"UPDATE trimaran.node SET {change}")
    try:
        with pytest.raises(NoWriter):
            await decide(session, this)
        assert not session.broken
        with pytest.raises(psycopg.Error) as caught:
            await sites.ask(AZURE, "UPDATE ledger.account SET balance = 1")
        assert caught.value.sqlstate in statement.NOT_ADMITTED
    finally:
        await sites.ask(
            AZURE,
            "UPDATE trimaran.node SET role = %s, timeline = %s, system_identifier = %s",
            before["role"],
            before["timeline"],
            before["system_identifier"],
        )
    assert (await decide(session, this))[0] is Outcome.CREATED
    session.shut()


async def test_the_script_may_run_again(sites: Sites) -> None:
    """Installing twice changes nothing, also under a writer with payments."""
    await sites.ask(AZURE, LEDGER.read_text())


async def test_an_account_is_founded_once(sites: Sites) -> None:
    """Again with the same terms is fine, with other terms it is not."""
    account = await found(sites, 5)
    await sites.ask(AZURE, "SELECT ledger.open_account(%s, 'EUR', 5, false)", account)
    with pytest.raises(psycopg.Error, match="other terms"):
        await sites.ask(AZURE, "SELECT ledger.open_account(%s, 'EUR', 6, false)", account)
    assert await sites.ask(AZURE, "SELECT balance FROM ledger.account WHERE id = %s", account) == [(5,)]


async def test_a_proof_of_the_write_path_leaves_its_session_fit_for_payments(sites: Sites) -> None:
    """A rolled-back transaction in a pipeline has the driver forget, one statement late, what it prepared: whoever asks next prepares
    a statement that is then dropped, and the one after it, perhaps a payment, fails without an answer that can be believed."""
    account, other = await found(sites, 100), await found(sites, 0)
    session = Connection(await sites.connect(AZURE, "payments_app"))
    try:
        for _ in range(3):
            await statement.admit(session, AZURE, SOON)
            for _ in range(6):  # from the fifth payment on the driver prepares by itself
                seen, _ = await ledger.read_account(session, AZURE, account, SOON)
                assert seen is not None
                assert (await decide(session, order(account, other)))[0] is Outcome.CREATED
    finally:
        session.shut()
