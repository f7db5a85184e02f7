"""How this process talks to Azure Resource Manager: clients whose waits are bounded, and calls whose deadline fires whatever it does."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from controller.errors import Refused, Transient
from controller.providers.azure.errors import Busy
from controller.providers.calls import Calls, refuse_late

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.paging import ItemPaged
    from azure.core.pipeline import PipelineResponse
    from azure.core.pipeline.transport import HttpTransport
    from azure.mgmt.appcontainers import ContainerAppsAPIClient
    from azure.mgmt.dns import DnsManagementClient
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

C = TypeVar("C")
T = TypeVar("T")
U = TypeVar("U")

FIRST_PAUSE = timedelta(milliseconds=100)
LONGEST_PAUSE = timedelta(seconds=2)
"""Pauses double between tries: a subscription's tokens refill by the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One subscription, and how Azure Resource Manager is reached."""

    subscription_id: str
    endpoint_url: str | None = None
    """None: Azure's public endpoint."""
    authority_file: str | None = None
    """Certificates of who may vouch for that endpoint; None: those the machine trusts."""
    connect: timedelta = timedelta(seconds=1)
    read: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        """Raises Refused for an endpoint without TLS: every request carries a bearer token."""
        if self.endpoint_url is not None and not self.endpoint_url.startswith("https://"):
            raise Refused(
                guard="tls-only",
                value=self.endpoint_url,
                limit="an https URL",
                way_out="Name the https endpoint of Azure Resource Manager.",
            )

    @property
    def options(self) -> dict[str, Any]:
        """For every client. The SDK makes one attempt only: it would retry past any deadline of ours."""
        found: dict[str, Any] = {
            "retry_total": 0,
            "connection_timeout": self.connect.total_seconds(),
            "read_timeout": self.read.total_seconds(),
        }
        if self.endpoint_url is not None:
            found["base_url"] = self.endpoint_url
        if self.authority_file is not None:
            found["connection_verify"] = self.authority_file
        return found | {"transport": _timely(found)}


def _timely(options: Mapping[str, Any]) -> "HttpTransport[Any, Any]":
    """What a client sends by: nothing late, that is after the token it waited for has come and its caller has gone."""
    from azure.core.pipeline.transport import RequestsTransport

    class Timely(RequestsTransport):  # type: ignore[misc]
        def send(self, request: Any, **more: Any) -> Any:
            refuse_late()
            return super().send(request, **more)

    return Timely(**options)


# Each SDK is imported when its client is made, in a worker thread: a controller that starts does not wait for it.


def traffic_manager_client(arm: Arm, credential: "TokenCredential") -> "TrafficManagerManagementClient":
    """Traffic Manager of the subscription."""
    from azure.mgmt.trafficmanager import TrafficManagerManagementClient

    return TrafficManagerManagementClient(credential, arm.subscription_id, **arm.options)


def dns_client(arm: Arm, credential: "TokenCredential") -> "DnsManagementClient":
    """Azure DNS of the subscription."""
    from azure.mgmt.dns import DnsManagementClient

    return DnsManagementClient(credential, arm.subscription_id, **arm.options)


def servers_client(arm: Arm, credential: "TokenCredential") -> "PostgreSQLManagementClient":
    """PostgreSQL Flexible Servers of the subscription."""
    from azure.mgmt.postgresqlflexibleservers import PostgreSQLManagementClient

    return PostgreSQLManagementClient(credential, arm.subscription_id, **arm.options)


def apps_client(arm: Arm, credential: "TokenCredential") -> "ContainerAppsAPIClient":
    """Container Apps of the subscription."""
    from azure.mgmt.appcontainers import ContainerAppsAPIClient

    return ContainerAppsAPIClient(credential, arm.subscription_id, **arm.options)


class Client(Generic[C]):
    """One SDK client, made by its first call inside that call's deadline, and asked in threads that nobody has to wait for."""

    def __init__(self, make: Callable[[], C], calls: Calls) -> None:
        self._make, self._calls = make, calls
        self._made: C | None = None
        self._lock = threading.Lock()

    async def ask(self, operation: str, question: Callable[[C], T], ends: float) -> T:
        """What `question` makes of the client: one request. Raises ProviderError, Transient at the loop's time `ends`."""
        return await self._calls.run(operation, lambda: question(self._client()), left(ends))

    async def collect(
        self, operation: str, question: "Callable[[C], ItemPaged[T]]", take: Callable[[T], U], ends: float
    ) -> list[U]:
        """What `take` makes of every item of a list, one request a page. What it stumbles over is translated too."""
        pages: Any = None
        found: list[U] = []

        def page(client: C) -> list[U]:
            nonlocal pages
            pages = question(client).by_page() if pages is None else pages
            return [take(item) for item in next(pages, ())]

        while pages is None or pages.continuation_token is not None:
            found += await self.ask(operation, page, ends)
        return found

    def _client(self) -> C:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


async def repeated(attempt: Callable[[], Awaitable[T]], ends: float) -> T:
    """The answer of the first attempt that is not met with Transient or Busy; their error when no pause fits before `ends`."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except (Transient, Busy):
            if left(ends) <= pause:
                raise
        await asyncio.sleep(pause.total_seconds())
        pause = min(pause * 2, LONGEST_PAUSE)


async def acquire(lock: asyncio.Lock, ends: float) -> None:
    """Have the lock, or raise Transient at `ends`: whoever holds it may be waiting for an API that hangs."""
    try:
        async with asyncio.timeout_at(ends):
            await lock.acquire()
    except TimeoutError as error:
        raise Transient("azure: not asked, an earlier request still waits for its answer") from error


async def settled(attempts: Iterable[Awaitable[None]]) -> None:
    """Return when all of them have ended, whatever became of the others; raises the first error."""
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def operation_link(answer: "PipelineResponse[Any, Any]") -> str:
    """Link to the long-running operation by which Azure carries a change out. Raises ValueError for an answer without one.

    The SDK itself takes any 200 or 202 for an acceptance: a proxy's page in the place of the answer would pass for a raised floor.
    """
    headers = answer.http_response.headers
    link = headers.get("Azure-AsyncOperation") or headers.get("Location")
    if not link:
        raise ValueError(f"status {answer.http_response.status_code} without a link to an operation")
    return str(link)


def ends_after(deadline: timedelta) -> float:
    """The running loop's time at which a deadline that starts now is over."""
    return asyncio.get_running_loop().time() + deadline.total_seconds()


def left(ends: float) -> timedelta:
    """How long until then; below 0 when it is over."""
    return timedelta(seconds=ends - asyncio.get_running_loop().time())
