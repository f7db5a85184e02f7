"""A session whose connection is gone already when somebody begins to rest on it."""

from typing import Any, cast

import psycopg
import pytest

from workload.payments.session import Connection
from workload.payments.sessions import Sessions


class Dead:
    """A connection that was lost since it was made."""

    closed = False

    def __init__(self) -> None:
        self.pgconn = self
        self.finished = False

    def fileno(self) -> int:
        """There is none any more."""
        raise psycopg.OperationalError("the connection is lost")

    def finish(self) -> None:
        """Let go of it."""
        self.finished = True


@pytest.mark.asyncio
async def test_a_session_that_died_since_it_was_opened_is_replaced_and_ends_nothing() -> None:
    """In an outage connections die at every moment, also at this one."""
    dead = Dead()
    session = Connection(cast("Any", dead))
    pool: Sessions[Connection] = Sessions(cast("Any", None), size=1, proof_deadline=cast("Any", None))
    pool.give_back(session)
    assert session.broken and dead.finished
    assert pool.take() is None and pool.idle == 0
