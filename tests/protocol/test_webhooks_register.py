"""Registering: what an operator was told is kept, and what is not kept he is not told."""

import uuid
from datetime import timedelta

import pytest

from controller.core.plans import PlanKind
from tests.protocol.trio import AWS, AZURE, GCP
from tests.protocol.webhooks_market import SHOP, Market
from workload.durable.evidence import Reign
from workload.webhooks.registration import Endpoint, Exit, Unkept, owners_database, register

pytest_plugins = ("tests.protocol.webhooks_fixtures",)

NEWCOMER = uuid.UUID(int=13)


async def order(market: Market, account: uuid.UUID, url: str, within: float = 10) -> Reign:
    """As the command does it, from a place that reaches every site."""
    endpoint = Endpoint(account=account, url=url, secret="all", is_enabled=True)
    database = owners_database(market.settings(), "secret", market.trio.service)
    async with database.running():
        return await register(database.answers, endpoint, within=timedelta(seconds=within))


async def test_a_registration_that_was_acknowledged_survives_its_writer(market: Market) -> None:
    """The writer dies with the answer: the next one records events of this merchant, and sends them to the place that was named."""
    await market.trio.sql(AZURE, "SELECT ledger.open_account(%s, 'EUR', 0, true)", NEWCOMER)
    await market.trio.part(GCP)
    assert await order(market, NEWCOMER, "http://127.0.0.1:9/newcomer") == await order(
        market, NEWCOMER, "http://127.0.0.1:9/newcomer"
    )
    market.trio.lose(AZURE)
    await market.trio.carry(PlanKind.FAILOVER, AZURE)
    writer = await market.trio.writer()
    assert await market.trio.sql(writer, "SELECT url FROM outbox.endpoint WHERE account = %s", NEWCOMER) == [
        ("http://127.0.0.1:9/newcomer",)
    ]
    assert await market.trio.sell(NEWCOMER, barrier=False)
    assert await market.trio.sql(writer, "SELECT sequence FROM outbox.event WHERE account = %s", NEWCOMER) == [(1,)]


async def test_a_registration_that_only_the_writer_has_is_not_acknowledged(market: Market) -> None:
    """Nobody follows it: the order is told as not known to be kept. By SQL alone it is told as done, and is gone with the writer."""
    for site in (AWS, GCP):
        await market.trio.part(site)
    elsewhere = "http://127.0.0.1:9/elsewhere"
    with pytest.raises(Unkept) as unkept:
        await order(market, SHOP, elsewhere, within=0.5)
    assert unkept.value.status is Exit.UNKNOWN
    assert await market.trio.sql(AZURE, "SELECT url FROM outbox.endpoint WHERE account = %s", SHOP) == [(elsewhere,)]
    market.trio.lose(AZURE)
    await market.trio.carry(PlanKind.FAILOVER, AZURE)
    (((url,),)) = await market.trio.sql(await market.trio.writer(), "SELECT url FROM outbox.endpoint WHERE account = %s", SHOP)
    assert url != elsewhere


async def test_an_order_that_the_database_refuses_is_refused_at_once(market: Market) -> None:
    """With what it said; nothing is tried again."""
    with pytest.raises(Unkept, match="endpoint_url_check") as unkept:
        await order(market, SHOP, "nonsense", within=60)
    assert unkept.value.status is Exit.REFUSED
