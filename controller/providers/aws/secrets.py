"""AWS Secrets Manager of one region as a site's store for secrets. A place is an ARN.

Source: AWS Secrets Manager API reference, DescribeSecret (`VersionIdsToStages`, `DeletedDate`, `LastChangedDate`: "modified in any
way") and PutSecretValue: a version is named by who writes it (`ClientRequestToken`); under a name that is taken nothing is written, which
is an error when the content is another one (`ResourceExistsException`).
"""

import asyncio
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.core.model import Site
from controller.errors import Conflict
from controller.ports import Filled
from controller.providers.aws.errors import VersionTaken, translated
from controller.providers.calls import Calls

CURRENT = "AWSCURRENT"
"""Stage of the version that programs are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a place was found to be."""

    version: str | None
    """The one that programs are told; None: the place is empty."""
    state: str
    """The same for everybody who looks, until somebody changes the place."""


class SecretsManager:
    """`ports.SecretStore`. It asks once; whoever waits may ask again.

    Of two who fill one place at once the store itself lets one: the name of a version follows from what the place was found to be, so
    both name theirs alike. From all of it, and not from the version alone that it comes after: 1. the second version does harm, and
    somebody moves the stage back to the first. 2. What is to come after the first is named as the second was, and AWS keeps that one, with
    another content. 3. The place can never be replaced again.
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
        return (await self._look(place, deadline)).version

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, None, deadline)

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, over, deadline)

    async def _put(self, place: str, content: bytes, over: str | None, deadline: timedelta) -> Filled:
        ends = asyncio.get_running_loop().time() + deadline.total_seconds()
        found = await self._look(place, deadline)
        if found.version is not None and found.version != over:
            return Filled(version=found.version, carried_out=False)
        version, text = _successor(place, found), content.decode()

        def call() -> str:
            # As text: a container of ECS is told nothing from a binary one.
            answer = self._client().put_secret_value(SecretId=place, SecretString=text, ClientRequestToken=version)
            return str(answer["VersionId"])

        left = timedelta(seconds=ends - asyncio.get_running_loop().time())
        try:
            return Filled(version=await self._calls.run("PutSecretValue", call, left), carried_out=True)
        except VersionTaken:
            return Filled(version=version, carried_out=False)

    async def _look(self, place: str, deadline: timedelta) -> Told:
        def call() -> Told:
            return _told(place, self._client().describe_secret(SecretId=place))

        return await self._calls.run("DescribeSecret", call, deadline)

    def _client(self) -> Any:
        with self._client_lock:
            if self._made is None:
                self._made = self._make_client()
            return self._made


def _successor(place: str, found: Told) -> str:
    """Name of the version that comes next, the same for everybody who found the same. One name for the first: before it there is nothing
    that somebody could go back to."""
    after = "nothing" if found.version is None else f"{found.version} as of {found.state}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{place} after {after}"))


def _told(place: str, answer: dict[str, Any]) -> Told:
    if answer.get("DeletedDate") is not None:
        raise Conflict(f"DescribeSecret: {place} is to be deleted: restore it (`aws secretsmanager restore-secret`)")
    _ = answer["ARN"]  # an answer without is none
    stages: dict[str, list[str]] = answer.get("VersionIdsToStages") or {}
    changed: datetime | None = answer.get("LastChangedDate")
    # In seconds since 1970: the SDK tells a time in this machine's own zone.
    parts = [f"{version}:{','.join(sorted(named))}" for version, named in sorted(stages.items())]
    return Told(
        version=next((version for version, named in stages.items() if CURRENT in named), None),
        state=" ".join([*parts, "" if changed is None else f"{changed.timestamp():.3f}"]),
    )
