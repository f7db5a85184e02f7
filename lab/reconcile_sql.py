"""Reads a site's whole ledger by SQL, past the service; and whatever else is read of a database in one snapshot."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import psycopg

from lab.published import LEDGER, digests
from lab.reconcile_rows import AccountRow, EntryRow, ErasureRow, HeldRow, Ledger, MarkerRow, NodeRow, PaymentRow, SourceRow

R = TypeVar("R")

PAYMENTS = """
SELECT id::text, idempotency_key, debtor::text, creditor::text, amount, currency, epoch,
       encode(body_digest, 'hex'), (created_at AT TIME ZONE 'UTC')::text
FROM ledger.payment"""
ENTRIES = "SELECT payment::text, account::text, amount FROM ledger.entry"
HELD = """
SELECT id::text, idempotency_key, debtor::text, creditor::text, amount, currency, epoch, encode(body_digest, 'hex'), score, reasons,
       (created_at AT TIME ZONE 'UTC')::text, state,
       concat_ws(' ', decided_by, decided_because, decided_at AT TIME ZONE 'UTC', decided_epoch)
FROM ledger.held"""
ACCOUNTS = "SELECT id::text, currency, opening_balance, balance, overdraft_allowed, epoch FROM ledger.account"


SOURCES = "SELECT payment::text, token::text, subject::text FROM ledger.source"
ERASURES = "SELECT id::text, encode(subject_digest, 'hex'), caller, reason FROM ledger.erasure"
MARKERS = "SELECT DISTINCT epoch, site FROM trimaran.marker WHERE kind = 'epoch' ORDER BY epoch, site"
NODE = "SELECT site, role, epoch FROM trimaran.node"


async def read_ledger(conninfo: str, deadline: timedelta) -> Ledger:
    """Every payment, made or held, entry, account, source, erasure and epoch marker of one database in one snapshot, what it says it is,
    and digests of every published table. Raises as `in_one_snapshot` does."""
    return await in_one_snapshot(conninfo, deadline, ledger_of)


async def in_one_snapshot(conninfo: str, deadline: timedelta, read: Callable[[psycopg.AsyncConnection], Awaitable[R]]) -> R:
    """What `read` makes of one database, all of it as of one moment (repeatable read) and without writing.

    Raises psycopg.Error, or TimeoutError at the deadline: on a black hole a cancelled psycopg query waits ten seconds more for
    a server that is not there, so the deadline shuts the socket down.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + deadline.total_seconds()
    async with asyncio.timeout_at(ends):
        connection = await psycopg.AsyncConnection.connect(conninfo)
    gone = False

    def shut_down(copy: socket.socket) -> None:
        nonlocal gone
        gone = True
        with suppress(OSError):
            copy.shutdown(socket.SHUT_RDWR)

    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as copy:
        alarm = loop.call_at(ends, shut_down, copy)
        try:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            return await read(connection)
        except psycopg.OperationalError as error:
            if gone:
                raise TimeoutError(f"no answer within {deadline.total_seconds()} s") from error
            raise
        finally:
            alarm.cancel()
            await connection.close()


async def ledger_of(connection: psycopg.AsyncConnection) -> Ledger:
    """The same of a connection that is already in its snapshot. Raises psycopg.Error."""
    payments = await (await connection.execute(PAYMENTS)).fetchall()
    entries = await (await connection.execute(ENTRIES)).fetchall()
    accounts = await (await connection.execute(ACCOUNTS)).fetchall()
    held = await (await connection.execute(HELD)).fetchall()
    sources = await (await connection.execute(SOURCES)).fetchall()
    erasures = await (await connection.execute(ERASURES)).fetchall()
    markers = await (await connection.execute(MARKERS)).fetchall()
    nodes = await (await connection.execute(NODE)).fetchall()
    return Ledger(
        payments=tuple(
            PaymentRow(id=i, key=k, debtor=d, creditor=c, amount=a, currency=u, epoch=e, body_digest=b, created_at=t)
            for i, k, d, c, a, u, e, b, t in payments
        ),
        entries=tuple(EntryRow(payment=p, account=c, amount=a) for p, c, a in entries),
        accounts=tuple(
            AccountRow(id=i, currency=u, opening_balance=o, balance=b, overdraft_allowed=a, epoch=e)
            for i, u, o, b, a, e in accounts
        ),
        held=tuple(
            HeldRow(
                id=i,
                key=k,
                debtor=d,
                creditor=c,
                amount=a,
                currency=u,
                epoch=e,
                body_digest=b,
                score=s,
                reasons=tuple(r),
                created_at=t,
                state=n,
                decided=w,
            )
            for i, k, d, c, a, u, e, b, s, r, t, n, w in held
        ),
        sources=tuple(SourceRow(payment=p, token=t, subject=s) for p, t, s in sources),
        erasures=tuple(ErasureRow(id=i, subject=s, caller=c, reason=r) for i, s, c, r in erasures),
        tables=await digests(connection, LEDGER),
        markers=tuple(MarkerRow(epoch=e, site=s) for e, s in markers),
        node=next((NodeRow(site=s, role=r, epoch=e) for s, r, e in nodes), None),
    )
