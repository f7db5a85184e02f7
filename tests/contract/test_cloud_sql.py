"""What only Cloud SQL does: operations that are found again, a promotion told as done that is none, facts in its own words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from controller.errors import Denied
from controller.ports import Promotion, PromotionState, ProviderFacts
from controller.providers.gcp.database import GIB, CloudSql
from lab.clouds.faults import FaultKind, Rule
from tests.contract.google_worlds import PROJECT, CloudSqlWorld, cloudsql_world, emulated_google

LONG = timedelta(seconds=5)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulated Google of this module."""
    with emulated_google(tmp_path_factory.mktemp("google")) as found:
        yield found


@pytest.fixture
async def world(url: str) -> AsyncIterator[CloudSqlWorld]:
    """A healthy replica and its primary."""
    async with cloudsql_world(url, "sql") as made:
        yield made


async def finished(adapter: CloudSql, operation: str) -> Promotion:
    """The promotion once it is over."""
    async with asyncio.timeout(5):
        while (told := await adapter.promotion(operation, LONG)).state is PromotionState.RUNNING:
            await asyncio.sleep(0.05)
    return told


async def facts(world: CloudSqlWorld, **fields: object) -> ProviderFacts:
    """What is told of the replica once it has these fields of the API's."""
    await world.found(instance=fields)
    told = await world.database.facts(LONG)
    assert told is not None
    return told


async def test_a_lost_answer_begins_no_second_promotion(world: CloudSqlWorld) -> None:
    """The operation's name was lost with the answer: it is found among the instance's operations, and there is only one."""
    await world.weather.lose_answer()
    begun = await world.database.promote(LONG)
    assert (await finished(world.another(), begun.operation)).state is PromotionState.DONE
    path = f"/v1/projects/{PROJECT}/operations?instance={world.replica}"
    assert [operation["name"] for operation in (await world.api.ask("GET", path))["items"]] == [begun.operation]
    assert (await world.api.ask("GET", f"/v1/projects/{PROJECT}/instances/{world.main}"))["replicaNames"] == []


async def test_a_promotion_without_effect_is_failed(world: CloudSqlWorld) -> None:
    """Cloud SQL says DONE and the instance is a replica still: told as failed, with what is wrong."""
    await world.weather.ignore_change()
    told = await finished(world.database, (await world.database.promote(LONG)).operation)
    assert told.state is PromotionState.FAILED
    assert f"still a read replica of {world.primary}" in told.detail


async def test_a_failed_promotion_says_why(world: CloudSqlWorld) -> None:
    """The vendor's words reach the journal."""
    await world.found(seconds=0.1, error="the replica cannot catch up")
    told = await finished(world.database, (await world.database.promote(LONG)).operation)
    assert told.state is PromotionState.FAILED
    assert "the replica cannot catch up" in told.detail


async def test_an_instance_that_is_no_replica_stands_alone_already(world: CloudSqlWorld) -> None:
    """Told as done, with an operation that anybody can ask about; the API is not asked to promote it."""
    asked, alone = await world.promotions(), world.another(world.main)
    told = await alone.promote(LONG)
    assert told.state is PromotionState.DONE
    assert (await world.another(world.main).promotion(told.operation, LONG)).state is PromotionState.DONE
    assert await world.promotions() == asked


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("RUNNABLE", PromotionState.DONE),
        ("MAINTENANCE", PromotionState.RUNNING),
        ("PENDING_CREATE", PromotionState.RUNNING),
        ("FAILED", PromotionState.FAILED),
        ("SUSPENDED", PromotionState.FAILED),
    ],
)
async def test_an_instance_that_stands_alone_has_to_run(world: CloudSqlWorld, state: str, expected: PromotionState) -> None:
    """It follows nobody any more, and is down: whoever was told that it is promoted would send payers to a standstill."""
    await world.api.place(f"instances/{world.main}", {"instance": {"state": state}})
    alone = world.another(world.main)
    told = await alone.promote(LONG)
    assert (told.state, state in told.detail) == (expected, True)
    assert (await alone.promotion(told.operation, LONG)).state is expected


async def test_a_storm_is_ridden_out(world: CloudSqlWorld) -> None:
    """Throttled, unavailable and busy for a moment: it begins all the same, once."""
    asked = await world.promotions()
    storm = [Rule(kind=kind, count=1) for kind in (FaultKind.THROTTLE, FaultKind.UNAVAILABLE, FaultKind.BUSY)]
    await world.api.control.inject(storm)
    assert (await world.database.promote(LONG)).state is PromotionState.RUNNING
    assert await world.promotions() == asked + 1


async def test_facts_are_what_the_vendor_says_and_no_more(world: CloudSqlWorld) -> None:
    """High availability, disk, maintenance and state, in our units; what Cloud SQL leaves out is unknown."""
    bare = await facts(world)
    assert (bare.highly_available, bare.synchronous_standby, bare.storage_free, bare.maintenance) == (None, None, None, None)
    full = await facts(
        world,
        settings={"availabilityType": "REGIONAL", "dataDiskSizeGb": "100"},
        currentDiskSize=str(25 * GIB),
        scheduledMaintenance={"startTime": "2026-12-01T02:00:00Z"},
        state="MAINTENANCE",
    )
    assert full == ProviderFacts(
        highly_available=True,
        synchronous_standby=True,
        storage_free=0.75,
        maintenance=datetime(2026, 12, 1, 2, tzinfo=UTC),
        replica_of=world.primary,
        state="MAINTENANCE",
    )
    zonal = await facts(world, settings={"availabilityType": "ZONAL"})
    assert (zonal.highly_available, zonal.synchronous_standby) == (False, None), "there is no standby to be synchronous"


async def test_not_permitted_is_not_absent(world: CloudSqlWorld) -> None:
    """An instance that may not be looked at is an error, not one that does not exist."""
    await world.weather.deny()
    with pytest.raises(Denied):
        await world.another("nowhere").facts(LONG)
