"""One RDS instance: what RDS says about it, and its promotion from a read replica to a server of its own.

A promotion of RDS has no operation that could be asked about: the instance itself says how far it is. So the operation that goes
into the journal is the instance's name, and when it was asked for. Source: Amazon RDS API reference, DescribeDBInstances,
PromoteReadReplica ("cannot be promoted when it is in the backing-up status"), DescribePendingMaintenanceActions; RDS User Guide,
"Promoting a read replica to be a standalone DB instance" and "Viewing DB instance status"; storage from CloudWatch, metric
FreeStorageSpace of AWS/RDS.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from controller.core.model import Site
from controller.errors import Conflict, ProviderError, Unsupported
from controller.ports import Promotion, PromotionState, ProviderFacts
from controller.providers.aws.errors import translated
from controller.providers.calls import Calls

if TYPE_CHECKING:
    from mypy_boto3_rds import RDSClient

log = logging.getLogger(__name__)

GIB = 1 << 30
SERVING = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "storage-optimization",
    }
)
"""States in which an instance of its own takes writes."""
PROMOTING = frozenset({"modifying", "rebooting"})
"""States in which a promotion that is under way shows a replica."""
BROKEN = frozenset(
    {
        "failed",
        "inaccessible-encryption-credentials",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-parameters",
        "incompatible-restore",
        "restore-error",
        "stopped",
        "storage-full",
    }
)
"""States that an instance does not leave by itself."""
ACCEPTED = timedelta(minutes=5)
"""RDS shows a promotion some moments after it took the request. A replica that is available so long afterwards is not being promoted."""
STORAGE_AGE = timedelta(minutes=5)
"""CloudWatch has one value a minute; an older one than this says nothing about now."""


class Rds:
    """`ports.ManagedDatabase` for one instance of one region."""

    def __init__(
        self,
        *,
        client: "Callable[[], RDSClient]",
        site: Site,
        instance: str,
        metrics: Callable[[], Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`client` and `metrics`, a CloudWatch client, are called once, in worker threads; without `metrics` storage stays unknown."""
        self._make_client, self._make_metrics, self._lock = client, metrics, threading.Lock()
        self._made: RDSClient | None = None
        self._made_metrics: Any = None
        self._site, self._instance, self._now = site, instance, now
        self._calls = Calls(translated)

    @property
    def site(self) -> Site:
        """Where the instance is."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._calls.count

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """What RDS says; maintenance and storage stay unknown when only they cannot be asked. Raises ProviderError."""
        part = deadline / 3
        found = await self._describe(part)
        if found is None:
            return None
        multi_az = bool(found.get("MultiAZ", False))
        return ProviderFacts(
            highly_available=multi_az,
            # The standby of a Multi-AZ instance confirms every commit; without one there is none to speak of.
            synchronous_standby=True if multi_az else None,
            storage_free=await self._storage_free(found, part),
            maintenance=await self._maintenance(found, part),
            replica_of=found.get("ReadReplicaSourceDBInstanceIdentifier") or None,
            state=str(found["DBInstanceStatus"]),
        )

    async def promote(self, deadline: timedelta) -> Promotion:
        """Ask for the promotion of an available replica; of one that is being promoted or is none any more, say how far it is.

        Raises Conflict while RDS is at other work with the replica: it would not promote it, and asking again is right. Otherwise
        raises as `ports.ManagedDatabase` says.
        """
        half = deadline / 2
        found = await self._known(half)
        operation = f"{self._instance} {self._now().isoformat(timespec='seconds')}"
        state = str(found["DBInstanceStatus"])
        if not found.get("ReadReplicaSourceDBInstanceIdentifier") or state in PROMOTING | BROKEN:
            return told(operation, found)
        if state != "available":
            raise Conflict(f"RDS: {self._instance} is {state}, and a replica is promoted when it is available")
        await self._calls.run("PromoteReadReplica", self._promote, half)
        return Promotion(operation=operation, state=PromotionState.RUNNING, detail="asked for")

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """How far it is, read from the instance; failed when it does not begin. Raises ProviderError."""
        instance, _, text = operation.partition(" ")
        asked = _time(text)
        if instance != self._instance or asked is None:
            raise Unsupported(f"RDS: {operation} is no promotion of the instance {self._instance}")
        found = await self._known(deadline)
        source = found.get("ReadReplicaSourceDBInstanceIdentifier")
        if source and found["DBInstanceStatus"] == "available" and self._now() - asked > ACCEPTED:
            detail = f"RDS took the request at {text} and {instance} is still a replica of {source}"
            return Promotion(operation=operation, state=PromotionState.FAILED, detail=detail)
        return told(operation, found)

    def _promote(self) -> None:
        self._client().promote_read_replica(DBInstanceIdentifier=self._instance)

    async def _known(self, deadline: timedelta) -> Mapping[str, Any]:
        found = await self._describe(deadline)
        if found is None:
            raise Unsupported(f"RDS: there is no instance {self._instance}")
        return found

    async def _describe(self, deadline: timedelta) -> Mapping[str, Any] | None:
        def call() -> Mapping[str, Any]:
            instance = self._client().describe_db_instances(DBInstanceIdentifier=self._instance)["DBInstances"][0]
            return {**instance, "DBInstanceStatus": instance["DBInstanceStatus"]}  # a page that is no answer stumbles here

        try:
            return await self._calls.run("DescribeDBInstances", call, deadline)
        except Unsupported as error:
            if "DBInstanceNotFound" in str(error):
                return None
            raise

    async def _maintenance(self, found: Mapping[str, Any], deadline: timedelta) -> datetime | None:
        """The earliest moment at which something pending will be applied."""

        def call() -> datetime | None:
            arn = found["DBInstanceArn"]
            pending = self._client().describe_pending_maintenance_actions(ResourceIdentifier=arn)["PendingMaintenanceActions"]
            details = [detail for one in pending for detail in one["PendingMaintenanceActionDetails"]]
            dates = [d.get("CurrentApplyDate") or d.get("AutoAppliedAfterDate") or d.get("ForcedApplyDate") for d in details]
            return min((date for date in dates if date is not None), default=None)

        try:
            return await self._calls.run("DescribePendingMaintenanceActions", call, deadline)
        except ProviderError as error:
            log.info("RDS: cannot ask for maintenance: %s", error)
            return None

    async def _storage_free(self, found: Mapping[str, Any], deadline: timedelta) -> float | None:
        if self._make_metrics is None or not found.get("AllocatedStorage"):
            return None

        def call() -> float | None:
            now = self._now()
            points = self._metrics().get_metric_statistics(
                Namespace="AWS/RDS",
                MetricName="FreeStorageSpace",
                Dimensions=[{"Name": "DBInstanceIdentifier", "Value": self._instance}],
                StartTime=now - STORAGE_AGE,
                EndTime=now,
                Period=60,
                Statistics=["Average"],
            )["Datapoints"]
            latest = max(points, key=lambda point: point["Timestamp"], default=None)
            return None if latest is None else float(min(1.0, latest["Average"] / (found["AllocatedStorage"] * GIB)))

        try:
            return await self._calls.run("GetMetricStatistics", call, deadline)
        except ProviderError as error:
            log.info("RDS: cannot ask for storage: %s", error)
            return None

    def _client(self) -> "RDSClient":
        with self._lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made

    def _metrics(self) -> Any:
        with self._lock:
            if self._made_metrics is None and self._make_metrics is not None:
                self._made_metrics = self._make_metrics()
            return self._made_metrics


def told(operation: str, found: Mapping[str, Any]) -> Promotion:
    """What an instance's own state says about its promotion.

    An available replica is told as running, not as failed: a plan that was told it failed would end while the replica still becomes a
    server of its own.
    """
    state, source = str(found["DBInstanceStatus"]), found.get("ReadReplicaSourceDBInstanceIdentifier")
    if state in BROKEN:
        return Promotion(operation=operation, state=PromotionState.FAILED, detail=state)
    if source:
        return Promotion(operation=operation, state=PromotionState.RUNNING, detail=f"{state}, still a replica of {source}")
    return Promotion(operation=operation, state=PromotionState.DONE if state in SERVING else PromotionState.RUNNING, detail=state)


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
