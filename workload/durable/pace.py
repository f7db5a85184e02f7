"""Whether a poll should wait inside the database or come straight back. Pure.

Waiting inside saves a round trip per look when followers are far. It costs when they are near: the database sleeps at least a
millisecond between two looks, longer than a near follower takes to confirm.
"""

from dataclasses import dataclass
from datetime import timedelta

INSTANT = timedelta(milliseconds=3)
"""Confirmations that usually take less than this are not worth waiting for inside."""

MEMORY = 8
"""About how many confirmations back `usual` remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long confirmations take at present: an exponential moving average."""

    usual: timedelta = timedelta(0)

    def after(self, took: timedelta) -> "Pace":
        """The pace, one confirmation later."""
        return Pace(usual=self.usual + (took - self.usual) / MEMORY)

    def patience(self, age: timedelta, longest: timedelta) -> timedelta:
        """How long a poll should wait inside for a waiter of this age; `longest` when it takes longer than an instant."""
        return timedelta(0) if self.usual < INSTANT and age < INSTANT else longest
