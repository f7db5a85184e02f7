"""Answers that miss their deadline: whoever asked hears so then, the session is waited for, and nobody hears what it says."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import psycopg
import pytest
import pytest_asyncio
from psycopg.pq import TransactionStatus

from workload.durable.database import Database, Tenant
from workload.durable.errors import NoSession
from workload.durable.finder import View
from workload.durable.session import NO_GRACE, Connection, Lost
from workload.durable.sessions import Sessions
from workload.durable.settings import Address, DurableSettings
from workload.metrics import ServiceMetrics

pytestmark = pytest.mark.asyncio

NOW, BLINK, SOON = timedelta(0), timedelta(milliseconds=5), timedelta(seconds=5)


class Server:
    """A connection to a server that answers when the test says so. Its socket is real: one that is shut is seen to be."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.pgconn = self.info = self
        self.closed = False
        self.transaction_status = self.then = TransactionStatus.IDLE
        self.refusal: psycopg.Error | None = None
        self.asked: list[str] = []

    def fileno(self) -> int:
        """Of the socket."""
        if self.closed:
            raise psycopg.OperationalError("the connection is lost")
        return self.near.fileno()

    def finish(self) -> None:
        """Close it."""
        self.closed = True
        self.near.close()

    async def execute(self, query: str) -> str:
        """Ask, and wait for one letter."""
        self.asked.append(query)
        self.transaction_status = TransactionStatus.ACTIVE
        letter = await asyncio.get_running_loop().sock_recv(self.near, 1)
        self.transaction_status = self.then if letter else TransactionStatus.UNKNOWN
        if not letter:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        if self.refusal is not None:
            raise self.refusal
        return letter.decode()

    def answer(self, letter: str, then: TransactionStatus = TransactionStatus.IDLE, refusal: psycopg.Error | None = None) -> None:
        """Say it; `then`: in what state the session is after it."""
        self.then, self.refusal = then, refusal
        self.far.send(letter.encode())


class Place:
    """A site's server processes and the pool of sessions to them."""

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self.keeping: list[asyncio.Task[None]] = []

    def session(self, grace: timedelta = SOON) -> Connection:
        """A new one."""
        self.servers.append(Server())
        return Connection(cast("Any", self.servers[-1]), grace=grace)

    async def pool(self, size: int, grace: timedelta = SOON) -> Sessions[Connection]:
        """Its sessions are open, and it is kept."""

        async def open_one() -> Connection:
            return self.session(grace)

        pool = Sessions(open_one, size=size, proof_deadline=NOW)
        self.keeping.append(asyncio.create_task(pool.keep()))
        await settle()
        return pool

    async def rest(self) -> None:
        """Nothing is kept any more."""
        for keeping in self.keeping:
            keeping.cancel()
        await asyncio.gather(*self.keeping, return_exceptions=True)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Place]:
    """Closed at the end."""
    place = Place()
    yield place
    await place.rest()
    for server in place.servers:
        server.far.close()
        await settle()
        server.near.close()


async def settle() -> None:
    """Let every task that can run do so, and see what its socket has to say."""
    for _ in range(20):
        await asyncio.sleep(0)


async def ask(session: Connection, what: str = "first", deadline: timedelta = NOW) -> str:
    """One question."""

    async def work(connection: Any) -> str:
        return cast("str", await connection.execute(what))

    return await session.run(work, deadline)


async def missed(session: Connection) -> "asyncio.Future[None]":
    """Ask what is not answered in time; answers what then waits for it."""
    with pytest.raises(Lost, match="no answer within 0 s"):
        await ask(session)
    assert session.late is not None and not session.broken
    return session.late


async def ended(late: "asyncio.Future[None]") -> None:
    """Return when nothing is waited for any longer."""
    done, _ = await asyncio.wait([late], timeout=5)
    assert done


async def test_the_asker_hears_at_the_deadline_and_the_answer_is_nobodys(place: Place) -> None:
    """The late "a" is read and thrown away; the next question on the session gets its own answer."""
    session = place.session()
    (server,) = place.servers
    late = await missed(session)
    server.answer("a")
    await ended(late)
    assert (session.late, session.broken) == (None, False)
    server.answer("b")
    assert await ask(session, "second", SOON) == "b"
    assert server.asked == ["first", "second"]


async def test_without_a_grace_the_deadline_shuts(place: Place) -> None:
    """As for the sessions by whose end a site's end is noticed."""
    session = place.session(NO_GRACE)
    with pytest.raises(Lost):
        await ask(session)
    assert session.broken and session.late is None and place.servers[0].closed


async def test_after_the_grace_the_session_is_shut(place: Place) -> None:
    """A black hole does not answer however long it is waited for."""
    session = place.session(BLINK)
    await ended(await missed(session))
    assert session.broken and session.late is None and place.servers[0].closed


async def test_a_late_session_can_be_asked_nothing(place: Place) -> None:
    """Its first answer would be taken for the second one's."""
    session = place.session()
    await missed(session)
    with pytest.raises(Lost, match="still owes"):
        await asyncio.wait_for(ask(session, "second", SOON), 1)
    assert place.servers[0].asked == ["first"]


@pytest.mark.parametrize("state", [TransactionStatus.INTRANS, TransactionStatus.INERROR])
async def test_a_session_in_a_transaction_is_shut_and_never_used_again(place: Place, state: TransactionStatus) -> None:
    """Whoever had it next would commit what was begun for another, or be refused for another's mistake. It is not rolled back first."""
    session = place.session()
    late = await missed(session)
    place.servers[0].answer("a", then=state)
    await ended(late)
    assert session.broken and place.servers[0].closed
    assert place.servers[0].asked == ["first"]


