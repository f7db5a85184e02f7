"""One node as the steps see it: whose it is, how to reach it, and how to run a step's statements on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller.core import naming
from controller.core.model import Epoch, Lsn, Site
from controller.postgres.errors import translated
from controller.postgres.session import Address, Row, Sessions, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long a step may keep its owner waiting before it counts as unanswered."""

    step: timedelta = timedelta(seconds=2)
    """For statements that change something; beyond what the server itself may wait inside."""
    stop: timedelta = timedelta(seconds=1)
    """For ended apply workers to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One site's database of one service."""

    service: str
    site: Site
    sessions: Sessions
    publishers: Mapping[Site, Address]
    """Every other site's database as this site's server dials it, for subscriptions."""
    deadlines: Deadlines = Deadlines()

    async def run(self, step: str, *statements: Statement, wait: timedelta = timedelta()) -> list[list[Row]]:
        """Run statements in one round trip; `wait` is what the server itself may take on top. Raises TrimaranError."""
        with translated(self.site, step):
            async with self.sessions.lease() as session:
                return await session.run(*statements, deadline=self.deadlines.step + wait)

    def slot_for(self, epoch: Epoch, follower: Site) -> str:
        """This node's slot for a follower."""
        return naming.stream(self.service, epoch, self.site, follower)

    def stream_from(self, epoch: Epoch, publisher: Site) -> str:
        """This node's subscription to a publisher."""
        return naming.stream(self.service, epoch, publisher, self.site)

    def follower_of(self, epoch: Epoch, slot: str) -> Site:
        """Follower a slot of this node belongs to."""
        return Site(slot.removeprefix(naming.stream(self.service, epoch, self.site, Site(""))))


def lsn_text(lsn: Lsn) -> str:
    """A position the way PostgreSQL reads it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_value(text: str | None) -> Lsn:
    """A position the way PostgreSQL writes it; None, no position, is 0."""
    if text is None:
        return Lsn(0)
    high, low = text.split("/")
    return Lsn((int(high, 16) << 32) | int(low, 16))


BEGIN: Statement = ("BEGIN", ())
COMMIT: Statement = ("COMMIT", ())


def alone(text: str, *parameters: object) -> tuple[Statement, Statement, Statement]:
    """One statement in its own transaction: whatever follows in the same round trip sees it committed.

    A pipeline without COMMIT is one implicit transaction. A cut that disabled and waited inside one would wait for a worker
    that has not been told to stop.
    """
    return BEGIN, (text, parameters), COMMIT
