"""The key services that the wrapping contract is asked of: the one in memory, and each cloud's adapter against its emulated API.

Keys are rotated, disabled and destroyed by the vendor's own client, past the adapter.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from azure.keyvault.keys import KeyClient

from controller.providers.aws.identity import static as aws_static
from controller.providers.gcp.session import Client
from lab.clouds.control import CloudControl
from lab.clouds.faults import FaultKind, Rule
from lab.memory_kms import MemoryKms, State
from tests.contract.azure_worlds import Emulated, emulated_azure
from tests.contract.emulated_aws import emulated_aws
from tests.contract.google_worlds import LOCATION, PROJECT, emulated_google, vendors_client
from tests.contract.implementation import Implementation
from tests.contract.weather import fair
from workload.vault.kms.aws import Kms, kms_client
from workload.vault.kms.azure import KeyVault, keys_client
from workload.vault.kms.gcp import CloudKms
from workload.vault.wrapping import Wrapped, Wrapper

FOREIGN = (
    Wrapped(
        cloud="aws",
        kek=f"arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab#{'0' * 64}",
        ciphertext=b"\x01" * 180,
    ),
    Wrapped(cloud="azure", kek=f"https://elsewhere.vault.azure.net/keys/vault/{'0' * 32}", ciphertext=b"\x02" * 256),
    Wrapped(
        cloud="gcp",
        kek="projects/p/locations/l/keyRings/r/cryptoKeys/elsewhere/cryptoKeyVersions/1",
        ciphertext=b"\x03" * 113,
    ),
)
"""A wrap of each cloud, of keys that are nobody's here."""


class World(Protocol):
    """One key of one cloud."""

    @property
    def wrapper(self) -> Wrapper: ...

    def another(self) -> Wrapper:
        """A second process's."""

    def now(self) -> timedelta: ...

    async def requests(self) -> int:
        """Requests that reached the service."""

    async def rotate(self) -> None:
        """Have what wraps replaced."""

    async def disable(self) -> None: ...

    async def enable(self) -> None:
        """Undo `disable`."""

    async def destroy(self) -> None:
        """As far as a person can have it within a test."""

    async def throttle(self, requests: int) -> None:
        """So many of the next requests are turned away, half of them as too many, half as unavailable."""

    async def lose_answer(self) -> None:
        """The next request is carried out and not answered."""

    async def hang(self) -> None: ...

    async def lie(self) -> None: ...

    async def deny(self) -> None: ...

    async def reset(self) -> None:
        """Every connection ends without an answer."""

    async def heal(self) -> None: ...


class Weather:
    """Faults of an emulated cloud, on every request alike."""

    control: CloudControl

    def now(self) -> timedelta:
        return timedelta(seconds=time.monotonic())

    async def requests(self) -> int:
        return sum((await self.control.requests()).values())

    async def throttle(self, requests: int) -> None:
        half = (requests + 1) // 2
        rules = [Rule(kind=FaultKind.THROTTLE, count=half), Rule(kind=FaultKind.UNAVAILABLE, count=requests - half)]
        await self.control.inject(rules)

    async def lose_answer(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.LOSE_ANSWER, count=1)])

    async def hang(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.HANG)])

    async def lie(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.LIE)])

    async def deny(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.DENY)])

    async def reset(self) -> None:
        await self.control.inject([Rule(kind=FaultKind.REFUSE)])

    async def heal(self) -> None:
        await self.control.inject([])


@dataclass
class MemoryWorld:
    """The one in memory, in a time of its own."""

    at: timedelta = timedelta()
    wrapper: MemoryKms = field(init=False)

    def __post_init__(self) -> None:
        self.wrapper = MemoryKms(pause=self.pause)

    async def pause(self, duration: timedelta) -> None:
        self.at += duration

    def another(self) -> Wrapper:
        return self.wrapper

    def now(self) -> timedelta:
        return self.at

    async def requests(self) -> int:
        return self.wrapper.calls

    async def rotate(self) -> None:
        self.wrapper.rotate()

    async def disable(self) -> None:
        self.wrapper.put(State.DISABLED)

    async def enable(self) -> None:
        self.wrapper.put(State.ENABLED)

    async def destroy(self) -> None:
        self.wrapper.put(State.DESTROYED)

    async def throttle(self, requests: int) -> None:
        self.wrapper.throttled = requests

    async def lose_answer(self) -> None:
        self.wrapper.lost_answers = 1

    async def hang(self) -> None:
        self.wrapper.hanging = True

    async def lie(self) -> None:
        self.wrapper.lying = True

    async def deny(self) -> None:
        self.wrapper.denied = True

    async def reset(self) -> None:
        self.wrapper.throttled = 1_000_000

    async def heal(self) -> None:
        self.wrapper.hanging = self.wrapper.lying = self.wrapper.denied = False
        self.wrapper.throttled = 0


@dataclass
class AwsWorld(Weather):
    """boto3 against the emulated KMS; a key and an alias of its own."""

    control: CloudControl
    url: str
    test: str
    key_id: str = ""

    def __post_init__(self) -> None:
        session = aws_static(key="lab", secret="lab", endpoint_url=self.url)
        self.api = kms_client(region="us-east-1", endpoint_url=self.url, session=session)
        self.wrapper = self.another()

    def another(self) -> Kms:
        return Kms(client=lambda: self.api, key=f"alias/{self.test}")

    async def found(self, *, multi_region: bool = False) -> None:
        """Key and alias as the infrastructure program makes them."""

        def make() -> None:
            self.key_id = self.api.create_key(MultiRegion=multi_region)["KeyMetadata"]["KeyId"]
            self.api.create_alias(AliasName=f"alias/{self.test}", TargetKeyId=self.key_id)

        await asyncio.to_thread(make)

    async def rotate(self) -> None:
        await asyncio.to_thread(lambda: self.api.rotate_key_on_demand(KeyId=self.key_id))

    async def disable(self) -> None:
        await asyncio.to_thread(lambda: self.api.disable_key(KeyId=self.key_id))

    async def enable(self) -> None:
        await asyncio.to_thread(lambda: self.api.enable_key(KeyId=self.key_id))

    async def destroy(self) -> None:
        await asyncio.to_thread(lambda: self.api.schedule_key_deletion(KeyId=self.key_id, PendingWindowInDays=7))


