"""What only Cloud SQL does: operations that outlive a controller, a promotion told as done that is none, facts in its own words."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from controller.core.model import Site
from controller.errors import Denied, Transient, Unsupported
from controller.ports import Promotion, PromotionState
from controller.providers.gcp.database import GIB, CloudSql
from lab.clouds.faults import FaultKind, Rule
from tests.contract.google_worlds import PROJECT, GoogleApi, emulated_google, google_api, vendors_client

GCP = Site("gcp")
LONG, SHORT = timedelta(seconds=5), timedelta(milliseconds=600)
PROMOTE = "sql.instances.promoteReplica"
NUMBERS = count(1)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated Google of this module."""
    with emulated_google(tmp_path_factory.mktemp("google")) as found:
        yield found


@pytest.fixture
async def api(url: str) -> AsyncIterator[GoogleApi]:
    """Asked past every adapter."""
    async with google_api(url) as made:
        yield made


@dataclass
class Pair:
    """A primary and its read replica, of one test only."""

    api: GoogleApi
    primary: str
    replica: str

    def adapter(self, instance: str | None = None) -> CloudSql:
        """A controller's own."""
        url, name = self.api.url, instance or self.replica
        return CloudSql(client=lambda: vendors_client("sqladmin", "v1", url), site=GCP, project=PROJECT, instance=name)

    async def place(self, **how: Any) -> None:
        """Make the replica anew; `how` its promotion goes."""
        fields = {"masterInstanceName": f"{PROJECT}:{self.primary}", **how.pop("instance", {})}
        await put(self.api, self.replica, {"instance": fields, **how})

    async def told(self, instance: str) -> Mapping[str, Any]:
        """What the API says about an instance."""
        return await self.api.ask("GET", f"/v1/projects/{PROJECT}/instances/{instance}")

    async def promotions(self) -> int:
        """Promotions that began."""
        path = f"/v1/projects/{PROJECT}/operations?instance={self.replica}"
        return len((await self.api.ask("GET", path))["items"])


async def put(api: GoogleApi, name: str, body: Mapping[str, Any]) -> None:
    """Have an instance."""
    async with api.http.put(f"{api.url}/_lab/instances/{name}", json=body) as answer:
        assert answer.status == 200, await answer.text()


@pytest.fixture
async def pair(api: GoogleApi) -> Pair:
    """A healthy one."""
    number = next(NUMBERS)
    made = Pair(api, f"primary-{number}", f"replica-{number}")
    await put(api, made.primary, {"instance": {}})
    await made.place(seconds=0.4)
    return made


async def finished(adapter: CloudSql, operation: str) -> Promotion:
    """The promotion once it is over."""
    async with asyncio.timeout(5):
        while (told := await adapter.promotion(operation, LONG)).state is PromotionState.RUNNING:
            await asyncio.sleep(0.05)
    return told


async def test_another_controller_finishes_what_one_began(pair: Pair) -> None:
    """Only the operation's name is carried over: a controller that never spoke to Cloud SQL before asks how far it is."""
    begun = await pair.adapter().promote(LONG)
    assert begun.state is PromotionState.RUNNING
    assert (await finished(pair.adapter(), begun.operation)).state is PromotionState.DONE
    assert "masterInstanceName" not in await pair.told(pair.replica)
    assert (await pair.told(pair.primary))["replicaNames"] == []


async def test_asking_again_finds_the_same_promotion(pair: Pair) -> None:
    """While it runs and after it, by the same adapter and by another, there is one promotion."""
    begun = await pair.adapter().promote(LONG)
    assert (await pair.adapter().promote(LONG)).operation == begun.operation
    await finished(pair.adapter(), begun.operation)
    again = await pair.adapter().promote(LONG)
    assert (again.operation, again.state) == (begun.operation, PromotionState.DONE)
    assert await pair.promotions() == 1


async def test_a_lost_answer_begins_no_second_promotion(pair: Pair) -> None:
    """The operation's name was lost with the answer: it is found among the instance's operations."""
    await pair.api.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, operation=PROMOTE, count=1)])
    begun = await pair.adapter().promote(LONG)
    assert (await finished(pair.adapter(), begun.operation)).state is PromotionState.DONE
    assert await pair.promotions() == 1


