"""PostgreSQL Flexible Server as a managed database: what Azure says about the server, and the promotion of a read replica.

Source: Azure Database for PostgreSQL REST API, "Servers - Get", "Servers - Update" (`replica.promoteMode`), "Maintenance Events - List";
Azure Resource Manager, "Track asynchronous Azure operations". The standby of a highly available server is replicated synchronously:
Azure Database for PostgreSQL, "High availability".
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from controller.core.model import Site
from controller.errors import Conflict, ProviderError, Unsupported
from controller.ports import Promotion, PromotionState, ProviderFacts
from controller.providers.azure.errors import Absent, translated
from controller.providers.azure.session import Client, ends_after, operation_link, repeated
from controller.providers.calls import Calls

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
    from azure.mgmt.postgresqlflexibleservers.models import MaintenanceEventResource

REPLICA_ROLES = ("AsyncReplica", "GeoAsyncReplica")
STANDBY_MODES = ("ZoneRedundant", "SameZone")
PROMOTE = {"properties": {"replica": {"promoteMode": "Standalone", "promoteOption": "Forced"}}}
"""Forced: a planned promotion waits for the source, and it is asked for when that is gone."""
COMING = frozenset({"Provisioning", "Restarting", "Starting", "Updating"})
"""States that a server leaves by itself, and in which it may not take writes yet."""
ENDED = {"succeeded": PromotionState.DONE, "failed": PromotionState.FAILED, "canceled": PromotionState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What is needed of Azure's document about a server."""

    name: str
    role: str
    state: str
    source: str | None
    standby_mode: str
    standby_state: str

    @property
    def standing(self) -> Promotion | None:
        """The promotion that shows in the server itself: under way, done, or ended with a server that does not run; None when it is a
        replica and nothing goes on."""
        if self.role in REPLICA_ROLES:
            if self.state != "Updating":
                return None
            return Promotion(operation=self.name, state=PromotionState.RUNNING, detail=f"{self.name}: Azure is updating it")
        state = PromotionState.RUNNING if self.state in COMING else PromotionState.FAILED
        state = PromotionState.DONE if self.state == "Ready" else state
        return Promotion(operation=self.name, state=state, detail=f"{self.name}: is no replica, and {self.state}")

    def facts(self, maintenance: datetime | None) -> ProviderFacts:
        """For readiness. A standby that is still being filled is none yet."""
        has_standby = self.standby_mode in STANDBY_MODES
        ready = has_standby and self.standby_state == "Healthy"
        return ProviderFacts(
            highly_available=ready,
            synchronous_standby=ready if has_standby else None,
            storage_free=None,
            maintenance=maintenance,
            replica_of=(self.source or "unknown").rpartition("/")[2] if self.role in REPLICA_ROLES else None,
            state=self.state,
        )


