"""ECS services of one region as a site's capacity: the floor is the desired count.

Source: Amazon ECS API reference, DescribeServices and UpdateService.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from controller.core.model import Site
from controller.errors import Unsupported
from controller.ports import Raised
from controller.providers.aws.errors import translated
from controller.providers.calls import Calls

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient


class Ecs:
    """One cluster: `ports.Capacity`."""

    def __init__(
        self,
        *,
        client: "Callable[[], ECSClient]",
        site: Site,
        cluster: str,
        names: Mapping[str, str] | None = None,
        read_deadline: timedelta = timedelta(seconds=2),
    ) -> None:
        """`client` is called once, in a worker thread. `names`: the ECS service of each service; None: they have the same names."""
        self._make_client, self._client_lock = client, threading.Lock()
        self._made: ECSClient | None = None
        self._site, self._cluster, self._names = site, cluster, names
        self._read_deadline, self._calls = read_deadline, Calls(translated)

    @property
    def site(self) -> Site:
        """Whose instances these are."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._calls.count

    async def floor(self, service: str) -> int | None:
        """The desired count; None: no such service is active in the cluster. Raises ProviderError."""
        return await self._desired(service, self._read_deadline)

    async def raise_floor(self, service: str, instances: int, deadline: timedelta) -> Raised:
        """Set the desired count when it is lower. ECS compares nothing: whoever raises it further between the reading and the change
        is overruled, and raises it again with its next look. Raises as `ports.Capacity` says."""
        ends = asyncio.get_running_loop().time() + deadline.total_seconds()
        before = await self._desired(service, deadline)
        if before is None:
            raise Unsupported(f"ECS: there is no active service {self._name(service)} in cluster {self._cluster}")
        if before >= instances:
            return Raised(before=before, after=before)

        def call() -> int:
            name = str(self._name(service))
            answer = self._client().update_service(cluster=self._cluster, service=name, desiredCount=instances)
            return answer["service"]["desiredCount"]

        left = timedelta(seconds=ends - asyncio.get_running_loop().time())
        return Raised(before=before, after=await self._calls.run("UpdateService", call, left))

    async def _desired(self, service: str, deadline: timedelta) -> int | None:
        if (name := self._name(service)) is None:
            return None

        def call() -> int | None:
            answer = self._client().describe_services(cluster=self._cluster, services=[name])
            counts = [one["desiredCount"] for one in answer["services"] if one["status"] == "ACTIVE"]
            return counts[0] if counts else None

        return await self._calls.run("DescribeServices", call, deadline)

    def _name(self, service: str) -> str | None:
        return service if self._names is None else self._names.get(service)

    def _client(self) -> "ECSClient":
        with self._client_lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made
