"""Does the database of this process' own site know a key? Asked only while not everybody can be served.

A client whose site is gone brings its retries to a process that has never seen their keys. The database beside that process has them, if
they were accepted: as a follower it holds whatever was acknowledged through it, and nearly everything else. Its word decides only who
goes first. It is no proof of anything, so an old answer, or none, does no harm.
"""

import asyncio
from datetime import timedelta

import psycopg

from workload.durable.errors import Unanswered
from workload.durable.session import Lost, Session
from workload.durable.sessions import Sessions

PATIENCE = timedelta(seconds=0.1)
"""A database that cannot find a key in so long has other troubles, and whoever asks could as well stand in line."""


class Follower:
    """The nearest database, asked over sessions that serve nothing else."""

    def __init__(
        self, sessions: Sessions[Session], *, knows: str, statement_deadline: timedelta, patience: timedelta = PATIENCE
    ) -> None:
        """`knows`: a statement `(key) -> one row`, or none when the key is not known. `statement_deadline`: at which a session is given up;
        `patience`: after which whoever asks goes on without an answer.

        1. Under pressure all of payments' sessions are in use. 2. Were those asked, nobody would be known just then, and at the writer's
        site of all. 3. And a pause that a payment survives would end four of them every tenth of a second, until none is left to pay with.
        """
        self._sessions, self._statement = sessions, knows
        self._statement_deadline, self._patience = statement_deadline, patience
        self._asking: set[asyncio.Task[bool]] = set()

    async def knows(self, key: str) -> bool:
        """Is the key there? False also when nobody can say in time: then the request waits in line with the new ones."""
        asking = asyncio.get_running_loop().create_task(self._ask(key))
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        done, _ = await asyncio.wait({asking}, timeout=self._patience.total_seconds())
        return bool(done) and asking.result()

    async def _ask(self, key: str) -> bool:
        async def ask(connection: psycopg.AsyncConnection) -> bool:
            cursor = await connection.execute(self._statement, (key,), prepare=True)
            return await cursor.fetchone() is not None

        try:
            async with self._sessions.borrow(self._patience) as session:
                return await session.run(ask, self._statement_deadline)
        except (Lost, psycopg.Error, Unanswered):
            return False

    def _forget(self, asking: "asyncio.Task[bool]") -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # looked at also when nobody waited for it
