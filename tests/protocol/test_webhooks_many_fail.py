"""Thousands of merchants fail at once: on real databases, a look costs what they are and not the square, and the others are told."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.protocol.payments_site import eventually
from tests.protocol.trio import AZURE
from tests.protocol.webhooks_market import OTHER_SHOP, QUICK, SHOP, Market
from workload.durable.errors import Unanswered
from workload.durable.settings import Tuning
from workload.webhooks.courier import carry
from workload.webhooks.looks import Looks
from workload.webhooks.model import Event, Look, Reply, Trip
from workload.webhooks.outbox import WriterOutbox
from workload.webhooks.standings import Standings

pytest_plugins = ("tests.protocol.webhooks_fixtures",)

FIRST = 1_000_000
DOWN = [uuid.UUID(int=FIRST + number) for number in range(16_000)]
PATIENT = QUICK.model_copy(
    update={
        "places": 500,
        "first_pause": timedelta(minutes=10),
        "longest_pause": timedelta(minutes=10),
        "parked_pause": timedelta(minutes=10),
    }
)
FEW, MANY = 160, 15_900
PATIENCE = Tuning(sessions=2, lanes=1, statement_deadline=timedelta(seconds=5), request_deadline=timedelta(seconds=8))
REFUSED = Reply(is_accepted=False, why="connection refused", is_answer=True)

ENDPOINTS = """
INSERT INTO outbox.endpoint (account, url, secret, enabled, epoch, registration)
SELECT account, 'http://127.0.0.1:9/', 'all', true, 1, account FROM unnest(%s::uuid[]) AS account"""
COUNTERS = "INSERT INTO outbox.counter (account, sequence) SELECT account, 1 FROM unnest(%s::uuid[]) AS account"
EVENTS = """
INSERT INTO outbox.event (id, account, sequence, kind, payment, body, epoch, created_at)
SELECT outbox.new_id(now()), account, 1, 'payment.received', account, '{}', 1, now() FROM unnest(%s::uuid[]) AS account"""


async def are_owed(market: Market) -> None:
    """Each of them was paid once, and was told nothing yet. Every site has it."""
    for rows in (ENDPOINTS, COUNTERS, EVENTS):
        await market.trio.sql(AZURE, rows, DOWN)


def looks_past(number: int) -> tuple[Look, Look]:
    """What a dispatcher asks for at which so many failed a moment ago and as many strangers were slow: at everybody, and in between, when
    all those that failed were met."""
    failing = DOWN[:number]
    standings = Standings(PATIENT)
    for account in failing:
        standings.travelled(account, account, Trip(delivered=0, failure=REFUSED, slowest=timedelta(0)), 0.0, 0.5)
        slow = uuid.UUID(int=account.int + FIRST)
        standings.travelled(slow, slow, Trip(delivered=1, failure=None, slowest=timedelta(seconds=9)), 0.0, 0.5)
        standings.meet(account)
        standings.meet(slow)
    looks = Looks(PATIENT, standings)
    whole, between = looks.next((), 0.1), looks.next((), 0.2)
    assert whole is not None and between is not None and whole.also is None and between.also is not None
    assert all(len(look.busy) == len(look.slow) == number for look in (whole, between))
    # By name, as ten seconds from now they were not paid lately any more.
    return replace(whole, places=48), replace(between, places=48, also=DOWN)


@pytest.mark.long
async def test_a_look_past_thousands_that_fail_takes_no_square_of_them(market: Market) -> None:
    """Sixteen thousand wait. From its sixth execution on the database knows nothing of the arrays when it plans: were accounts compared one
    by one, a hundred times as many names would take five times as long. Both are measured in turn, so whatever else this machine does
    is done to both; nothing is held against a number of seconds but the statement's deadline, which is a generous one here."""
    await are_owed(market)
    assembly = market.assembly(AZURE, tuning=PATIENCE)
    async with assembly.database.running():
        outbox = WriterOutbox(assembly.database.answers)
        await eventually(partial(is_answered, outbox))
        for of_few, of_many in zip(looks_past(FEW), looks_past(MANY), strict=True):
            took: dict[int, list[float]] = {FEW: [], MANY: []}
            for _ in range(20):
                for number, look in ((FEW, of_few), (MANY, of_many)):
                    began = time.monotonic()
                    found = await outbox.due(look)
                    took[number].append(time.monotonic() - began)
                    told = {event.account for event in found.events}
                    assert len(told) == 48 and not told & set(DOWN[:number])
            assert median(took[MANY][5:]) < 3 * median(took[FEW][5:]), took


async def test_a_look_reads_one_event_each_of_those_beyond_its_places(market: Market) -> None:
    """Most of them rest, and what they are owed is read for nothing."""
    await are_owed(market)
    for _ in range(2):
        assert await market.trio.sell(SHOP)
        assert await market.trio.sell(OTHER_SHOP)
    for places, beyond, read in (
        (1, 0, [SHOP, SHOP]),
        (1, 1, [SHOP, SHOP, OTHER_SHOP]),
        (2, 0, [SHOP, SHOP, OTHER_SHOP, OTHER_SHOP]),
    ):
        rows = await market.trio.sql(
            AZURE, "SELECT account FROM outbox.due(NULL, '{}', '{}', %s, '{}', %s, 1, %s, 10)", DOWN, places, beyond
        )
        assert [account for (account,) in rows] == read


async def is_answered(outbox: WriterOutbox) -> bool:
    """Is the writer found, and has a follower all that was inserted?"""
    try:
        await outbox.due(
            Look(failing=frozenset(), busy=(), slow=(), known={}, places=1, slow_places=1, beyond=0, most=1, also=())
        )
    except Unanswered:
        return False
    return True


@pytest.mark.long
async def test_thousands_that_fail_keep_nobody_waiting(market: Market) -> None:
    """They were all paid a moment ago, all have been tried, and rest. Two others are paid, and hear of it; every look is answered."""
    await are_owed(market)
    tried: set[uuid.UUID] = set()

    async def all_but_the_shops_are_down(events: Sequence[Event], **how: Any) -> Trip:
        if events[0].account in (SHOP, OTHER_SHOP):
            return await carry(events, **how)
        tried.add(events[0].account)
        return Trip(delivered=0, failure=REFUSED, slowest=timedelta(0))

    async def all_were_tried() -> bool:
        return len(tried) == len(DOWN)

    async with market.dispatcher(AZURE, manners=PATIENT, courier=all_but_the_shops_are_down):
        await eventually(all_were_tried, timedelta(seconds=40))
        with capture_logs() as logs:
            # More looks than the database plans anew, on each of the two sessions.
            for payment in range(30):
                assert await market.trio.sell((SHOP, OTHER_SHOP)[payment % 2])
                await market.heard(payment + 1, patience=2)
    assert not [line for line in logs if line["event"] == "the outbox does not answer"]
