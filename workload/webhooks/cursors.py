"""How far each account has been told, as this process knows it beyond what the database holds. Pure."""

from collections.abc import Mapping
from uuid import UUID

from workload.webhooks.model import NOWHERE, Event, Place


class Cursors:
    """Successes that are not yet known to be in the database. What was noted is true for ever: it may be written late, to any writer."""

    def __init__(self) -> None:
        self._noted: dict[UUID, Place] = {}

    def note(self, event: Event) -> None:
        """The endpoint accepted this event, and hence every one before it."""
        self._noted[event.account] = max(event.place, self.noted(event.account))

    def noted(self, account: UUID) -> Place:
        """Place of the last event that was accepted here and is not known to be written. An event whose place is not above it was told."""
        return self._noted.get(account, NOWHERE)

    def unwritten(self) -> Mapping[UUID, Place]:
        """What is to be written now; a copy."""
        return dict(self._noted)

    def settle(self, written: Mapping[UUID, Place]) -> None:
        """This was given to the database, durably: forget it, unless the account has come further meanwhile."""
        for account, place in written.items():
            if self._noted.get(account) == place:
                del self._noted[account]
