"""One warm connection to one site's database, whose deadlines really fire.

On a black hole a cancelled psycopg call returned after ten seconds: it first asks the silent server to cancel, then waits for
it. So nothing here cancels psycopg. A deadline shuts the socket down, and the call in progress ends at once with an error.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from workload.durable.settings import Address

T = TypeVar("T")

FAREWELLS = ("57P", "08", "25P03")
"""SQLSTATEs (or their classes) with which a server ends a session: administrator, crash, link, its idle deadline."""


class Lost(Exception):
    """The connection ended, by itself or by the deadline. What was under way may or may not have happened."""


class Unreachable(Exception):
    """No connection could be made within the deadline. Nothing was sent."""


class Session(Protocol):
    """What the service needs of a connection."""

    @property
    def broken(self) -> bool:
        """True once it can never be used again."""

    async def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta) -> T:
        """Do `work` on the connection. Raises Lost at the deadline at the latest; database errors pass through."""

    def shut(self) -> None:
        """End it now; whatever is under way fails at once."""

    def watch(self, readable: Callable[[], None]) -> None:
        """While idle: call back when the server says something unasked, which is its farewell."""

    def unwatch(self) -> None:
        """Stop watching, before use."""


class Connection:
    """A Session over psycopg."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection
        self._shut = False
        self._busy = False

    @property
    def broken(self) -> bool:
        return self._shut or self._connection.closed

    async def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta) -> T:
        timer = asyncio.get_running_loop().call_later(deadline.total_seconds(), self.shut)
        task = asyncio.ensure_future(self._work(work))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Cancellation must not reach psycopg, see above. The socket's end does, and the task finishes at once.
            self.shut()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # How it ended is of no interest to anybody any more.
            raise
        finally:
            timer.cancel()

    async def _work(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]]) -> T:
        self._busy = True
        try:
            return await work(self._connection)
        except psycopg.Error as error:
            if self.broken or error.sqlstate is None or error.sqlstate.startswith(FAREWELLS):
                self.shut()
                raise Lost(str(error).strip() or type(error).__name__) from error
            raise
        finally:
            if not self.broken and self._connection.info.transaction_status is not TransactionStatus.IDLE:
                await self._roll_back()
            self._busy = False
            if self._shut:
                self._connection.pgconn.finish()

    async def _roll_back(self) -> None:
        try:
            await self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.shut()

    def shut(self) -> None:
        if self._shut:
            return
        self._shut = True
        if self._busy:  # psycopg is waiting on this descriptor: end the conversation, leave the closing to _work
            with suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)
        else:
            self.unwatch()
            self._connection.pgconn.finish()

    def watch(self, readable: Callable[[], None]) -> None:
        try:
            descriptor = self._connection.fileno()
        except psycopg.Error:
            # It died between its opening and now. Raised here, one such session in an outage ended the task that opens all others, and
            # with it the process.
            self.shut()
            return
        asyncio.get_running_loop().add_reader(descriptor, readable)

    def unwatch(self) -> None:
        with suppress(psycopg.Error):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())


async def connect(
    address: Address,
    *,
    service: str,
    password: str,
    statement: timedelta,
    deadline: timedelta,
    name: str | None = None,
    role: str | None = None,
) -> Connection:
    """A session of the service's role, or of `role`, at `address`, within `deadline`. `name`: what the process calls itself there
    (`schema.outlook.told_as`). Raises Unreachable.

    The server gets deadlines of its own. Without them: the link dies after BEGIN and ledger.pay arrived but not COMMIT; the
    backend waits for us for ever, holding two accounts locked, and a retry after the heal waits behind it. Its deadline for a
    statement is three quarters of ours, so that a wait for locks ends as a clear "nothing happened" that still reaches us.
    """
    limit = int(statement.total_seconds() * 1000)
    try:
        async with asyncio.timeout(deadline.total_seconds()):
            connection = await psycopg.AsyncConnection.connect(
                host=address.host,
                port=address.port,
                dbname=service,
                user=role or f"{service}_app",
                password=password,
                application_name=name or f"{service}-service",
                options=f"-c statement_timeout={limit * 3 // 4} -c idle_in_transaction_session_timeout={limit}",
                autocommit=True,
            )
    except (TimeoutError, psycopg.Error, OSError) as error:
        raise Unreachable(f"{address.host}:{address.port}: {str(error).strip() or type(error).__name__}") from error
    return Connection(connection)
