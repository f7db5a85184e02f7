"""One warm connection to one site's database, whose deadlines really fire.

On a black hole a cancelled psycopg call returned after ten seconds: it first asks the silent server to cancel, then waits for
it. So nothing here cancels psycopg. A deadline shuts the socket down, and the call in progress ends at once with an error.

With a grace the socket outlives the deadline, and only the socket: whoever asked hears at the deadline that nothing is known. What comes
within the grace is read so that the line is clean for the next question, and thrown away (`docs/decisions/0018`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from workload.durable.settings import Address

T = TypeVar("T")

FAREWELLS = ("57P", "08", "25P03")
"""SQLSTATEs (or their classes) with which a server ends a session: administrator, crash, link, its idle deadline."""

NO_GRACE = timedelta(0)
"""A session is shut at its statement's deadline. So it is where others wait for the news that it is dead."""


class Lost(Exception):
    """No answer: the connection ended, by itself or by the deadline, or the answer is late. What was under way may or may not have
    happened, and may still."""


class Unreachable(Exception):
    """No connection could be made within the deadline. Nothing was sent."""


class Session(Protocol):
    """What the service needs of a connection."""

    @property
    def broken(self) -> bool:
        """True once it can never be used again."""

    @property
    def late(self) -> "asyncio.Future[None] | None":
        """While an answer is owed that missed its deadline: done once that was read and thrown away, or the session is shut. Until then
        nothing can be asked."""

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

    def __init__(self, connection: psycopg.AsyncConnection, *, grace: timedelta = NO_GRACE) -> None:
        """`grace`: how long after its deadline an answer is waited for before the session is shut. Only for work that is sent whole
        before its answer is read: what it sent after the deadline it would do for nobody."""
        self._connection = connection
        self._grace = grace
        self._shut = False
        self._busy = False
        self._has_ended = False
        self._late: asyncio.Future[None] | None = None
        self._owed: asyncio.Future[Any] | None = None

    @property
    def broken(self) -> bool:
        return self._shut or self._connection.closed

    @property
    def late(self) -> "asyncio.Future[None] | None":
        return self._late

    async def run(self, work: Callable[[psycopg.AsyncConnection], Awaitable[T]], deadline: timedelta) -> T:
        if self._late is not None:
            # psycopg would let this question wait for the answer to the other one, deadline or not.
            raise Lost("it still owes an answer")
        self._has_ended = False
        task = asyncio.ensure_future(self._work(work))
        try:
            done, _ = await asyncio.wait([task], timeout=deadline.total_seconds())
            if not done:
                if self._grace and not self.broken and not self._has_ended:
                    self._outlive(task)
                    raise Lost(f"no answer within {deadline.total_seconds():g} s")
                self.shut()
                await asyncio.wait([task])
        except asyncio.CancelledError:
            # Cancellation must not reach psycopg, see above. The socket's end does, and the task finishes at once.
            self.shut()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # How it ended is of no interest to anybody any more.
            raise
        return task.result()

    def _outlive(self, task: "asyncio.Future[T]") -> None:
        """Let the answer come for as long as the grace lasts. Nobody sees it: what it says, and whether it says anything."""
        loop = asyncio.get_running_loop()
        late = self._late = loop.create_future()
        self._owed = task  # a loop holds its tasks but weakly
        timer = loop.call_later(self._grace.total_seconds(), self.shut)

        def settle(ended: "asyncio.Future[T]") -> None:
            timer.cancel()
            if ended.cancelled() or ended.exception() is not None:
                self.shut()
            self._late, self._owed = None, None
            late.set_result(None)

        task.add_done_callback(settle)

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
            self._has_ended = True
            if not self.broken and self._connection.info.transaction_status is not TransactionStatus.IDLE:
                await self._roll_back()
            self._busy = False
            if self._shut:
                self._connection.pgconn.finish()

    async def _roll_back(self) -> None:
        if self._late is not None:
            # One more round trip, after the deadline of a statement that nobody waits for: the session's end rolls back as well.
            self.shut()
            return
        try:
            await self._connection.execute("ROLLBACK")
        except psycopg.Error:
            self.shut()

    def shut(self) -> None:
        if self._shut:
            return
        self._shut = True
        if self._busy:  # psycopg is waiting on this descriptor: end the conversation, leave the closing to _work
            # By its own descriptor, lent for a moment: in a flood of connections there is none left to be had for a second one.
            with suppress(psycopg.Error, OSError):
                lent = socket.socket(fileno=self._connection.fileno())
                try:
                    lent.shutdown(socket.SHUT_RDWR)
                finally:
                    lent.detach()
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
    grace: timedelta = NO_GRACE,
) -> Connection:
    """A session of the service's role, or of `role`, at `address`, within `deadline`. `name`: what the process calls itself there
    (`schema.outlook.told_as`); `grace`: see `Connection`. Raises Unreachable.

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
    return Connection(connection, grace=grace)
