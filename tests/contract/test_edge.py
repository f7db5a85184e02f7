"""What real HAProxy makes of our configuration: who is asked, what is sent again, and what is never handed over twice."""

import asyncio
import contextlib
import ssl
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from controller.core.model import Health
from lab.edge_identity import CONFIGURATION
from lab.haproxy import edge_place
from tests.contract.edge_worlds import DRAIN, KEY, LOCAL, PAYMENTS, Edges, Manner, edges

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Edges]:
    """Two sites, both serving, both well."""
    async with edges(f"edge-{abs(hash(request.node.name)) % 10**8}", "aws", "azure") as given:
        yield given


async def test_haproxy_takes_the_configuration_without_a_warning(pair: Edges) -> None:
    """Not one line to say about it, and it runs as an account without privileges."""
    edge = pair.edges["aws"]
    place, account = edge_place(edge.workspace, "aws"), edge.binary.account
    checked = await asyncio.create_subprocess_exec(
        edge.binary.path, "-c", "-f", place / CONFIGURATION, stdout=PIPE, stderr=STDOUT,
        user=account.uid if account else None, group=account.gid if account else None,
        cwd="/",  # a clone may lie where that account cannot enter, and HAProxy goes back to where it was started
    )  # fmt: skip
    said, _ = await asyncio.wait_for(checked.communicate(), 20)
    assert (checked.returncode, b"WARNING" in said) == (0, False), said


async def test_the_own_service_is_asked_and_nobody_else(pair: Edges) -> None:
    """A site that serves keeps its requests."""
    for _ in range(20):
        reply = await pair.ask("aws")
        assert (reply.status, reply.by) == (201, "aws")
    assert pair.payments() == {"aws": 20, "azure": 0}


async def test_a_drained_site_hands_over_and_its_clients_notice_nothing(pair: Edges) -> None:
    """Who keeps the stale address is served by another site."""
    await pair.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
    for _ in range(10):
        reply = await pair.ask("aws", headers=KEY)
        assert (reply.status, reply.by) == (201, "azure")
    assert pair.payments() == {"aws": 0, "azure": 10}


async def test_what_is_handed_over_once_is_never_handed_over_again(pair: Edges) -> None:
    """Two sites that each believe in the other: a quick 502 instead of a ball game, and neither service is asked."""
    await pair.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
    await pair.runtime("azure").set_weights({**DRAIN, "payments/peer-aws": 256})
    reply = await pair.ask("aws", headers=KEY)
    assert reply.status == 502 and reply.seconds < 0.5
    assert "Idempotency-Key" in reply.body and '"outcome":"unknown"' in reply.body
    assert pair.payments() == {"aws": 0, "azure": 0}


async def test_a_site_that_must_not_serve_is_soon_seen_to_be_down_by_its_peers(pair: Edges) -> None:
    """Their checks go through the same door, so nothing is handed to it any more."""
    await pair.runtime("azure").set_weights(DRAIN)
    await pair.until("aws", {"payments/peer-azure": Health.FAILING, "readiness/peer-azure": Health.FAILING})


@pytest.mark.parametrize("headers", [{}, KEY], ids=["without a key", "with a key"])
async def test_a_dead_service_costs_its_clients_nothing(headers: dict[str, str]) -> None:
    """Connections are refused before any check can have noticed: nothing was sent, so even without a key another site is asked."""
    async with edges(f"edge-dead-{len(headers)}", "aws", "azure", "gcp") as given:
        await given.services["aws"].stop()
        replies = [await given.ask("aws", headers=headers) for _ in range(5)]
        assert all(reply.status == 201 and reply.by in ("azure", "gcp") for reply in replies), replies
        assert max(reply.seconds for reply in replies) < 0.4
        await given.services["aws"].start()
        await given.until("aws", {"payments/local": Health.HEALTHY})
        assert (await given.ask("aws")).by == "aws"


async def test_a_lost_answer_is_asked_for_again_with_a_key(pair: Edges) -> None:
    """The service broke off in the middle; the key makes a second attempt harmless, and it goes to another site."""
    pair.services["aws"].manner = Manner.BREAKS_OFF
    reply = await pair.ask("aws", headers=KEY)
    assert (reply.status, reply.by) == (201, "azure")
    assert pair.payments() == {"aws": 1, "azure": 1}


async def test_a_post_without_a_key_is_never_sent_again(pair: Edges) -> None:
    """It may have been paid: one attempt, 502, and no other site is asked."""
    pair.services["aws"].manner = Manner.BREAKS_OFF
    reply = await pair.ask("aws")
    assert reply.status == 502 and '"outcome":"unknown"' in reply.body
    assert pair.payments() == {"aws": 1, "azure": 0}


async def test_without_the_rule_about_keys_a_payment_is_sent_twice() -> None:
    """What the safeguard is worth: the same POST without a key arrives at two sites."""
    without = {"http-request disable-l7-retry unless repeatable": ""}
    async with edges("edge-harm-key", "aws", "azure", without=without) as given:
        given.services["aws"].manner = Manner.BREAKS_OFF
        assert (await given.ask("aws")).status == 201
        assert given.payments() == {"aws": 1, "azure": 1}


async def test_without_a_backend_of_its_own_what_is_handed_over_goes_round_and_round() -> None:
    """What the safeguard is worth: two drained sites hand one request to each other until a time is over."""
    async with edges("edge-harm-loop", "aws", "azure", without={"default_backend handed": "default_backend payments"}) as given:
        for site, other in (("aws", "azure"), ("azure", "aws")):
            await given.runtime(site).set_weights({"payments/local": 0, f"payments/peer-{other}": 256})
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(aiohttp.ClientError):
            await asyncio.wait_for(given.ask("aws"), 3)
        assert asyncio.get_running_loop().time() - began > 1


