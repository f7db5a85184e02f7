"""How far each account has been told, as this process knows it beyond what the database holds. Pure."""

from collections.abc import Mapping
from uuid import UUID


class Cursors:
    """Successes that are not yet known to be in the database. What was noted is true for ever: it may be written late, to any writer."""

    def __init__(self) -> None:
        self._noted: dict[UUID, int] = {}

    def note(self, account: UUID, sequence: int) -> None:
        """The endpoint accepted this event, and hence every one before it."""
        self._noted[account] = max(sequence, self._noted.get(account, 0))

    def reached(self, account: UUID, written: int) -> int:
        """Highest sequence that was delivered, given what the database says."""
        return max(written, self._noted.get(account, 0))

    def unwritten(self) -> Mapping[UUID, int]:
        """What is to be written now; a copy."""
        return dict(self._noted)

    def settle(self, written: Mapping[UUID, int]) -> None:
        """This is in the database, durably: forget it, unless the account has come further meanwhile."""
        for account, sequence in written.items():
            if self._noted.get(account) == sequence:
                del self._noted[account]
