"""The port to a cloud's key service: it wraps data keys with a key-encryption key that never leaves it.

Three implementations stand beside each other in `workload/vault/kms/`, one per cloud. None knows the others; which of them are asked, in
which order and for how long is decided in `workload/vault/clouds.py`.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapped:
    """One data key as one cloud wrapped it."""

    cloud: str
    kek: str
    """Name and version of the key-encryption key, as `Wrapper.current` tells them: what rotation compares."""
    ciphertext: bytes = field(repr=False)


class Wrapper(Protocol):
    """One cloud's key service.

    Every call ends within its deadline, also on a black hole. Raises WrapUnavailable, WrapRefused or WrapBroken and nothing else;
    no message holds key material.
    """

    @property
    def cloud(self) -> str:
        """`aws`, `azure` or `gcp`: what wraps are stored and found by."""

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        """Wrap the key, bound to `context`: it opens in no other one. Raises WrapUnavailable or WrapRefused."""

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        """The key. Also of an older version of the key-encryption key. Raises WrapUnavailable, WrapRefused or WrapBroken."""

    async def current(self, deadline: timedelta) -> str:
        """Name and version of the key-encryption key that `wrap` would use now. Raises WrapUnavailable or WrapRefused."""
