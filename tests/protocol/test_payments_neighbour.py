"""The follower beside the service proves a payment: sooner than the writer's barrier, and never more than it."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.protocol.payments_site import AWS, AZURE, STREAM, Service, Sites, eventually

pytest_plugins = ("tests.protocol.payments_fixtures",)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

ONE_WAY = timedelta(seconds=0.05)
HELD = "SELECT ledger.await_held(%s, %s, '100 ms')"


async def paid(service: Service) -> UUID:
    """A payment that was acknowledged."""
    answer = await service.pay(str(uuid4()))
    assert answer.status == 201, answer
    return UUID(answer.body["id"])


async def test_from_afar_a_payment_takes_one_round_trip(sites: Sites, service: Service) -> None:
    """The writer's commit is one; the copy is beside the service by the time it hears of it."""
    assert sites.links is not None
    await sites.links.slow(AWS, delay=ONE_WAY, jitter=timedelta(0), loss=0)
    try:
        await eventually(service.is_ready)
        took = sorted([(await service.pay(str(uuid4()))).seconds for _ in range(15)])
        assert 2 * ONE_WAY.total_seconds() <= took[0]
        assert took[7] < 3 * ONE_WAY.total_seconds(), "the barrier alone would take two round trips"
    finally:
        await sites.links.slow(AWS, delay=timedelta(0), jitter=timedelta(0), loss=0)


async def test_a_copy_beside_it_does_not_count_outside_the_ack_set(sites: Sites, service: Service) -> None:
    """aws holds the payment and is no member: nobody would cut and read it, so nobody may hear of the payment."""
    await eventually(service.is_ready)
    await sites.ask(AZURE, "UPDATE trimaran.node SET ack_slots = '{}'")
    try:
        key = str(uuid4())
        answer = await service.pay(key)
        assert answer.status == 503
        await sites.caught_up(AZURE, STREAM)
        assert await sites.ask(AWS, "SELECT 1 FROM ledger.payment WHERE idempotency_key = %s", key)
        assert (await service.pay(key)).status == 503
    finally:
        await sites.ask(AZURE, "UPDATE trimaran.node SET ack_slots = %s", [STREAM])
    assert (await service.pay(key)).status == 201


async def test_what_the_copy_must_be(sites: Sites, service: Service) -> None:
    """On the disk of a node on its pinned timeline that holds the reign's marker; anything less proves nothing."""
    held, lacking = await paid(service), uuid4()
    await sites.caught_up(AZURE, STREAM)
    assert await sites.ask(AWS, HELD, 1, [held, lacking], role="payments_app") == [([held],)]
    assert await sites.ask(AWS, HELD, 2, [held], role="payments_app") == [([],)], "no marker of that reign"
    await sites.ask(AWS, "UPDATE trimaran.node SET timeline = timeline + 1")
    try:
        assert await sites.ask(AWS, HELD, 1, [held], role="payments_app") == [([],)], "an in-cloud failover may have lost it"
    finally:
        await sites.ask(AWS, "UPDATE trimaran.node SET timeline = timeline - 1")
    assert await sites.ask(AWS, "SELECT DISTINCT subsynccommit FROM pg_subscription") == [("on",)], "visible means flushed"


async def test_a_neighbour_that_lags_costs_little(sites: Sites, service: Service) -> None:
    """It is asked in vain once, and then left alone for a while; the writer's barrier answers."""
    await eventually(service.is_ready)
    async with await sites.connect(AWS) as blocker:
        await blocker.execute("BEGIN")
        await blocker.execute("LOCK TABLE ledger.payment IN EXCLUSIVE MODE")
        assert (await service.pay(str(uuid4()))).status == 503
        await blocker.execute("ROLLBACK")
    await eventually(service.is_ready)
    assert await paid(service)