@dataclass
class AzureWorld(Weather):
    """The vendor's SDK against the emulated vault, over https, with its own answer to the challenge; a key of its own."""

    control: CloudControl
    emulated: Emulated
    keys: KeyClient
    test: str

    def __post_init__(self) -> None:
        self.wrapper = self.another()

    def another(self) -> KeyVault:
        return KeyVault(client=lambda: self.keys, vault_url=self.emulated.url, key=self.test)

    async def found(self) -> None:
        """The key as the infrastructure program makes it."""
        await asyncio.to_thread(lambda: self.keys.create_rsa_key(self.test, size=2048))

    async def rotate(self) -> None:
        await asyncio.to_thread(lambda: self.keys.rotate_key(self.test))

    async def disable(self) -> None:
        await self._put(enabled=False)

    async def enable(self) -> None:
        await self._put(enabled=True)

    async def destroy(self) -> None:
        def call() -> None:
            self.keys.begin_delete_key(self.test, _polling_interval=0.05).wait()
            self.keys.purge_deleted_key(self.test)

        await asyncio.to_thread(call)

    async def _put(self, *, enabled: bool) -> None:
        """Every version."""

        def call() -> None:
            for version in self.keys.list_properties_of_key_versions(self.test):
                self.keys.update_key_properties(self.test, version.version, enabled=enabled)

        await asyncio.to_thread(call)


@dataclass
class GcpWorld(Weather):
    """The vendor's client against the emulated Cloud KMS; a key of its own."""

    control: CloudControl
    url: str
    test: str

    def __post_init__(self) -> None:
        self.ring = f"projects/{PROJECT}/locations/{LOCATION}/keyRings/tests"
        self.key = f"{self.ring}/cryptoKeys/{self.test}"
        self.wrapper = self.another()

    def client(self) -> Client:
        return vendors_client("cloudkms", "v1", self.url)

    def another(self) -> CloudKms:
        return CloudKms(client=self.client, key=self.key)

    async def found(self) -> None:
        """The key as the infrastructure program makes it."""
        body = {"purpose": "ENCRYPT_DECRYPT"}
        await self.ask(lambda keys: keys.create(parent=self.ring, cryptoKeyId=self.test, body=body))

    async def rotate(self) -> None:
        made = await self.ask(lambda keys: keys.cryptoKeyVersions().create(parent=self.key, body={}))
        number = {"cryptoKeyVersionId": made["name"].rpartition("/")[2]}
        await self.ask(lambda keys: keys.updatePrimaryVersion(name=self.key, body=number))

    async def disable(self) -> None:
        await self._put("DISABLED")

    async def enable(self) -> None:
        await self._put("ENABLED")

    async def destroy(self) -> None:
        name = f"{self.key}/cryptoKeyVersions/1"
        await self.ask(lambda keys: keys.cryptoKeyVersions().destroy(name=name, body={}))

    async def _put(self, state: str) -> None:
        name = f"{self.key}/cryptoKeyVersions/1"
        await self.ask(lambda keys: keys.cryptoKeyVersions().patch(name=name, updateMask="state", body={"state": state}))

    async def ask(self, question: Callable[[Any], Any]) -> dict[str, Any]:
        """One request past the adapter."""
        client = self.client()
        return await asyncio.to_thread(
            lambda: client.ask(lambda kms: question(kms.projects().locations().keyRings().cryptoKeys()))
        )


@asynccontextmanager
async def memory_world(shared: object, test: str) -> AsyncIterator[World]:
    """A key of its own."""
    yield MemoryWorld()


@asynccontextmanager
async def aws_world(url: str, test: str) -> AsyncIterator[AwsWorld]:
    """KMS's adapter on a key that only this test uses; healthy before and after."""
    async with fair(url) as control:
        world = AwsWorld(control, url, test)
        await world.found()
        yield world


@asynccontextmanager
async def azure_world(emulated: Emulated, test: str) -> AsyncIterator[AzureWorld]:
    """Key Vault's adapter on a key that only this test uses; healthy before and after."""
    async with fair(emulated.control_url) as control:
        with keys_client(emulated.arm, emulated.url, emulated.credential) as keys:
            world = AzureWorld(control, emulated, keys, test)
            await world.found()
            yield world


@asynccontextmanager
async def gcp_world(url: str, test: str) -> AsyncIterator[GcpWorld]:
    """Cloud KMS's adapter on a key that only this test uses; healthy before and after."""
    async with fair(url) as control:
        world = GcpWorld(control, url, test)
        await world.found()
        yield world


MEMORY: Implementation[World] = Implementation(name="memory", open=memory_world)
AWS: Implementation[World] = Implementation(name="aws", open=aws_world, start=emulated_aws)
AZURE: Implementation[World] = Implementation(name="azure", open=azure_world, start=emulated_azure)
GCP: Implementation[World] = Implementation(name="gcp", open=gcp_world, start=emulated_google)
WRAPPING = [MEMORY, AWS, AZURE, GCP]
CLOUDS = [AWS, AZURE, GCP]
