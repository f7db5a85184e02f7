"""What RDS's adapter says beyond the contract of managed databases, and what the emulated RDS must get right for that."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from controller.errors import Denied
from controller.providers.aws.database import Rds
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
