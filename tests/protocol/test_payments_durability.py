"""The running service on two real databases: what it acknowledges exists elsewhere, and what it cannot know it says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import aiohttp
import psycopg
import pytest

from tests.protocol.payments_site import ACCOUNTS, AWS, AZURE, PASSWORD, STREAM, Answer, Service, Sites, eventually
from workload.durable import statement
from workload.durable.session import Connection, Lost, Unreachable, connect
from workload.durable.settings import Address
from workload.payments import ledger
from workload.payments.model import Order, Outcome

pytest_plugins = ("tests.protocol.payments_fixtures",)
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

UNKNOWN = "urn:trimaran:problem:outcome-unknown"


@asynccontextmanager
async def streams_cut(sites: Sites) -> AsyncIterator[None]:
    """Nothing is replicated; the service still reaches the writer (its own way in has no follower's traffic on it)."""
    await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} DISABLE")
    await eventually(lambda: sites.ask(AZURE, "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND NOT active", STREAM))
    try:
        yield
    finally:
        await sites.ask(AWS, f"ALTER SUBSCRIPTION {STREAM} ENABLE")
        await sites.caught_up(AZURE, STREAM)


async def held(sites: Sites, site: str, key: str) -> list[str]:
    """Ids of the payments that a site's ledger has for a key."""
    rows = await sites.ask(site, "SELECT id::text FROM ledger.payment WHERE idempotency_key = %s", key)
    return [id for (id,) in rows]


def is_unknown(answer: Answer) -> bool:
    """Says honestly that nobody knows, and what to do."""
    return (answer.status, answer.body.get("type")) == (503, UNKNOWN) and answer.headers.get("Retry-After") in ("1", "2")


async def test_an_acknowledged_payment_is_in_the_other_cloud_already(sites: Sites, service: Service) -> None:
    """Looked up there at the moment the answer arrives, fifty times."""
    for _ in range(50):
        key = str(uuid4())
        answer = await service.pay(key)
        assert answer.status == 201
        assert await held(sites, AWS, key) == [answer.body["id"]]


async def test_a_repeated_key_is_answered_with_the_same_payment(sites: Sites, service: Service) -> None:
    """Same body, same answer, and a header that says so."""
    key = str(uuid4())
    first, again = await service.pay(key, amount=3), await service.pay(key, amount=3)
    assert (first.status, again.status, first.body) == (201, 201, again.body)
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    read = await service.get(first.headers["Location"])
    assert (read.status, read.body) == (200, first.body)


async def test_a_key_with_another_body_is_refused(service: Service) -> None:
    """422, and the first payment stands."""
    key = str(uuid4())
    await service.pay(key, amount=3)
    other = await service.pay(key, amount=4)
    assert (other.status, other.body["type"]) == (422, "urn:trimaran:problem:key-reused")


async def test_what_no_other_cloud_holds_is_not_acknowledged(sites: Sites, service: Service) -> None:
    """The follower is gone: unknown within the deadline; the same key settles it afterwards, exactly once."""
    key = str(uuid4())
    async with streams_cut(sites):
        answer = await service.pay(key)
        assert is_unknown(answer) and answer.seconds < 1
        assert is_unknown(await service.pay(key)), "a replay of something not durable is not durable either"
        (id,) = await held(sites, AZURE, key)
        assert is_unknown(await service.get(f"/v1/payments/{id}"))
        assert is_unknown(await service.get(f"/v1/accounts/{ACCOUNTS[0]}"))
        assert (await service.get("/readyz")).status == 503
        assert (await service.get("/healthz")).status == 200
        assert await held(sites, AWS, key) == []
    settled = await service.pay(key)
    assert (settled.status, settled.body["id"]) == (201, id)
    assert await held(sites, AWS, key) == [id]


async def test_without_the_barrier_the_same_payment_is_acknowledged_and_missing(sites: Sites) -> None:
    """Negative proof: the test above can tell a service that waits from one that does not."""
    key = str(uuid4())
    async with sites.service(AZURE, "tests.protocol.unbarriered") as liar:
        async with streams_cut(sites):
            await eventually(liar.is_ready)
            answer = await liar.pay(key)
            assert (answer.status, await held(sites, AWS, key)) == (201, [])
        assert "THE BARRIER IS OFF" in liar.process.log.read_text()


