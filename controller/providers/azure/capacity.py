"""Container Apps as a site's capacity: the floor is the least number of replicas that an app keeps.

It stands in the app's template, so raising it makes a new revision. Source: Azure Container Apps, "Revisions" (revision-scope
changes, revision suffix, traffic of several revisions at once), "Set scaling rules"; REST API, "Container Apps - Update", a merge patch.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from controller.core.model import Site
from controller.errors import Unsupported
from controller.ports import Raised
from controller.providers.azure.errors import Absent, translated
from controller.providers.azure.session import Client, acquire, ends_after, operation_link, repeated
from controller.providers.calls import Calls

if TYPE_CHECKING:
    from azure.core.pipeline import PipelineResponse
    from azure.mgmt.appcontainers import ContainerAppsAPIClient

DEFAULT_MOST = 10
"""Most replicas of an app that names no limit. Source: Azure Container Apps, "Set scaling rules"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What an app says about its replicas."""

    least: int
    most: int
    latest_serves: bool
    """Does a new revision get traffic? With several revisions at once only where the app sends some to the latest."""


class ContainerApps:
    """The container apps of one resource group: `ports.Capacity`."""

    def __init__(
        self,
        *,
        site: Site,
        client: "Callable[[], ContainerAppsAPIClient]",
        resource_group: str,
        apps: Mapping[str, str],
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`apps`: name of the app that runs a service; a service that is not named runs in an app of its own name."""
        self._site, self._apps, self._resource_group = site, dict(apps), resource_group
        self._calls = Calls(translated)
        self._client = Client(client, self._calls)
        self._read_deadline = read_deadline
        self._raising: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def site(self) -> Site:
        """Whose instances these are."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests sent to Azure so far."""
        return self._calls.count

    async def floor(self, service: str) -> int | None:
        """The app's `minReplicas`; None: there is no such app. Raises ProviderError."""
        found = await self._scale(service, ends_after(self._read_deadline))
        return None if found is None else found.least

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Patch `minReplicas`, and `maxReplicas` with it where that is lower; done when Azure has accepted it.

        Azure then makes a new revision in its own time, which nobody here waits for. Tries again on throttling and lost answers.
        Raises Unsupported when there is no such app, or when it runs several revisions at once and a new one gets no traffic,
        Transient when the deadline is over, Denied, Conflict.
        """
        ends = ends_after(deadline)

        async def attempt() -> Raised:
            found = await self._scale(service, ends)
            if found is None:
                raise Unsupported(f"there is no container app {self._app(service)} in {self._resource_group}")
            if found.least < instances:
                if not found.latest_serves:
                    raise Unsupported(f"{self._app(service)} runs several revisions at once, and a new one would get no traffic")
                await self._patch(service, instances, found, ends)
            return Raised(before=found.least, after=max(found.least, instances))

        # Of two raisings at once the lower one, sent last, would take back what the higher one was told.
        await acquire(self._raising[service], ends)
        try:
            return await repeated(attempt, ends)
        finally:
            self._raising[service].release()

    async def _scale(self, service: str, ends: float) -> Scale | None:
        """As it is now; None: there is no such app."""
        try:
            return await self._client.ask(
                "ContainerApps_Get",
                lambda client: _scale(client.container_apps.get(self._resource_group, self._app(service)).as_dict()),
                ends,
            )
        except Absent:
            return None

    async def _patch(self, service: str, least: int, found: Scale, ends: float) -> None:
        """What need not change is not sent: as it was read, it would take back what somebody else has changed since. The revision is
        left for Azure to name: a release may have named the present one, and Azure refuses a second revision of one name."""
        scale = {"minReplicas": least} | ({"maxReplicas": least} if found.most < least else {})
        body = {"properties": {"template": {"revisionSuffix": None, "scale": scale}}}

        def question(client: "ContainerAppsAPIClient") -> None:
            answers: list[PipelineResponse[Any, Any]] = []
            client.container_apps.begin_update(
                self._resource_group, self._app(service), cast("Any", body), polling=False, raw_response_hook=answers.append
            )
            operation_link(answers[-1])

        await self._client.ask("ContainerApps_Update", question, ends)

    def _app(self, service: str) -> str:
        return self._apps.get(service, service)


def _scale(app: Mapping[str, Any]) -> Scale:
    properties: Mapping[str, Any] = app["properties"]
    scale = (properties.get("template") or {}).get("scale") or {}
    configuration = properties.get("configuration") or {}
    traffic = (configuration.get("ingress") or {}).get("traffic") or ()
    return Scale(
        least=int(scale.get("minReplicas") or 0),
        most=int(scale.get("maxReplicas") or DEFAULT_MOST),
        latest_serves=configuration.get("activeRevisionsMode") != "Multiple"
        or any(one.get("latestRevision") and one.get("weight") for one in traffic),
    )
