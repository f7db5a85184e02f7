"""One Cloud SQL instance as its provider acts on it: `ports.ManagedDatabase`.

Source: Cloud SQL Admin API v1, DatabaseInstance, instances.promoteReplica, operations.get and operations.list; "About high
availability" (a REGIONAL instance's standby zone holds a synchronous copy of its disk).
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.core.model import Site
from controller.ports import Promotion, PromotionState, ProviderFacts
from controller.providers.gcp.errors import Missing
from controller.providers.gcp.session import Api, Client, end_of, persist

HIGHLY_AVAILABLE = {"REGIONAL": True, "ZONAL": False}
PROMOTE = "PROMOTE_REPLICA"
DOWN = frozenset({"FAILED", "PENDING_DELETE", "SUSPENDED"})
"""States that an instance does not leave by itself."""
RECENT = 20
"""Operations of the instance that are looked through for a promotion."""
GIB = 2**30


class CloudSql:
    """One instance."""

    def __init__(self, *, client: Callable[[], Client], site: Site, project: str, instance: str) -> None:
        """`client` makes one for `sqladmin` `v1`, once, in a worker thread."""
        self._api, self._site = Api(client), site
        self._project, self._instance = project, instance

    @property
    def site(self) -> Site:
        """Where the server is."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests sent to the API so far."""
        return self._api.calls

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """What Cloud SQL says about the instance; None: there is no such instance. Raises ProviderError."""
        ends = end_of(deadline)
        try:
            return await persist(lambda: self._api.ask("instances.get", self._get, ends, _facts), ends)
        except Missing:
            return None

    async def promote(self, deadline: timedelta) -> Promotion:
        """Begin to make the read replica an instance of its own; asked again, it finds the running or the finished promotion.

        A replica whose last promotion failed, or was told as done without having any effect, is promoted again. Raises as
        `ports.ManagedDatabase.promote` says.
        """
        ends = end_of(deadline)

        async def attempt() -> Promotion:
            last = await self._last(ends)
            if last is not None and last.state is PromotionState.RUNNING:
                return last
            facts = await self._api.ask("instances.get", self._get, ends, _facts)
            if facts.replica_of is None:
                # An operation that failed, or none: the instance itself, which stands alone, is what can be asked about.
                known = last is not None and last.state is PromotionState.DONE
                return _alone(last.operation if last and known else self._instance, facts)
            return await self._api.ask("instances.promoteReplica", self._begin, ends, _promotion)

        return await persist(attempt, ends)

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """How far the promotion is. DONE only when the instance is no replica any more and runs: an operation that says so is not enough.

        Of an instance for which Cloud SQL remembers no promotion its name is the operation.
        """
        ends = end_of(deadline)

        def question(sql: Any) -> Any:
            return sql.operations().get(project=self._project, operation=operation)

        async def attempt() -> Promotion:
            if operation != self._instance:
                told = await self._api.ask("operations.get", question, ends, _promotion)
                if told.state is not PromotionState.DONE:
                    return told
            facts = await self._api.ask("instances.get", self._get, ends, _facts)
            if facts.replica_of is None:
                return _alone(operation, facts)
            detail = f"over, and {self._instance} is still a read replica of {facts.replica_of}"
            return Promotion(operation=operation, state=PromotionState.FAILED, detail=detail)

        return await persist(attempt, ends)

    async def _last(self, ends: float) -> Promotion | None:
        """The newest promotion of the instance that Cloud SQL remembers."""

        def question(sql: Any) -> Any:
            return sql.operations().list(project=self._project, instance=self._instance, maxResults=RECENT)

        def take(answer: dict[str, Any]) -> Promotion | None:
            if answer.get("kind") != "sql#operationsList":
                raise ValueError(f"expected sql#operationsList, got {answer.get('kind')}")
            ours = [
                item
                for item in answer.get("items", ())
                if item["operationType"] == PROMOTE and item["targetId"] == self._instance
            ]
            return _promotion(max(ours, key=lambda item: str(item["insertTime"]))) if ours else None

        return await self._api.ask("operations.list", question, ends, take)

    def _get(self, sql: Any) -> Any:
        return sql.instances().get(project=self._project, instance=self._instance)

    def _begin(self, sql: Any) -> Any:
        return sql.instances().promoteReplica(project=self._project, instance=self._instance)


def _alone(operation: str, facts: ProviderFacts) -> Promotion:
    """An instance that follows nobody: promoted, once it runs."""
    state = PromotionState.FAILED if facts.state in DOWN else PromotionState.RUNNING
    state = PromotionState.DONE if facts.state == "RUNNABLE" else state
    return Promotion(operation=operation, state=state, detail=f"no read replica, and {facts.state}")


def _facts(answer: dict[str, Any]) -> ProviderFacts:
    settings = answer.get("settings", {})
    available = HIGHLY_AVAILABLE.get(str(settings.get("availabilityType")))
    return ProviderFacts(
        highly_available=available,
        synchronous_standby=True if available else None,
        storage_free=_storage_free(answer, settings),
        maintenance=_time(answer.get("scheduledMaintenance", {}).get("startTime")),
        replica_of=answer.get("masterInstanceName"),
        state=str(answer["state"]),
    )


def _storage_free(answer: Mapping[str, Any], settings: Mapping[str, Any]) -> float | None:
    """None where Cloud SQL leaves out `currentDiskSize`, which is on its way out in favour of Cloud Monitoring."""
    used, size = answer.get("currentDiskSize"), settings.get("dataDiskSizeGb")
    if used is None or not size:
        return None
    return min(1.0, max(0.0, 1 - int(used) / (int(size) * GIB)))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _promotion(answer: dict[str, Any]) -> Promotion:
    if answer.get("error"):
        detail = "; ".join(f"{error.get('code')}: {error.get('message')}" for error in answer["error"].get("errors", ()))
        state = PromotionState.FAILED
    else:
        state = PromotionState.DONE if answer["status"] == "DONE" else PromotionState.RUNNING
        detail = str(answer["status"])
    return Promotion(operation=str(answer["name"]), state=state, detail=detail)
