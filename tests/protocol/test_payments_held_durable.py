"""Held payments across two clouds: nothing about them is told before it would survive, and a failover decides nothing twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, OPENING, PASSWORD, STREAM, Sites, eventually, two_sites
from workload.durable.database import Database, Tenant
from workload.durable.errors import OutcomeUnknown
from workload.durable.session import Connection
from workload.durable.settings import Address
from workload.identifiers import uuid7
from workload.payments import ledger
from workload.payments.metrics import Metrics
from workload.payments.model import Order, Outcome, Reviewed, Verdict
from workload.payments.screen import Advice, Habits, NearProfiles, Screening, ScreenMetrics
from workload.payments.service import Payments
from workload.payments.settings import Settings

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

SOON = timedelta(seconds=5)
MISSING = (
    "SELECT t.name FROM unnest(ARRAY['held', 'profile']) AS t (name) WHERE NOT EXISTS ("
    "SELECT FROM pg_publication_tables AS p WHERE p.pubname = 'payments_ledger' AND p.schemaname = 'ledger' AND p.tablename = t.name)"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites() -> AsyncIterator[Sites]:
    """Azure writes, aws follows, held payments and profiles included."""
    async with two_sites("payments-held-durable") as sites:
        for site in (AZURE, AWS):
            for (table,) in await sites.ask(site, MISSING):
                await sites.ask(site, f"ALTER PUBLICATION payments_ledger ADD TABLE ledger.{table}")
        await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} REFRESH PUBLICATION WITH (copy_data = false)")
        yield sites


@dataclass(slots=True)
class Suspicious:
    """A screen that has everything above an amount held, and remembers the habits it was given."""

    above: int = 100
    given: Habits | None = None

    async def advice(self, order: Order, habits: Habits | None, deadline: timedelta) -> Advice:
        self.given = habits
        return Advice(hold=order.amount > self.above, score=7.5, reasons=("much",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service without HTTP, in the other cloud than the writer's."""

    payments: Payments
    screen: Suspicious


@asynccontextmanager
async def serving(sites: Sites) -> AsyncIterator[Service]:
    """Sessions, barrier and profiles over the links."""
    assert sites.links is not None
    ports = {AWS: sites.servers[AWS].port, AZURE: sites.links.port(AWS, AZURE, "service")}
    databases = {site: Address(host="127.0.0.1", port=port) for site, port in ports.items()}
    settings = Settings(
        site=AWS, service="payments", listen=Address(host="127.0.0.1", port=1), databases=databases, open_to_everybody=True
    )
    metrics, screen = Metrics(), Suspicious()
    database = Database(settings, Tenant(service="payments", password=PASSWORD, await_held=ledger.AWAIT_HELD), metrics)
    readers = database.beside(2)
    screening = Screening(
        screen=screen,
        profiles=NearProfiles(readers, settings.tuning.statement_deadline),
        meter=ScreenMetrics(CollectorRegistry()),
        deadline=timedelta(seconds=1),
    )
    payments = Payments(answers=database.answers, metrics=metrics, new_id=uuid7, screening=screening)

    async def is_ready() -> bool:
        return database.finder.writer is not None and all(pool.alive for pool in (*database.sessions.values(), readers))

    async with database.running():
        await eventually(is_ready)
        yield Service(payments=payments, screen=screen)


@asynccontextmanager
async def streams_cut(sites: Sites) -> AsyncIterator[None]:
    """Nothing is replicated."""
    await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} DISABLE")
    query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
    await eventually(lambda: sites.ask(AZURE, query, STREAM))
    try:
        yield
    finally:
        await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} ENABLE")
        await sites.caught_up(AZURE, STREAM)


def order(amount: int, debtor: int = 0, creditor: int = 1) -> Order:
    """An order with a key of its own."""
    return Order(key=str(uuid4()), debtor=ACCOUNTS[debtor], creditor=ACCOUNTS[creditor], amount=amount, currency="EUR")


async def state(sites: Sites, site: str, key: str) -> list[str]:
    """What a site's ledger has under a key."""
    query = (
        "SELECT state FROM ledger.held WHERE idempotency_key = %s"
        " UNION ALL SELECT 'paid' FROM ledger.payment WHERE idempotency_key = %s"
    )
    return [one for (one,) in await sites.ask(site, query, key, key)]


