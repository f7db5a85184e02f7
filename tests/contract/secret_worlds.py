"""The stores that the secrets contract is asked of: the shipped fake, and each vendor's adapter against its emulated API."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import aiohttp
from requests.adapters import HTTPAdapter

from controller.core.model import Site
from controller.ports import SecretStore
from controller.providers.aws.secrets import CURRENT, SecretsManager
from controller.providers.azure.secrets import KeyVaults, vaults_client
from controller.providers.azure.session import Arm
from controller.providers.gcp.secrets import SecretManager
from controller.providers.gcp.session import Client
from controller.providers.memory.secrets import MemorySecrets
from lab.clouds.control import CloudControl
from tests.contract.azure_worlds import Emulated, emulated_azure
from tests.contract.dns_worlds import JumpingClock, Storms, vendors_client
from tests.contract.emulated_aws import emulated_aws
from tests.contract.google_worlds import PROJECT, emulated_google
from tests.contract.google_worlds import vendors_client as google_client
from tests.contract.implementation import Implementation
from tests.contract.weather import Weather, fair

if TYPE_CHECKING:
    from azure.core import PipelineClient


class World(Protocol):
    """One site's store, with an empty place in it."""

    place: str
    elsewhere: str
    """No place at all; the same as `place` where the vendor knows no empty ones."""

    @property
    def store(self) -> SecretStore: ...

    @property
    def weather(self) -> Storms: ...

    def another(self) -> SecretStore:
        """A second writer's adapter."""

    def now(self) -> timedelta: ...

    async def told(self) -> bytes:
        """What a program is told that asks for the place."""

    async def disable(self) -> None:
        """Somebody sees to it that programs are told nothing."""

    async def go_back(self, version: str, content: bytes) -> None:
        """Somebody sees to it, past the adapter, that programs are told again what that version says."""

    async def changes(self) -> int:
        """Requests to change something that reached the store."""


@dataclass
class MemoryWeather:
    """The switches of the fake."""

    store: MemorySecrets

    async def throttle(self, requests: int) -> None:
        self.store.throttled = requests

    async def lose_answer(self) -> None:
        self.store.lost_answers = 1

    async def ignore_change(self) -> None:
        self.store.idle_changes = 1

    async def delay_change(self, seconds: float) -> None:
        self.store.delay = timedelta(seconds=seconds)

    async def hang(self) -> None:
        self.store.hanging = True

    async def lie(self) -> None:
        self.store.lying = True

    async def deny(self) -> None:
        self.store.denied = True

    async def deny_changes(self) -> None:
        self.store.denied_changes = True

    async def heal(self) -> None:
        store = self.store
        store.hanging = store.lying = store.denied = store.denied_changes = False
        store.throttled = store.idle_changes = 0
        store.delay = timedelta()


@dataclass
class MemoryWorld:
    """The shipped fake."""

    place: str = "payments/password"
    elsewhere: str = "nowhere"
    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        self.store = MemorySecrets(site=Site("aws"), clock=self.clock, places={self.place: []})
        self.weather = MemoryWeather(self.store)

    def another(self) -> SecretStore:
        return self.store

    def now(self) -> timedelta:
        return self.clock.at

    async def told(self) -> bytes:
        return self.store.places[self.place][-1]

    async def disable(self) -> None:
        self.store.unusable.add(self.place)

    async def go_back(self, version: str, content: bytes) -> None:
        self.store.places[self.place].append(content)

    async def changes(self) -> int:
        return self.store.changes


@asynccontextmanager
async def memory_world(shared: object, test: str) -> AsyncIterator[World]:
    """Places of its own."""
    yield MemoryWorld()


@dataclass
class AwsWorld:
    """boto3 against the emulated API; a secret of its own."""

    api: Any
    control: CloudControl
    place: str
    """ARN."""

    def __post_init__(self) -> None:
        self.elsewhere = self.place.rpartition(":")[0] + ":nowhere-abcdef"
        self.weather = Weather(self.control, "PutSecretValue")
        self.store = self.another()

    def another(self) -> SecretStore:
        return SecretsManager(client=lambda: self.api, site=Site("aws"))

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def told(self) -> bytes:
        answer = await asyncio.to_thread(lambda: self.api.get_secret_value(SecretId=self.place))
        return str(answer["SecretString"]).encode()

    async def disable(self) -> None:
        await asyncio.to_thread(lambda: self.api.delete_secret(SecretId=self.place))

    async def go_back(self, version: str, content: bytes) -> None:
        """The only one of them that has nothing written for it: the stage moves."""

        def move() -> None:
            stages = self.api.describe_secret(SecretId=self.place)["VersionIdsToStages"]
            (told,) = (one for one, named in stages.items() if CURRENT in named)
            self.api.update_secret_version_stage(
                SecretId=self.place, VersionStage=CURRENT, RemoveFromVersionId=told, MoveToVersionId=version
            )

        await asyncio.to_thread(move)

    async def changes(self) -> int:
        return (await self.control.requests()).get("PutSecretValue", 0)


@asynccontextmanager
async def aws_world(url: str, test: str) -> AsyncIterator[AwsWorld]:
    """Secrets Manager's adapter on a secret that only this test uses; healthy before and after."""
    async with fair(url) as control:
        api = vendors_client("secretsmanager", url)
        made = await asyncio.to_thread(lambda: api.create_secret(Name=f"trimaran/{test}"))
        yield AwsWorld(api, control, str(made["ARN"]))