class FlexibleServer:
    """One flexible server: `ports.ManagedDatabase`."""

    def __init__(
        self, *, site: Site, client: "Callable[[], PostgreSQLManagementClient]", resource_group: str, server: str
    ) -> None:
        """`client` is called once, in a worker thread."""
        self._site, self._resource_group, self._server = site, resource_group, server
        self._calls = Calls(translated)
        self._client = Client(client, self._calls)

    @property
    def site(self) -> Site:
        """Where the server is."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests sent to Azure so far."""
        return self._calls.count

    async def facts(self, deadline: timedelta) -> ProviderFacts | None:
        """What Azure says about the server; it does not say how full its disk is. Raises ProviderError.

        Maintenance comes from a list of its own. Where it cannot be read, the rest is told without it.
        """
        ends = ends_after(deadline)
        server, maintenance = await asyncio.gather(
            repeated(lambda: self._get(ends), ends), self._maintenance(ends), return_exceptions=True
        )
        if isinstance(server, BaseException):
            raise server
        if isinstance(maintenance, BaseException) and not isinstance(maintenance, ProviderError):
            raise maintenance
        if server is None:
            return None
        return server.facts(None if isinstance(maintenance, BaseException) else maintenance)

    async def promote(self, deadline: timedelta) -> Promotion:
        """Make the replica a server of its own at once, whatever of its source it has not received.

        A server that is no replica is told as done: Azure forgets that it ever was one. Tries again on throttling and lost answers.
        Raises Unsupported when there is no such server, Transient when the deadline is over (ask again), Denied.
        """
        ends = ends_after(deadline)

        async def attempt() -> Promotion:
            if (standing := (await self._present(ends)).standing) is not None:
                return standing
            try:
                link = await self._client.ask("Servers_Update", self._begin, ends)
            except Conflict:
                # Somebody else's promotion came first; if it is other work that keeps the server, asking again is right.
                if (standing := (await self._present(ends)).standing) is not None:
                    return standing
                raise
            detail = f"{self._server}: Azure has accepted the promotion"
            operation = f"{self._server} {relative(link)}".rstrip()
            return Promotion(operation=operation, state=PromotionState.RUNNING, detail=detail)

        return await repeated(attempt, ends)

    async def promotion(self, operation: str, deadline: timedelta) -> Promotion:
        """Ask for the operation once, and for the server when it has ended well.

        An operation is the server's name, and the path of Azure's own operation where there is one. Without it (somebody else began
        the promotion, or the answer was lost), and when Azure no longer knows it, the server alone says how far it is. Raises
        Unsupported for an operation of another server, Transient, Denied.
        """
        ends = ends_after(deadline)
        server, _, path = operation.partition(" ")
        if server != self._server or relative(path) != path:
            raise Unsupported(f"{self._server}: there is no operation {operation}")

        async def attempt() -> Promotion:
            found = await self._operation(path, ends)
            state = ENDED.get(str(found["status"]).lower(), PromotionState.RUNNING) if found is not None else None
            if found is not None and state in (PromotionState.RUNNING, PromotionState.FAILED):
                reason = (found["error"] or {}).get("message") or found["status"]
                return Promotion(operation=operation, state=state, detail=f"{self._server}: {reason}")
            server = await self._present(ends)
            detail = f"{self._server}: {'Azure says that it was promoted, and it' if found else 'it'} is a replica as before"
            unmoved = Promotion(operation=operation, state=PromotionState.FAILED, detail=detail)
            return replace(server.standing or unmoved, operation=operation)

        return await repeated(attempt, ends)

    async def _operation(self, path: str, ends: float) -> Mapping[str, Any] | None:
        """Azure's document about it; None when there is none. It is a path and no link: it comes from the journal, and a link from
        there would take this controller's token wherever it points."""
        if not path:
            return None
        try:
            return await self._client.ask("Operations_Get", lambda client: _status(client, path), ends)
        except Absent:
            return None

    async def _present(self, ends: float) -> Server:
        server = await self._get(ends)
        if server is None:
            raise Unsupported(f"there is no flexible server {self._server} in {self._resource_group}")
        return server

    async def _get(self, ends: float) -> Server | None:
        try:
            return await self._client.ask(
                "Servers_Get",
                lambda client: _server(self._server, client.servers.get(self._resource_group, self._server).as_dict()),
                ends,
            )
        except Absent:
            return None

    async def _maintenance(self, ends: float) -> datetime | None:
        """Start of the next maintenance that Azure has planned."""
        starts = await self._client.collect(
            "MaintenanceEvents_List",
            lambda client: client.maintenance_events.list(self._resource_group, self._server, maintenance_status="Upcoming"),
            _start,
            ends,
        )
        return min(starts, default=None)

    def _begin(self, client: "PostgreSQLManagementClient") -> str:
        """Send the patch; answers the link to its operation, empty when only its result has one.

        Without polling: the SDK's poller would go on asking in a thread of its own, for as long as the promotion takes.
        """
        answers: list[PipelineResponse[Any, Any]] = []
        client.servers.begin_update(
            self._resource_group, self._server, cast("Any", PROMOTE), polling=False, raw_response_hook=answers.append
        )
        link = operation_link(answers[-1])
        return link if "/azureasyncoperation/" in link.lower() else ""


def _start(event: "MaintenanceEventResource") -> datetime:
    if event.properties is None:
        raise ValueError("a maintenance event without properties")
    return event.properties.start_time.astimezone(UTC)


def relative(link: str) -> str:
    """A link to Azure Resource Manager without its host, fit for the journal and for another controller's endpoint; empty when it
    leads nowhere below a subscription."""
    parts = urlsplit(link)
    if not parts.path.startswith("/subscriptions/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _status(client: "PostgreSQLManagementClient", path: str) -> Mapping[str, Any]:
    from azure.core.rest import HttpRequest

    response = client.send_request(HttpRequest("GET", path))
    response.raise_for_status()
    found: Mapping[str, Any] = response.json()
    return {"status": found["status"], "error": found.get("error")}


def _server(name: str, document: Mapping[str, Any]) -> Server:
    properties = document["properties"]
    standby = properties.get("highAvailability") or {}
    return Server(
        name=name,
        role=str(properties.get("replicationRole") or "None"),
        state=str(properties["state"]),
        source=properties.get("sourceServerResourceId"),
        standby_mode=str(standby.get("mode") or "Disabled"),
        standby_state=str(standby.get("state") or "NotEnabled"),
    )
