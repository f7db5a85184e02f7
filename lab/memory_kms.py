"""A key service held in memory, with a switch for each way a cloud fails to keep one. The keys die with the process."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workload.vault.errors import WrapBroken, WrapDenied, WrapForeign, WrapRefused, WrapUnavailable
from workload.vault.wrapping import Wrapped

NONCE = 12


class State(StrEnum):
    """Of one version of a key."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DESTROYED = "destroyed"


@dataclass(slots=True, kw_only=True)
class Version:
    """One version."""

    state: State = State.ENABLED
    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)


async def _sleep(duration: timedelta) -> None:
    await asyncio.sleep(duration.total_seconds())


@dataclass(slots=True, kw_only=True)
class MemoryKms:
    """`wrapping.Wrapper` without a network. Several processes share it by sharing the object."""

    cloud: str = "memory"
    name: str = "vault"
    pause: Callable[[timedelta], Awaitable[None]] = _sleep
    """How time passes."""
    versions: list[Version] = field(default_factory=lambda: [Version()])
    """The newest last: it wraps."""
    calls: int = 0
    """Requests that arrived."""
    throttled: int = 0
    """How many of the next requests are turned away."""
    lost_answers: int = 0
    """How many of the next requests are carried out without an answer."""
    hanging: bool = False
    """Nothing is answered."""
    lying: bool = False
    """Everything is answered at once, with nonsense."""
    denied: bool = False
    """Credentials or permissions are missing."""

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        """See `wrapping.Wrapper`."""
        await self._request(deadline)
        nonce = os.urandom(NONCE)
        sealed = nonce + AESGCM(self._enabled(len(self.versions)).secret).encrypt(nonce, key, context)
        self._answer()
        return Wrapped(cloud=self.cloud, kek=self._kek(len(self.versions)), ciphertext=sealed)

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        """See `wrapping.Wrapper`."""
        number = {self._kek(number): number for number in range(1, len(self.versions) + 1)}.get(wrapped.kek)
        if wrapped.cloud != self.cloud or number is None:
            raise WrapForeign(f"{self.cloud}: not a wrap of {self.name}")
        await self._request(deadline)
        nonce, sealed = wrapped.ciphertext[:NONCE], wrapped.ciphertext[NONCE:]
        try:
            key = AESGCM(self._enabled(number).secret).decrypt(nonce, sealed, context)
        except (InvalidTag, ValueError):
            raise WrapBroken(f"{self.cloud}: ciphertext or context does not match") from None
        self._answer()
        return key

    async def current(self, deadline: timedelta) -> str:
        """See `wrapping.Wrapper`."""
        await self._request(deadline)
        self._enabled(len(self.versions))
        self._answer()
        return self._kek(len(self.versions))

    def rotate(self) -> None:
        """Have a new version, which wraps from now on."""
        self.versions.append(Version())

    def put(self, state: State) -> None:
        """Have every version in this state. What is destroyed stays so."""
        for version in self.versions:
            if version.state is not State.DESTROYED:
                version.state = state

    async def _request(self, deadline: timedelta) -> None:
        self.calls += 1
        if deadline <= timedelta():
            raise WrapUnavailable(f"{self.cloud}: not asked, the deadline was over")
        if self.hanging:
            await self.pause(deadline)
            raise WrapUnavailable(f"{self.cloud}: no answer within {deadline.total_seconds():.2f} s")
        if self.throttled > 0:
            self.throttled -= 1
            raise WrapUnavailable(f"{self.cloud}: too many requests")
        if self.lying:
            raise WrapUnavailable(f"{self.cloud}: an answer that cannot be read")
        if self.denied:
            raise WrapDenied(f"{self.cloud}: permission is missing")

    def _answer(self) -> None:
        if self.lost_answers > 0:
            self.lost_answers -= 1
            raise WrapUnavailable(f"{self.cloud}: the answer was lost")

    def _enabled(self, number: int) -> Version:
        version = self.versions[number - 1]
        if version.state is not State.ENABLED:
            raise WrapRefused(f"{self.cloud}: {self._kek(number)} is {version.state}")
        return version

    def _kek(self, number: int) -> str:
        return f"{self.cloud}/{self.name}/{number}"
