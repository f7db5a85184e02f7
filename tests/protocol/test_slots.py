"""Slots that are placed while the winner's server is busy with somebody else's work."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from controller.core.model import Epoch, Lsn, Position, Token
from controller.core.plans import PlanKind
from controller.errors import Conflict, Transient
from controller.postgres import slots
from tests.protocol.trio import AWS, AZURE, GCP, Trio

DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE %s"
WAITING = """SELECT count(*) FROM pg_stat_activity
             WHERE datname = %s AND query LIKE '%%create_logical%%' AND state = 'active' AND pid <> pg_backend_pid()"""


async def _busy(trio: Trio) -> psycopg.AsyncConnection:
    """Another service's transaction on the winner's server, which has written and does not end."""
    other = await psycopg.AsyncConnection.connect(trio.servers[AWS].dsn())
    await other.execute("SELECT pg_current_xact_id()")
    return other


async def test_a_busy_server_does_not_hold_up_a_failover(trio: Trio) -> None:
    """A new slot would wait for the other service's transaction; the level sibling's slot is copied from the spare one and does not."""
    other = await _busy(trio)
    try:
        trio.lose(AZURE)
        control = await trio.carry(PlanKind.FAILOVER, AZURE)
        assert control.posture.must_cut == ({GCP} if control.posture.writer == AWS else {AWS})
        assert not await trio.left_behind()
        assert await trio.pay()
    finally:
        await other.close()


async def _cut_without_spares(trio: Trio) -> Token:
    """Both followers are cut, and aws has no spare slot to copy from; answers the token."""
    control = await trio.claim(PlanKind.FAILOVER, AZURE)
    assert control.ownership is not None
    for site in (AWS, GCP):
        await trio.databases[site].cut(token=control.ownership.token, epoch=Epoch(2), writer=AZURE, reign=Epoch(1))
    await trio.sql(AWS, DROP, f"{trio.service}_spare%")
    return control.ownership.token


async def _place(trio: Trio, token: Token) -> str | None:
    """The step, for a sibling that is level."""
    position = Position(site=GCP, publisher=AZURE, epoch=Epoch(1), lsn=Lsn(1))
    return await slots.place_slot(trio.nodes[AWS], token=token, epoch=Epoch(2), sibling=GCP, position=position, level=True)


async def test_a_slot_that_is_still_being_made_is_not_placed(trio: Trio) -> None:
    """No spare slot is left, so a new one is made, and it waits. The second try finds its name and must not take it for a slot: it will
    start behind payments made meanwhile, and the barrier would read its first position as their confirmation."""
    token = await _cut_without_spares(trio)
    other = await _busy(trio)
    first = asyncio.create_task(_place(trio, token))
    await asyncio.sleep(0.3)
    try:
        with pytest.raises(Transient, match="still being placed"):
            await _place(trio, token)
        with pytest.raises(Conflict, match="no finished slot"):
            await trio.databases[AWS].open(token=token, epoch=Epoch(2), ack_set=frozenset({GCP}))
    finally:
        await other.close()
    assert await first is None
    assert await _place(trio, token) is None
    await trio.databases[GCP].follow(token=token, epoch=Epoch(2), publisher=AWS)
    await trio.databases[AWS].open(token=token, epoch=Epoch(2), ack_set=frozenset({GCP}))
    assert await trio.pay(AWS)


async def test_a_try_that_was_given_up_leaves_nothing_waiting(trio: Trio) -> None:
    """The server ends the abandoned statement by its own deadline: no backend goes on waiting, and no half slot is left."""
    token = await _cut_without_spares(trio)
    other = await _busy(trio)
    try:
        with pytest.raises(Transient):
            await _place(trio, token)
        assert await trio.sql(AWS, WAITING, trio.service) == [(0,)]
        name = trio.nodes[AWS].slot_for(Epoch(2), GCP)
        assert await trio.sql(AWS, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = %s", name) == [(0,)]
    finally:
        await other.close()
    assert (await trio.databases[AWS].facts(timedelta(seconds=1))).token == token