async def test_what_is_told_as_held_is_held_in_the_other_cloud_already(sites: Sites) -> None:
    """And so is a reviewer's word, with the payment it makes."""
    async with serving(sites) as service:
        for _ in range(10):
            this = order(500)
            decision = await service.payments.pay(this)
            assert decision.outcome is Outcome.HELD and decision.payment is not None
            assert await state(sites, AWS, this.key) == ["held"]
            (*_, last) = await service.payments.waiting(UUID(int=0), 100)
            assert (last.key, last.reasons) == (this.key, ("much",))
            sitting = await service.payments.review(decision.payment.id, Verdict.APPROVE, "maria", "called her")
            assert sitting.outcome is Reviewed.APPROVED
            assert await state(sites, AWS, this.key) == ["approved", "paid"]


async def test_what_no_other_cloud_has_is_told_to_nobody(sites: Sites) -> None:
    """Neither that it is held, nor what waits, nor what a reviewer decided; the same word afterwards settles it, once."""
    async with serving(sites) as service:
        this, waiting = order(500), order(500)
        held = await service.payments.pay(waiting)
        assert held.payment is not None
        async with streams_cut(sites):
            for asking in (
                service.payments.pay(this),
                service.payments.pay(this),
                service.payments.waiting(UUID(int=0), 10),
                service.payments.held(held.payment.id),
                service.payments.review(held.payment.id, Verdict.APPROVE, "maria", "called her"),
            ):
                with pytest.raises(OutcomeUnknown):
                    await asking
            assert await state(sites, AZURE, this.key) == ["held"] and await state(sites, AWS, this.key) == []
        assert (await service.payments.pay(this)).outcome is Outcome.STILL_HELD
        again = await service.payments.review(held.payment.id, Verdict.APPROVE, "maria", "called her")
        assert again.outcome is Reviewed.REPEATED
        assert await state(sites, AWS, waiting.key) == ["approved", "paid"]


async def test_screening_is_asked_with_the_habits_that_the_follower_has(sites: Sites) -> None:
    """No round trip to the writer's cloud is spent on them; an account that never paid has none."""
    async with serving(sites) as service:
        await service.payments.pay(order(50, debtor=2))
        assert service.screen.given is None
        await sites.caught_up(AZURE, STREAM)
        await service.payments.pay(order(50, debtor=2))
        assert service.screen.given is not None and service.screen.given.profile.weight == 1
        assert 0 <= service.screen.given.idle < 60


async def test_a_failover_in_between_decides_nothing_twice(sites: Sites) -> None:
    """One approval reached the other cloud before the writer was lost, one did not, and both answers were lost: the reviewer says both
    again to the new writer, and each payment is there once."""
    async with serving(sites) as service:
        kept, lost = order(500, 4, 5), order(500, 4, 5)
        ids = []
        for this in (kept, lost):
            decision = await service.payments.pay(this)
            assert decision.payment is not None
            ids.append(decision.payment.id)
        await service.payments.review(ids[0], Verdict.APPROVE, "maria", "called her")
        await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} DISABLE")
        query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active"
        await eventually(lambda: sites.ask(AZURE, query, STREAM))
        with pytest.raises(OutcomeUnknown):
            await service.payments.review(ids[1], Verdict.APPROVE, "maria", "called her")
    assert await state(sites, AZURE, lost.key) == ["approved", "paid"]
    await sites.ask(AZURE, "UPDATE trimaran.node SET role = 'fenced'")
    await sites.ask(AWS, "UPDATE trimaran.node SET role = 'writer', epoch = 2")
    assert await state(sites, AWS, lost.key) == ["held"]
    session = Connection(await sites.connect(AWS, "payments_app"))
    said = [(await ledger.review(session, AWS, id, Verdict.APPROVE, "maria", "called her", SOON))[0].outcome for id in ids]
    assert said == [Reviewed.REPEATED, Reviewed.APPROVED]
    said = [(await ledger.review(session, AWS, id, Verdict.REJECT, "otto", "too late", SOON))[0].outcome for id in ids]
    assert said == [Reviewed.ALREADY_APPROVED] * 2
    outcomes = [(await ledger.pay(session, AWS, this, uuid4(), SOON))[0].outcome for this in (kept, lost)]
    assert outcomes == [Outcome.REPLAYED] * 2
    session.shut()
    assert await state(sites, AWS, kept.key) == await state(sites, AWS, lost.key) == ["approved", "paid"]
    query = "SELECT balance FROM ledger.account WHERE id = ANY(%s) ORDER BY array_position(%s, id)"
    pair = list(ACCOUNTS[4:6])
    assert await sites.ask(AWS, query, pair, pair) == [(OPENING - 1000,), (OPENING + 1000,)]
