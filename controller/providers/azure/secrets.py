"""Azure Key Vaults as a site's store for secrets. A place is a URL without a version, `https://NAME.vault.azure.net/secrets/PLACE`.

Source: Azure Key Vault REST reference 7.4, Set Secret, Get Secret Versions (no values in it); "About secrets" (25 kB). A vault knows no
empty place: one that nobody wrote to is not found, or has no versions.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from controller.core.model import Site
from controller.errors import Conflict, Unsupported
from controller.ports import Filled
from controller.providers.azure.errors import Absent, translated
from controller.providers.azure.session import Arm, Client, ends_after
from controller.providers.calls import Calls
from controller.providers.proof import is_on_this_machine

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential

VERSION = "7.4"
SCOPE = "https://vault.azure.net/.default"
PLACE = re.compile(r"(?P<vault>https://(?P<host>[a-z0-9.-]+)(:\d+)?)/secrets/[A-Za-z0-9-]+")
VAULTS = ".vault.azure.net"
PORT = 443
"""Vaults write it out in links to next pages (the sample response of Get Secret Versions), and Azure's own tools in ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a secret."""

    name: str
    created: int
    """Seconds since 1970."""
    enabled: bool


class KeyVaults:
    """`ports.SecretStore`. It asks once; whoever waits may ask again.

    A vault compares nothing: of two who fill one place at once both write, and the later one is what programs are told. So one person
    fills at a time.
    """

    def __init__(self, *, client: "Callable[[], PipelineClient[Any, Any]]", site: Site) -> None:
        """`client` is called once, in a worker thread. See `vaults_client`."""
        self._calls = Calls(translated)
        self._client, self._site = Client(client, self._calls), site

    @property
    def site(self) -> Site:
        """Whose programs are told."""
        return self._site

    @property
    def calls(self) -> int:
        """Requests that were sent so far."""
        return self._calls.count

    async def filled(self, place: str, deadline: timedelta) -> str | None:
        """See `ports.SecretStore`."""
        return await self._newest(place, ends_after(deadline))

    async def fill(self, place: str, content: bytes, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, None, deadline)

    async def replace(self, place: str, content: bytes, *, over: str, deadline: timedelta) -> Filled:
        """See `ports.SecretStore`."""
        return await self._put(place, content, over, deadline)

    async def _put(self, place: str, content: bytes, over: str | None, deadline: timedelta) -> Filled:
        ends = ends_after(deadline)
        found = await self._newest(place, ends)
        if found is not None and found != over:
            return Filled(version=found, carried_out=False)
        body = {"value": content.decode()}

        def question(client: "PipelineClient[Any, Any]") -> str:
            return _name(place, _sent(client, "PUT", place, params={"api-version": VERSION}, json=body)["id"])

        return Filled(version=await self._client.ask("SetSecret", question, ends), carried_out=True)

    async def _newest(self, place: str, ends: float) -> str | None:
        """Of all pages: they come in no order that means anything."""
        vault = _vault(place)
        found: list[Version] = []
        page: str | None = f"{place}/versions?api-version={VERSION}"
        try:
            while page is not None:
                listed, page = await self._client.ask("GetSecretVersions", _listing(place, vault, page), ends)
                found += listed
        except Absent:
            return None
        if not found:
            return None
        newest = max(found, key=lambda one: (one.created, one.name))
        if not newest.enabled:
            raise Conflict(
                f"GetSecretVersions: the newest version of {place} is disabled, and programs are told nothing: enable it"
            )
        return newest.name


def vaults_client(arm: Arm, credential: "TokenCredential") -> "PipelineClient[Any, Any]":
    """For all vaults that this identity may write to: one attempt, bounded waits, nothing late, and no log of what is sent.

    `arm`: whose certificates are trusted, and the patience.
    """
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy

    policies = [BearerTokenCredentialPolicy(credential, SCOPE)]
    return PipelineClient("", policies=policies, transport=arm.options["transport"])


def _sent(client: "PipelineClient[Any, Any]", method: str, url: str, **more: Any) -> dict[str, Any]:
    from azure.core.rest import HttpRequest

    response = client.send_request(HttpRequest(method, url, **more))
    response.raise_for_status()
    found = response.json()
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, got {type(found).__name__}")
    return found


def _listing(place: str, vault: str, url: str) -> "Callable[[PipelineClient[Any, Any]], tuple[list[Version], str | None]]":
    """One page, and where the next one is."""

    def question(client: "PipelineClient[Any, Any]") -> tuple[list[Version], str | None]:
        answer = _sent(client, "GET", url)
        following = _plain(vault, str(answer["nextLink"])) if answer.get("nextLink") else None
        if following is not None and not following.startswith(f"{vault}/"):
            raise ValueError("the next page is somebody else's")  # who would be shown this process's token
        return [_version(place, one) for one in answer["value"]], following

    return question


def _version(place: str, listed: dict[str, Any]) -> Version:
    attributes = listed["attributes"]
    return Version(name=_name(place, listed["id"]), created=int(attributes["created"]), enabled=bool(attributes["enabled"]))


def _name(place: str, id: str) -> str:
    """Of a version. Raises ValueError for one of another secret."""
    name = _plain(_vault(place), id).removeprefix(f"{place}/")
    if not name.isalnum():
        raise ValueError(f"a version of another secret than {place}")
    return name


def _plain(vault: str, url: str) -> str:
    """The same without the usual port, if it is that vault's."""
    written = f"{vault}:{PORT}/"
    return f"{vault}/{url.removeprefix(written)}" if url.startswith(written) else url


def _vault(place: str) -> str:
    """Scheme and host. Raises Unsupported for what is no place of a vault: whoever answers there would be shown this process's token, and
    then the secret."""
    named = PLACE.fullmatch(place)
    if named is None or not (named["host"].endswith(VAULTS) or is_on_this_machine(place)):
        raise Unsupported(f"{place}: expected https://NAME{VAULTS}/secrets/PLACE")
    return named["vault"]
