"""Several services behind one site's doors, told by the name that clients ask for; and what the edge says of itself to all of them."""

import time

import pytest

from controller.core.model import Health
from edge import agent
from edge.decide import Doing, Shares
from tests.contract.edge_worlds import KEY, PAYMENTS, VAULT, edges

pytestmark = pytest.mark.asyncio

TO_VAULT = {**KEY, "Host": VAULT}
AWAY = Shares(doing=Doing.DRAINED, weights={"azure": 256}, accepts=False)  # type: ignore[dict-item]


async def test_every_name_leads_to_its_own_service() -> None:
    """Whatever port and letters it is spelled with; a name that nobody has is the lead's."""
    async with edges("edge-names-apart", "aws", "azure", companion=True) as given:
        for host in (VAULT, f"{VAULT}:443", VAULT.upper()):
            assert (await given.ask("aws", headers={**KEY, "Host": host})).by == "aws-vault", host
        for host in ("payments.trimaran.test", "elsewhere.test", f"not-{VAULT}"):
            assert (await given.ask("aws", headers={**KEY, "Host": host})).by == "aws", host


async def test_what_is_handed_over_keeps_its_name() -> None:
    """A site that is drained is drained of both, and each finds its own service at the other site."""
    async with edges("edge-names-handed", "aws", "azure", companion=True) as given:
        await given.runtime("aws").set_weights(agent.orders(AWAY, given.settings["aws"]))
        assert (await given.ask("aws", headers=TO_VAULT)).by == "azure-vault"
        assert (await given.ask("aws", headers=KEY)).by == "azure"


async def test_a_dead_companion_takes_nobody_with_it() -> None:
    """Its requests go to another site's; the lead's stay where they are, and so does what is said of its health."""
    async with edges("edge-names-dead", "aws", "azure", companion=True) as given:
        await given.companions["aws"].stop()
        await given.until("aws", {"companion-vault/local": Health.FAILING})
        assert (await given.ask("aws", headers=TO_VAULT)).by == "azure-vault"
        assert (await given.ask("aws", headers=KEY)).by == "aws"
        assert (await given.ask("aws", "/healthz", method="GET", headers={"Host": VAULT})).status == 503
        assert (await given.ask("aws", "/healthz", method="GET")).status == 200


async def test_the_edge_says_itself_where_and_when_it_had_a_request() -> None:
    """A client that says so too is not heard; the trace that a client began goes on, and who began none gets one."""
    async with edges("edge-trace", "aws", "azure") as given:
        before = time.time_ns() // 1000
        lies = {"Edge-Span": "0" * 16, "Edge-Site": "mars", "Edge-Received": "1"}
        own = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
        await given.ask("aws", headers={**KEY, **lies, **own})
        heard = given.services["aws"].last
        assert heard["Edge-Site"] == "aws" and before <= int(heard["Edge-Received"]) <= time.time_ns() // 1000
        assert len(heard["Edge-Span"]) == 16 and int(heard["Edge-Span"], 16)
        assert heard["traceparent"] == own["traceparent"]
        await given.ask("aws", headers=KEY)
        begun = given.services["aws"].last
        span = begun["Edge-Span"]
        assert span != heard["Edge-Span"] and begun["traceparent"] == f"00-{span}{span}-{span}-00"


async def test_what_is_handed_over_was_seen_by_the_first_edge() -> None:
    """The one that passes it on says nothing of its own: the client came to the first."""
    async with edges("edge-trace-handed", "aws", "azure") as given:
        await given.runtime("aws").set_weights(agent.orders(AWAY, given.settings["aws"]))
        assert (await given.ask("aws", PAYMENTS, headers=KEY)).by == "azure"
        assert given.services["azure"].last["Edge-Site"] == "aws"
