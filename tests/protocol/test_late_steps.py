"""A step's first try may arrive after its second has long succeeded, under the same token. It must do nothing then."""

import asyncio
from contextlib import suppress

import pytest

from controller.core.model import Epoch
from controller.core.plans import PlanKind
from controller.errors import Conflict, StaleToken, Stuck
from tests.protocol.trio import AWS, AZURE, GCP, Trio


async def test_a_late_cut_does_not_close_the_writer_it_helped_to_elect(trio: Trio) -> None:
    """The cut of the winner arrives again after it was opened: it still writes, and its follower still follows."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    await trio.executor().carry(control)
    winner = await trio.writer()
    token = control.ownership.token
    before = await trio.streaming(winner)
    with suppress(Stuck):  # whatever it answers: nobody waits for it any more
        await trio.databases[winner].cut(token=token, epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
    assert await trio.streaming(winner) == before
    assert await trio.pay(winner)


async def test_a_late_cut_leaves_the_new_stream_alone(trio: Trio) -> None:
    """The cut of the sibling arrives again after it follows the new writer: payments are still acknowledged by it."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    control = await trio.executor().carry(control)
    (sibling,) = control.posture.must_cut
    token = control.ownership.token
    before = await trio.streaming(control.posture.writer)
    await trio.databases[sibling].cut(token=token, epoch=Epoch(2), writer=control.posture.writer, reign=Epoch(2))
    assert await trio.streaming(control.posture.writer) == before
    assert await trio.pay()


async def test_a_late_clear_does_not_empty_a_member(trio: Trio) -> None:
    """The returning node was cleared, seeded and grown; the first clearing arrives and is refused."""
    await trio.carry(PlanKind.FAILOVER, AZURE)
    claimed = await trio.claim(PlanKind.RETURN, AZURE)
    await trio.executor().carry(claimed)
    await trio.carry(PlanKind.GROW, AZURE)
    with pytest.raises((Conflict, StaleToken)):
        await trio.databases[AZURE].clear(token=claimed.ownership.token, reign=Epoch(2))
    assert await trio.pay()
    await trio.await_equal()


async def test_a_late_slot_offer_skips_nothing(trio: Trio) -> None:
    """The writer is offered a slot again for a follower that streams: the stream has no gap."""
    await trio.carry(PlanKind.FAILOVER, AZURE)
    writer = await trio.writer()
    claimed = await trio.claim(PlanKind.RETURN, AZURE)
    await trio.executor().carry(claimed)
    await trio.hold_apply(AZURE)
    late = asyncio.create_task(trio.pay(writer))
    await trio.databases[writer].offer_seed(token=claimed.ownership.token, reign=Epoch(2), follower=AZURE)
    await trio.release_apply(AZURE)
    await late
    await trio.await_equal()


async def test_a_late_opening_changes_nothing(trio: Trio) -> None:
    """The writer is opened again under the same token: same reign, same ack set, nothing dropped."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    done = await trio.executor().carry(control)
    await trio.carry(PlanKind.RETURN, AZURE)
    await trio.carry(PlanKind.GROW, AZURE)
    token = control.ownership.token
    with pytest.raises(StaleToken):
        await trio.databases[done.posture.writer].open(token=token, epoch=Epoch(2), ack_set=frozenset({GCP}))
    assert await trio.pay()
    assert {AWS, GCP} - {done.posture.writer} | {AZURE} == (await trio.posture()).must_cut
