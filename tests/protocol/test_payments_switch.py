"""The writer moves while the service runs: payments follow at once, and a black hole holds nobody up."""

import asyncio
import time
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.protocol.payments_site import AWS, AZURE, STREAM, Answer, Service, Sites, eventually, stream

pytest_plugins = ("tests.protocol.payments_fixtures",)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

BACK = "payments_e2_aws_azure"
NEXT = "payments_e3_azure_aws"


async def swap(sites: Sites, old: str, new: str, closed: str, opened: str, epoch: int) -> None:
    """A planned move in the barest form: fence, catch up, turn the stream around, open."""
    await sites.ask(old, "UPDATE trimaran.node SET role = 'fenced'")
    await sites.caught_up(old, closed)
    for statement in ("DISABLE", "SET (slot_name = NONE)"):
        await sites.ask(new, f"ALTER SUBSCRIPTION {closed} {statement}")
    await sites.ask(new, f"DROP SUBSCRIPTION {closed}")
    await stream(sites, new, old, opened, copy=False)
    await sites.ask(old, "UPDATE trimaran.node SET role = 'follower', epoch = %s", epoch)
    await sites.ask(new, "UPDATE trimaran.node SET role = 'writer', epoch = %s, ack_slots = %s", epoch, [opened])


async def pay_until_acknowledged(service: Service, epoch: int) -> tuple[float, list[Answer]]:
    """Offer a payment every 10 ms until one of this epoch is acknowledged; answers how long that took, and every answer."""
    start, answers = time.monotonic(), list[Answer]()
    while not any(answer.body.get("epoch") == epoch for answer in answers):
        assert time.monotonic() - start < 10
        answers.append(await service.pay(str(uuid4())))
        await asyncio.sleep(0.01)
    return time.monotonic() - start, answers


async def test_payments_follow_the_writer_at_once(sites: Sites, service: Service) -> None:
    """Sessions to the new writer are warm, although its role said read-only until now: well under half a second."""
    await swap(sites, AZURE, AWS, STREAM, BACK, 2)
    seconds, _ = await pay_until_acknowledged(service, 2)
    assert seconds < 0.5


async def test_a_node_tells_a_service_that_it_writes_no_more(sites: Sites) -> None:
    """Nobody would ask it for another half a minute, and its role reads by default."""
    async with sites.service(AZURE, tuning="finder_interval = 30") as service:
        await eventually(service.is_ready)
        ((epoch,),) = await sites.ask(AWS, "SELECT epoch FROM trimaran.node")
        try:
            await sites.ask(AWS, "UPDATE trimaran.node SET role = 'fenced'")

            async def is_known() -> bool:
                return (await service.get("/readyz")).body["sites"][AWS]["role"] == "fenced"

            await eventually(is_known, timedelta(seconds=1))
        finally:
            await sites.ask(AWS, "UPDATE trimaran.node SET role = 'writer', epoch = %s", epoch)


async def test_answers_for_a_black_hole_come_within_the_deadline(sites: Sites, service: Service) -> None:
    """The writer's site vanishes without a word: every request is answered within a second, none for longer after the move."""
    assert sites.links is not None
    await swap(sites, AWS, AZURE, BACK, NEXT, 3)
    await pay_until_acknowledged(service, 3)
    await sites.links.isolate(AZURE)
    try:
        answers = await asyncio.gather(*(_pay_later(service, number * 0.01) for number in range(100)))
        assert {answer.status for answer in answers} == {503}
        assert max(answer.seconds for answer in answers) < 1
        # The survivor opens the next epoch with an empty ack set: nothing can be durable, so the payment reaches the barrier.
        await sites.ask(AWS, "UPDATE trimaran.node SET role = 'writer', epoch = 4, ack_slots = '{}'")
        await asyncio.sleep(0.3)
        key = str(uuid4())
        answer = await service.pay(key)
        assert answer.body["type"] == "urn:trimaran:problem:outcome-unknown"
        assert await sites.ask(AWS, "SELECT epoch FROM ledger.payment WHERE idempotency_key = %s", key) == [(4,)]
    finally:
        await sites.links.rejoin(AZURE)
    await asyncio.sleep(1)
    situation = (await service.get("/readyz")).body
    assert (situation["writer"], situation["epoch"]) == (AWS, 4), "the ghost of epoch 3 is back and must not be followed"


async def _pay_later(service: Service, delay: float) -> Answer:
    await asyncio.sleep(delay)
    return await service.pay(str(uuid4()))
