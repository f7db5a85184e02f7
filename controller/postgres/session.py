"""Warm database sessions whose deadlines really fire.

On a black hole nothing in a library helps: a cancelled psycopg call came back after 10 s, `connect_timeout` counts whole seconds
from two up, `tcp_user_timeout` never fires behind a relay. So a deadline shuts the socket down, and the call fails at once.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import tuple_row

Row = tuple[Any, ...]
Statement = tuple[str, Sequence[object] | Mapping[str, object]]
"""SQL text and its parameters, in order or by name."""


SERVER_SHARE = 0.9
"""Part of a deadline after which the server itself gives up; the rest is for its answer to travel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where one role reaches one database, as seen from this process."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    options: str = ""
    """Further libpq settings, `key=value`; for example `sslmode=verify-full`."""

    def conninfo(self, **more: str | int) -> str:
        """libpq connection string."""
        return psycopg.conninfo.make_conninfo(
            self.options,
            host=self.host,
            port=self.port,
            dbname=self.database,
            user=self.user,
            password=self.password,
            **more,
        )


def shut(connection: psycopg.AsyncConnection[Row]) -> None:
    """Shut the socket under a connection, so that whatever waits on it fails now.

    By its own descriptor, lent for a moment: in a flood of connections there is none left to be had, and a deadline that asked for one
    more would not fire.
    """
    with suppress(OSError, psycopg.Error):
        lent = socket.socket(fileno=connection.pgconn.socket)
        try:
            lent.shutdown(socket.SHUT_RDWR)
        finally:
            lent.detach()


class Session:
    """One connection. After a deadline or an error of the connection it is dead and stays dead."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection
        self._limit: timedelta | None = None
        """What the server was told last."""
        self.given_up = False
        """It is dead because a deadline of ours ended it, which says nothing about other sessions."""

    @property
    def alive(self) -> bool:
        """Can it be used again?"""
        return not self._connection.closed and self._connection.pgconn.status == psycopg.pq.ConnStatus.OK

    @classmethod
    async def connect(cls, address: Address, deadline: timedelta, *, dialled: str) -> "Session":
        """Connect within the deadline to the site `dialled`; a node of another site refuses every step and every answer about
        itself (`trimaran.answer_as`). Raises psycopg.Error or TimeoutError."""
        conninfo = address.conninfo(application_name="trimaran", options=f"-c trimaran.dialled={dialled}")
        async with asyncio.timeout(deadline.total_seconds()):
            connection = await psycopg.AsyncConnection.connect(
                conninfo, autocommit=True, row_factory=tuple_row, prepare_threshold=None
            )
        return cls(connection)

    async def run(self, *statements: Statement, deadline: timedelta) -> list[list[Row]]:
        """Send all statements in one round trip; answers the rows of each. Raises psycopg.Error.

        Without BEGIN and COMMIT among them, PostgreSQL treats a pipeline as one implicit transaction: whoever needs a
        commit before the next statement looks must say so.

        The server gets a deadline of its own, a little shorter. Without it a statement that waits for a lock or for a publisher
        outlives the closed socket, holds the node row, and every later cut there waits behind a try that nobody remembers.
        """
        limit = deadline * SERVER_SHARE
        tells = limit != self._limit
        if tells:
            self._limit = None  # of a pipeline that fails half-way nobody knows whether this was committed
            statements = ((f"SET statement_timeout = {round(limit.total_seconds() * 1000)}", ()), *statements)
        timer = asyncio.get_running_loop().call_later(deadline.total_seconds(), self._give_up)
        try:
            rows = await self._pipelined(statements)
        finally:
            timer.cancel()
        self._limit = limit
        return rows[1:] if tells else rows

    async def _pipelined(self, statements: Sequence[Statement]) -> list[list[Row]]:
        cursors = []
        try:
            async with self._connection.pipeline():
                for text, parameters in statements:
                    cursors.append(await self._connection.execute(text, parameters or None))
            return [await cursor.fetchall() if cursor.description else [] for cursor in cursors]
        except psycopg.Error:
            if self.alive and self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    await self._connection.rollback()
            raise

    async def run_script(self, text: str, deadline: timedelta) -> None:
        """Run a script of several statements without parameters. Raises psycopg.Error."""
        self._limit = None
        text = f"SET statement_timeout = {round(deadline.total_seconds() * 1000)};\n{text}"
        timer = asyncio.get_running_loop().call_later(deadline.total_seconds(), self._give_up)
        try:
            await self._connection.execute(text)
        finally:
            timer.cancel()

    def verifier(self, role: str, password: str) -> str:
        """A role's password as this server keeps it (SCRAM-SHA-256), made here: whoever reads it on the way can open nothing."""
        return self._connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()

    def _give_up(self) -> None:
        self.given_up = True
        shut(self._connection)

    async def close(self) -> None:
        """Close without waiting for the other side."""
        shut(self._connection)
        with suppress(psycopg.Error):
            await self._connection.close()


class Sessions:
    """A few warm sessions to one address, used in turn; a broken one is thrown away, missing ones are made behind the scenes.

    In turn, so that each is used every second or so by whoever measures, and none goes stale unnoticed: a step that took one which a
    firewall forgot hours ago would wait for its whole deadline. Several, because connecting takes six round trips, and a cut that finds
    the only session in the hands of a measurement would owe them in the middle of a failover.
    """

    def __init__(self, address: Address, *, site: str, warm: int = 3, connect_deadline: timedelta = timedelta(seconds=1)) -> None:
        self.address, self.site = address, site
        self._warm = warm
        self._connect_deadline = connect_deadline
        self._idle: deque[Session] = deque()
        self._making: asyncio.Task[None] | None = None
        self._closed = False

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Session]:
        """A living session for one use. Raises psycopg.Error or TimeoutError when none can be made."""
        session = None
        while self._idle and session is None:
            session = self._idle.popleft()
            if not session.alive:
                await session.close()
                session = None
        if session is None:
            session = await self._connect()
        try:
            yield session
        finally:
            if session.alive and not self._closed:
                self._idle.append(session)
                self._make_missing()
            else:
                await session.close()
                if not session.given_up:
                    # The server ended it, and the others with it. Tried one by one, three stale sessions to a server that is long
                    # back would be three misses, and an accusation.
                    await self._end_idle()

    async def close(self) -> None:
        """End every idle session; those in use end when they are given back."""
        self._closed = True
        if self._making is not None:
            # Not cancelled: psycopg would leave a socket half-way through its login, and its server a backend, for a minute.
            await asyncio.wait([self._making])
        await self._end_idle()

    async def _end_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _connect(self) -> Session:
        return await Session.connect(self.address, self._connect_deadline, dialled=self.site)

    def _make_missing(self) -> None:
        if len(self._idle) < self._warm and (self._making is None or self._making.done()):
            self._making = asyncio.create_task(self._make_one())

    async def _make_one(self) -> None:
        with suppress(psycopg.Error, TimeoutError):  # whoever leases next tries again
            self._idle.append(await self._connect())
