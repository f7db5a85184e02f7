"""The doors between sites: what an edge does when the one it handed to cannot, and who may come in through them."""

import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiohttp
import pytest

from controller.clock import SystemClock
from controller.core.model import Health, Site
from controller.probing.canary_probe import CanaryProbe
from tests.contract.edge_worlds import DRAIN, KEY, PAYMENTS, Edges, Manner, Reply, edges

pytestmark = pytest.mark.asyncio

AWAY = {**DRAIN, "payments/peer-azure": 128, "payments/peer-gcp": 128}
"""What drained aws's HAProxy is told."""

MARKED = {"http-after-response set-status 502 unless { var(txn.answered) -m bool }": ""}


async def kill_service(given: Edges) -> None:
    """azure's edge lives, its service is gone."""
    await given.services["azure"].stop()


async def break_off(given: Edges) -> None:
    """azure's service takes a request and dies before it answers."""
    given.services["azure"].manner = Manner.BREAKS_OFF


async def drain(given: Edges) -> None:
    """azure's agent knows a posture that aws's has not heard of yet."""
    await given.runtime("azure").set_weights(DRAIN)


async def replies(given: Edges) -> list[Reply]:
    """Ten payments with keys of clients who keep aws's address."""
    return [await given.ask("aws", headers=KEY) for _ in range(10)]


@pytest.mark.parametrize("harm", [kill_service, break_off, drain])
async def test_a_site_that_cannot_do_what_was_handed_to_it_is_passed_over(harm: Callable[[Edges], Awaitable[None]]) -> None:
    """Before any check has noticed: its edge says that nobody answered there, and the third site does it."""
    async with edges(f"edge-{harm.__name__.replace('_', '-')}", "aws", "azure", "gcp") as given:
        await given.runtime("aws").set_weights(AWAY)
        await harm(given)
        found = await replies(given)
        assert {(reply.status, reply.by) for reply in found} == {(201, "gcp")}
        assert max(reply.seconds for reply in found) < 0.4


async def test_without_the_mark_a_dead_service_elsewhere_fails_payments() -> None:
    """What the safeguard is worth: half of them are told 503, though a third site could have done it."""
    async with edges("edge-harm-mark", "aws", "azure", "gcp", without=MARKED) as given:
        await given.runtime("aws").set_weights(AWAY)
        await given.services["azure"].stop()
        assert {reply.status for reply in await replies(given)} == {201, 503}


async def test_without_a_key_what_was_handed_over_and_lost_is_not_sent_again() -> None:
    """It may have been paid there."""
    async with edges("edge-keyless", "aws", "azure", "gcp") as given:
        await given.runtime("aws").set_weights({**AWAY, "payments/peer-gcp": 0})
        given.services["azure"].manner = Manner.BREAKS_OFF
        reply = await given.ask("aws")
        assert reply.status == 502 and '"outcome":"unknown"' in reply.body and '"status":502' in reply.body
        assert given.payments() == {"aws": 0, "azure": 1, "gcp": 0}


async def test_a_service_elsewhere_that_is_busy_is_believed() -> None:
    """Its own 503 says that the one writer is out of reach: passed on as it is, and nobody else is asked."""
    async with edges("edge-busy", "aws", "azure", "gcp") as given:
        await given.runtime("aws").set_weights({**AWAY, "payments/peer-gcp": 0})
        given.services["azure"].manner = Manner.BUSY
        reply = await given.ask("aws", headers=KEY)
        assert (reply.status, reply.body) == (503, '{"type": "busy"}')
        assert given.payments() == {"aws": 0, "azure": 1, "gcp": 0}


async def test_a_site_gets_no_further_at_anothers_door_than_a_client_would() -> None:
    """Its certificate lets it hand requests over; the service's metrics are no business of its own either."""
    async with edges("edge-further", "aws", "azure") as given:
        trust = given.trust("azure")
        trust.load_cert_chain(given.settings["aws"].identity.certificate)
        door = f"https://{given.settings['azure'].handed}"
        name = given.settings["aws"].others[Site("azure")].name
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as site:
            for path, wanted in (("/healthz", 200), ("/metrics", 404), ("/beacon", 404)):
                async with site.get(door + path, server_hostname=name) as answer:
                    assert answer.status == wanted, path
            async with site.post(door + PAYMENTS, data=b"{}", server_hostname=name) as answer:
                assert answer.status == 201


async def test_a_site_in_another_sites_place_is_not_believed() -> None:
    """Behind azure's address stands one with a certificate of the same authority and another name: nothing is handed to it."""
    renamed = {"verifyhost ": "verifyhost not-", "sni str(": "sni str(not-", "check-sni ": "check-sni not-"}
    async with edges("edge-place", "aws", "azure", without=renamed, meet=False) as given:
        await given.until("aws", {"payments/peer-azure": Health.FAILING})
        await given.runtime("aws").set_weights({**DRAIN, "payments/peer-azure": 256})
        assert (await given.ask("aws", headers=KEY)).status == 503
        assert given.payments() == {"aws": 0, "azure": 0}


async def test_the_runtime_socket_is_its_own_accounts() -> None:
    """Whoever can write to it can turn every request away."""
    async with edges("edge-socket", "aws", "azure") as given:
        found = given.settings["aws"].haproxy.socket.stat()
        account = given.edges["aws"].binary.account
        assert stat.S_IMODE(found.st_mode) == 0o600 and (account is None or found.st_uid == account.uid)


async def test_a_canary_that_was_handed_over_does_not_prove_the_site_it_was_sent_to() -> None:
    """aws's service is dead, and its edge has azure pay: paid, and no word about aws."""
    async with edges("edge-canary", "aws", "azure") as given:
        probe = CanaryProbe(
            session=given.http,
            site=Site("aws"),
            url=f"http://{given.settings['aws'].clients}{PAYMENTS}",
            debtor="d",
            creditor="c",
            currency="EUR",
            new_key=lambda: "canary-1",
            clock=SystemClock(),
        )
        assert (await probe.measure(timedelta(seconds=1))).ok
        await given.services["aws"].stop()
        found = await probe.measure(timedelta(seconds=1))
        assert (found.ok, found.detail) == (False, "HTTP 201 by azure, not by aws")
