"""What RDS's adapter says beyond the contract of managed databases, and what the emulated RDS must get right for that."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from controller.errors import Conflict, Denied
from controller.ports import PromotionState
from controller.providers.aws.database import ACCEPTED, Rds
from lab.clouds.faults import FaultKind, Rule
from tests.contract.emulated_aws import PROMOTION
from tests.contract.implementation import Started, started
from tests.contract.managed_worlds import RDS, RdsWorld

LONG = timedelta(seconds=5)
GIB = 1 << 30


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The emulated API, shared by the module."""
    with started(tmp_path_factory.mktemp("rds")) as made:
        yield made


@pytest.fixture
async def rds(shared: Started, request: pytest.FixtureRequest) -> AsyncIterator[RdsWorld]:
    """A replica and its primary that nobody else uses."""
    async with shared.world(RDS, request.node.originalname) as world:
        assert isinstance(world, RdsWorld)
        yield world


async def report_storage(rds: RdsWorld, gib: float, at: datetime) -> None:
    """What CloudWatch measures of the replica's disk."""
    data = {
        "MetricName": "FreeStorageSpace",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": rds.replica}],
        "Timestamp": at,
        "Value": gib * GIB,
    }
    await asyncio.to_thread(lambda: rds.metrics.put_metric_data(Namespace="AWS/RDS", MetricData=[data]))


async def test_facts_say_how_safe_a_server_is(rds: RdsWorld) -> None:
    """A Multi-AZ instance has a standby that confirms every commit; the rest of its disk is what CloudWatch measured last."""
    now = datetime.now(UTC)
    await report_storage(rds, 50, now - timedelta(minutes=3))
    await report_storage(rds, 25, now - timedelta(minutes=1))
    facts = await rds.database.facts(LONG)
    assert facts is not None
    assert (facts.highly_available, facts.synchronous_standby, facts.state) == (True, True, "available")
    assert facts.storage_free == pytest.approx(0.25)
    assert facts.maintenance is None


async def test_what_was_measured_long_ago_says_nothing_about_now(rds: RdsWorld) -> None:
    """An agent that stopped reporting an hour ago must not look like a disk with room."""
    await report_storage(rds, 90, datetime.now(UTC) - timedelta(hours=1))
    facts = await rds.database.facts(LONG)
    assert facts is not None and facts.storage_free is None


@pytest.mark.parametrize("operation", ["GetMetricStatistics", "DescribePendingMaintenanceActions"])
async def test_facts_do_not_fail_for_what_is_only_nice_to_know(rds: RdsWorld, operation: str) -> None:
    """Without permission for metrics or maintenance these two stay unknown; the server itself is told."""
    await rds.control.inject([Rule(kind=FaultKind.DENY, operation=operation)])
    facts = await rds.database.facts(LONG)
    assert facts is not None and facts.replica_of == rds.primary
    await rds.control.inject([Rule(kind=FaultKind.DENY, operation="DescribeDBInstances")])
    with pytest.raises(Denied):
        await rds.database.facts(LONG)


async def test_without_metrics_storage_is_unknown(rds: RdsWorld) -> None:
    """Unknown is an answer."""
    bare = Rds(client=lambda: rds.api, site=rds.database.site, instance=rds.replica)
    facts = await bare.facts(LONG)
    assert facts is not None and facts.storage_free is None


async def test_a_promotion_that_rds_took_and_forgot_is_failed_in_the_end(rds: RdsWorld) -> None:
    """RDS said yes and the replica stays one. For a while that is how a promotion begins; told as running for ever, it would keep its
    plan waiting for ever, and nobody would ask again."""
    now = datetime.now(UTC)
    database = Rds(client=lambda: rds.api, site=rds.database.site, instance=rds.replica, now=lambda: now)
    await rds.weather.ignore_change()
    begun = await database.promote(LONG)
    assert (await database.promotion(begun.operation, LONG)).state is PromotionState.RUNNING
    now += ACCEPTED + timedelta(seconds=1)
    told = await database.promotion(begun.operation, LONG)
    assert told.state is PromotionState.FAILED and rds.primary in told.detail
    again = await database.promote(LONG)
    assert (again.state, again.operation != begun.operation) == (PromotionState.RUNNING, True)
    assert (await database.promotion(again.operation, LONG)).detail.startswith("modifying")


@pytest.mark.parametrize("state", ["backing-up", "storage-optimization", "configuring-enhanced-monitoring", "upgrading"])
async def test_a_replica_that_is_busy_is_not_told_as_being_promoted(rds: RdsWorld, state: str) -> None:
    """RDS promotes available replicas only: one that is being backed up was not asked, and would be waited for, and never promoted."""
    busy = Busy(rds.api, state)
    database = Rds(client=lambda: busy, site=rds.database.site, instance=rds.replica)
    asked = await rds.promotions()
    with pytest.raises(Conflict, match=state):
        await database.promote(LONG)
    assert await rds.promotions() == asked
    busy.state = None
    assert (await database.promote(LONG)).state is PromotionState.RUNNING
    assert await rds.promotions() == asked + 1


async def test_a_replica_that_gets_busy_between_two_questions_is_asked_again(rds: RdsWorld) -> None:
    """It was available when it was looked at, and RDS would not have it: that is no promotion by somebody else."""
    await rds.control.inject([Rule(kind=FaultKind.BUSY, operation="PromoteReadReplica", count=1)])
    with pytest.raises(Conflict):
        await rds.database.promote(LONG)
    assert (await rds.database.promote(LONG)).state is PromotionState.RUNNING


class Busy:
    """The vendor's client; the instance is told to be in this state."""

    def __init__(self, api: Any, state: str | None) -> None:
        self._api, self.state = api, state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def describe_db_instances(self, **asked: Any) -> Any:
        """As RDS says it, but for the state."""
        answer = self._api.describe_db_instances(**asked)
        if self.state is not None:
            answer["DBInstances"][0]["DBInstanceStatus"] = self.state
        return answer


async def test_the_emulated_promotion_takes_its_time_and_cuts_the_replica_off(rds: RdsWorld) -> None:
    """Modifying while it runs, refused a second time, and in the end the primary has no replica any more."""

    def instance(name: str) -> dict[str, object]:
        return dict(rds.api.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])

    def promote() -> object:
        return rds.api.promote_read_replica(DBInstanceIdentifier=rds.replica)

    assert (await asyncio.to_thread(instance, rds.primary))["ReadReplicaDBInstanceIdentifiers"] == [rds.replica]
    await asyncio.to_thread(promote)
    assert (await asyncio.to_thread(instance, rds.replica))["DBInstanceStatus"] == "modifying"
    with pytest.raises(ClientError, match="InvalidDBInstanceState"):
        await asyncio.to_thread(promote)
    await asyncio.sleep(PROMOTION)
    over = await asyncio.to_thread(instance, rds.replica)
    assert over["DBInstanceStatus"] == "available" and not over.get("ReadReplicaSourceDBInstanceIdentifier")
    assert not (await asyncio.to_thread(instance, rds.primary))["ReadReplicaDBInstanceIdentifiers"]
    with pytest.raises(ClientError, match="not a read replica"):
        await asyncio.to_thread(promote)
