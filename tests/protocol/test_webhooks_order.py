"""What merchants hear while writers and dispatchers come and go: everything durable, in order, nothing else; and what they would hear if
one of the three rules of the courier were broken."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from controller.core.plans import PlanKind
from lab.receiver import Mood
from tests.protocol.payments_site import eventually
from tests.protocol.trio import AWS, AZURE, GCP, SITES
from tests.protocol.unbarriered import Unbarriered
from tests.protocol.webhooks_market import OTHER_SHOP, QUICK, SHOP, AlwaysSeated, Market
from workload.webhooks.courier import Posting, carry
from workload.webhooks.cursors import Cursors
from workload.webhooks.dispatcher import Dispatcher
from workload.webhooks.model import Event, Trip

pytest_plugins = ("tests.protocol.webhooks_fixtures",)


async def sell(market: Market, times: int) -> None:
    """So many acknowledged payments to each merchant."""
    for _ in range(times):
        assert await market.trio.sell(SHOP)
        assert await market.trio.sell(OTHER_SHOP)


async def test_every_payment_is_told_signed_and_in_order(market: Market) -> None:
    """Each event once, the cursors follow, and every site agrees."""
    async with market.dispatcher():
        await sell(market, 10)
        await market.heard(20)

        async def cursors_are_everywhere() -> bool:
            outboxes = [await market.trio.outbox(site) for site in (AWS, AZURE, GCP)]
            return all(outbox.cursors == {str(SHOP): 10, str(OTHER_SHOP): 10} for outbox in outboxes)

        await eventually(cursors_are_everywhere)
    outcome = await market.reconcile()
    assert outcome.is_sound, outcome.findings
    assert (outcome.sent, outcome.duplicated, outcome.outboxes_equal) == (20, 0, True)


async def test_exactly_one_dispatcher_sits_and_another_takes_over(market: Market) -> None:
    """Two run, one sends; when it stops, the other one does."""
    async with market.dispatcher(AWS, AZURE) as second:
        async with market.dispatcher(GCP, AZURE) as first:

            async def one_sits() -> bool:
                return first.is_active or second.is_active

            await eventually(one_sits)
            await sell(market, 3)
            await market.heard(6)
            assert not (first.is_active and second.is_active)

        async def second_sits() -> bool:
            return second.is_active

        await eventually(second_sits)
        await sell(market, 3)
        await market.heard(12)
    outcome = await market.reconcile()
    assert outcome.is_sound, outcome.findings


async def test_a_frozen_dispatcher_loses_its_seat(market: Market) -> None:
    """Its connection stays open and silent, as behind a black hole: the server ends the session, and the seat is free."""
    frozen = market.assembly(AWS, AZURE)
    async with frozen.database.running():

        async def sat_down() -> bool:
            return await frozen._seat.hold()

        await eventually(sat_down)
        async with market.dispatcher(GCP, AZURE) as other:
            for _ in range(10):
                assert await frozen._seat.hold()
                assert not other.is_active
                await asyncio.sleep(0.05)

            async def took_over() -> bool:
                return other.is_active

            await eventually(took_over, timedelta(seconds=5))
            assert not await frozen._seat.hold(), "it asks, and learns that its session was ended"
            assert not await frozen._seat.hold(), "it asks again, and the other one sits"
        frozen._seat.leave()


async def test_two_that_both_believe_they_sit_keep_the_order(market: Market) -> None:
    """Both send everything, merchants lose answers: many duplicates with the same ids, no first delivery out of order, nothing lost."""
    chances = [index % 7 / 10 for index in range(200)]
    market.chances = iter(chances)
    for shop in (SHOP, OTHER_SHOP):
        market.treat(shop, Mood.FLAKY, share=0.3)
    async with market.dispatcher(seated=AlwaysSeated), market.dispatcher(seated=AlwaysSeated):
        await sell(market, 15)
        await market.heard(30)
    outcome = await market.reconcile()
    assert outcome.is_sound, outcome.findings
    assert outcome.sent == 30
    assert outcome.duplicated > 0, "nothing was sent twice, so nothing was shown"


async def test_a_zombie_that_sends_on_after_a_failover_reorders_nothing(market: Market) -> None:
    """The old dispatcher has read its events and goes on sending while the new one sends from the new writer."""
    await sell(market, 16)
    for shop in (SHOP, OTHER_SHOP):
        market.treat(shop, Mood.SLOW, seconds=0.4)
    async with market.dispatcher(AZURE, seated=AlwaysSeated) as zombie:
        await market.heard(2)
        await market.trio.carry(PlanKind.FAILOVER, AZURE)
        assert await market.trio.writer() != AZURE
        async with market.dispatcher(AWS, GCP):
            assert zombie.running, "it was to go on sending"
            await sell(market, 2)
            await market.heard(36, patience=30)
    outcome = await market.reconcile(AWS, GCP)
    assert outcome.is_sound, outcome.findings
    assert outcome.duplicated > 0, "only one of them sent, so nothing was shown"


async def test_a_failover_loses_and_reorders_no_event(market: Market) -> None:
    """The writer's server dies between payments that were told and payments that were not; the same dispatcher finds the next writer."""
    async with market.dispatcher(AWS, AZURE, GCP):
        await sell(market, 5)
        await market.heard(4)
        market.trio.lose(AZURE)
        await market.trio.carry(PlanKind.FAILOVER, AZURE)
        await sell(market, 5)
        await market.heard(20)
    outcome = await market.reconcile(AWS, GCP)
    assert outcome.is_sound, outcome.findings
    assert outcome.sent == 20


