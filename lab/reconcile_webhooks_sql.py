"""Reads a site's whole outbox by SQL, past the dispatcher."""

import psycopg

from lab.published import OUTBOX, digests
from lab.reconcile_webhooks import EventRow, OutboxRows

EVENTS = """
SELECT id::text, account::text, sequence, payment::text, encode(sha256(convert_to(body, 'UTF8')), 'hex'), epoch
FROM outbox.event"""
CURSORS = "SELECT account::text, sequence FROM outbox.delivery"
CREDITORS = "SELECT id::text, creditor::text FROM ledger.payment"
ENDPOINTS = "SELECT account::text FROM outbox.endpoint"


async def read_outbox(connection: psycopg.AsyncConnection) -> OutboxRows:
    """Every event, cursor and endpoint. The caller gives one snapshot (repeatable read) and a deadline. Raises psycopg.Error."""
    events = await (await connection.execute(EVENTS)).fetchall()
    cursors = await (await connection.execute(CURSORS)).fetchall()
    creditors = await (await connection.execute(CREDITORS)).fetchall()
    endpoints = await (await connection.execute(ENDPOINTS)).fetchall()
    return OutboxRows(
        events=tuple(EventRow(id=i, account=a, sequence=s, payment=p, body=b, epoch=e) for i, a, s, p, b, e in events),
        cursors=dict(cursors),
        creditors=dict(creditors),
        endpoints=frozenset(account for (account,) in endpoints),
        tables=await digests(connection, OUTBOX),
    )