VAULT = "https://trimaran-prod-payments.vault.azure.net"


class Leading(HTTPAdapter):
    """Has the emulated vault asked whatever is asked of `VAULT`, by the name that Azure would be asked by: without the usual port."""

    def __init__(self, to: str) -> None:
        super().__init__()
        self._to = to

    def send(self, request: Any, *others: Any, **more: Any) -> Any:
        asked = urlsplit(request.url)
        request.headers["Host"] = asked.hostname
        request.url = self._to + request.url.removeprefix(f"{asked.scheme}://{asked.netloc}")
        return super().send(request, *others, **more)


class Led(Arm):
    """The emulated Azure, with a vault that is named as vaults are."""

    @property
    def options(self) -> dict[str, Any]:
        found = super().options
        found["transport"].open()
        found["transport"].session.mount(VAULT, Leading(str(self.endpoint_url)))
        return found


@dataclass
class AzureWorld:
    """azure-core against the emulated vault; a secret of its own."""

    api: "PipelineClient[Any, Any]"
    http: aiohttp.ClientSession
    control: CloudControl
    url: str
    place: str

    def __post_init__(self) -> None:
        self.elsewhere = self.place
        self.weather = Weather(self.control, "SetSecret")
        self.store = self.another()

    def another(self) -> SecretStore:
        return KeyVaults(client=lambda: self.api, site=Site("azure"))

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def asked(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """Past the adapter. Who vouches for the vault is the adapter's test."""
        shown = {"Authorization": "Bearer lab", "Host": VAULT.removeprefix("https://")}
        url = f"{url.replace(VAULT, self.url)}?api-version=7.4"
        async with self.http.request(method, url, headers=shown, ssl=False, **more) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def told(self) -> bytes:
        return str((await self.asked("GET", self.place))["value"]).encode()

    async def disable(self) -> None:
        newest = (await self.asked("GET", self.place))["id"]
        await self.asked("PATCH", newest, json={"attributes": {"enabled": False}})

    async def go_back(self, version: str, content: bytes) -> None:
        await self.asked("PUT", self.place, json={"value": content.decode()})

    async def changes(self) -> int:
        return (await self.control.requests()).get("SetSecret", 0)


@asynccontextmanager
async def azure_world(emulated: Emulated, test: str) -> AsyncIterator[AzureWorld]:
    """The vaults' adapter on a secret that only this test uses; healthy before and after."""
    async with fair(emulated.control_url) as control, aiohttp.ClientSession() as http:
        arm = Led(subscription_id="s", endpoint_url=emulated.url, authority_file=emulated.authority_file)
        with vaults_client(arm, emulated.credential) as api:
            yield AzureWorld(api, http, control, emulated.url, f"{VAULT}/secrets/{test}")


@dataclass
class GoogleWorld:
    """The vendor's library against the emulated API; a secret of its own."""

    client: Client
    control: CloudControl
    place: str

    def __post_init__(self) -> None:
        self.elsewhere = f"{self.place}-nowhere"
        self.weather = Weather(self.control, "secretmanager.projects.secrets.addVersion")
        self.store = self.another()

    def another(self) -> SecretStore:
        return SecretManager(client=lambda: self.client, site=Site("gcp"))

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def asked(self, verb: str, version: str) -> dict[str, Any]:
        """About a version, past the adapter."""

        def question(manager: Any) -> Any:
            return getattr(manager.projects().secrets().versions(), verb)(name=f"{self.place}/versions/{version}")

        return await asyncio.to_thread(lambda: self.client.ask(question))

    async def told(self) -> bytes:
        return base64.b64decode((await self.asked("access", "latest"))["payload"]["data"])

    async def disable(self) -> None:
        await self.asked("disable", "1")

    async def go_back(self, version: str, content: bytes) -> None:
        body = {"payload": {"data": base64.b64encode(content).decode()}}

        def question(manager: Any) -> Any:
            return manager.projects().secrets().addVersion(parent=self.place, body=body)

        await asyncio.to_thread(lambda: self.client.ask(question))

    async def changes(self) -> int:
        return (await self.control.requests()).get("secretmanager.projects.secrets.addVersion", 0)


@asynccontextmanager
async def google_world(url: str, test: str) -> AsyncIterator[GoogleWorld]:
    """Secret Manager's adapter on a secret that only this test uses; healthy before and after."""
    async with fair(url) as control:
        client = google_client("secretmanager", "v1", url)

        def question(manager: Any) -> Any:
            return manager.projects().secrets().create(parent=f"projects/{PROJECT}", secretId=test, body={})

        await asyncio.to_thread(lambda: client.ask(question))
        yield GoogleWorld(client, control, f"projects/{PROJECT}/secrets/{test}")


MEMORY_SECRETS: Implementation[World] = Implementation(name="memory", open=memory_world)
SECRETS_MANAGER: Implementation[World] = Implementation(name="secrets-manager", open=aws_world, start=emulated_aws)
KEY_VAULTS: Implementation[World] = Implementation(name="key-vaults", open=azure_world, start=emulated_azure)
SECRET_MANAGER: Implementation[World] = Implementation(name="secret-manager", open=google_world, start=emulated_google)
