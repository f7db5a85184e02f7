"""What became of webhooks, read when a run is over: once every event of the outboxes is with its merchant, or has had the time to be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import psycopg

from controller.core import naming
from lab.errors import LabError
from lab.fleet import PAYMENTS
from lab.laboratory import Laboratory
from lab.receiver_record import Line
from lab.reconcile_sql import in_one_snapshot
from lab.reconcile_webhooks import OutboxRows, WebhookReconciliation, reconcile_webhooks
from lab.reconcile_webhooks_sql import read_outbox

THROUGH = timedelta(seconds=30)
"""For every event to be accepted. Merchants that failed are tried again after two seconds at most, and nobody pays any more."""
LOOK = 0.3
READ = timedelta(seconds=10)

Outboxes = Mapping[str, OutboxRows | str]
"""By site: what its outbox holds, or why it cannot be read."""


class Ground(Protocol):
    """What is looked back on."""

    def merchants(self) -> frozenset[str]:
        """Accounts that were registered to be told, by the word of whoever registered them."""

    def lines(self) -> tuple[Line, ...]:
        """What has reached the merchants. Raises LabError."""

    async def outboxes(self) -> Outboxes:
        """Every site's."""

    async def owes(self, site: str) -> bool:
        """Must this site hold everything, as the writer or as a follower that counts?"""


async def reconciled_webhooks(
    ground: Ground,
    deadline: timedelta = THROUGH,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> tuple[WebhookReconciliation | None, tuple[str, ...]]:
    """The merchants' record against every outbox that can be read, and what could not be done.

    The load must have ended: then events only become fewer. Looked at again until all is through or the deadline is over; whatever is
    missing then is lost. A site that has not returned yet is then left out, as it is of the ledgers: what it lacks is not lost.
    """
    until, merchants = monotonic() + deadline.total_seconds(), ground.merchants()
    while True:
        try:
            # The record first: an event that arrives in between is then a cursor's claim too early, and gone with the next look.
            lines = ground.lines()
        except LabError as error:
            return None, (str(error),)
        read = await ground.outboxes()
        held = {site: rows for site, rows in read.items() if isinstance(rows, OutboxRows)}
        unread = tuple(rows for rows in read.values() if isinstance(rows, str))
        if held and not unread and (found := reconcile_webhooks(lines, held, merchants=merchants)).is_through:
            return found, ()
        if monotonic() > until:
            if not held:
                return None, unread
            owing = {site: rows for site, rows in held.items() if await ground.owes(site)}
            found = reconcile_webhooks(lines, owing or held, all_through=True, merchants=merchants)
            # Outboxes are compared as ledgers are, whoever counts: of the one site that owes something all are equal.
            return replace(found, digests={site: rows.digest() for site, rows in sorted(held.items())}), unread
        await rest(LOOK)


@dataclass(frozen=True, slots=True)
class LabGround:
    """A running lab, read past services and links."""

    lab: Laboratory

    def merchants(self) -> frozenset[str]:
        """Whom the lab registered when it was founded."""
        return frozenset(one.account for one in self.lab.receiver.endpoints)

    def lines(self) -> tuple[Line, ...]:
        """What has reached the merchants. Raises LabError."""
        return self.lab.receiver.lines()

    async def outboxes(self) -> Outboxes:
        """Every site's."""
        found = await asyncio.gather(*map(self._outbox, self.lab.sites))
        return dict(zip(self.lab.sites, found, strict=True))

    async def owes(self, site: str) -> bool:
        """Does it write, or follow and count?"""
        return not await self.lab.witness.missing(site)

    async def _outbox(self, site: str) -> OutboxRows | str:
        control = self.lab.passwords[PAYMENTS].control
        dsn = self.lab.sites[site].server.dsn(naming.database(PAYMENTS), naming.control_role(PAYMENTS), control)
        try:
            return await in_one_snapshot(dsn, READ, read_outbox)
        except (psycopg.Error, TimeoutError) as error:
            return f"the outbox of {site} cannot be read: {error!r}"
