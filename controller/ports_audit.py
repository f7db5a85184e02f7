"""What the audit needs from the world: places where signed heads of the journal are kept. Shipped fakes pass the same contract suite.

Nothing decides by any of it. Every method has a deadline that really fires, raises TrimaranError, and may be asked again after a lost
answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HeadName:
    """Which head it is, in the order in which heads are read."""

    sequence: int
    controller: str
    digest: str
    """Of the entry: a journal that forked has two heads of one number by one controller, and both stay."""


class HeadCopy(Protocol):
    """Where a site keeps signed heads beside its copy of the journal: texts by name. Bounded."""

    async def keep_heads(self, heads: Mapping[HeadName, str]) -> None:
        """Add these; what stands under a name already stays as it is. The oldest go when there are too many."""

    async def kept_heads(self, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """Heads above a name, in order."""


class HeadBoard(Protocol):
    """Where all controllers see each other's heads: etcd."""

    async def post_head(self, service: str, name: HeadName, text: str) -> None:
        """Put it there; a later one of the same name replaces it."""

    async def heads(self, service: str, after: HeadName | None = None, limit: int = 1000) -> Mapping[HeadName, str]:
        """Heads above a name, in order."""

    async def post_receipt(self, service: str, name: HeadName, anchor: str, text: str) -> None:
        """Keep what an anchor answered for a head."""

    async def receipts(self, service: str, after: str = "", limit: int = 1000) -> Mapping[str, str]:
        """Receipts above a key, in order of the heads that they are for."""


class Anchor(Protocol):
    """Somewhere outside of all three sites, where a head is put so that whoever holds the sites cannot take it back."""

    @property
    def name(self) -> str:
        """For reports: where it is, without secrets."""

    @property
    def id(self) -> str:
        """Letters, digits and dashes: part of a key in etcd."""

    async def put(self, text: str, deadline: timedelta) -> str:
        """Put one signed head there, once however often it is asked; answers the receipt, empty when the place gives none.

        Raises Transient (ask again), Denied, Conflict (another head has its place), Unsupported.
        """