async def test_a_probe_of_readiness_writes_nothing(sites: Sites, service: Service) -> None:
    """Not one transaction id is spent on it, however often it is asked."""
    await asyncio.sleep(1.1)  # a payment just made would be proof enough, and nothing would be asked
    query = "SELECT (SELECT count(*) FROM ledger.payment), pg_snapshot_xmax(pg_current_snapshot())::text"
    before = await sites.ask(AZURE, query)
    answer = await service.get("/readyz")
    assert (answer.status, answer.body["writer"], answer.body["epoch"]) == (200, AZURE, 1)
    assert await sites.ask(AZURE, query) == before


async def test_a_fenced_writer_gets_no_payment(sites: Sites, service: Service) -> None:
    """Nothing happened, and the answer says so; when the node opens again payments go on."""
    key = str(uuid4())
    await sites.ask(AZURE, "UPDATE trimaran.node SET role = 'fenced'")
    try:
        answer = await service.pay(key)
        assert (answer.status, answer.body["outcome"]) == (503, "nothing-happened")
        assert (await service.get("/readyz")).status == 503
        assert await held(sites, AZURE, key) == []
        await eventually(lambda: _sees_no_writer(service))
    finally:
        await sites.ask(AZURE, "UPDATE trimaran.node SET role = 'writer'")
    await eventually(service.is_ready)
    assert (await service.pay(key)).status == 201


async def _sees_no_writer(service: Service) -> bool:
    return (await service.get("/readyz")).body["writer"] is None


async def test_sessions_that_the_server_ends_are_replaced(sites: Sites, service: Service) -> None:
    """As a fence does it: every session of the service is terminated; half a second later payments go through."""
    await sites.ask(
        AZURE,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'payments_app'",
        role="postgres",
    )
    await asyncio.sleep(0.5)
    assert (await service.pay(str(uuid4()))).status == 201


async def test_a_backend_that_lost_its_client_lets_go_of_the_accounts(sites: Sites, service: Service) -> None:
    """The link dies between pay() and COMMIT: our deadline ends the call, the server's own deadline frees the accounts."""
    assert sites.links is not None
    address = Address(host="127.0.0.1", port=sites.links.port(AWS, AZURE, "service"))
    limit = timedelta(seconds=0.4)
    half = await connect(address, service="payments", password=PASSWORD, statement=limit, deadline=timedelta(seconds=5))

    async def lose_the_link(session: psycopg.AsyncConnection) -> None:
        assert sites.links is not None
        await session.execute(statement.BEGIN)
        await session.execute(ledger.PAY, (uuid4(), str(uuid4()), b"x", *ACCOUNTS[:2], 1, "EUR"))
        await sites.links.isolate(AWS)
        await session.execute(statement.COMMIT)

    start = time.monotonic()
    try:
        with pytest.raises(Lost):
            await half.run(lose_the_link, timedelta(seconds=0.6))
        assert time.monotonic() - start < 1, "on a black hole psycopg itself would have come back after ten seconds"
        other = Connection(await sites.connect(AZURE, "payments_app"))
        order = Order(key=str(uuid4()), debtor=ACCOUNTS[0], creditor=ACCOUNTS[1], amount=1, currency="EUR")
        decision, _ = await ledger.pay(other, AZURE, order, uuid4(), timedelta(seconds=2))
        assert decision.outcome is Outcome.CREATED
        other.shut()
    finally:
        await sites.links.rejoin(AWS)
    await eventually(service.is_ready)


async def test_a_connection_into_a_black_hole_is_given_up_in_time(sites: Sites, service: Service) -> None:
    """Accepted or not, nobody answers: libpq alone would wait at least two seconds."""
    assert sites.links is not None
    address = Address(host="127.0.0.1", port=sites.links.port(AWS, AZURE, "service"))
    await sites.links.isolate(AWS)
    start = time.monotonic()
    try:
        with pytest.raises(Unreachable):
            limit = timedelta(seconds=0.3)
            await connect(address, service="payments", password=PASSWORD, statement=limit, deadline=limit)
        assert time.monotonic() - start < 0.6
    finally:
        await sites.links.rejoin(AWS)
    await eventually(service.is_ready)


async def test_accounts_that_others_hold_are_waited_for_in_vain_only_so_long(sites: Sites, service: Service) -> None:
    """The statement's own deadline: nothing happened, says so, and the session lives on."""
    async with await sites.connect(AZURE) as holder, holder.transaction():
        await holder.execute("SELECT FROM ledger.account WHERE id = ANY(%s) FOR UPDATE", (list(ACCOUNTS[:2]),))
        answer = await service.pay(str(uuid4()))
    assert (answer.status, answer.body["type"]) == (503, "urn:trimaran:problem:accounts-busy")
    assert answer.body["outcome"] == "nothing-happened"
    assert (await service.pay(str(uuid4()))).status == 201