async def test_a_promotion_without_effect_is_no_promotion(pair: Pair) -> None:
    """Cloud SQL says DONE and the instance is a replica still: FAILED with what is wrong, and asking again begins a real one."""
    await pair.api.control.inject([Rule(kind=FaultKind.NO_EFFECT, operation=PROMOTE, count=1)])
    begun = await pair.adapter().promote(LONG)
    told = await finished(pair.adapter(), begun.operation)
    assert told.state is PromotionState.FAILED
    assert pair.primary in told.detail
    again = await pair.adapter().promote(LONG)
    assert again.operation != begun.operation
    assert (await finished(pair.adapter(), again.operation)).state is PromotionState.DONE


async def test_a_failed_promotion_says_why(pair: Pair) -> None:
    """The vendor's words reach the journal."""
    await pair.place(seconds=0.1, error="the replica cannot catch up")
    told = await finished(pair.adapter(), (await pair.adapter().promote(LONG)).operation)
    assert told.state is PromotionState.FAILED
    assert "the replica cannot catch up" in told.detail


async def test_an_instance_that_is_no_replica_stands_alone_already(pair: Pair) -> None:
    """Told as done, with an operation that anybody can ask about; the API is not asked to promote it."""
    asked = (await pair.api.control.requests()).get(PROMOTE, 0)
    told = await pair.adapter(pair.primary).promote(LONG)
    assert told.state is PromotionState.DONE
    assert (await pair.api.control.requests()).get(PROMOTE, 0) == asked
    assert (await pair.adapter(pair.primary).promotion(told.operation, LONG)).state is PromotionState.DONE


async def test_a_storm_is_ridden_out_and_a_hanging_api_costs_the_deadline(pair: Pair) -> None:
    """Throttled and unavailable for a moment: it begins all the same. Silent: Transient at the deadline, and nothing began."""
    await pair.api.control.inject([Rule(kind=FaultKind.HANG)])
    began = asyncio.get_running_loop().time()
    with pytest.raises(Transient):
        await pair.adapter().promote(SHORT)
    assert asyncio.get_running_loop().time() - began < SHORT.total_seconds() + 0.2
    await pair.api.control.inject([Rule(kind=FaultKind.THROTTLE, count=2), Rule(kind=FaultKind.UNAVAILABLE, count=1)])
    assert (await pair.adapter().promote(LONG)).state is PromotionState.RUNNING
    assert await pair.promotions() == 1


async def test_facts_are_what_the_vendor_says_and_no_more(pair: Pair) -> None:
    """High availability, disk, maintenance and the primary, in our units; what Cloud SQL leaves out is unknown."""
    bare = await pair.adapter().facts(LONG)
    assert bare is not None
    assert (bare.highly_available, bare.synchronous_standby, bare.storage_free, bare.maintenance) == (None, None, None, None)
    assert bare.replica_of == f"{PROJECT}:{pair.primary}"
    settings = {"availabilityType": "REGIONAL", "dataDiskSizeGb": "100"}
    fields = {
        "settings": settings,
        "currentDiskSize": str(25 * GIB),
        "scheduledMaintenance": {"startTime": "2026-12-01T02:00:00Z"},
        "state": "MAINTENANCE",
    }
    await pair.place(instance=fields)
    full = await pair.adapter().facts(LONG)
    assert full is not None
    assert full.highly_available is True and full.synchronous_standby is True
    assert full.storage_free == 0.75
    assert full.maintenance == datetime(2026, 12, 1, 2, tzinfo=UTC)
    assert full.state == "MAINTENANCE"
    await pair.place(instance={"settings": {"availabilityType": "ZONAL"}})
    zonal = await pair.adapter().facts(LONG)
    assert zonal is not None
    assert (zonal.highly_available, zonal.synchronous_standby) == (False, None), "there is no standby to be synchronous"


async def test_an_instance_that_is_not_there_is_a_value_for_facts_only(pair: Pair) -> None:
    """No such server: None when asked for facts, Unsupported when asked to promote it. Not permitted is neither."""
    nobody = pair.adapter("nobody")
    assert await nobody.facts(LONG) is None
    with pytest.raises(Unsupported):
        await nobody.promote(LONG)
    await pair.api.control.inject([Rule(kind=FaultKind.DENY)])
    with pytest.raises(Denied):
        await nobody.facts(LONG)
