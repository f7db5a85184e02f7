"""What telling people needs from the world, one Protocol per noun. Adapters and shipped fakes pass the same contract suite."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from controller.core.deliveries import Telling
from controller.core.messages import Message
from controller.errors import Transient
from controller.ports import Draft


class Busy(Transient):
    """The receiver wants to be left alone for a while (429, 503 with Retry-After)."""

    def __init__(self, said: str, *, rest: timedelta) -> None:
        super().__init__(said)
        self.rest = rest


class Channel(Protocol):
    """One receiver of messages. Its answers name neither its address nor its keys."""

    @property
    def name(self) -> str:
        """As the settings call it; in cursors, receipts and logs."""

    @property
    def incidents_only(self) -> bool:
        """Is what belongs to no incident of no use there, unless it is an error?"""

    async def deliver(self, message: Message, deadline: timedelta) -> str:
        """Have the receiver accept this message, once; answers in what words it did. Whoever lost the answer may ask again: the receiver
        knows the message by its id, or its incident.

        Raises Busy, Transient (no answer, or one that says later), Denied (nobody is let in, or there is nobody any more: somebody has to
        mend the settings), Unsupported (it will never take this message).
        """


class Outside(Protocol):
    """Somebody outside who notices when nothing is heard of us any more."""

    async def ping(self, deadline: timedelta) -> None:
        """Be heard, once. Raises ProviderError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept about telling, with the revision that a write is compared against."""

    record: Telling
    revision: int
    """Opaque to callers."""


class Desk(Protocol):
    """etcd, as telling uses it."""

    async def telling(self, service: str) -> Kept:
        """What is kept, linearizable; an empty record when nothing is. Raises Transient, and Unreadable for a key that must be mended."""

    async def tell(self, service: str, known: Kept, record: Telling, journal: Sequence[Draft] = ()) -> Kept:
        """Replace it, and journal these, all of it or nothing, only if it is as it was in `known`; answers what is kept now.

        Raises LostOwnership when somebody else was first, Transient when the answer is lost: read again.
        """