async def lose_what_only_the_writer_has(market: Market) -> None:
    """A payment that no follower got, time for a dispatcher to tell of it, and then the writer dies and another one takes over."""
    for site in (AWS, GCP):
        await market.trio.part(site)
    assert await market.trio.sell(patience=0.05) is None
    await asyncio.sleep(1)
    market.trio.lose(AZURE)
    await market.trio.carry(PlanKind.FAILOVER, AZURE)


async def test_nobody_hears_of_a_payment_that_can_still_be_lost(market: Market) -> None:
    """It is lost, and its merchant was never told."""
    async with market.dispatcher(AZURE):
        await sell(market, 1)
        await market.heard(2)
        await lose_what_only_the_writer_has(market)
    async with market.dispatcher(AWS, GCP):
        await sell(market, 1)
        await market.heard(4)
    outcome = await market.reconcile(AWS, GCP)
    assert outcome.is_sound, outcome.findings


async def test_without_the_barrier_a_merchant_hears_of_a_payment_that_no_ledger_holds(market: Market) -> None:
    """Negative proof of rule 1: he ships, and was never paid."""
    async with market.dispatcher(AZURE, durably=Unbarriered):
        await sell(market, 1)
        await market.heard(2)
        await lose_what_only_the_writer_has(market)
    assert (await market.reconcile(AWS, GCP)).unheld == 1


async def side_by_side(
    events: Sequence[Event],
    *,
    post: Posting,
    cursors: Cursors,
    may_go_on: Callable[[], bool],
    monotonic: Callable[[], float],
) -> Trip:
    """A courier that does not wait for one event's success before it sends the next."""
    replies = await asyncio.gather(*map(post, events))
    delivered = 0
    for event, reply in zip(events, replies, strict=True):
        if not reply.is_accepted:
            return Trip(delivered=delivered, failure=reply, slowest=timedelta(0))
        cursors.note(event)
        delivered += 1
    return Trip(delivered=delivered, failure=None, slowest=timedelta(0))


async def first_attempt_fails(market: Market, courier: object) -> int:
    """Five events wait, the first attempt that reaches the merchant is answered with an error; how many were then reordered?"""
    for _ in range(5):
        assert await market.trio.sell(SHOP)
    market.chances = iter([0.0])
    market.treat(SHOP, Mood.FLAKY, share=0.5)
    async with market.dispatcher(AZURE, courier=courier):
        await market.heard(5)
    return (await market.reconcile()).reordered


async def test_an_error_holds_up_the_events_behind_it(market: Market) -> None:
    """One after the other: whatever fails is tried again before the next is sent."""
    assert await first_attempt_fails(market, carry) == 0


async def test_side_by_side_a_later_event_overtakes_one_that_failed(market: Market) -> None:
    """Negative proof of rule 2."""
    assert await first_attempt_fails(market, side_by_side) > 0


async def hasty(
    events: Sequence[Event],
    *,
    post: Posting,
    cursors: Cursors,
    may_go_on: Callable[[], bool],
    monotonic: Callable[[], float],
) -> Trip:
    """A courier that calls an event delivered before it is."""
    for event in events:
        cursors.note(event)
        reply = await post(event)
        if not reply.is_accepted:
            return Trip(delivered=0, failure=reply, slowest=timedelta(0))
    return Trip(delivered=len(events), failure=None, slowest=timedelta(0))