async def test_clients_that_hang_up_leak_nothing(service: Service) -> None:
    """Forty requests whose clients leave after a few milliseconds: afterwards every session is there and idle."""

    async def leave(milliseconds: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(milliseconds / 1000):
                await service.pay(str(uuid4()))

    await asyncio.gather(*(leave(1 + number % 30) for number in range(40)))

    async def is_calm() -> bool:
        situation = (await service.get("/readyz")).body
        sessions = {site: seen["sessions"] for site, seen in situation["sites"].items()}
        return (situation["in_flight"], situation["waiting"], sessions) == (0, 0, {AZURE: 8, AWS: 8})

    await eventually(is_calm)
    assert (await service.pay(str(uuid4()))).status == 201


async def test_overload_is_refused_at_the_door(sites: Sites) -> None:
    """With both places taken by answers that wait, the next request hears so within milliseconds instead of queueing."""
    two = "[limits]\nlowest = 2\nfirst = 2\nhighest = 2\nqueue = 0"
    async with sites.service(AZURE, tables=two) as small:
        await eventually(small.is_ready)
        async with streams_cut(sites):
            waiting = [asyncio.create_task(small.pay(str(uuid4()))) for _ in range(2)]
            await asyncio.sleep(0.2)
            refused = await small.pay(str(uuid4()))
            assert (refused.status, refused.body["type"]) == (503, "urn:trimaran:problem:overloaded")
            assert refused.body["outcome"] == "nothing-happened" and int(refused.headers["Retry-After"]) >= 1
            assert refused.seconds < 0.2
            assert (await small.get("/healthz")).status == 200
            assert all(map(is_unknown, await asyncio.gather(*waiting)))


async def test_a_stopping_service_finishes_what_it_began(sites: Sites) -> None:
    """SIGTERM under load: every request that was accepted is answered, and the exit status is 0."""
    async with sites.service(AZURE, tuning="sessions = 20") as service:
        await eventually(service.is_ready)
        # A pair of accounts for each, and a session: twenty that wait for one another measure how patient the service is.
        pairs = zip(ACCOUNTS[::2], ACCOUNTS[1::2], strict=True)
        payments = [asyncio.create_task(service.pay(str(uuid4()), debtor, creditor)) for debtor, creditor in pairs]
        await asyncio.sleep(0.01)
        await service.process.stop()
        answers = await asyncio.gather(*payments, return_exceptions=True)
        assert service.process.exit_status == 0
    answered = [answer.status for answer in answers if isinstance(answer, Answer)]
    refused = [answer for answer in answers if isinstance(answer, aiohttp.ClientConnectionError)]
    assert set(answered) == {201} and len(answered) + len(refused) == 20


async def test_numbers_are_published(service: Service) -> None:
    """Prometheus can read what happened."""
    text = (await service.get("/metrics")).body["text"]
    for name in ('payments_decisions_total{outcome="created"}', "payments_writer_epoch 1.0", "payments_barrier_seconds_count"):
        assert name in text


async def test_every_error_is_a_problem_document(service: Service) -> None:
    """RFC 9457 for the framework's errors too."""
    key, headers = str(uuid4()), {"Idempotency-Key": "k"}
    answers = {
        404: await service.get("/v2"),
        405: await service._ask("PUT", "/v1/payments"),
        422: await service.pay(key, amount=0),
        400: await service._ask("POST", "/v1/payments", data="{", headers={**headers, "Content-Type": "application/json"}),
        413: await service._ask("POST", "/v1/payments", data="x" * 20_000, headers=headers),
        411: await service._ask("POST", "/v1/payments", data=_in_pieces(), headers=headers),
    }
    for status, answer in answers.items():
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "instance"} <= answer.body.keys()


async def _in_pieces() -> AsyncIterator[bytes]:
    yield b"{}"


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", True, 10**12])
async def test_an_amount_is_a_whole_positive_number(service: Service, amount: object) -> None:
    """Nothing is rounded, guessed or converted."""
    assert (await service.pay(str(uuid4()), amount=amount)).status == 422


async def test_half_a_body_does_not_hold_a_place(service: Service) -> None:
    """A client that stops in the middle is sent away after the request's deadline."""
    start = time.monotonic()
    url = service.http._base_url
    assert url is not None and url.port is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = ["POST /v1/payments HTTP/1.1", "Host: x", "Idempotency-Key: k", "Content-Type: application/json", "Content-Length: 99"]
    writer.write("\r\n".join([*head, "", "{"]).encode())
    assert b" 408 " in await reader.readline()
    assert time.monotonic() - start < 1.5
    writer.close()
