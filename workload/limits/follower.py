"""Does the database of this process' own site know a key? Asked only while not everybody can be served.

A client whose site is gone brings its retries to a process that has never seen their keys. The database beside that process has them, if
they were accepted: as a follower it holds whatever was acknowledged through it, and nearly everything else. Its word decides only who
goes first. It is no proof of anything, so an old answer, or none, does no harm.
"""

from datetime import timedelta
from functools import partial

import psycopg

from workload.durable.session import Lost, Session
from workload.durable.sessions import Sessions

PATIENCE = timedelta(seconds=0.1)
"""A database that cannot find a key in so long has other troubles, and whoever asks could as well stand in line."""


class Follower:
    """The nearest database, asked over whatever sessions are idle."""

    def __init__(self, sessions: Sessions[Session], *, knows: str, deadline: timedelta = PATIENCE) -> None:
        """`knows`: a statement `(key) -> one row`, or none when the key is not known. At the deadline the session is shut, as ever."""
        self._sessions, self._knows, self._deadline = sessions, knows, deadline

    async def knows(self, key: str) -> bool:
        """Is the key there? False also when nobody can say: then the request waits in line with the new ones."""
        session = self._sessions.take()
        if session is None:
            return False
        try:
            return await session.run(partial(_ask, statement=self._knows, key=key), self._deadline)
        except (Lost, psycopg.Error):
            return False
        finally:
            self._sessions.give_back(session)


async def _ask(connection: psycopg.AsyncConnection, *, statement: str, key: str) -> bool:
    cursor = await connection.execute(statement, (key,), prepare=True)
    return await cursor.fetchone() is not None
