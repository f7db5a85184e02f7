"""Container Apps as a site's capacity: the floor is the least number of replicas that an app keeps."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
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
        return None if found is None else found[0]

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Patch `minReplicas`, and `maxReplicas` with it where that is lower; done when Azure has accepted it.

        Azure then makes a new revision in its own time, which nobody here waits for. Tries again on throttling and lost answers.
        Raises Unsupported when there is no such app, Transient when the deadline is over, Denied, Conflict.
        """
        ends = ends_after(deadline)

        async def attempt() -> Raised:
            found = await self._scale(service, ends)
            if found is None:
                raise Unsupported(f"there is no container app {self._app(service)} in {self._resource_group}")
            present, most = found
            if present < instances:
                await self._patch(service, instances, max(most, instances), ends)
            return Raised(before=present, after=max(present, instances))

        # Of two raisings at once the lower one, sent last, would take back what the higher one was told.
        await acquire(self._raising[service], ends)
        try:
            return await repeated(attempt, ends)
        finally:
            self._raising[service].release()

    async def _scale(self, service: str, ends: float) -> tuple[int, int] | None:
        """Least and most replicas now."""

        def question(client: "ContainerAppsAPIClient") -> tuple[int, int]:
            found: dict[str, Any] = client.container_apps.get(self._resource_group, self._app(service)).as_dict()
            scale = (found["properties"].get("template") or {}).get("scale") or {}
            return int(scale.get("minReplicas") or 0), int(scale.get("maxReplicas") or DEFAULT_MOST)

        try:
            return await self._client.ask("ContainerApps_Get", question, ends)
        except Absent:
            return None

    async def _patch(self, service: str, least: int, most: int, ends: float) -> None:
        body = {"properties": {"template": {"scale": {"minReplicas": least, "maxReplicas": most}}}}

        def question(client: "ContainerAppsAPIClient") -> None:
            answers: list[PipelineResponse[Any, Any]] = []
            client.container_apps.begin_update(
                self._resource_group, self._app(service), cast("Any", body), polling=False, raw_response_hook=answers.append
            )
            operation_link(answers[-1])

        await self._client.ask("ContainerApps_Update", question, ends)

    def _app(self, service: str) -> str:
        return self._apps.get(service, service)
