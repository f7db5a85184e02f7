"""What logical replication does without a word, and what is left of it here: conflicts, restarts, slots that grow, vanish or are moved by
somebody else, and a long transaction in the middle of a cut."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest

from controller.core import naming
from controller.core.model import Epoch, Site
from controller.core.plans import PlanKind
from tests.protocol.trio import AWS, AZURE, CREDITOR, DEBTOR, GCP, OTHER_DEBTOR, Trio

pytestmark = pytest.mark.long

SECOND = timedelta(seconds=1)
RESTART = 5.0
"""Seconds between two starts of an apply worker, as on Azure."""


def stream(trio: Trio, follower: Site) -> str:
    """Azure's slot for this follower, and the follower's subscription."""
    return trio.nodes[AZURE].slot_for(Epoch(1), follower)


async def administer(trio: Trio, site: Site, *statements: str) -> None:
    """What only a superuser can do, all of it in one session: a vendor, or a person who should not."""
    async with await psycopg.AsyncConnection.connect(trio.servers[site].dsn(trio.service), autocommit=True) as admin:
        for statement in statements:
            await admin.execute(statement)


async def test_a_follower_whose_stream_conflicts_acknowledges_nothing(trio: Trio) -> None:
    """Somebody wrote a row on aws past the guard. Its worker fails on the same payment every five seconds and applies nothing behind it;
    gcp alone acknowledges, and without gcp nobody does. Once the row is gone the stream goes on by itself."""
    with pytest.raises(psycopg.Error) as refused:
        await trio.pay(AWS, key="twice")
    assert refused.value.sqlstate == "TR002", "clients cannot: the guard is an ordinary trigger, and they are no replication"
    row = f"VALUES ('{uuid.uuid4()}', 'twice', '\\x00', '{DEBTOR}', '{CREDITOR}', 1, 'EUR', 1, now())"
    await administer(trio, AWS, "SET session_replication_role = replica", f"INSERT INTO ledger.payment {row}")
    assert await trio.pay(AZURE, key="twice")
    behind = {await trio.pay(AZURE) for _ in range(3)}
    await _until(lambda: _failed(trio, AWS, 2), 3 * RESTART)
    assert await trio.lost(AWS) == behind
    before = {slot.name: slot for slot in (await trio.databases[AZURE].facts(SECOND)).slots}[stream(trio, AWS)]
    await trio.part(GCP)
    alone = await trio.pay(AZURE, key="alone", patience=0.5)
    assert alone is None
    now = {slot.name: slot for slot in (await trio.databases[AZURE].facts(SECOND)).slots}[stream(trio, AWS)]
    assert now.retained_bytes > before.retained_bytes, "the log that it does not read is kept, and told"
    await administer(
        trio, AWS, "SET session_replication_role = replica", "DELETE FROM ledger.payment WHERE idempotency_key = 'twice'"
    )
    assert await trio.pay(AZURE, key="alone", patience=3 * RESTART)
    await trio.await_equal(AWS, AZURE)
    assert not await trio.lost(AWS)


async def _failed(trio: Trio, site: Site, times: int) -> bool:
    """Did its apply worker fail so often?"""
    ((count,),) = await trio.sql(
        site, "SELECT sum(apply_error_count) FROM pg_stat_subscription_stats WHERE subname = %s", stream(trio, site)
    )
    return bool(count >= times)


async def test_a_worker_is_missed_for_five_seconds_by_nobody_but_itself(trio: Trio) -> None:
    """Both streams break: what is paid now is unknown, and the same key settles it as soon as one of them is back, which is once the pace
    of restarts lets it be. Aws's alone breaks: gcp acknowledges as ever."""
    for attempt in range(5):  # a worker that was started more than five seconds ago is started again at once
        await _until(lambda: _active(trio, AWS, GCP), 3 * RESTART)
        await _break_streams(trio, AWS, GCP)
        unknown = f"unknown-{attempt}"
        if await trio.pay(AZURE, key=unknown, patience=0.2) is None:
            break
    else:
        raise AssertionError("somebody was always back at once")
    assert await trio.pay(AZURE, key=unknown, patience=3 * RESTART)
    await _until(lambda: _active(trio, AWS, GCP), 3 * RESTART)
    await _break_streams(trio, AWS)
    for _ in range(10):
        assert await trio.pay(AZURE, patience=2)
    await trio.await_equal(patience=3 * RESTART)
    assert await trio.sql(GCP, "SELECT count(*) FROM ledger.payment WHERE idempotency_key = %s", unknown) == [(1,)]


async def _break_streams(trio: Trio, *followers: Site) -> None:
    """As links do that die: the senders are gone, and the workers at the other ends end with them."""
    names = ", ".join(f"'{stream(trio, follower)}'" for follower in followers)
    await administer(
        trio, AZURE, f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name IN ({names})"
    )
    for follower in followers:
        await _until(lambda follower=follower: _inactive(trio, follower), RESTART)


async def _active(trio: Trio, *followers: Site) -> bool:
    return not any([await _inactive(trio, follower) for follower in followers])


async def _inactive(trio: Trio, follower: Site) -> bool:
    return bool(
        await trio.sql(AZURE, "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active", stream(trio, follower))
    )


async def test_what_a_silent_follower_holds_back_is_told_before_the_disk_is_full(trio: Trio) -> None:
    """The facts of the publisher name the slot and its bytes, which grow with everything that is written."""
    await trio.part(GCP)
    first = await _retained(trio, GCP)
    for written in (1, 2):
        await administer(trio, AZURE, *["SELECT pg_logical_emit_message(true, 'filler', repeat('x', 1000000))"] * 2)
        assert await _retained(trio, GCP) >= first + written * 2_000_000
    assert await trio.pay(AZURE), "aws confirms meanwhile"


