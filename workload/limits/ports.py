"""What the limits need of others, and what stands there when there is nobody."""

from typing import Protocol

from workload.limits.rank import Rank
from workload.limits.refusal import Kind


class Knowledge(Protocol):
    """Knows keys that this process has never seen."""

    async def knows(self, key: str) -> bool:
        """Was a request of this key accepted? False: no, or nobody can say; soon, either way."""


class Counts(Protocol):
    """Is told what becomes of requests."""

    def refused(self, kind: Kind, rank: Rank) -> None:
        """Somebody was sent away."""

    def served(self, rank: Rank, seconds: float) -> None:
        """Somebody was served."""


class Uncounted:
    """Counts nothing, knows nothing."""

    def refused(self, kind: Kind, rank: Rank) -> None:
        """Not counted."""

    def served(self, rank: Rank, seconds: float) -> None:
        """Not counted."""

    async def knows(self, key: str) -> bool:  # noqa: ARG002
        """Nobody can say."""
        return False
