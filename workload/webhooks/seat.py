"""At most one dispatcher of a service sends, as a rule: whoever holds a lock in the writer's database.

A rule and not a promise: a frozen process still believes that it sits, and a writer that was cut off has a seat of its own. Nothing rests
on it but the number of duplicates (see `courier`). It is a session's advisory lock, so it ends with the session; and because the server
of a session whose client is in a black hole would keep it for hours, the server is told to end a session that is silent for `lapse`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import psycopg

from workload.durable.finder import Writer
from workload.durable.session import Lost, Session, Unreachable

KEY = int.from_bytes(b"webhooks", "big")
"""Of the advisory lock. Locks belong to one database, so services do not meet here."""

LAPSE = "SELECT set_config('idle_session_timeout', %s, false)"
TAKE = "SELECT pg_try_advisory_lock(%s::bigint)"
STILL = "SELECT count(*) = 1 FROM trimaran.node WHERE role = 'writer' AND site = %s AND epoch = %s"

PATIENCE = timedelta(seconds=0.25)
"""How long one look waits for a session that is being opened. The opening itself may take its time: after the writer's cloud has died
it hangs until its own deadline, and whoever waited for that would learn of the next writer seconds late."""


class Seat:
    """This process's place in the queue for the seat of the present writer's database."""

    def __init__(
        self,
        openers: Mapping[str, Callable[[], Awaitable[Session]]],
        *,
        lapse: timedelta,
        deadline: timedelta,
        patience: timedelta = PATIENCE,
    ) -> None:
        """`openers`: how to reach each site's database; `deadline`: for one question; `patience`: of one look with an opening."""
        self._openers = openers
        self._lapse, self._deadline, self._patience = lapse, deadline, patience
        self._session: Session | None = None
        self._opening: asyncio.Future[Session] | None = None
        self._at: Writer | None = None
        self._is_held = False

    @property
    def is_held(self) -> bool:
        """Did this process hold the seat when it last asked?"""
        return self._is_held and self._session is not None and not self._session.broken

    async def hold(self, writer: Writer | None) -> bool:
        """Take the seat of this writer or see that it is still held; ask at least twice within `lapse`. Never raises for what a
        database or the way to it does: no answer is no seat."""
        if writer != self._at or (self._session is not None and self._session.broken):
            self.leave()
        if writer is None:
            return False
        try:
            return await self._ask(writer)
        except (Lost, Unreachable, psycopg.Error):
            self.leave()
            return False

    def leave(self) -> None:
        """Give the seat up: its session ends, and with it the lock; also one that is still being opened."""
        if self._session is not None:
            self._session.shut()
        if self._opening is not None:
            self._opening.cancel()
            self._opening.add_done_callback(_discard)
        self._session, self._opening, self._at, self._is_held = None, None, None, False

    async def _ask(self, writer: Writer) -> bool:
        if self._session is None:
            self._at = writer
            self._session = await self._opened(writer.site)
            if self._session is None:
                return False
            await self._one(LAPSE, f"{int(self._lapse.total_seconds() * 1000)}ms")
        if not await self._one(STILL, writer.site, writer.epoch):
            # Its session would go on holding the lock of a database that writes no more; nobody needs it there.
            self.leave()
            return False
        if not self._is_held:
            self._is_held = bool(await self._one(TAKE, KEY))
        return self._is_held

    async def _opened(self, site: str) -> Session | None:
        """A session; None while it is being opened, which goes on until somebody leaves. Raises Unreachable."""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._openers[site]())
        opening = self._opening
        await asyncio.wait((opening,), timeout=self._patience.total_seconds())
        if not opening.done():
            return None
        self._opening = None
        return opening.result()

    async def _one(self, query: str, *values: object) -> object:
        assert self._session is not None, "asked before a session was opened"

        async def ask(connection: psycopg.AsyncConnection) -> object:
            cursor = await connection.execute(query, values, prepare=True)
            row = await cursor.fetchone()
            return row[0] if row else None

        return await self._session.run(ask, self._deadline)


def _discard(opening: "asyncio.Future[Session]") -> None:
    """What was opened for nobody is shut: it would wait for a lock that it never asked for, and be one session of few."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().shut()