async def _retained(trio: Trio, follower: Site) -> int:
    return {slot.name: slot.retained_bytes for slot in (await trio.databases[AZURE].facts(SECOND)).slots}[stream(trio, follower)]


async def test_a_slot_that_the_vendor_dropped_is_not_made_anew_in_silence(trio: Trio) -> None:
    """A new one would begin behind payments that gcp never had. Without it gcp counts for nothing, whatever its stream says; taken out,
    copied and taken in again it has everything."""
    await trio.part(GCP)
    missed = await trio.pay(AZURE)
    assert missed
    await administer(trio, AZURE, f"SELECT pg_drop_replication_slot('{stream(trio, GCP)}')")
    await administer(trio, GCP, f"ALTER SUBSCRIPTION {stream(trio, GCP)} ENABLE")
    await trio.databases[AZURE].tend(reign=Epoch(1), writer=AZURE, siblings={}, outside=frozenset(), limit=1 << 40)
    await trio.part(AWS)
    assert await trio.pay(AZURE, patience=0.5) is None
    assert stream(trio, GCP) not in {slot.name for slot in (await trio.databases[AZURE].facts(SECOND)).slots}
    await administer(trio, AWS, f"ALTER SUBSCRIPTION {stream(trio, AWS)} ENABLE")
    await trio.carry(PlanKind.SHRINK, GCP)
    await trio.carry(PlanKind.RETURN, GCP)
    assert (await trio.carry(PlanKind.GROW, GCP)).posture.must_cut == {AWS, GCP}
    await trio.await_equal()
    assert not await trio.lost(GCP)


@pytest.mark.parametrize("guarded", [True, False], ids=["with", "without"])
async def test_a_slot_is_moved_by_nobody_but_who_may_replicate(trio: Trio, guarded: bool) -> None:
    """Whoever consumes a follower's slot confirms in its name. The service's login cannot; a login that may replicate can, as soon as the
    follower is away for a moment, and a payment is acknowledged that no other cloud has."""
    move = "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())"
    with pytest.raises(psycopg.errors.ObjectInUse):
        await trio.sql(AZURE, move, stream(trio, AWS))  # not even the control role, while aws streams
    for site in (AWS, GCP):
        await trio.part(site)
        await _until(lambda site=site: _inactive(trio, site), RESTART)
    paying = asyncio.create_task(trio.pay(AZURE, patience=1.5))
    await _until(lambda: _known(trio, AZURE), RESTART)
    if guarded:
        for attempt in (move, "SELECT count(*) FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await trio.sql(AZURE, attempt, stream(trio, AWS), user=naming.app_role(trio.service))
    else:
        await trio.sql(AZURE, move, stream(trio, AWS))
    key = await paying
    assert (key is None) is guarded
    assert await trio.lost(AWS) == await trio.lost(GCP) == (set() if guarded else {key})


async def _known(trio: Trio, site: Site) -> bool:
    """Is there a payment that nobody was told of yet?"""
    rows = await trio.sql(site, "SELECT idempotency_key FROM ledger.payment")
    return bool({key for (key,) in rows} - trio.acknowledged.keys())


async def test_a_cut_in_the_middle_of_a_long_transaction_takes_none_of_it(trio: Trio) -> None:
    """Aws has applied twenty thousand rows of one transaction and waits with the last. The cut does not wait for it: none of its rows are
    there, its position lies before it, and the election goes by that."""
    assert await trio.pay()
    await trio.await_equal()
    await trio.part(GCP)
    await trio.hold_account(AWS, OTHER_DEBTOR)
    bulk = f"""INSERT INTO ledger.payment SELECT gen_random_uuid(), 'bulk-' || n, '\\x00', '{DEBTOR}', '{CREDITOR}', 1, 'EUR', 1, now()
               FROM generate_series(1, 20000) AS n"""
    last = f"UPDATE ledger.account SET balance = balance WHERE id = '{OTHER_DEBTOR}'"
    await administer(trio, AZURE, f"BEGIN; {bulk}; {last}; COMMIT")
    await _until(lambda: _waits(trio, AWS), 4 * RESTART)
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    position = await trio.databases[AWS].cut(token=control.ownership.token, epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
    other = await trio.databases[GCP].cut(token=control.ownership.token, epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
    assert position.lsn == other.lsn
    trio.lose(AZURE)
    await trio.executor().carry(control)
    await trio.release_apply(AWS)
    assert await trio.sql(await trio.writer(), "SELECT count(*) FROM ledger.payment WHERE idempotency_key ~ 'bulk'") == [(0,)]
    assert await trio.lost(await trio.writer()) == set()
    assert await trio.pay(patience=2 * RESTART)
    await trio.await_equal(AWS, GCP)


async def _waits(trio: Trio, site: Site) -> bool:
    """Does its apply worker wait for somebody else's transaction?"""
    waiting = """SELECT 1 FROM pg_locks AS l JOIN pg_stat_subscription AS s ON s.pid = l.pid
                 WHERE NOT l.granted AND l.locktype = 'transactionid'"""
    return bool(await trio.sql(site, waiting))


async def _until(holds: Callable[[], Awaitable[bool]], patience: float) -> None:
    """Wait until something is so; fails when it does not become so."""
    give_up = asyncio.get_running_loop().time() + patience
    while not await holds():
        assert asyncio.get_running_loop().time() < give_up
        await asyncio.sleep(0.02)