async def change_of_dispatchers_while_a_merchant_is_down(market: Market, courier: object) -> int:
    """A dispatcher tries in vain and stops; another one goes on until all is called delivered. How many events are lost?"""
    for _ in range(3):
        assert await market.trio.sell(SHOP)
    market.treat(SHOP, Mood.DOWN)
    async with market.dispatcher(AZURE, courier=courier) as first:

        async def tried() -> bool:
            return bool(first.failing()) and bool(market.lines)

        await eventually(tried)
    market.treat(SHOP, Mood.WELL)
    async with market.dispatcher(AZURE):
        assert await market.trio.sell(SHOP)

        async def is_through() -> bool:
            return (await market.trio.outbox(AZURE)).cursors == {str(SHOP): 4}

        await eventually(is_through)
    return (await market.reconcile()).lost


async def test_what_was_tried_in_vain_is_told_by_the_next_dispatcher(market: Market) -> None:
    """A cursor follows a success."""
    assert await change_of_dispatchers_while_a_merchant_is_down(market, carry) == 0


async def test_a_cursor_ahead_of_its_delivery_loses_the_event(market: Market) -> None:
    """Negative proof of rule 3: nobody ever sends it again."""
    assert await change_of_dispatchers_while_a_merchant_is_down(market, hasty) > 0


async def test_a_merchant_that_hangs_holds_up_nobody_else(market: Market) -> None:
    """With one place for everybody who answers quickly, the other merchant still hears everything."""
    market.treat(SHOP, Mood.HANGING)
    narrow = QUICK.model_copy(update={"places": 1, "slow_places": 1})
    async with market.dispatcher(AZURE, manners=narrow) as dispatcher:
        await sell(market, 5)
        await told_all_of(market, dispatcher)
        market.treat(SHOP, Mood.WELL)
        await market.heard(10)
    assert (await market.reconcile()).is_sound


async def told_all_of(market: Market, dispatcher: Dispatcher) -> None:
    """Return once the other merchant has his five, while the first still fails."""
    await market.heard(5)
    assert {line.account for line in market.accepted} == {str(OTHER_SHOP)}
    assert str(SHOP) in dispatcher.failing()


async def test_a_dispatcher_that_reaches_no_merchant_leaves_the_seat_to_one_that_does(market: Market) -> None:
    """Its file of secrets lacks them all, its way to the database is well. It would sit for ever, and park everybody one day."""
    (market.folder / "empty.toml").write_text("")
    doubtful = QUICK.model_copy(update={"silence": timedelta(seconds=1), "silent_accounts": 2})
    async with market.dispatcher(AZURE, secrets="empty.toml", manners=doubtful) as broken:

        async def sits() -> bool:
            return broken.is_active

        await eventually(sits)
        async with market.dispatcher(GCP, AZURE) as well:
            await sell(market, 3)
            await market.heard(6)
            assert well.is_active and broken.is_away
    outcome = await market.reconcile()
    assert outcome.is_sound, outcome.findings


async def test_events_behind_a_waived_member_are_told_under_sequences_that_their_merchant_has_had(market: Market) -> None:
    """gcp alone confirmed two payments, their merchant was told, and gcp is waived. The next writer counts on from below: its events are
    others, of a higher epoch, and are sent."""
    trio = market.trio
    async with market.dispatcher(*SITES):
        assert await trio.sell()
        await market.heard(1)
        await trio.part(AWS)
        assert await trio.sell() and await trio.sell()
        await market.heard(3)
        for site in (AZURE, GCP):
            trio.lose(site)
        control = await trio.claim(PlanKind.FAILOVER, AZURE)
        assert control.plan is not None
        control = await trio.store("ctl").commit(control, plan=replace(control.plan, waived=frozenset({GCP})))
        await trio.executor().carry(control)
        assert await trio.writer() == AWS
        for _ in range(2):
            await trio.sell(barrier=False)
        await trio.start(GCP)
        await trio.carry(PlanKind.RETURN, GCP)
        await trio.carry(PlanKind.GROW, GCP)
        await market.heard(5, patience=30)
    first = {line.id: line.sequence for line in reversed(market.accepted)}
    assert [first.pop(id) for id in dict.fromkeys(line.id for line in market.accepted)] == [1, 2, 3, 2, 3]
    held = await trio.sql(AWS, "SELECT epoch, sequence, body::json -> 'data' -> 'epoch' FROM outbox.event ORDER BY sequence")
    assert held == [(1, 1, 1), (2, 2, 2), (2, 3, 2)]
