"""An erasure of payments across clouds, through the service: one proof, whatever becomes of the writer that was asked first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import workload
from controller.core.plans import PlanKind
from tests.protocol.migrating import migrate, script
from tests.protocol.payments_site import eventually
from tests.protocol.trio import AWS, AZURE, CREDITOR, DEBTOR, GCP, SITES, Trio
from workload.durable.database import Database, Tenant
from workload.durable.errors import OutcomeUnknown, Unanswered
from workload.durable.settings import Address, DurableSettings
from workload.identifiers import uuid7
from workload.payments import ledger
from workload.payments.metrics import Metrics
from workload.payments.model import Forgotten, Order, Outcome
from workload.payments.service import Payments
from workload.schema.migration import read_migrations

OUTBOX = (Path(workload.__file__).parent / "webhooks" / "outbox.sql").read_text(encoding="utf-8")
PROOFS = "SELECT id, epoch, sources FROM ledger.erasure"
SOME = "SELECT ledger.forget_subject(gen_random_uuid(), %s, 'desk', 'request', 3)"
LEFT = "SELECT count(*), count(token), count(subject) FROM ledger.source"


class Told:
    """A vault that says of every token whose it is."""

    def __init__(self, subject: UUID) -> None:
        self._subject = subject

    async def subject(self, token: UUID) -> UUID:
        """This one's."""
        return self._subject


@asynccontextmanager
async def serving(trio: Trio, subject: UUID) -> AsyncIterator[Payments]:
    """The service without HTTP, beside aws."""
    listen = Address(host="127.0.0.1", port=1)
    databases = {str(site): Address(host="127.0.0.1", port=trio.servers[site].port) for site in SITES}
    settings, metrics = DurableSettings(site=AWS, listen=listen, databases=databases), Metrics()
    tenant = Tenant(service=trio.service, password="secret", await_held=ledger.AWAIT_HELD)
    database = Database(settings, tenant, metrics)
    payments = Payments(answers=database.answers, metrics=metrics, new_id=uuid7, sources=Told(subject))

    async def is_ready() -> bool:
        return database.finder.writer is not None and database.sessions[database.finder.writer.site].alive > 0

    async with database.running():
        await eventually(is_ready)
        yield payments


def order(token: UUID) -> Order:
    """From this token."""
    return Order(key=str(uuid4()), debtor=DEBTOR, creditor=CREDITOR, amount=1, currency="EUR", source=token)


async def until_answered(payments: Payments, subject: UUID) -> Forgotten:
    """As an operator does: the same order again, until there is an answer."""
    told: list[Forgotten] = []

    async def is_answered() -> bool:
        try:
            told.append(await payments.forget(subject, "desk for kim", "request of the subject"))
        except Unanswered:
            return False
        return told[-1].is_complete

    await eventually(is_answered)
    return told[-1]


async def bring_up(trio: Trio) -> None:
    """Everything that payments has by now."""
    for site in SITES:
        await script(trio, site, OUTBOX)
    await migrate(trio, read_migrations("payments", trio.service))


async def test_an_erasure_that_was_under_way_is_ended_by_the_next_writer(trio: Trio) -> None:
    """Three of seven payments' tokens are forgotten when the cloud dies. Nobody pays meanwhile, and whoever asks again has the rest
    forgotten under the same proof, which counts everything once: also the account that both writers met."""
    await bring_up(trio)
    token, subject = uuid4(), uuid4()
    async with serving(trio, subject) as payments:
        for _ in range(7):
            assert (await payments.pay(order(token))).outcome is Outcome.CREATED
        for _ in range(2):
            await trio.sql(AZURE, SOME, subject)
        assert await trio.sql(AZURE, LEFT) == [(7, 4, 4)]
        assert (await payments.pay(order(token))).outcome is Outcome.ERASED_SOURCE
        ((begun, *_),) = await trio.sql(AZURE, PROOFS)

        async def is_everywhere() -> bool:
            return [await trio.sql(site, LEFT) for site in (AWS, GCP)] == [[(7, 4, 4)]] * 2

        await eventually(is_everywhere)
        trio.lose(AZURE)
        await trio.carry(PlanKind.FAILOVER, AZURE)
        told = await until_answered(payments, subject)
        assert (told.proof.id, told.is_replayed, told.proof.caller) == (begun, False, "desk")
        assert (told.proof.epoch, told.proof.sources, told.proof.accounts, told.proof.profiles) == (1, 7, 1, 1)
        assert (await payments.pay(order(token))).outcome is Outcome.ERASED_SOURCE
        await trio.start(AZURE)
        await trio.carry(PlanKind.RETURN, AZURE)
        again = await until_answered(payments, subject)
        assert (again.is_replayed, again.proof) == (True, told.proof)
    await trio.await_equal()
    for site in SITES:
        assert await trio.sql(site, PROOFS) == [(begun, 1, 7)] and await trio.sql(site, LEFT) == [(7, 0, 0)]


async def test_an_erasure_that_died_with_its_writer_is_made_again_and_is_one_everywhere(trio: Trio) -> None:
    """The writer has written that somebody is forgotten, nobody else has heard of it, and its cloud dies: who asked was told of nothing
    that is done, and nothing further was begun. Asked again, the next writer erases and tells its own proof; the old one comes back with
    that proof and without its own."""
    await bring_up(trio)
    token, subject = uuid4(), uuid4()
    async with serving(trio, subject) as payments:
        assert (await payments.pay(order(token))).outcome is Outcome.CREATED
        for site in (AWS, GCP):
            await trio.part(site)
        with pytest.raises(OutcomeUnknown):
            await payments.forget(subject, "desk for kim", "request of the subject")
        assert await trio.sql(AZURE, LEFT) == await trio.sql(AWS, LEFT) == [(1, 1, 1)]
        assert await trio.sql(AWS, PROOFS) == []
        ((died, *_),) = await trio.sql(AZURE, PROOFS)
        trio.lose(AZURE)
        await trio.carry(PlanKind.FAILOVER, AZURE)
        told = await until_answered(payments, subject)
        assert (told.is_replayed, told.proof.epoch, told.proof.sources) == (False, 2, 1) and told.proof.id != died
        await trio.start(AZURE)
        await trio.carry(PlanKind.RETURN, AZURE)
        again = await until_answered(payments, subject)
        assert (again.is_replayed, again.proof) == (True, told.proof)
        assert (await payments.pay(order(token))).outcome is Outcome.ERASED_SOURCE
    await trio.await_equal()
    for site in SITES:
        assert await trio.sql(site, PROOFS) == [(told.proof.id, 2, 1)] and await trio.sql(site, LEFT) == [(1, 0, 0)]
