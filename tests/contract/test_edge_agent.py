"""The agent as a process beside real HAProxy, with nothing but the posture on its disk: what either of them does without the other."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from controller.coordination.codec import encode
from controller.core.model import Site
from edge.agent import TICK
from tests.contract.edge_worlds import KEY, Edges, edges
from tests.unit.core.worlds import posture

pytestmark = pytest.mark.asyncio

DRAINED = {Site("aws"): 0.0, Site("azure"): 1.0}
SERVING = {Site("aws"): 1.0, Site("azure"): 1.0}


@asynccontextmanager
async def kept(name: str, weights: Mapping[Site, float]) -> AsyncIterator[Edges]:
    """Two edges; aws's has an agent, which finds this posture on its disk and no etcd."""
    async with edges(name, "aws", "azure") as given:
        text = json.dumps({"first_read": datetime.now(UTC).isoformat(), "posture": json.loads(encode(posture(weights=weights)))})
        given.settings["aws"].posture_file.write_text(text)
        given.edges["aws"].start_agent()
        await until_obeyed(given)
        yield given


async def agents(given: Edges, path: str) -> tuple[int, dict[str, Any]]:
    """What aws's agent answers at its own door."""
    async with given.http.get(f"http://{given.settings['aws'].agent}{path}") as answer:
        return answer.status, json.loads(await answer.text())


async def until_obeyed(given: Edges, seconds: float = 10) -> None:
    """Wait until the agent has told HAProxy what the posture on its disk says."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        with suppress(aiohttp.ClientError):  # it is being started
            told = (await agents(given, "/status"))[1]
            if told["haproxy"]["obeys"] and told["doing"]:
                return
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_a_haproxy_that_starts_anew_is_told_within_a_few_looks() -> None:
    """It comes up as configured, with the own service first; at a drained site that lasts until the agent looks again."""
    async with kept("edge-anew", DRAINED) as given:
        assert (await given.ask("aws", headers=KEY)).by == "azure"
        proxy = given.edges["aws"].proxy
        assert proxy is not None
        proxy.kill()
        given.edges["aws"].start_proxy()
        began, own, handed = asyncio.get_running_loop().time(), [0.0], 0
        while (now := asyncio.get_running_loop().time() - began) < 2:
            with suppress(aiohttp.ClientError):
                reply = await given.ask("aws", headers=KEY)
                assert reply.status == 201
                handed += reply.by == "azure"
                own += [now] if reply.by == "aws" else []
            await asyncio.sleep(0.005)
        assert max(own) < 5 * TICK.total_seconds() and handed > 10


async def test_without_an_agent_haproxy_goes_on_as_it_was_told_and_the_beacon_is_dark() -> None:
    """Nobody says that the site serves; requests go where they went."""
    async with kept("edge-agentless", DRAINED) as given:
        agent = given.edges["aws"].agent
        assert agent is not None
        agent.kill()
        for _ in range(5):
            assert (await given.ask("aws", headers=KEY)).by == "azure"
        assert (await given.ask("aws", "/beacon", method="GET")).status == 503


async def test_an_agent_whose_haproxy_hangs_or_is_gone_says_that_the_site_is_not_well() -> None:
    """Frozen, its socket takes connections and answers nothing: each look ends at its deadline. Killed, nobody is there."""
    async with kept("edge-hung", SERVING) as given:
        assert (await agents(given, "/beacon"))[0] == 200
        proxy = given.edges["aws"].proxy
        assert proxy is not None
        for harm, word in ((proxy.freeze, "silent"), (proxy.kill, "socket")):
            harm()
            await asyncio.sleep(10 * TICK.total_seconds())
            status, said = await agents(given, "/beacon")
            assert status == 503 and said["type"] == "/problems/unready"
            assert word in (await agents(given, "/status"))[1]["haproxy"]["trouble"]
        given.edges["aws"].start_proxy()
        deadline = asyncio.get_running_loop().time() + 5
        while (await agents(given, "/beacon"))[0] != 200:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