async def test_a_late_refusal_shuts(place: Place) -> None:
    """What went wrong would have been told to nobody."""
    session = place.session()
    late = await missed(session)
    place.servers[0].answer("a", refusal=psycopg.errors.UndefinedTable("no such table"))
    await ended(late)
    assert session.broken and place.servers[0].closed


async def test_a_late_session_whose_server_goes_is_shut(place: Place) -> None:
    """It died while its answer was waited for."""
    session = place.session()
    late = await missed(session)
    place.servers[0].far.close()
    await ended(late)
    assert session.broken and place.servers[0].closed


async def test_a_deadline_in_the_middle_of_a_rollback_shuts_and_the_refusal_is_told(place: Place) -> None:
    """The answer was there in time: it says that nothing happened, which is more than "unknown"."""
    session = place.session()
    place.servers[0].answer("a", then=TransactionStatus.INERROR, refusal=psycopg.errors.QueryCanceled("statement timeout"))
    with pytest.raises(psycopg.errors.QueryCanceled):
        await ask(session, deadline=BLINK)
    assert place.servers[0].asked == ["first", "ROLLBACK"]
    assert session.broken and session.late is None


async def test_a_late_session_is_lent_to_nobody_and_none_is_opened_beside_it(place: Place) -> None:
    """It counts against the bound, and not as alive; once it has answered, whoever waits gets it, clean."""
    pool = await place.pool(1)
    with pytest.raises(Lost):
        async with pool.borrow(SOON) as first:
            await missed(first)
            raise Lost("as every borrower hears it")
    await settle()
    assert (pool.alive, pool.idle, pool.take(), len(place.servers)) == (0, 0, None, 1)
    with pytest.raises(NoSession, match="0 of 1 alive, 1 late"):
        async with pool.borrow(NOW):
            pass

    async def next_one() -> str:
        async with pool.borrow(SOON) as session:
            assert session is first
            return await ask(session, "second", SOON)

    waiting = asyncio.create_task(next_one())
    place.servers[0].answer("a")
    await settle()
    assert (pool.alive, place.servers[0].asked) == (1, ["first", "second"])
    place.servers[0].answer("b")
    assert await waiting == "b"
    assert (pool.alive, pool.idle, len(place.servers)) == (1, 1, 1)


async def test_only_what_is_shut_is_replaced(place: Place) -> None:
    """Of two one is late and the other breaks: the server never has a third one."""
    pool = await place.pool(2)
    owing, broken = cast("Connection", pool.take()), cast("Connection", pool.take())
    await missed(owing)
    pool.give_back(owing)
    broken.shut()
    pool.give_back(broken)
    await settle()
    assert (pool.alive, len(place.servers), sum(not server.closed for server in place.servers)) == (1, 3, 2)


async def test_a_session_that_never_answered_is_replaced(place: Place) -> None:
    """Once, when its grace is over."""
    pool = await place.pool(1, BLINK)
    async with pool.borrow(SOON) as first:
        late = await missed(first)
    assert len(place.servers) == 1
    await ended(late)
    await settle()
    assert (pool.alive, pool.idle, len(place.servers), place.servers[0].closed) == (1, 1, 2, True)
    assert pool.take() is not first


async def test_a_proof_that_is_late_shuts_nothing(place: Place) -> None:
    """A pause of the server is no end of its sessions: all are suspect and proved, none can be taken, none is opened, all come back."""
    pool = await place.pool(2)
    await pool.prove()
    assert (pool.alive, pool.idle, pool.take(), len(place.servers)) == (0, 0, None, 2)
    for server in place.servers:
        server.answer("a")
    await settle()
    assert (pool.alive, pool.idle, len(place.servers)) == (2, 2, 2)
    assert [server.asked for server in place.servers] == [["SELECT 1"]] * 2


async def test_closing_shuts_what_is_late_and_what_is_given_back_afterwards(place: Place) -> None:
    """The process ends: nothing of it is left waiting for a server that may never answer."""
    pool = await place.pool(3)
    owing, late_after, given_after = (cast("Connection", pool.take()) for _ in range(3))
    await missed(owing)
    pool.give_back(owing)
    await missed(late_after)
    await place.rest()
    await asyncio.wait_for(pool.close(), 1)
    assert owing.broken and owing.late is None
    assert not late_after.broken and not given_after.broken, "they are in use"
    pool.give_back(late_after)
    pool.give_back(given_after)
    await settle()
    assert [server.closed for server in place.servers] == [True] * 3
    assert (pool.alive, pool.idle) == (0, 0)


@pytest.mark.parametrize("successor", ["aws", None])
async def test_what_is_late_at_a_site_that_writes_no_more_is_shut(place: Place, successor: str | None) -> None:
    """Of both pools there, when another site writes or none is known to; what is late elsewhere is waited for."""
    addresses = {site: Address(host="127.0.0.1", port=1) for site in ("aws", "azure", "gcp")}
    settings = DurableSettings(site="gcp", listen=addresses["gcp"], databases=addresses)
    tenant = Tenant(service="payments", password="none", await_held="ask")
    database = Database(settings, tenant, ServiceMetrics("payments"))
    owing = {}
    for pool in (database.sessions["azure"], database.crews["azure"], database.sessions["aws"]):
        owing[pool] = place.session()
        await missed(owing[pool])
        pool.give_back(owing[pool])
    database.finder.learn("azure", View(role="writer", epoch=1))
    database.finder.learn("azure", None)
    database.finder.learn("azure", View(role="writer", epoch=2))
    assert not any(session.broken for session in owing.values()), "silence and a new reign are no end of the site's writing"
    database.finder.learn(successor or "azure", View(role="writer" if successor else "fenced", epoch=3))
    assert [session.broken for session in owing.values()] == [True, True, False]
    await settle()
