"""Google Secret Manager as a site's store for secrets. A place is `projects/.../secrets/...`.

Source: Secret Manager REST reference v1, projects.secrets.versions.list ("sorted in reverse by create_time (newest first)") and
projects.secrets.addVersion; "Secret versions" (`latest` is the newest one, in whatever state).
"""

import base64
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from controller.core.model import Site
from controller.errors import Conflict, Unsupported
from controller.ports import Filled
from controller.providers.gcp.session import Api, Client, end_of

PLACE = re.compile(r"projects/[^/]+/secrets/[A-Za-z0-9_-]+")
USABLE = "ENABLED"


class SecretManager:
    """`ports.SecretStore`. It asks once; whoever waits may ask again.

    Google compares nothing: of two who fill one place at once both add a version, and the later one is what programs are told. So one
    person fills at a time.
    """

    def __init__(self, *, client: Callable[[], Client], site: Site) -> None:
        """`client` makes one for `secretmanager` `v1`, once, in a worker thread."""
        self._api, self._site = Api(client), site

    @property
    def site(self) -> Site:
        """Whose programs are told."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests that were sent to the API so far."""
        return self._api.calls

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """See `ports.SecretStore`."""
        return await self._newest(place, end_of(deadline))

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, None, deadline)

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, over, deadline)

    async def _put(self, place: str, content: bytes, over: str | None, deadline: timedelta) -> Filled:
        ends = end_of(deadline)
        found = await self._newest(place, ends)
        if found is not None and found != over:
            return Filled(version=found, carried_out=False)
        body = {"payload": {"data": base64.b64encode(content).decode()}}

        def question(manager: Any) -> Any:
            return manager.projects().secrets().addVersion(parent=place, body=body)

        version = await self._api.ask("secrets.addVersion", question, ends, lambda answer: _number(str(answer["name"])))
        return Filled(version=version, carried_out=True)

    async def _newest(self, place: str, ends: float) -> str | None:
        if PLACE.fullmatch(place) is None:
            raise Unsupported(f"{place}: expected projects/PROJECT/secrets/PLACE")

        def question(manager: Any) -> Any:
            return manager.projects().secrets().versions().list(parent=place, pageSize=1)

        def take(answer: dict[str, Any]) -> tuple[str, str] | None:
            listed = answer.get("versions") or []
            return (_number(str(listed[0]["name"])), str(listed[0]["state"])) if listed else None

        newest = await self._api.ask("secrets.versions.list", question, ends, take)
        if newest is not None and newest[1] != USABLE:
            told = f"version {newest[0]} of {place} is {newest[1]}"
            raise Conflict(f"secrets.versions.list: {told}, and programs are told nothing: enable it, or add one")
        return None if newest is None else newest[0]


def _number(name: str) -> str:
    """Of a version: Google names the project by its number there. Raises ValueError for what is no version."""
    place, _, number = name.rpartition("/versions/")
    if not place or not number.isdigit():
        raise ValueError("a version without a number")
    return number
