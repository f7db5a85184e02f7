"""At most one dispatcher of a service sends, as a rule: whoever holds a lock in the writer's database.

A rule and not a promise: a frozen process still believes that it sits, and a writer that was cut off has a seat of its own. Nothing rests
on it but the number of duplicates (see `courier`). It is a session's advisory lock, so it ends with the session; and because the server
of a session whose client is in a black hole would keep it for hours, the server is told to end a session that is silent for `lapse`.
"""

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


class Seat:
    """This process's place in the queue for the seat of the present writer's database."""

    def __init__(self, openers: Mapping[str, Callable[[], Awaitable[Session]]], *, lapse: timedelta, deadline: timedelta) -> None:
        """`openers`: how to reach each site's database; `deadline`: for one question."""
        self._openers = openers
        self._lapse, self._deadline = lapse, deadline
        self._session: Session | None = None
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
        """Give the seat up: its session ends, and with it the lock."""
        if self._session is not None:
            self._session.shut()
        self._session, self._at, self._is_held = None, None, False

    async def _ask(self, writer: Writer) -> bool:
        if self._session is None:
            self._session, self._at = await self._openers[writer.site](), writer
            await self._one(LAPSE, f"{int(self._lapse.total_seconds() * 1000)}ms")
        if not await self._one(STILL, writer.site, writer.epoch):
            # Its session would go on holding the lock of a database that writes no more; nobody needs it there.
            self.leave()
            return False
        if not self._is_held:
            self._is_held = bool(await self._one(TAKE, KEY))
        return self._is_held

    async def _one(self, query: str, *values: object) -> object:
        assert self._session is not None, "asked before a session was opened"

        async def ask(connection: psycopg.AsyncConnection) -> object:
            cursor = await connection.execute(query, values, prepare=True)
            row = await cursor.fetchone()
            return row[0] if row else None

        return await self._session.run(ask, self._deadline)
