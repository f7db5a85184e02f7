"""AWS Secrets Manager of one region as a site's store for secrets. A place is an ARN.

Source: AWS Secrets Manager API reference, DescribeSecret (`VersionIdsToStages`, `DeletedDate`) and PutSecretValue: a version is named by
who writes it (`ClientRequestToken`), and one that is there with another content is not overwritten (`ResourceExistsException`).
"""

import asyncio
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from controller.core.model import Site
from controller.errors import Conflict
from controller.ports import Filled
from controller.providers.aws.errors import VersionTaken, translated
from controller.providers.calls import Calls

CURRENT = "AWSCURRENT"
"""Stage of the version that programs are told."""


class SecretsManager:
    """`ports.SecretStore`. It asks once; whoever waits may ask again.

    Of two who fill one place at once the store itself lets one: the name of a version follows from the one that it comes after, so both
    name theirs alike.
    """

    def __init__(self, *, client: Callable[[], Any], site: Site) -> None:
        """`client` makes one for `secretsmanager`, once, in a worker thread."""
        self._make_client, self._client_lock = client, threading.Lock()
        self._made: Any = None
        self._site, self._calls = site, Calls(translated)

    @property
    def site(self) -> Site:
        """Whose programs are told."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._calls.count

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """See `ports.SecretStore`."""

        def call() -> str | None:
            return _current(place, self._client().describe_secret(SecretId=place))

        return await self._calls.run("DescribeSecret", call, deadline)

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, None, deadline)

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, over, deadline)

    async def _put(self, place: str, content: bytes, over: str | None, deadline: timedelta) -> Filled:
        ends = asyncio.get_running_loop().time() + deadline.total_seconds()
        found = await self.filled(place, deadline)
        if found is not None and found != over:
            return Filled(version=found, carried_out=False)
        version, text = _successor(place, over), content.decode()

        def call() -> str:
            # As text: a container of ECS is told nothing from a binary one.
            answer = self._client().put_secret_value(SecretId=place, SecretString=text, ClientRequestToken=version)
            return str(answer["VersionId"])

        left = timedelta(seconds=ends - asyncio.get_running_loop().time())
        try:
            return Filled(version=await self._calls.run("PutSecretValue", call, left), carried_out=True)
        except VersionTaken:
            return Filled(version=version, carried_out=False)

    def _client(self) -> Any:
        with self._client_lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made


def _successor(place: str, over: str | None) -> str:
    """Name of the version that comes after this one, the same for everybody."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place} after {over or 'nothing'}"))


def _current(place: str, answer: dict[str, Any]) -> str | None:
    if answer.get("DeletedDate") is not None:
        raise Conflict(f"DescribeSecret: {place} is to be deleted: restore it (`aws secretsmanager restore-secret`)")
    _ = answer["ARN"]  # an answer without is none
    stages: dict[str, list[str]] = answer.get("VersionIdsToStages") or {}
    return next((version for version, named in stages.items() if CURRENT in named), None)
