"""etcd's transactions as values, and the small port that speaks them: the client and the shipped fake both implement it.

Rules for changing this file: no I/O, no encoding. Keys and values are text here; only `wire` knows how etcd spells them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

ABSENT = 0
"""Revision of a key that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Set a key, under a lease if one is named."""

    key: str
    value: str
    lease: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Delete one key; nothing happens when it is not there."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Read keys from `key` up to but not including `end`; without `end`, exactly one key."""

    key: str
    end: str | None = None
    limit: int = 0
    """0: all of them."""


def below(prefix: str) -> Range:
    """Every key that starts with `prefix`, which is not empty and ends in an ASCII character."""
    return Range(key=prefix, end=prefix[:-1] + chr(ord(prefix[-1]) + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Txn:
    """One atomic step: write if every named key still has its revision, else read.

    A transaction without writes reads in any case. Each of its reads is linearizable and one moment by itself; two of them may be
    two moments.
    """

    unchanged: Mapping[str, int] = field(default_factory=dict)
    """Key to the revision of its last change; ABSENT demands that it does not exist."""
    writes: tuple[Put | Remove, ...] = ()
    reads: tuple[Range, ...] = ()

    @property
    def repeatable(self) -> bool:
        """May it be sent again while the fate of the first sending is unknown?

        Yes when it only reads, or when it changes a key that it compares: the first application moves that key's revision,
        so that a second one, even one that a broken link delivers minutes later, fails its comparison and writes nothing.
        """
        return not self.writes or any(write.key in self.unchanged for write in self.writes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One key as etcd holds it."""

    key: str
    value: str
    revision: int
    """Revision of its last change; it never repeats and only grows."""
    lease: int
    """0: bound to no lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a transaction did."""

    succeeded: bool
    """The comparison held. False after a repeated sending may mean that the first one was applied."""
    revision: int
    """Store revision after the transaction; when it wrote, the revision of this very write."""
    found: tuple[tuple[Item, ...], ...] = ()
    """One tuple per read, in key order; empty after a write."""


class KeyValue(Protocol):
    """etcd as the store needs it. Every method answers or raises ProviderError within the implementation's deadline."""

    async def transact(self, txn: Txn) -> Answer:
        """Apply the transaction once; raises Transient when the answer is lost (it may have been applied)."""

    async def grant(self, ttl: timedelta) -> int:
        """A new lease; etcd may grant more than was asked. A lost answer leaks a lease that ends by itself."""

    async def renew(self, lease: int) -> bool:
        """Keep the lease alive for another of its terms; False when it has lapsed."""

    async def revoke(self, lease: int) -> None:
        """End the lease and remove every key under it; a lapsed lease is no error."""


class LeaseLapsed(Exception):
    """A write named a lease that no longer exists: nothing was written. Caught inside this package."""
