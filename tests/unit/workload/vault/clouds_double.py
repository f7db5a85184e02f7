"""Three key services in memory, each of which does what a test says: answers, hangs, refuses, lies in either way, has a defect."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from workload.vault.errors import WrapBroken
from workload.vault.inventory import Counts
from workload.vault.wrapping import Wrapped

BLINK = timedelta(milliseconds=5)
SOON = timedelta(seconds=5)


@dataclass(slots=True)
class Cloud:
    """One key service. `fails`: what it raises instead of answering; `hangs`: it never answers; `lies`: it opens something else;
    `misleads`: it wraps, and what it wrapped opens nowhere; `refuses`: what it raises when something is to be opened."""

    cloud: str
    kek: str = "v1"
    fails: Callable[[], Exception] | None = None
    hangs: bool = False
    lies: bool = False
    misleads: bool = False
    refuses: Callable[[], Exception] | None = None
    waits: asyncio.Event | None = None
    """Until this it says nothing."""
    refuses_once: list[Exception] = field(default_factory=list)
    """What it raises instead of opening, each once."""
    shut: dict[str, Callable[[], Exception]] = field(default_factory=dict)
    """What it raises when something is to be opened that this key-encryption key wrapped."""
    boasts: str | None = None
    """The key-encryption key that it says is current."""
    asked: list[str] = field(default_factory=list)
    ended: int = 0
    """Calls that were given up by whoever asked."""
    kept: dict[bytes, tuple[bytes, bytes]] = field(default_factory=dict)

    async def wrap(self, key: bytes, context: bytes, deadline: timedelta) -> Wrapped:
        await self._behave("wrap")
        ciphertext = hashlib.sha256(f"{self.cloud}/{self.kek}/{len(self.asked)}".encode() + context).digest()
        if not self.misleads:
            self.kept[ciphertext] = (key, context)
        return Wrapped(cloud=self.cloud, kek=self.kek, ciphertext=ciphertext)

    async def unwrap(self, wrapped: Wrapped, context: bytes, deadline: timedelta) -> bytes:
        await self._behave("unwrap")
        if (failure := self.shut.get(wrapped.kek)) is not None:
            raise failure()
        if self.refuses_once:
            raise self.refuses_once.pop()
        if self.refuses is not None:
            raise self.refuses()
        if self.lies:
            return bytes(32)
        key, bound = self.kept.get(wrapped.ciphertext, (b"", b""))
        if bound != context:
            raise WrapBroken(f"{self.cloud}: another context")
        return key

    async def current(self, deadline: timedelta) -> str:
        await self._behave("current")
        return self.boasts or self.kek

    async def _behave(self, what: str) -> None:
        self.asked.append(what)
        if self.waits is not None:
            await self.waits.wait()
        if self.fails is not None:
            raise self.fails()
        if self.hangs:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended += 1


class Tally:
    """Counts calls as metrics do."""

    def __init__(self) -> None:
        self.results: list[tuple[str, str, str]] = []
        self.rounds: list[Counts] = []

    def asked(self, cloud: str, action: str, result: str) -> None:
        """One call ended."""
        self.results.append((cloud, action, result))

    def surveyed(self, counts: Counts) -> None:
        """A round ended."""
        self.rounds.append(counts)

    def broken(self, kind: str) -> None:
        """A person must look."""
        self.results.append(("", "broken", kind))

    def repaired(self, cloud: str, result: str) -> None:
        """A repair ended."""
        self.results.append((cloud, "repair", result))


def three() -> tuple[Cloud, Cloud, Cloud]:
    """One of each, nearest first."""
    return Cloud("aws"), Cloud("azure"), Cloud("gcp")
