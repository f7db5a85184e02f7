"""Clients as they come: head and body apart, one connection for many requests, bodies that never end, addresses of a drained site."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.contract.edge_worlds import DRAIN, KEY, Edges, Manner, edges

pytestmark = pytest.mark.asyncio

APART = 0.05
"""Seconds between head and body: two segments, as most HTTP libraries send them."""

BUFFERED = {"option http-buffer-request": ""}


@pytest_asyncio.fixture
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Edges]:
    """Two sites, both serving, both well."""
    async with edges(f"edge-conn-{abs(hash(request.node.name)) % 10**8}", "aws", "azure") as given:
        yield given


async def pay(given: Edges, *, first: bool = False) -> tuple[int | None, str | None]:
    """A payment with a key, head and body apart, whose first service breaks off; `first`: after another one on the connection."""
    async with given.dialled("aws") as caller:
        if first:
            caller.head(KEY)
            caller.say("{}")
            assert (await caller.answer())[0] == 201
        given.services["aws"].manner = Manner.BREAKS_OFF
        caller.head(KEY)
        await asyncio.sleep(APART)
        caller.say("{}")
        status, headers = await caller.answer()
        return status, headers.get("served-by")


@pytest.mark.parametrize("first", [False, True], ids=["new connection", "used connection"])
async def test_a_lost_answer_is_asked_for_again_however_the_request_came(pair: Edges, first: bool) -> None:
    """Head and body in two segments: HAProxy can only send again what it had as a whole before it sent anything."""
    assert await pay(pair, first=first) == (201, "azure")


async def test_without_waiting_for_the_body_a_lost_answer_stays_lost() -> None:
    """What the safeguard is worth: the same payment with a key is not sent again."""
    async with edges("edge-harm-apart", "aws", "azure", without=BUFFERED) as given:
        assert await pay(given) == (502, None)
        assert given.payments() == {"aws": 1, "azure": 0}


async def test_a_post_without_a_key_is_not_sent_again_on_a_used_connection(pair: Edges) -> None:
    """Nobody knows whether it was paid: 502, or the connection just ends, as HAProxy does when its own one to the service had been used
    before. No other site is asked."""
    async with pair.dialled("aws") as caller:
        caller.head({})
        caller.say("{}")
        assert (await caller.answer())[0] == 201
        pair.services["aws"].manner = Manner.BREAKS_OFF
        caller.head({})
        caller.say("{}")
        assert (await caller.answer())[0] in (None, 502)
    assert pair.payments() == {"aws": 2, "azure": 0}


async def test_a_request_too_long_to_keep_is_carried_once(pair: Edges) -> None:
    """Above 15 kB HAProxy holds no copy: carried like any other, and after a lost answer nobody else is asked."""
    for manner, wanted in ((Manner.PAYS, (201,)), (Manner.BREAKS_OFF, (None, 502))):
        pair.services["aws"].manner = manner
        async with pair.dialled("aws") as caller:
            caller.head(KEY, length=100_000)
            caller.say("x" * 100_000)
            assert (await caller.answer())[0] in wanted
    assert pair.payments() == {"aws": 2, "azure": 0}


async def test_a_client_that_holds_its_body_back_holds_no_service(pair: Edges) -> None:
    """Half a request costs the edge a connection for 5 s, the service nothing, and then it is told."""
    began = asyncio.get_running_loop().time()
    async with pair.dialled("aws") as caller:
        caller.head(KEY)
        caller.say("{")
        await asyncio.sleep(1)
        assert pair.services["aws"].begun == 0
        assert (await caller.answer())[0] == 408
    assert 4 < asyncio.get_running_loop().time() - began < 7
    assert (await pair.ask("aws")).status == 201


async def test_a_header_without_measure_is_refused_at_the_edge(pair: Edges) -> None:
    """64 kB of it: 400, and no service sees it."""
    async with pair.dialled("aws") as caller:
        caller.head({**KEY, "Padding": "x" * 65_536})
        assert (await caller.answer())[0] in (400, None)
    assert pair.services["aws"].begun == 0


async def test_a_drained_site_asks_its_clients_to_dial_again(pair: Edges) -> None:
    """One connection for all requests outlives every TTL. It is served, and told to close, so that whoever looks the name up again
    leaves; at a site that serves it stays."""
    async with pair.dialled("aws") as caller:
        for _ in range(3):
            caller.head(KEY)
            caller.say("{}")
            status, headers = await caller.answer()
            assert (status, headers["served-by"], headers.get("connection")) == (201, "aws", None)
        await pair.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
        caller.head(KEY)
        caller.say("{}")
        status, headers = await caller.answer()
        assert (status, headers["served-by"], headers.get("connection")) == (201, "azure", "close")
        assert await asyncio.wait_for(caller.reader.read(), 2) == b""


async def test_a_crowd_of_new_clients_costs_the_service_no_connections() -> None:
    """A site is lost, and everybody comes to another one over connections of their own; behind the edge the old ones do. Each new one would
    bring the service a handshake of mutual TLS beside its payment."""
    async with edges("edge-crowd", "aws", "azure") as given:
        assert {(await given.ask("aws", headers=KEY)).status for _ in range(20)} == {201}
        assert len(given.services["aws"].connections) <= 2


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "what the safeguard is worth"])
async def test_checks_of_peers_cost_the_service_no_connections(kept: bool) -> None:
    """The own edge dials for each of its two checks a second; three a second of the other edge come over what is kept."""
    without = {} if kept else {"http-reuse always": ""}
    async with edges(f"edge-checks-{kept:d}", "aws", "azure", without=without) as given:
        asked = given.services["aws"].questions
        asked.clear()
        async with asyncio.timeout(20):
            while len(asked) < 25:
                await asyncio.sleep(0.1)
        dialled = len(set(asked)) / len(asked)
        assert dialled < 0.6 if kept else dialled == 1.0