async def test_a_peer_that_swallows_everything_costs_a_client_one_connection_attempt() -> None:
    """It takes connections and says nothing, as in a freeze: whoever was sent there first is answered by the other site."""
    async with edges("edge-swallowed", "aws", "azure", "gcp") as given:
        await given.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 128, "payments/peer-gcp": 128})
        proxy = given.edges["azure"].proxy
        assert proxy is not None
        proxy.freeze()
        replies = await asyncio.gather(*(given.ask("aws") for _ in range(10)))
        assert {(reply.status, reply.by) for reply in replies} == {(201, "gcp")}
        slow = [reply for reply in replies if reply.seconds > 0.3]
        assert slow and max(reply.seconds for reply in slow) < 1
        await given.until("aws", {"payments/peer-azure": Health.FAILING})
        replies = [await given.ask("aws") for _ in range(4)]
        assert max(reply.seconds for reply in replies) < 0.3
        proxy.thaw()


async def test_a_get_is_sent_again_without_a_key(pair: Edges) -> None:
    """It changes nothing."""
    pair.services["aws"].manner = Manner.BREAKS_OFF
    assert (await pair.ask("aws", method="GET")).by == "azure"


async def test_attempts_are_bounded(pair: Edges) -> None:
    """Everybody breaks off: four attempts in all, then the client is told."""
    for service in pair.services.values():
        service.manner = Manner.BREAKS_OFF
    reply = await pair.ask("aws", headers=KEY)
    assert reply.status == 502 and sum(pair.payments().values()) == 4


async def test_a_hanging_service_is_left_with_a_key_only(pair: Edges) -> None:
    """With a key another attempt follows when the time is over; without one the client is told that nobody knows."""
    pair.services["aws"].manner = Manner.HANGS
    reply = await pair.ask("aws")
    assert reply.status == 504 and pair.payments() == {"aws": 1, "azure": 0}
    reply = await pair.ask("aws", headers=KEY)
    assert (reply.status, reply.by) == (201, "azure")


async def test_the_services_own_503_is_passed_on(pair: Edges) -> None:
    """It says that the one writer is out of reach, for every site alike: asking the others would treble the outage's load."""
    pair.services["aws"].manner = Manner.BUSY
    reply = await pair.ask("aws", headers=KEY)
    assert (reply.status, reply.body) == (503, '{"type": "busy"}')
    assert pair.payments() == {"aws": 1, "azure": 0}


async def test_questions_about_a_site_are_answered_by_it_or_by_nobody(pair: Edges) -> None:
    """A dead service is not well because its peer is; a drained one answers for itself."""
    await pair.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
    reply = await pair.ask("aws", "/healthz", method="GET")
    assert (reply.status, reply.body) == (200, '{"site": "aws"}')
    await pair.services["aws"].stop()
    await pair.until("aws", {"payments/local": Health.FAILING}, 2)
    for path in ("/healthz", "/readyz"):
        assert (await pair.ask("aws", path, method="GET")).status == 503
    assert (await pair.ask("aws", headers=KEY)).by == "azure"


@pytest.mark.parametrize("path", ["/metrics", "/", "/status", "/beacon/", "/%6detrics", "/healthz/../metrics"])
async def test_what_is_not_offered_is_not_found(pair: Edges, path: str) -> None:
    """The public gets payments, health and the beacon, and no service is asked for anything else."""
    host, port = pair.settings["aws"].clients.host, pair.settings["aws"].clients.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 3)
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404") and b"nothing-happened" in answer


async def test_a_service_that_dies_is_noticed_well_within_a_second(pair: Edges) -> None:
    """By checks alone, without a request that would find out."""
    began = asyncio.get_running_loop().time()
    await pair.services["aws"].stop()
    await pair.until("aws", {"payments/local": Health.FAILING})
    assert asyncio.get_running_loop().time() - began < 0.8


async def test_the_beacon_is_the_agents(pair: Edges) -> None:
    """Its answer is passed on as it is; without an agent nobody says that the site serves."""
    assert (await pair.ask("aws", "/beacon", method="GET")).status == 503

    async def lit(_: web.Request) -> web.Response:
        return web.json_response({"site": "aws"})

    app = web.Application()
    app.add_routes([web.get("/beacon", lit)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOCAL, pair.settings["aws"].agent.port).start()
    reply = await pair.ask("aws", "/beacon", method="GET")
    await runner.cleanup()
    assert (reply.status, reply.body) == (200, '{"site": "aws"}')


async def test_nobody_hands_over_without_a_sites_certificate(pair: Edges) -> None:
    """A client that trusts us and shows nothing is refused in the handshake; plain text gets nowhere."""
    door = pair.settings["azure"].handed
    connector = aiohttp.TCPConnector(ssl=pair.trust("azure"))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=3)) as stranger:
        for url in (f"https://{door}{PAYMENTS}", f"http://{door}{PAYMENTS}"):
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await stranger.post(url, data=b"{}", server_hostname="azure.edge.trimaran.test")
    assert pair.payments() == {"aws": 0, "azure": 0}


async def test_sites_of_different_authorities_do_not_trust_each_other() -> None:
    """Neither will hand anything to the other, nor take anything from it."""
    async with edges("edge-strangers", "aws", "azure", strangers=frozenset({"azure"})) as given:
        await given.until("aws", {"payments/peer-azure": Health.FAILING})
        await given.until("azure", {"payments/peer-aws": Health.FAILING})
        await given.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
        assert (await given.ask("aws", headers=KEY)).status == 503
        assert given.payments() == {"aws": 0, "azure": 0}
