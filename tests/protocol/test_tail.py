"""What only a returning node has: kept for a person whatever became of its slots, in any number, and in every life of the node."""

import pytest

from controller.core.model import Epoch
from controller.core.plans import PlanKind
from controller.postgres import tail
from tests.protocol.trio import AWS, AZURE, CREDITOR, DEBTOR, GCP, Trio

KEPT = "SELECT idempotency_key, epoch, superseded, body ->> 'id' FROM trimaran.quarantine ORDER BY 1, 2"
HELD = "SELECT idempotency_key, epoch, false, id::text FROM ledger.payment WHERE idempotency_key ~ 'tail' ORDER BY 1"


async def lose_with_a_tail(trio: Trio, *keys: str) -> list[tuple[object, ...]]:
    """azure writes, nobody receives these payments, and azure dies; answers what the quarantine must hold of them."""
    for site in (AWS, GCP):
        await trio.part(site)
    for key in keys:
        assert await trio.pay(AZURE, key, patience=0.02) is None
    held = await trio.sql(AZURE, HELD)
    trio.lose(AZURE)
    await trio.carry(PlanKind.FAILOVER, AZURE)
    return held


async def test_the_tail_is_kept_when_every_slot_is_gone(trio: Trio) -> None:
    """The vendor dropped them before the disk was full: nothing is left that could be read but the ledger itself."""
    held = await lose_with_a_tail(trio, "tail-0", "tail-1")
    await trio.start(AZURE)
    slots = "FROM pg_replication_slots WHERE database = current_database()"
    assert len(await trio.sql(AZURE, f"SELECT pg_drop_replication_slot(slot_name) {slots} AND NOT active")) == 2
    await trio.carry(PlanKind.RETURN, AZURE)
    assert await trio.sql(AZURE, KEPT) == held
    await trio.await_equal()


async def test_a_long_tail_is_kept_page_by_page(trio: Trio) -> None:
    """More than one page, and the last page is full."""
    await trio.pay(AZURE, "shared")
    held = await lose_with_a_tail(trio, *(f"tail-{number}" for number in range(6)))
    await trio.start(AZURE)
    control = await trio.claim(PlanKind.RETURN, AZURE)
    assert control.ownership is not None
    token = control.ownership.token
    assert await trio.pay(AWS, "tail-3")
    await trio.databases[AZURE].fence(token=token, reign=Epoch(2))
    for _ in range(2):
        report = await tail.export_tail(trio.nodes[AZURE], token=token, known=trio.databases[AWS], page=2)
        assert (report.transactions, report.superseded, report.never_happened) == (6, 1, 5)
        assert await trio.sql(AZURE, KEPT) == [(key, epoch, key == "tail-3", id) for key, epoch, _, id in held]


@pytest.mark.parametrize("verdict", [None, "approved", "rejected"])
async def test_a_key_that_the_new_writer_keeps_for_a_person_did_not_never_happen(trio: Trio, verdict: str | None) -> None:
    """Paid by the old writer, never acknowledged, and asked for again: the new one holds it. Told as never happened, somebody makes it good
    by hand, a reviewer approves, and it is paid twice."""
    held = await lose_with_a_tail(trio, "tail-0", "tail-1")
    hold = "SELECT payment_id FROM ledger.hold(gen_random_uuid(), 'tail-0', '\\x00', %s, %s, 1, 'EUR', 7.5, '{much}')"
    ((review,),) = await trio.sql(AWS, hold, DEBTOR, CREDITOR)
    if verdict:
        await trio.sql(AWS, "SELECT ledger.review(%s, %s, 'maria', 'called her')", review, verdict)
    await trio.start(AZURE)
    await trio.carry(PlanKind.RETURN, AZURE)
    assert await trio.sql(AZURE, KEPT) == [(key, epoch, key == "tail-0", id) for key, epoch, _, id in held]


async def test_a_key_that_was_lost_twice_is_kept_twice(trio: Trio) -> None:
    """Tried in two reigns of azure and never acknowledged: two payments, two amounts perhaps; the second must not hide the first."""
    first = await lose_with_a_tail(trio, "tail-0")
    await trio.start(AZURE)
    await trio.carry(PlanKind.RETURN, AZURE)
    await trio.carry(PlanKind.GROW, AZURE)
    await trio.carry(PlanKind.SWITCHOVER, AZURE)
    second = await lose_with_a_tail(trio, "tail-0")
    await trio.start(AZURE)
    await trio.carry(PlanKind.RETURN, AZURE)
    assert await trio.sql(AZURE, KEPT) == first + second
    assert len(first + second) == 2
