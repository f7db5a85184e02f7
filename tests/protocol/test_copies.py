"""Initial copies that are broken off: whoever forgets one waits for nobody, and nothing of it stays behind for good."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from controller.core.model import Epoch, Site, Token
from tests.protocol.trio import AWS, AZURE, GCP, Trio

FIRST = Epoch(1)
ONCE, AGAIN = Token(50), Token(60)
NEVER = 1 << 40
COPIES = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() AND slot_name ~ '_sync_'"

UNSLOTTED = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'walsender'
               AND pid NOT IN (SELECT active_pid FROM pg_replication_slots WHERE active)"""
WAITING = """
CREATE OR REPLACE FUNCTION ledger.wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN new; END $$;
CREATE OR REPLACE TRIGGER wait BEFORE INSERT ON ledger.account FOR EACH ROW EXECUTE FUNCTION ledger.wait();
ALTER TABLE ledger.account ENABLE ALWAYS TRIGGER wait
"""


@asynccontextmanager
async def copying(trio: Trio, token: Token) -> AsyncIterator[None]:
    """gcp is emptied and seeded from azure; while this lasts, the copy of the accounts does not end."""
    await trio.databases[GCP].clear(token=token, reign=FIRST)
    await trio.databases[AZURE].offer_seed(token=token, reign=FIRST, follower=GCP)
    for statement in WAITING.split(";\n"):
        await trio.sql(GCP, statement)
    async with await psycopg.AsyncConnection.connect(trio.servers[GCP].dsn(trio.service)) as somebody:
        await somebody.execute("SELECT pg_advisory_xact_lock(1)")
        await trio.databases[GCP].seed(token=token, reign=FIRST, publisher=AZURE)
        async with asyncio.timeout(30):
            # Only the accounts are left: their copy waits with nobody on its slot.
            while await states(trio) != {"ledger.account": "d"} or await trio.sql(AZURE, f"{COPIES} AND active"):
                await asyncio.sleep(0.05)
        yield


async def states(trio: Trio) -> dict[str, str]:
    """Tables at gcp that are not copied yet."""
    relations = "pg_subscription_rel JOIN trimaran.subscriptions() AS s ON s.id = srsubid"
    rows = await trio.sql(GCP, f"SELECT srrelid::regclass::text, srsubstate::text FROM {relations} WHERE srsubstate <> 'r'")
    return dict(rows)


async def tend(trio: Trio, *, outside: frozenset[Site] = frozenset(), limit: int = NEVER) -> tuple[str, ...]:
    """One round of azure's caretaker."""
    return await trio.databases[AZURE].tend(reign=FIRST, writer=AZURE, siblings={}, outside=outside, limit=limit)


async def leave_half_a_copy(trio: Trio) -> str:
    """gcp is emptied in the middle of its copy; answers the slot that stays behind on azure."""
    async with copying(trio, ONCE):
        await trio.databases[GCP].clear(token=AGAIN, reign=FIRST)
        ((left,),) = await trio.sql(AZURE, COPIES)
    return str(left)


async def test_a_half_copied_node_is_emptied_without_a_dial(trio: Trio) -> None:
    """Its publisher's cloud died: whoever dials it hangs for as long as TCP takes, and this may be the only node left that could
    acknowledge."""
    with socket.create_server(("127.0.0.1", 0)) as hole:
        async with copying(trio, ONCE):
            gone = f"host=127.0.0.1 port={hole.getsockname()[1]} dbname=x user=x password=x"
            await trio.sql(GCP, f"ALTER SUBSCRIPTION {trio.nodes[GCP].stream_from(FIRST, AZURE)} CONNECTION '{gone}'")
            async with asyncio.timeout(5):
                await trio.databases[GCP].clear(token=AGAIN, reign=FIRST)
    assert (await trio.databases[GCP].facts(trio.nodes[GCP].deadlines.step)).subscriptions == ()


async def test_what_a_broken_copy_leaves_behind_is_told_and_dropped(trio: Trio) -> None:
    """It would hold the writer's log until the disk is full. While gcp may be copying again nothing is dropped, and its next copy ends."""
    left = await leave_half_a_copy(trio)
    assert left in {slot.name for slot in (await trio.databases[AZURE].facts(trio.nodes[AZURE].deadlines.step)).slots}
    away = frozenset({GCP})
    async with asyncio.timeout(20):
        while await trio.sql(AZURE, UNSLOTTED):
            await asyncio.sleep(0.05)
    await tend(trio, outside=away)
    assert (left,) in await trio.sql(AZURE, COPIES), "a copy that is dialling again looks like this"
    async with copying(trio, Token(70)):
        for _ in range(3):
            await tend(trio, outside=away)
        assert (left,) in await trio.sql(AZURE, COPIES)
        assert len(await trio.sql(AZURE, COPIES)) == 2
    async with asyncio.timeout(30):
        while await states(trio):
            await asyncio.sleep(0.05)
    assert f"dropped {left}" in await tend(trio)
    assert await trio.sql(AZURE, COPIES) == []
    assert await trio.pay()
    await trio.await_equal()


async def test_a_node_that_never_comes_back_for_its_copy_leaves_nothing(trio: Trio) -> None:
    """Its stream's slot is dropped at the limit, and what its copy left with it."""
    left = await leave_half_a_copy(trio)
    await trio.databases[AZURE].set_ack_set(token=AGAIN, reign=FIRST, ack_set=frozenset({AWS}))
    stream = trio.nodes[AZURE].slot_for(FIRST, GCP)
    async with asyncio.timeout(20):
        told: list[str] = []
        while len(told) < 2:
            told += [one for one in await tend(trio, outside=frozenset({GCP}), limit=0) if stream in one or left in one]
            await asyncio.sleep(0.05)
    assert told == [f"dropped {stream}: it held back more than 0 bytes", f"dropped {left}"]
    assert await trio.sql(AZURE, COPIES) == []


async def test_the_copy_of_somebody_else_is_left_alone(trio: Trio) -> None:
    """An analyst copies the ledger for the first time; nobody streams from that slot while the rows travel."""
    dsn = trio.servers[AZURE].dsn(trio.service, f"{trio.service}_stream", "secret")
    name = "pg_1_sync_2_3"
    async with await psycopg.AsyncConnection.connect(f"{dsn} replication=database", autocommit=True) as analyst:
        await analyst.execute(f"CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput")
        await tend(trio)
        assert (name,) in await trio.sql(AZURE, COPIES)
    async with asyncio.timeout(20):
        while f"dropped {name}" not in await tend(trio):
            await asyncio.sleep(0.05)
